"""From draws to the photometry that they stand for: what the chi^2 of a posterior is made of.

The fluxes of a population, one over another, are the exponential of a sum of a few curves of
redshift, a band each, whose coefficients a small network makes of the population. The curves
are tables, since narrow bands meet emission lines and the Lyman break at sharp redshifts.
"""

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.train.descent import descend
from pixsed.train.network import physics

#: Draws of a pixel that are decoded.
DRAWS = 32
#: Fluxes are told apart down to this share of their sum over the bands.
FLOOR = 1e-4
#: Simulations, steps, and their cells of redshift and rows a cell; minutes on one core.
ROWS, STEPS, CELLS, DEEP = 1_000_000, 15_000, 64, 24
_HELD = 20_000
#: Where the loss turns from the square of an error to its size.
_KNEE = 0.03
#: The error of a band is taken over populations that have this share of their brightest there.
_SEEN = 1e-2


class Decoder(nn.Module):
    """Shape of the photometry of populations, whatever their mass and distance.

    Parameters
    ----------
    names : sequence of str
        The columns of the parameters, `pixsed.train.network.spaces.Space.OUTPUTS`.
    bands : int
    hidden, extra, nodes : int, optional
        Width of the network; curves besides those of its inputs; nodes of the tables.
    z_max : float, optional
        Redshift of the last node.
    error : sequence of float, optional
        Root-mean-square relative error of each band, on simulations not trained on.
    """

    def __init__(self, names, bands, *, hidden=96, extra=10, nodes=301, z_max=7.5, error=()):
        super().__init__()
        self.names, self.bands, self.nodes, self.z_max = tuple(names), bands, nodes, z_max
        self.extra, self.error = extra, list(error)
        size = self.inputs(torch.ones(1, len(self.names))).shape[-1]
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("width", torch.ones(size))
        self.first, self.second = nn.Linear(size, hidden), nn.Linear(hidden, hidden)
        self.third, self.last = nn.Linear(hidden, hidden), nn.Linear(hidden, size + extra)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.curves = nn.Parameter(torch.zeros(nodes, (size + extra + 1) * bands))

    def describe(self):
        """Return the arguments that make a decoder of the same sizes."""
        return {
            "names": list(self.names),
            "bands": self.bands,
            "hidden": self.first.out_features,
            "extra": self.extra,
            "nodes": self.nodes,
            "z_max": self.z_max,
            "error": self.error,
        }

    @classmethod
    def from_checkpoint(cls, saved):
        """Return the decoder that `fit` made, as a checkpoint has it."""
        decoder = cls(**saved["sizes"])
        decoder.load_state_dict(saved["state"])
        return decoder.eval()

    def inputs(self, parameters):
        """Return (..., I) of parameters (..., P): what shapes the light, mass divided out."""
        c = {name: parameters[..., i] for i, name in enumerate(self.names)}
        z = c["REDSHIFT"]
        at_z = physics.age(z)
        found = [torch.log(1.0 + z), at_z, c["METAL"], c["AV"], c["LOGSFR"] - c["LOGMFORM"]]
        if "TAU" in c:
            span = torch.clamp(at_z - c["TSTART"], min=1e-6)
            lengths = torch.clamp(span / c["TAU"], 1e-3, 300.0)
            found += [torch.log(c["TAU"]), torch.log(span), torch.log(lengths), span / at_z]
        else:
            share = c["AGE"] / at_z
            found += [torch.log(share), share, c["T25"], c["T50"], c["T75"]]
        return torch.stack(found, dim=-1)

    def coefficients(self, x):
        """Return coefficients (..., C) of the curves, for inputs (..., I)."""
        x = (x - self.centre) / self.width
        h = silu(self.first(x))
        h = h + silu(self.second(h))
        h = h + silu(self.third(h))
        out = self.last(h)
        size = x.shape[-1]
        # Linear in the inputs to begin with; the last curve is there for all.
        return torch.cat([x + out[..., :size], out[..., size:], torch.ones_like(x[..., :1])], -1)

    def place(self, z):
        """Return the node before redshifts, int64, and how far past it, 0 to 1."""
        top = math.log1p(self.z_max)
        place = torch.log(1.0 + torch.clamp(z, 0.0, self.z_max)) * ((self.nodes - 1) / top)
        node = torch.clamp(torch.floor(place), max=self.nodes - 2.0)
        return node.to(torch.int64), place - node

    def forward(self, parameters):
        """Return the fluxes (..., B) of populations, parameters (..., P), over their sum."""
        z = parameters[..., self.names.index("REDSHIFT")]
        node, past = (t.reshape(-1, 1) for t in self.place(z))
        weight = self.coefficients(self.inputs(parameters))
        weight = weight.reshape(-1, 1, weight.shape[-1])
        before, after = (self.curves[(node + i).squeeze(1)] for i in (0, 1))
        curves = (before + past * (after - before)).reshape(-1, weight.shape[-1], self.bands)
        light = torch.exp(torch.matmul(weight, curves).squeeze(1))
        light = torch.clamp(light * (1.0 + self.bands * FLOOR) - FLOOR, min=0.0)
        return light.reshape(*z.shape, self.bands)

    def best(self, parameters, flux, flux_err):
        """Return the photometry of the draw that explains a pixel's best, its mass left free.

        Of the first `DRAWS`, or of all if they are fewer. The error of the decoder itself
        is added to that of the fluxes, in quadrature.

        Parameters
        ----------
        parameters : tensor, shape (N, S, P)
        flux, flux_err : tensor, shape (N, B)
            nJy; NaN = band missing.

        Returns
        -------
        tensor, shape (N, B)
            nJy, of every band.
        """
        chosen = torch.minimum(torch.arange(DRAWS), torch.full((DRAWS,), parameters.shape[1] - 1))
        light = self(parameters.index_select(1, chosen))
        good = (flux == flux) & (flux_err == flux_err) & (flux_err > 0)
        flux = torch.where(good, flux, torch.zeros_like(flux))
        own = flux * torch.tensor(self.error or [0.0], dtype=flux.dtype)
        err2 = torch.where(good, flux_err * flux_err, torch.ones_like(flux)) + own * own
        weight = torch.where(good, 1.0 / err2, torch.zeros_like(flux))
        power = torch.matmul(light * light, weight.unsqueeze(2)).squeeze(2)
        cross = torch.matmul(light, (weight * flux).unsqueeze(2)).squeeze(2)
        scale = torch.clamp(cross, min=0.0) / torch.clamp(power, min=1e-30)
        index = torch.argmax(scale * (2.0 * cross - scale * power), dim=1, keepdim=True)
        shape = torch.gather(light, 1, index.unsqueeze(2).expand(-1, -1, self.bands)).squeeze(1)
        return shape * torch.gather(scale, 1, index)


def fit(simulations, space, *, seed=42, rows=ROWS, steps=STEPS, **sizes):
    """Train a decoder on noiseless simulations.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    space : class of `~pixsed.train.network.spaces.Space`
        Of their prior.
    seed, rows, steps : int, optional
        The first fiftieth of the rows, shuffled, is held out.
    **sizes
        Of `Decoder`.

    Returns
    -------
    dict
        Sizes and state, for a checkpoint.
    """
    rng = np.random.default_rng([seed, 91])
    torch.manual_seed(seed)
    chosen = rng.permutation(len(simulations))[:rows]
    columns = [simulations.columns[name][chosen] for name in space.OUTPUTS]
    parameters = torch.from_numpy(np.stack(columns, axis=1).astype(np.float32))
    light = simulations.flux[chosen]
    light = light / light.sum(axis=1, keepdims=True)
    target = np.log((light + FLOOR) / (1.0 + light.shape[1] * FLOOR))
    sizes = {"nodes": int(np.clip(len(chosen) // 500, 6, 301))} | sizes
    decoder = Decoder(space.OUTPUTS, light.shape[1], **sizes)
    x = decoder.inputs(parameters)
    decoder.centre.copy_(x.mean(dim=0))
    decoder.width.copy_(x.std(dim=0).clamp(min=1e-6))
    cell, past = decoder.place(parameters[:, space.OUTPUTS.index("REDSHIFT")])
    held = min(len(chosen) // 50, _HELD)
    order = held + np.argsort(cell.numpy()[held:], kind="stable")
    edges = np.searchsorted(cell.numpy()[order], np.arange(decoder.nodes))
    _start_linear(decoder, ((x - decoder.centre) / decoder.width).numpy(), target, order, edges)
    count = np.diff(edges)
    usable = np.flatnonzero(count)
    curves = (decoder.nodes, -1, decoder.bands)
    target = torch.from_numpy(target)

    def miss():
        # Rows of one cell share two nodes: products of matrices, in place of many look-ups.
        cells = rng.choice(usable, CELLS)
        within = (rng.random((CELLS, DEEP)) * count[cells][:, None]).astype(int)
        pick = torch.from_numpy(order[edges[cells][:, None] + within])
        cells = torch.from_numpy(cells)
        weight, share = decoder.coefficients(x[pick]), past[pick].unsqueeze(2)
        table = decoder.curves.reshape(curves)
        found = torch.bmm(weight * (1.0 - share), table[cells])
        found = found + torch.bmm(weight * share, table[cells + 1])
        off = found - target[pick]
        # Between their mean and their square: rare populations far off must count, and not rule.
        return torch.sqrt(_KNEE**2 + off * off).mean()

    steps = min(steps, max(200, len(chosen) // 20))
    descend(decoder.parameters(), miss, steps, 3e-3, warm=100)
    with torch.no_grad():
        parts = [decoder(part) for part in parameters[:held].split(2000)]
    found, true = torch.cat(parts).numpy(), light[:held]
    seen = true > _SEEN * true.max(axis=1, keepdims=True)
    off = np.where(seen, found / np.where(seen, true, 1.0) - 1.0, 0.0)
    square = (off * off).sum(axis=0) / np.maximum(seen.sum(axis=0), 1)
    decoder.error = [round(float(e), 5) for e in np.sqrt(square)]
    return {"sizes": decoder.describe(), "state": copy.deepcopy(decoder.state_dict())}


def _start_linear(decoder, x, target, order, edges):
    """Set the curves by linear regression in the cells on either side of each node."""
    size, bands = x.shape[1], target.shape[1]
    curves = np.zeros((decoder.nodes, size + decoder.extra + 1, bands), dtype=np.float32)
    ridge = np.diag([1.0] * size + [1e-6])
    ends = np.append(edges, len(order))
    rng = np.random.default_rng(7)
    curves[:, size:-1] = 0.1 * rng.standard_normal((decoder.extra, bands))
    for node in range(decoder.nodes):
        low, high = ends[max(node - 1, 0)], ends[min(node + 1, decoder.nodes - 1)]
        rows = order[low:high][:4000]
        if len(rows) < 20:  # too few there: of them all
            rows = order[:: max(1, len(order) // 4000)]
        known = np.column_stack([x[rows], np.ones(len(rows))]).astype(float)
        power = known.T @ known + 1e-3 * len(rows) * ridge
        slopes = np.linalg.solve(power, known.T @ target[rows].astype(float))
        curves[node, :size], curves[node, -1] = slopes[:-1], slopes[-1]
    with torch.no_grad():
        decoder.curves.copy_(torch.from_numpy(curves.reshape(decoder.nodes, -1)))
