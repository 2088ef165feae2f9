"""Coordinates of the flow and outputs of a model for the prior `broad`."""

import math

import numpy as np
import torch
from torch import nn

from pixsed import cosmology
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.priors.broad import Z_SCALE
from pixsed.simulate.priors.mixture import FIRST, LAST, N_BINS, bin_edges
from pixsed.sps.sfh import LOG_SSFR_FLOOR, SFR_TIME, Binned
from pixsed.train.network import physics
from pixsed.train.network.space import Space
from pixsed.train.options import NetworkSizes

#: Largest logit of the fraction of a time bin in its mass and that of all older bins.
_LOGIT = 17.0
# Nodes of the table of surviving masses in ln(1 + z) and in [M/H].
_Z_NODES, _METAL_NODES = 97, 28


class BroadSpace(Space):
    """Histories in ten time bins, free dust, ionisation and blend of two libraries.

    The mass fraction of each time bin is divided by the sum of those of this and all older bins.
    The logits of these ratios, the youngest first, are uniform numbers of the coordinates. The
    amplitude of the bump, the dust of birth clouds, the blend of libraries and the fractions of
    the time bins are coordinates, but not samples of a model.

    Parameters
    ----------
    surviving : `SurvivingByBin`
    """

    PRIOR = "broad"
    HISTORY = tuple(f"SFH{i}" for i in range(1, N_BINS + 1))
    ORDER = ("LOGMFORM", "AV", "DUSTSLOPE", "BIRTH", *HISTORY[:-1]) + (
        "METAL",
        "LOGU",
        "BUMP",
        "LIBRARY",
    )
    OUTPUTS = (
        "LOGMSTAR",
        "LOGMFORM",
        "LOGSFR",
        "LOGSFR10",
        "METAL",
        "AV",
        "DUSTSLOPE",
        "LOGU",
        "AGE",
        "T50LB",
        "REDSHIFT",
    )
    TARGETS = (*OUTPUTS[:8], "AGE_FRACTION", "T50LB_FRACTION")
    DECODED = (*OUTPUTS, "BUMP", "BIRTH", "LIBRARY", *HISTORY)
    SIZES = NetworkSizes(context=96, hidden=48, bins=8, flow_width=224, flow_blocks=3, direct=False)

    def __init__(self, surviving):
        super().__init__()
        self.surviving = surviving

    @classmethod
    def probability(cls, simulations, name, names):
        columns = simulations.columns
        if name in cls.HISTORY:
            older = cls.HISTORY[cls.HISTORY.index(name) + 1 :]
            rest = sum(np.asarray(columns[one], dtype=float) for one in older)
            return (np.log(columns[name] / rest) + _LOGIT) / (2.0 * _LOGIT)
        coordinate = PRIORS[cls.PRIOR].COORDINATES[names.index(name)]
        return coordinate.to_unit(columns[name])

    @classmethod
    def fit(cls, simulations, ssp, seed):
        """Return the space of simulations made on one or two SSP grids."""
        return cls(SurvivingByBin(surviving_by_bin(ssp)))

    def describe(self):
        """Return the argument of `from_description`, for a checkpoint."""
        return {"shape": list(self.surviving.table.shape)}

    @classmethod
    def from_description(cls, description):
        """Return a space whose tables are to be loaded."""
        return cls(SurvivingByBin(np.zeros(description["shape"])))

    def redshift_from(self, probability):
        """Return the redshift of a cumulative prior probability, for tensors of any shape."""
        top = math.log1p(self.z_max / Z_SCALE)
        return Z_SCALE * (torch.exp(top * probability) - 1.0)

    def parameters(self, coordinates, z):
        return self.decoded(coordinates, z)[..., : len(self.OUTPUTS)]

    def decoded(self, coordinates, z):
        at = {name: coordinates[..., i] for i, name in enumerate(self.ORDER, 1)}
        mass, av, metal = self.common(at["LOGMFORM"], at["AV"], at["METAL"])
        found = {"LOGMFORM": mass, "AV": av, "METAL": metal, "REDSHIFT": z}
        for one in PRIORS[self.PRIOR].COORDINATES[3:]:
            u = physics.normal_cdf(at[one.name])
            if one.name == "LIBRARY":  # an `Arcsine`, whose map is numpy's
                found[one.name] = torch.sin(0.5 * math.pi * u) ** 2
            else:
                found[one.name] = one.from_unit(u)
        formed = mass_fractions(torch.stack([at[name] for name in self.HISTORY[:-1]], dim=-1))
        at_z = physics.age(z)
        edges = time_edges(at_z)
        found["AGE"] = (0.5 * (edges[..., 1:] + edges[..., :-1]) * formed).sum(dim=-1)
        found["T50LB"] = half_mass_time(formed, edges)
        for name, time in (("LOGSFR", SFR_TIME), ("LOGSFR10", FIRST)):
            share = (formed * fraction_since(edges, time)).sum(dim=-1)
            specific = torch.log10(torch.clamp(share, min=1e-30)) - math.log10(time * 1e9)
            found[name] = mass + torch.clamp(specific, min=LOG_SSFR_FLOOR)
        left = self.surviving(formed, metal, found["LIBRARY"], z)
        found["LOGMSTAR"] = mass + torch.log10(left)
        found |= dict(zip(self.HISTORY, formed.unbind(dim=-1), strict=True))
        return torch.stack([found[name] for name in self.DECODED], dim=-1)


def mass_fractions(coordinates):
    """Return the mass fractions (..., N_BINS) of time bins for coordinates (..., N_BINS - 1)."""
    logits = (2.0 * physics.normal_cdf(coordinates) - 1.0) * _LOGIT
    fractions, left = [], 1.0
    # Not torch.sigmoid: in onnxruntime, its absolute error is 1e-7 for small values too. The
    # sigmoid of minus the logit is 1 minus the fraction, without loss of digits.
    inside, outside = (1.0 / (1.0 + torch.exp(x)) for x in (-logits, logits))
    for part, rest in zip(inside.unbind(dim=-1), outside.unbind(dim=-1), strict=True):
        fractions.append(left * part)
        left = left * rest
    return torch.stack([*fractions, left], dim=-1)


def time_edges(at_z):
    """Return the edges (..., N_BINS + 1) of the time bins, Gyr, for ages (...) of the Universe."""
    steps = torch.arange(N_BINS - 1, dtype=at_z.dtype, device=at_z.device) / (N_BINS - 2.0)
    growth = torch.log(LAST * at_z / FIRST).unsqueeze(-1)
    edges = FIRST * torch.exp(growth * steps)
    return torch.cat([torch.zeros_like(growth), edges, at_z.unsqueeze(-1)], dim=-1)


def fraction_since(edges, time):
    """Return the fraction (..., N_BINS) of each time bin that is younger than `time`, Gyr."""
    low = edges[..., :-1]
    return torch.clamp((time - low) / (edges[..., 1:] - low), 0.0, 1.0)


def half_mass_time(formed, edges):
    """Return the lookback time within which half of the mass formed, Gyr."""
    time, younger = 0.0, torch.zeros_like(formed[..., 0])
    for i in range(N_BINS):
        here = formed[..., i]
        part = torch.clamp((0.5 - younger) / torch.clamp(here, min=1e-12), 0.0, 1.0)
        time = time + part * (edges[..., i + 1] - edges[..., i])
        younger = younger + here
    return time


class SurvivingByBin(nn.Module):
    """Surviving mass over formed mass of histories in time bins, interpolated in a table.

    The interpolation is bilinear in ln(1 + z) and [M/H], on uniform nodes.

    Parameters
    ----------
    table : `~numpy.ndarray`, shape (Z, M, 2, N_BINS)
        Fraction of the mass of each time bin that survives, for two libraries.
    """

    def __init__(self, table):
        super().__init__()
        # The difference from a typical value is accurate in float16, as models store it.
        table = np.asarray(table, dtype=np.float32)
        self.register_buffer("table", torch.as_tensor(table).half().float())
        prior = PRIORS[BroadSpace.PRIOR]
        metal = next(c for c in prior.COORDINATES if c.name == "METAL")
        self.metal = metal.low, metal.high
        self.top = math.log1p(prior.Z_RANGE[1])

    @staticmethod
    def _cell(x, nodes):
        """Return the node before x (0 to 1), and the distance from it, 0 to 1."""
        x = torch.clamp(x, 0.0, 1.0) * (nodes - 1.0)
        low = torch.clamp(torch.floor(x), max=nodes - 2.0)
        return low.to(torch.int64), (x - low).unsqueeze(-1)

    def forward(self, formed, metal, library, z):
        """Return the fraction (...) for mass fractions (..., N_BINS) and parameters (...)."""
        nodes, metals = self.table.shape[:2]
        low, high = self.metal
        i, past_z = self._cell(torch.log(1.0 + z) / self.top, nodes)
        k, past_m = self._cell((metal - low) / (high - low), metals)
        flat = self.table.reshape(nodes * metals, -1)
        row = i * metals + k
        before = (1.0 - past_m) * flat[row] + past_m * flat[row + 1]
        after = (1.0 - past_m) * flat[row + metals] + past_m * flat[row + metals + 1]
        both = (1.0 - past_z) * before + past_z * after
        first, second = both[..., :N_BINS], both[..., N_BINS:]
        blend = first + library.unsqueeze(-1) * (second - first)
        return _TYPICAL + (formed * blend).sum(dim=-1)


#: Typical surviving fraction, which tables leave out.
_TYPICAL = 0.75


def surviving_by_bin(ssp):
    """Return the argument of `SurvivingByBin` for one or two SSP grids.

    Parameters
    ----------
    ssp : `~pixsed.sps.ssp.SSPGrid`, or a sequence of one or two
        A single grid stands for both libraries.
    """
    grids = list(ssp) if isinstance(ssp, list | tuple) else [ssp]
    prior = PRIORS[BroadSpace.PRIOR]
    bounds = next((c.low, c.high) for c in prior.COORDINATES if c.name == "METAL")
    metal = np.linspace(*bounds, _METAL_NODES)
    z = np.expm1(np.linspace(0.0, np.log1p(prior.Z_RANGE[1]), _Z_NODES))
    at_z = np.repeat(cosmology.age(z), N_BINS)
    alone = np.tile(np.eye(N_BINS), (len(z), 1))
    history = Binned(bin_edges(at_z), alone, at_z)
    tables = []
    for grid in grids:
        by_age = grid.metallicity_weights(metal) @ grid.surviving
        table = history.weights(grid.age_edges) @ by_age.T
        tables.append(table.reshape(len(z), N_BINS, -1).swapaxes(1, 2))
    return np.stack([tables[0], tables[-1]], axis=2) - _TYPICAL
