"""Marginal quantiles without draws, from a small network that follows the trained encoder."""

import copy
import math

import numpy as np
import torch
from torch import nn
from torch.nn.functional import silu

from pixsed.fit.derived import derive
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.priors.base import COMMON
from pixsed.sps.sfh import LOG_SSFR_FLOOR, SFR_TIME
from pixsed.train.batches import Observer
from pixsed.train.loss import pinball
from pixsed.train.minimise import minimise
from pixsed.train.network import physics
from pixsed.train.network.features import Features
from pixsed.train.network.space import MASSES

#: Quantiles of every property that the network predicts.
LEVELS = (0.025, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.975)
#: Number of observations in the fit, and per step; minutes on one core.
ROWS, BATCH = 3_000_000, 2048
_RATE = 2e-3
#: Largest deviation of a redshift in units of its error.
_REACH = 5.2
#: Properties bounded by the age of the Universe, and those proportional to the brightness.
_TIMES = ("TSTART", "AGE", "T50LB")
_MASSES = (*MASSES, "LOGSIGMA")
# log10 of the area of a square arcsecond, kpc^2, at a luminosity distance of 1 Mpc and z = 0;
# and log10 of the typical specific SFR at which the network starts.
_ARCSEC2 = 2.0 * math.log10(1000.0 * math.pi / 180.0 / 3600.0)
_TYPICAL_SSFR = -9.5


def properties(space):
    """Return the properties that the network predicts, which are the maps of `pixsed fit`.

    LOGSIGMA is given for a pixel of one square arcsecond.
    """
    derived = [name for name in ("AGE", "T50LB") if name not in space.OUTPUTS]
    return [*space.OUTPUTS, *derived, "LOGSIGMA"]


def truths(simulations, names):
    """Return the true properties of simulations, shape (N, P), float64."""
    columns = {
        name: np.asarray(simulations.columns[name], dtype=float)[:, None]
        for name in simulations.columns
    }
    found = derive(columns, simulations.prior, columns["REDSHIFT"], 1.0)
    return np.concatenate([found[n] if n in found else columns[n] for n in names], axis=1)


class Marginals(nn.Module):
    """Quantiles of the marginal posteriors, from the unchanged encoder of a trained network.

    Properties are bounded by their prior: they are logistic functions of unbounded numbers. The
    median and positive steps from it give the quantiles, which cannot cross. A redshift is the
    observed one plus a multiple of its error, unless the network infers it.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        Trained network; copied, in float32.
    hidden : int, optional
        Width of the hidden layers.
    """

    def __init__(self, network, hidden=192):
        super().__init__()
        self.network = copy.deepcopy(network).float().eval().requires_grad_(False)
        self.names = properties(network.space)
        encoder, count = self.network.encoder, len(self.names) * len(LEVELS)
        size = encoder.trunk.norm.normalized_shape[0] + Features.SUMMARY
        self.first, self.second = nn.Linear(size, hidden), nn.Linear(hidden, hidden)
        self.last, self.skip = nn.Linear(hidden, count), nn.Linear(size, count, bias=False)
        for part in (self.last.weight, self.skip.weight):
            nn.init.zeros_(part)
        with torch.no_grad():
            steps = torch.full((len(self.names), len(LEVELS)), -1.5)
            steps[:, len(LEVELS) // 2] = 0.0
            self.last.bias.copy_(steps.flatten())
        fixed = {
            "LOGMSTAR": (COMMON[0].low - 1.0, COMMON[0].high),
            "LOGSFR": (COMMON[0].low + LOG_SSFR_FLOOR, COMMON[0].high - math.log10(SFR_TIME * 1e9)),
            "LOGSFR10": (COMMON[0].low + LOG_SSFR_FLOOR, COMMON[0].high - 7.0),
            "LOGSIGMA": (0.0, 16.0),
            "REDSHIFT": (0.0, network.z_max),
        } | {
            c.name: (c.low, c.high)
            for c in PRIORS[network.space.PRIOR].COORDINATES
            if hasattr(c, "low")
        }
        bounds = [fixed.get(name, (0.0, 1.0)) for name in self.names]
        low, high = torch.tensor(bounds, dtype=torch.float32).T
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("span", high - low, persistent=False)

    def described(self):
        """Return the levels and properties, for the metadata of a model."""
        return {"levels": list(LEVELS), "properties": self.names}

    def own_state(self):
        """Return the state without the weights of the copied network, for a checkpoint."""
        return {key: v for key, v in self.state_dict().items() if not key.startswith("network.")}

    def encode(self, flux, flux_err, z, z_err):
        """Return the inputs (N, I) for pixels, and the starting values (N, P) of their numbers."""
        encoder = self.network.encoder
        flux_err = self.network.floor_errors(flux, flux_err)
        h, bright, features = encoder.hidden(flux, flux_err, *self.network.input_redshift(z, z_err))
        log_mass = self.network.typical_mass(bright, z, z_err).squeeze(1)
        observed, z = z, self.network.typical_redshift(z, z_err)
        sigma = log_mass - 2.0 * encoder.features.distance(z) + 4.0 * torch.log10(1.0 + z)
        starts = {
            "LOGMSTAR": log_mass,
            "LOGMFORM": log_mass,
            "LOGSFR": log_mass + _TYPICAL_SSFR,
            "LOGSFR10": log_mass + _TYPICAL_SSFR,
            "LOGSIGMA": sigma - _ARCSEC2,
        }
        # Times start at half the age of the Universe, independent of their bound.
        half = 0.5 * physics.age(z) / self._max_age(observed, z_err)
        columns = []
        for i, name in enumerate(self.names):
            u = log_mass * 0.0 + 0.5
            if name in _MASSES:
                u = (starts[name] - self.low[i]) / self.span[i]
            elif name in _TIMES:
                u = half
            u = torch.clamp(u, 0.01, 0.99)
            columns.append(torch.log(u) - torch.log(1.0 - u))
        return torch.cat([h, features[:, -Features.SUMMARY :]], dim=1), torch.stack(columns, dim=1)

    def numbers(self, inputs, start):
        """Return unbounded quantiles (N, P, L), given the result of `encode`."""
        h = silu(self.first(inputs))
        raw = self.last(h + silu(self.second(h))) + self.skip(inputs)
        raw = raw.reshape(-1, len(self.names), len(LEVELS))
        middle = len(LEVELS) // 2
        steps = torch.exp(torch.clamp(raw, -8.0, 3.0))
        quantiles = [raw[:, :, middle] + start]
        for i in range(middle + 1, len(LEVELS)):
            quantiles.append(quantiles[-1] + steps[:, :, i])
        for i in range(middle - 1, -1, -1):
            quantiles.insert(0, quantiles[0] - steps[:, :, i])
        return torch.stack(quantiles, dim=2)

    def _max_age(self, z, z_err):
        """Return the age of the Universe at the smallest possible redshift, Gyr, (N,)."""
        least = torch.clamp(z - _REACH * z_err, min=0.0)
        return physics.age(least * 0.0 if self.network.infer_redshift else least)

    def from_numbers(self, numbers, z, z_err):
        """Return physical properties (N, P, L) for unbounded numbers of that shape."""
        u = self.low[:, None] + self.span[:, None] * torch.sigmoid(numbers)
        top = self._max_age(z, z_err)[:, None]
        columns = []
        for i, name in enumerate(self.names):
            value = u[:, i]
            if name == "TAU":
                value = torch.exp(math.log(10.0) * value)
            elif name in _TIMES:
                value = value * top
            elif name == "REDSHIFT" and not self.network.infer_redshift:
                off = torch.clamp(numbers[:, i], -_REACH, _REACH)
                value = torch.clamp(z[:, None] + z_err[:, None] * off, 0.0, self.network.z_max)
            columns.append(value)
        return torch.stack(columns, dim=1)

    def to_numbers(self, values, z, z_err):
        """Return unbounded numbers for properties (N, P), the inverse of `from_numbers`."""
        top = self._max_age(z, z_err)
        columns = []
        for i, name in enumerate(self.names):
            value = values[:, i]
            if name == "TAU":
                value = torch.log10(value)
            elif name in _TIMES:
                value = value / top
            u = torch.clamp((value - self.low[i]) / self.span[i], 1e-6, 1.0 - 1e-6)
            number = torch.log(u) - torch.log(1.0 - u)
            if name == "REDSHIFT" and not self.network.infer_redshift:
                number = (value - z) / torch.clamp(z_err, min=1e-6)  # meaningless if exact
            columns.append(number)
        return torch.stack(columns, dim=1)

    def forward(self, flux, flux_err, z, z_err):
        """Return quantiles (N, P, L) for photometry, in physical units."""
        return self.from_numbers(self.numbers(*self.encode(flux, flux_err, z, z_err)), z, z_err)


def fit_quantiles(network, simulations, noise, *, seed=42, rows=ROWS, report=None, stage=None):
    """Fit `Marginals` to simulations with new bands, errors and noise in each pass.

    The loss is the pinball loss of each property divided by its predicted width, which gives
    narrow and wide posteriors the same weight. A weight that depends only on the data does not
    bias the quantiles.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        Trained network.
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
        Half of the rows are observed with it, half with its nominal version, see `Observer`.
    seed, rows : int, optional
    report : callable, optional
        Called with (step, steps, mean loss) every hundred steps.
    stage : `~pixsed.train.stage.Stage`, optional
        Clock that may end it earlier.

    Returns
    -------
    dict
        State and description, for a checkpoint.
    """
    rng = np.random.default_rng([seed, 78])
    torch.manual_seed(seed)
    head = Marginals(network)
    observer = Observer(simulations, noise, np.arange(len(simulations)), network.infer_redshift)
    observer.targets = truths(simulations, head.names).astype(np.float32)
    rows = min(rows, 20 * len(simulations))  # fewer steps for few simulations
    steps = max(1, rows // BATCH)
    trained = [p for p in head.parameters() if p.requires_grad]
    level = torch.tensor(LEVELS)
    order, losses = np.empty(0, dtype=int), []
    inner = [LEVELS.index(0.16), LEVELS.index(0.84)]
    # An exact redshift has no posterior.
    redshift = torch.tensor([float(name == "REDSHIFT") for name in head.names])

    def loss():
        nonlocal order
        if len(order) < BATCH:
            order = np.concatenate([order, rng.permutation(len(simulations))])
        seen = observer.batch(order[:BATCH], rng)
        order = order[BATCH:]
        z, z_err = seen["z"], seen["z_err"]
        with torch.no_grad():
            inputs = head.encode(seen["flux"], seen["flux_err"], z, z_err)
            truth = head.to_numbers(seen["targets"], z, z_err)
        found = head.numbers(*inputs)
        width = (found[:, :, inner[1]] - found[:, :, inner[0]]).detach()
        weight = 1.0 / (width + 1e-3)
        if not network.infer_redshift:
            weight = weight * (1.0 - redshift * (z_err == 0).float()[:, None])
        value = (weight * pinball(found, truth, level).mean(dim=2)).mean()
        losses.append(float(value.detach()))
        if report and len(losses) % 100 == 0:
            report(len(losses), steps, float(np.mean(losses[-100:])))
        return value

    minimise(trained, loss, steps, _RATE, clip=5.0, stage=stage)
    return {
        "state": head.own_state(),
        "rows": len(losses) * BATCH,
        "seed": seed,
        **head.described(),
    }


def load_marginals(checkpoint, network):
    """Return the `Marginals` of a checkpoint, or None if it has none.

    Parameters
    ----------
    checkpoint : dict
    network : `~pixsed.train.network.flow.PixelFlow`
        The network of the checkpoint.
    """
    saved = checkpoint.get("quantiles")
    if saved is None:
        return None
    head = Marginals(network, saved["state"]["first.bias"].shape[0])
    head.load_state_dict(saved["state"], strict=False)
    if not network.direct:  # like the matrices of the network, see `PixelFlow.refine`
        for part in head.parameters():
            if part.requires_grad and part.ndim == 2:
                part.data = part.data.half().float()
    return head.eval()
