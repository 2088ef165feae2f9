"""Priors: how populations are drawn, and the coordinates in which a flow sees them.

A prior is one small class: bounded columns, a draw, and the history. Every
coordinate is the prior's own cumulative probability, so that no posterior can
leave the prior, and t_i cannot fall after the age of the Universe.
"""

from dataclasses import dataclass

import numpy as np

from pixsed.cosmology import age
from pixsed.sps.sfh import TauDelayed


@dataclass(frozen=True)
class Uniform:
    """A parameter uniform in `low` to `high`; `log` says in its log10."""

    name: str
    low: float
    high: float
    unit: str
    description: str
    log: bool = False

    def from_unit(self, u):
        """Turn cumulative probability (0 to 1) into the parameter."""
        value = self.low + (self.high - self.low) * u
        return 10.0**value if self.log else value


class TauPrior:
    """Tau-delayed histories (Iglesias-Navarro+25, Table 2, left).

    `unit` holds the cumulative probabilities in the order of `COORDINATES`; TSTART is
    drawn as a share of the age of the Universe at the redshift.
    """

    NAME = "tau"
    Z_RANGE = (0.0, 7.5)
    COORDINATES = (
        Uniform("LOGMFORM", 4.0, 12.0, "dex(solMass)", "log10 of the stellar mass formed"),
        Uniform("AV", 0.0, 4.0, "mag", "V-band attenuation of one screen, Calzetti"),
        Uniform("METAL", -2.3, 0.4, "dex", "[M/H], log10 Z/Zsun, stars and gas"),
        Uniform("TAU", -2.0, 2.0, "Gyr", "time scale of the tau-delayed history", log=True),
        Uniform("TSTART", 0.0, 1.0, "Gyr", "cosmic time at which star formation begins"),
    )
    #: Columns of a table of simulations, and of a model's samples, in order.
    PARAMETERS = {
        "LOGMSTAR": ("dex(solMass)", "log10 of the mass in stars and remnants"),
        "LOGMFORM": ("dex(solMass)", "log10 of the stellar mass formed"),
        "LOGSFR": ("dex(solMass yr-1)", "log10 of the mean SFR over the last 100 Myr"),
        "METAL": ("dex", "[M/H], log10 Z/Zsun, stars and gas"),
        "AV": ("mag", "V-band attenuation of one screen, Calzetti"),
        "TAU": ("Gyr", "time scale of the tau-delayed history"),
        "TSTART": ("Gyr", "cosmic time at which star formation begins"),
        "REDSHIFT": ("", "redshift"),
    }

    def draw(self, n, rng):
        """Draw `n` populations.

        Parameters
        ----------
        n : int
        rng : `~numpy.random.Generator`

        Returns
        -------
        z : `~numpy.ndarray`, shape (n,)
        unit : `~numpy.ndarray`, shape (n, 5)
            Cumulative probability of each coordinate, in (0, 1).
        """
        tiny = 1e-9
        u = np.clip(rng.random((n, 1 + len(self.COORDINATES))), tiny, 1 - tiny)
        low, high = self.Z_RANGE
        return low + (high - low) * u[:, 0], u[:, 1:]

    def history(self, z, unit):
        """Return the star-formation histories, an object of `pixsed.sps.sfh`."""
        at_z = age(z)
        return TauDelayed(10.0 ** (-2.0 + 4.0 * unit[:, 3]), unit[:, 4] * at_z, at_z)

    def parameters(self, z, unit, history, surviving):
        """Return the columns of `PARAMETERS` and AGE as a dict of (n,) arrays.

        Parameters
        ----------
        z, unit : `~numpy.ndarray`
            As `draw` returns them.
        history : `~pixsed.sps.sfh.TauDelayed`
        surviving : `~numpy.ndarray`, shape (n,)
            Share of the formed mass in stars and remnants.
        """
        mass = self.COORDINATES[0].from_unit(unit[:, 0])
        return {
            "LOGMSTAR": mass + np.log10(surviving),
            "LOGMFORM": mass,
            "LOGSFR": mass + history.log_sfr(),
            "METAL": self.COORDINATES[2].from_unit(unit[:, 2]),
            "AV": self.COORDINATES[1].from_unit(unit[:, 1]),
            "TAU": history.tau,
            "TSTART": unit[:, 4] * history.age,
            "REDSHIFT": z,
            "AGE": history.mass_weighted_age(),
        }


PRIORS = {"tau": TauPrior}
