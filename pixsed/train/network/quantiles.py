"""Marginal quantiles in one pass: a small network behind the trained encoder, without draws."""

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
from pixsed.train.descent import descend, pinball
from pixsed.train.network import physics
from pixsed.train.network.features import Features

#: Levels that the network gives.
LEVELS = (0.025, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.975)
#: Simulations observed in its training, each once, and rows of a step; minutes on one core.
ROWS, BATCH = 3_000_000, 2048
_RATE = 2e-3
#: A redshift lies within so many of its errors.
_REACH = 5.2
#: Properties bounded by the age of the Universe; and those that follow the brightness.
_TIMES = ("TSTART", "AGE", "T50LB")
_MASSES = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSIGMA")
# kpc^2 of a square arcsecond at 1 Mpc (luminosity) and z = 0, log10; and log10 of a typical
# specific SFR, where the network starts from.
_ARCSEC2 = 2.0 * math.log10(1000.0 * math.pi / 180.0 / 3600.0)
_TYPICAL_SSFR = -9.5


def properties(space):
    """Return the properties that the network gives, those that `pixsed fit` maps.

    LOGSIGMA is of a pixel of one square arcsecond.
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
    """Quantiles of each property's posterior, from a trained network's encoder, kept as it is.

    Each property is bounded by its prior: its quantiles are logistic in numbers on the whole
    line, the median and steps from it, so that they cannot cross. A redshift is the one observed
    and a number of its errors, unless the network infers it.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        Trained; copied, in float32.
    hidden : int, optional
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
            "LOGSIGMA": (0.0, 16.0),
            "REDSHIFT": (0.0, network.z_max),
        } | {
            c.name: (c.low, c.high)
            for c in PRIORS[network.space.PRIOR].COORDINATES
            if c.name in (*(one.name for one in COMMON), "TAU")
        }
        bounds = [fixed.get(name, (0.0, 1.0)) for name in self.names]
        low, high = torch.tensor(bounds, dtype=torch.float32).T
        self.register_buffer("low", low, persistent=False)
        self.register_buffer("span", high - low, persistent=False)

    def described(self):
        """Return what a model's metadata say."""
        return {"levels": list(LEVELS), "properties": self.names}

    def own_state(self):
        """Return the state of what is trained here, for a checkpoint."""
        return {key: v for key, v in self.state_dict().items() if not key.startswith("network.")}

    def encode(self, flux, flux_err, z, z_err):
        """Return what the network sees of pixels, (N, I), and where its masses start, (N, P)."""
        encoder = self.network.encoder
        flux_err = self.network.floored(flux, flux_err)
        h, bright, features = encoder.hidden(flux, flux_err, *self.network.given(z, z_err))
        log_mass = self.network.typical_mass(bright, z, z_err).squeeze(1)
        given, z = z, self.network.typical_redshift(z, z_err)
        sigma = log_mass - 2.0 * encoder.features.distance(z) + 4.0 * torch.log10(1.0 + z)
        starts = {
            "LOGMSTAR": log_mass,
            "LOGMFORM": log_mass,
            "LOGSFR": log_mass + _TYPICAL_SSFR,
            "LOGSIGMA": sigma - _ARCSEC2,
        }
        # Times from half of the age of the Universe on, whatever the bound.
        half = 0.5 * physics.age(z) / self._top(given, z_err)
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

    def numbers(self, seen, start):
        """Return quantiles on the whole line, (N, P, L), of what `encode` returned."""
        h = silu(self.first(seen))
        raw = self.last(h + silu(self.second(h))) + self.skip(seen)
        raw = raw.reshape(-1, len(self.names), len(LEVELS))
        middle = len(LEVELS) // 2
        steps = torch.exp(torch.clamp(raw, -8.0, 3.0))
        rising = [raw[:, :, middle] + start]
        for i in range(middle + 1, len(LEVELS)):
            rising.append(rising[-1] + steps[:, :, i])
        for i in range(middle - 1, -1, -1):
            rising.insert(0, rising[0] - steps[:, :, i])
        return torch.stack(rising, dim=2)

    def _top(self, z, z_err):
        """Age of the Universe at the least redshift there may be, Gyr, (N,)."""
        least = torch.clamp(z - _REACH * z_err, min=0.0)
        return physics.age(least * 0.0 if self.network.infer_redshift else least)

    def from_numbers(self, numbers, z, z_err):
        """Return physical properties (N, P, L) of numbers on the whole line."""
        u = self.low[:, None] + self.span[:, None] * torch.sigmoid(numbers)
        top = self._top(z, z_err)[:, None]
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
        """Return properties (N, P) as numbers on the whole line; undoes `from_numbers`."""
        top = self._top(z, z_err)
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
                number = (value - z) / torch.clamp(z_err, min=1e-6)  # of no meaning where exact
            columns.append(number)
        return torch.stack(columns, dim=1)

    def forward(self, flux, flux_err, z, z_err):
        """Return quantiles (N, P, L) of photometry, in physical units."""
        return self.from_numbers(self.numbers(*self.encode(flux, flux_err, z, z_err)), z, z_err)


def fit_quantiles(network, simulations, noise, *, seed=42, rows=ROWS, report=None):
    """Train `Marginals` on simulations seen through fresh bands, errors and noise.

    Pinball loss of each property over its own width as predicted, so that narrow posteriors
    count as much as wide ones; a weight that depends on the data alone moves no quantile.

    Parameters
    ----------
    network : `~pixsed.train.network.flow.PixelFlow`
        Trained.
    simulations : `~pixsed.simulate.table.Simulations`
    noise : noise model of `pixsed.simulate.noise`
        Half of the rows are seen under it, half under the nominal one, as by `Observer`.
    seed, rows : int, optional
    report : callable, optional
        Called with (step, steps, mean loss) now and then.

    Returns
    -------
    dict
        For a checkpoint.
    """
    rng = np.random.default_rng([seed, 78])
    torch.manual_seed(seed)
    head = Marginals(network)
    observer = Observer(simulations, noise, np.arange(len(simulations)), network.infer_redshift)
    observer.targets = truths(simulations, head.names).astype(np.float32)
    rows = min(rows, 20 * len(simulations))  # few simulations, few steps
    steps = max(1, rows // BATCH)
    trained = [p for p in head.parameters() if p.requires_grad]
    level = torch.tensor(LEVELS)
    order, losses = np.empty(0, dtype=int), []
    inner = [LEVELS.index(0.16), LEVELS.index(0.84)]
    # The redshift means nothing where it is exact.
    redshift = torch.tensor([float(name == "REDSHIFT") for name in head.names])

    def miss():
        nonlocal order
        if len(order) < BATCH:
            order = np.concatenate([order, rng.permutation(len(simulations))])
        seen = observer.batch(order[:BATCH], rng)
        order = order[BATCH:]
        z, z_err = seen["z"], seen["z_err"]
        with torch.no_grad():
            what = head.encode(seen["flux"], seen["flux_err"], z, z_err)
            truth = head.to_numbers(seen["targets"], z, z_err)
        found = head.numbers(*what)
        width = (found[:, :, inner[1]] - found[:, :, inner[0]]).detach()
        weight = 1.0 / (width + 1e-3)
        if not network.infer_redshift:
            weight = weight * (1.0 - redshift * (z_err == 0).float()[:, None])
        loss = (weight * pinball(found, truth, level).mean(dim=2)).mean()
        losses.append(float(loss.detach()))
        if report and len(losses) % 100 == 0:
            report(len(losses), steps, float(np.mean(losses[-100:])))
        return loss

    descend(trained, miss, steps, _RATE, limit=5.0)
    return {"state": head.own_state(), "rows": steps * BATCH, "seed": seed, **head.described()}


def load_marginals(checkpoint, network):
    """Return the `Marginals` of a checkpoint, or None where it has none.

    Parameters
    ----------
    checkpoint : dict
    network : `~pixsed.train.network.flow.PixelFlow`
        Its network.
    """
    saved = checkpoint.get("quantiles")
    if saved is None or tuple(saved["levels"]) != LEVELS:
        return None
    head = Marginals(network, saved["state"]["first.bias"].shape[0])
    head.load_state_dict(saved["state"], strict=False)
    return head.eval()
