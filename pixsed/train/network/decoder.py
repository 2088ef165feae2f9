"""Photometry of posterior draws, for the chi^2 of a posterior.

In each band, the logarithm of the relative flux of a population is a sum of a few curves over
redshift. A small network computes their coefficients from the parameters of the population. The
curves are tables, because emission lines and the Lyman break enter narrow bands abruptly as the
redshift changes.
"""

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.train.minimise import minimise
from pixsed.train.network import physics
from pixsed.train.network.base_decoder import BaseDecoder, relative_error

#: Smallest flux that matters, as a fraction of the sum over the bands.
FLOOR = 1e-4
#: Simulations and steps of the fit; cells of redshift per step and rows per cell.
ROWS, STEPS, CELLS, ROWS_PER_CELL = 1_000_000, 15_000, 64, 24
#: Largest number of simulations held out.
_HELD_OUT = 20_000
#: Residual at which the loss changes from quadratic to linear.
_KNEE = 0.03


class Decoder(BaseDecoder):
    """Relative fluxes of populations, independent of mass and distance.

    Parameters
    ----------
    names : sequence of str
        Columns of the parameters, `pixsed.train.network.spaces.Space.OUTPUTS`.
    bands : int
        Number of bands, B.
    hidden, extra, nodes : int, optional
        Width of the network, number of curves in addition to those of its inputs, and number of
        nodes of the tables.
    z_max : float, optional
        Redshift of the last node.
    error : sequence of float, optional
        Root-mean-square relative error of each band on held-out simulations.
    """

    def __init__(self, names, bands, *, hidden=96, extra=10, nodes=301, z_max=7.5, error=()):
        super().__init__(bands, error)
        self.names, self.nodes, self.z_max, self.extra = tuple(names), nodes, z_max, extra
        size = self.inputs(torch.ones(1, len(self.names))).shape[-1]
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("width", torch.ones(size))
        self.first, self.second = nn.Linear(size, hidden), nn.Linear(hidden, hidden)
        self.third, self.last = nn.Linear(hidden, hidden), nn.Linear(hidden, size + extra)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)
        self.curves = nn.Parameter(torch.zeros(nodes, (size + extra + 1) * bands))

    def describe(self):
        """Return the constructor arguments of a decoder of the same sizes."""
        return {
            "names": list(self.names),
            "bands": self.bands,
            "hidden": self.first.out_features,
            "extra": self.extra,
            "nodes": self.nodes,
            "z_max": self.z_max,
            "error": self.error,
        }

    def inputs(self, parameters):
        """Return the inputs (..., I) of the network for parameters (..., P), without the mass."""
        c = {name: parameters[..., i] for i, name in enumerate(self.names)}
        z = c["REDSHIFT"]
        at_z = physics.age(z)
        found = [torch.log(1.0 + z), at_z, c["METAL"], c["AV"], c["LOGSFR"] - c["LOGMFORM"]]
        if "TAU" in c:
            span = torch.clamp(at_z - c["TSTART"], min=1e-6)
            lengths = torch.clamp(span / c["TAU"], 1e-3, 300.0)
            found += [torch.log(c["TAU"]), torch.log(span), torch.log(lengths), span / at_z]
        else:
            fraction = c["AGE"] / at_z
            found += [torch.log(fraction), fraction, c["T25"], c["T50"], c["T75"]]
        return torch.stack(found, dim=-1)

    def coefficients(self, x):
        """Return the coefficients (..., C) of the curves for inputs (..., I)."""
        x = (x - self.centre) / self.width
        h = silu(self.first(x))
        h = h + silu(self.second(h))
        h = h + silu(self.third(h))
        out = self.last(h)
        size = x.shape[-1]
        # Linear in the inputs at the start; the last curve is a constant term.
        return torch.cat([x + out[..., :size], out[..., size:], torch.ones_like(x[..., :1])], -1)

    def cell(self, z):
        """Return the node below redshifts, int64, and the distance from it, 0 to 1."""
        top = math.log1p(self.z_max)
        place = torch.log(1.0 + torch.clamp(z, 0.0, self.z_max)) * ((self.nodes - 1) / top)
        node = torch.clamp(torch.floor(place), max=self.nodes - 2.0)
        return node.to(torch.int64), place - node

    def forward(self, parameters):
        """Return the relative fluxes (..., B) of parameters (..., P); their sum is about 1."""
        z = parameters[..., self.names.index("REDSHIFT")]
        node, past = (t.reshape(-1, 1) for t in self.cell(z))
        weight = self.coefficients(self.inputs(parameters))
        weight = weight.reshape(-1, 1, weight.shape[-1])
        before, after = (self.curves[(node + i).squeeze(1)] for i in (0, 1))
        curves = (before + past * (after - before)).reshape(-1, weight.shape[-1], self.bands)
        light = torch.exp(torch.matmul(weight, curves).squeeze(1))
        light = torch.clamp(light * (1.0 + self.bands * FLOOR) - FLOOR, min=0.0)
        return light.reshape(*z.shape, self.bands)


def fit(simulations, space, *, seed=42, rows=ROWS, steps=STEPS, stage=None, **sizes):
    """Train a decoder on noiseless simulations.

    Parameters
    ----------
    simulations : `~pixsed.simulate.table.Simulations`
    space : class of `~pixsed.train.network.spaces.Space`
        Space of their prior.
    seed : int, optional
    rows, steps : int, optional
        Number of simulations, of which a fiftieth is held out, and number of steps.
    stage : `~pixsed.train.stage.Stage`, optional
        Clock that may end it earlier.
    **sizes
        Arguments of `Decoder`.

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
    cell, past = decoder.cell(parameters[:, space.OUTPUTS.index("REDSHIFT")])
    held = min(len(chosen) // 50, _HELD_OUT)
    order = held + np.argsort(cell.numpy()[held:], kind="stable")
    edges = np.searchsorted(cell.numpy()[order], np.arange(decoder.nodes))
    _start_linear(decoder, ((x - decoder.centre) / decoder.width).numpy(), target, order, edges)
    count = np.diff(edges)
    usable = np.flatnonzero(count)
    curves = (decoder.nodes, -1, decoder.bands)
    target = torch.from_numpy(target)

    def loss():
        # Rows of one cell have two nodes in common, so matrix products replace table look-ups.
        cells = rng.choice(usable, CELLS)
        within = (rng.random((CELLS, ROWS_PER_CELL)) * count[cells][:, None]).astype(int)
        pick = torch.from_numpy(order[edges[cells][:, None] + within])
        cells = torch.from_numpy(cells)
        weight, fraction = decoder.coefficients(x[pick]), past[pick].unsqueeze(2)
        table = decoder.curves.reshape(curves)
        found = torch.bmm(weight * (1.0 - fraction), table[cells])
        found = found + torch.bmm(weight * fraction, table[cells + 1])
        off = found - target[pick]
        # A compromise between the mean and the mean square of the error, so that rare
        # populations with large errors do not dominate.
        return torch.sqrt(_KNEE**2 + off * off).mean()

    steps = min(steps, max(200, len(chosen) // 20))
    minimise(decoder.parameters(), loss, steps, 3e-3, warm=100, stage=stage)
    with torch.no_grad():
        parts = [decoder(part) for part in parameters[:held].split(2000)]
    decoder.error = relative_error(torch.cat(parts).numpy(), light[:held])
    return {"sizes": decoder.describe(), "state": copy.deepcopy(decoder.state_dict())}


def _start_linear(decoder, x, target, order, edges):
    """Set the curves by linear regression in the two cells next to each node."""
    size, bands = x.shape[1], target.shape[1]
    curves = np.zeros((decoder.nodes, size + decoder.extra + 1, bands), dtype=np.float32)
    ridge = np.diag([1.0] * size + [1e-6])
    ends = np.append(edges, len(order))
    rng = np.random.default_rng(7)
    curves[:, size:-1] = 0.1 * rng.standard_normal((decoder.extra, bands))
    for node in range(decoder.nodes):
        low, high = ends[max(node - 1, 0)], ends[min(node + 1, decoder.nodes - 1)]
        rows = order[low:high][:4000]
        if len(rows) < 20:  # too few rows in these cells: use all rows
            rows = order[:: max(1, len(order) // 4000)]
        known = np.column_stack([x[rows], np.ones(len(rows))]).astype(float)
        power = known.T @ known + 1e-3 * len(rows) * ridge
        slopes = np.linalg.solve(power, known.T @ target[rows].astype(float))
        curves[node, :size], curves[node, -1] = slopes[:-1], slopes[-1]
    with torch.no_grad():
        decoder.curves.copy_(torch.from_numpy(curves.reshape(decoder.nodes, -1)))
