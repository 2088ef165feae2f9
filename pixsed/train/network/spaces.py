"""Coordinates of the flow and outputs of a model, for each prior.

`SPACES` holds the spaces by prior.
"""

import math

import numpy as np
import torch

from pixsed.cosmology import age
from pixsed.sps.sfh import LOG_SSFR_FLOOR, SFR_TIME
from pixsed.train.network import physics
from pixsed.train.network.broad import BroadSpace
from pixsed.train.network.emulator import Emulator
from pixsed.train.network.space import Space


class TauSpace(Space):
    """Tau-delayed histories, with surviving mass from a table and SFR in closed form.

    Parameters
    ----------
    surviving : `~pixsed.train.network.physics.Surviving`
    """

    PRIOR = "tau"
    ORDER = ("LOGMFORM", "AV", "TSTART", "TAU", "METAL")
    OUTPUTS = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV", "TAU", "TSTART", "REDSHIFT")
    TARGETS = (
        "LOGMSTAR",
        "LOGMFORM",
        "LOGSFR",
        "METAL",
        "AV",
        "LOG_TAU",
        "TSTART_FRACTION",
        "AGE_FRACTION",
        "T50",
    )

    def __init__(self, surviving):
        super().__init__()
        self.surviving = surviving

    @classmethod
    def fit(cls, simulations, ssp, seed):
        """Return the space of simulations made on an SSP grid."""
        return cls(physics.Surviving(*physics.surviving_table(ssp)))

    def describe(self):
        """Return the argument of `from_description`, for a checkpoint."""
        s = self.surviving
        return {"nodes": [s.span0, s.dspan, s.tau0, s.dtau], "shape": list(s.table.shape)}

    @classmethod
    def from_description(cls, description):
        """Return a space whose tables are to be loaded."""
        span0, dspan, tau0, dtau = description["nodes"]
        return cls(
            physics.Surviving(
                np.zeros(description["shape"]),
                [span0, span0 + dspan],
                [tau0, tau0 + dtau],
                np.zeros(description["shape"][-1]),
            )
        )

    def parameters(self, coordinates, z):
        mass, av, metal = self.common(*(coordinates[..., i] for i in (1, 2, 5)))
        start, tau = (physics.normal_cdf(coordinates[..., i]) for i in (3, 4))
        at_z = physics.age(z)
        start = at_z * start
        tau = torch.exp(math.log(10.0) * (-2.0 + 4.0 * tau))
        span = torch.clamp(at_z - start, min=1e-6)
        star = mass + self.surviving(span, tau, metal)
        sfr = mass + physics.log_sfr_tau(tau, span)
        return torch.stack([star, mass, sfr, metal, av, tau, start, z], dim=-1)


class DirichletSpace(Space):
    """Dense Basis histories.

    Two coordinates differ from those of the prior. One is the mean SFR over 100 Myr, between its
    floor and the formed mass divided by 100 Myr. The other is the mass-weighted age as a fraction
    of the age of the Universe. Both depend on the history between the times of the prior. An
    emulator that is fitted to the simulations gives the surviving mass.

    Parameters
    ----------
    emulator : `~pixsed.train.network.emulator.Emulator`
        Emulator of log10 of the surviving over the formed mass.
    """

    PRIOR = "dirichlet"
    ORDER = ("LOGMFORM", "AV", "LOGSFR", "AGE", "T75", "T50", "T25", "METAL")
    OUTPUTS = (
        "LOGMSTAR",
        "LOGMFORM",
        "LOGSFR",
        "METAL",
        "AV",
        "T25",
        "T50",
        "T75",
        "REDSHIFT",
        "AGE",
    )
    TARGETS = ("LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV", "T25", "T50", "T75", "AGE_FRACTION")
    _SSFR = (LOG_SSFR_FLOOR, -math.log10(SFR_TIME * 1e9))

    def __init__(self, emulator):
        super().__init__()
        self.emulator = emulator

    @classmethod
    def probability(cls, simulations, name, names):
        if name == "LOGSFR":
            low, high = cls._SSFR
            specific = simulations.columns["LOGSFR"] - simulations.columns["LOGMFORM"]
            return (specific - low) / (high - low)
        if name == "AGE":
            return simulations.columns["AGE"] / age(simulations.columns["REDSHIFT"])
        if name in ("T50", "T25"):  # the prior draws the last time first, then ratios
            above = {"T50": "T75", "T25": "T50"}[name]
            return simulations.columns[name] / simulations.columns[above]
        if name == "T75":
            return simulations.columns[name]
        return super().probability(simulations, name, names)

    @classmethod
    def fit(cls, simulations, ssp, seed):
        """Return the space with an emulator fitted to the simulations."""
        c = simulations.columns
        at_z = age(c["REDSHIFT"])
        fraction = c["AGE"] / at_z
        inputs = [
            at_z,
            c["LOGSFR"] - c["LOGMFORM"],
            np.log(fraction),
            fraction,
            c["T25"],
            c["T50"],
            c["T75"],
            c["METAL"],
        ]
        output = (c["LOGMSTAR"] - c["LOGMFORM"])[:, None]
        return cls(Emulator.fit(np.stack(inputs, axis=1), output, seed=seed))

    def describe(self):
        """Return the argument of `from_description`, for a checkpoint."""
        return self.emulator.describe()

    @classmethod
    def from_description(cls, description):
        """Return a space whose emulator is to be loaded."""
        return cls(Emulator(**description))

    def parameters(self, coordinates, z):
        mass, av, metal = self.common(*(coordinates[..., i] for i in (1, 2, 8)))
        rate, fraction, t75, t50, t25 = (
            physics.normal_cdf(coordinates[..., i]) for i in range(3, 8)
        )
        low, high = self._SSFR
        specific = low + (high - low) * rate
        t50 = t75 * t50
        t25 = t50 * t25
        at_z = physics.age(z)
        known = [at_z, specific, torch.log(fraction), fraction, t25, t50, t75, metal]
        lost = self.emulator(torch.stack(known, dim=-1)).squeeze(-1)
        return torch.stack(
            [mass + lost, mass, mass + specific, metal, av, t25, t50, t75, z, fraction * at_z],
            dim=-1,
        )


SPACES = {space.PRIOR: space for space in (TauSpace, DirichletSpace, BroadSpace)}
