"""Broad prior: free dust law, free ionisation, two libraries of stars, and any history."""

import numpy as np

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.priors.base import COMMON, Prior
from pixsed.simulate.priors.coordinates import Arcsine, Uniform
from pixsed.simulate.priors.mixture import FIRST, LATENTS, N_BINS, bin_edges, mass_fractions
from pixsed.sps.photometry import Dust
from pixsed.sps.sfh import Binned

#: Redshift at which the prior of the redshift has fallen to half of its density at 0.
Z_SCALE = 5.0


class BroadPrior(Prior):
    """Populations with a free attenuation law, ionisation, stellar library and history.

    The history has a constant rate in ten bins of lookback time; `mass_fractions` draws their
    masses from a mixture of smooth, bursty, quenched and rejuvenated histories. The density of
    the redshift falls as 1 / (5 + z).
    """

    NAME = "broad"
    ATTENUATION = "salim"
    LIBRARIES = 2
    BATCH = 200_000  # the tables of two libraries are large, and are made once per batch
    Z_RANGE = (0.0, 15.0)
    COORDINATES = (
        *COMMON,
        Uniform("DUSTSLOPE", -1.4, 0.5, "", "slope delta of the attenuation curve (Salim+18)"),
        Uniform("LOGU", -4.0, -1.0, "", "log10 of the ionisation parameter"),
        Uniform("BUMP", 0.0, 5.0, "", "amplitude B of the 2175 Angstrom bump (Salim+18)"),
        Uniform("BIRTH", 1.0, 3.0, "", "AV of stars below 10 Myr and their gas over AV"),
        Arcsine("LIBRARY", "", "fraction of the second library of stars"),
    )
    HISTORY = tuple(f"SFH{i}" for i in range(1, N_BINS + 1))
    PARAMETERS = {
        "LOGMSTAR": ("dex(solMass)", "log10 of the mass in stars and remnants"),
        "LOGMFORM": (COMMON[0].unit, COMMON[0].description),
        "LOGSFR": ("dex(solMass yr-1)", "log10 of the mean SFR over the last 100 Myr"),
        "LOGSFR10": ("dex(solMass yr-1)", "log10 of the mean SFR over the last 10 Myr"),
        "METAL": (COMMON[2].unit, COMMON[2].description),
        "AV": (COMMON[1].unit, "V-band attenuation of stars older than 10 Myr"),
        **{c.name: (c.unit, c.description) for c in COORDINATES[3:5]},
        "AGE": ("Gyr", "mass-weighted mean age of the stars formed"),
        "T50LB": ("Gyr", "lookback time by which half of the mass had formed"),
        "REDSHIFT": ("", "redshift"),
    }

    @classmethod
    def columns(cls):
        """Return the columns of `parameters`: name -> (unit, description)."""
        nuisances = {c.name: (c.unit, c.description) for c in cls.COORDINATES[5:]}
        masses = {
            name: ("", f"fraction of the mass formed in time bin {i}, the youngest is 1")
            for i, name in enumerate(cls.HISTORY, 1)
        }
        return {**cls.PARAMETERS, **nuisances, **masses}

    @classmethod
    def size(cls):
        """Return the number of columns of UNIT, which include those of the history."""
        return len(cls.COORDINATES) + LATENTS

    @staticmethod
    def redshift_from(probability):
        """Return the redshift of a cumulative probability."""
        top = np.log1p(BroadPrior.Z_RANGE[1] / Z_SCALE)
        return Z_SCALE * np.expm1(top * np.asarray(probability))

    @staticmethod
    def redshift_probability(z):
        """Return the cumulative probability of a redshift."""
        return np.log1p(np.asarray(z) / Z_SCALE) / np.log1p(BroadPrior.Z_RANGE[1] / Z_SCALE)

    def history(self, z, unit):
        """Return the star-formation histories, `~pixsed.sps.sfh.Binned`."""
        at_z = age(z)
        fractions = mass_fractions(unit[:, len(self.COORDINATES) :], at_z)
        return Binned(bin_edges(at_z), fractions, at_z)

    def dust(self, values):
        """Return the dust of coordinates in physical units."""
        return Dust(values["AV"], values["DUSTSLOPE"], values["BUMP"], values["BIRTH"])

    def parameters(self, z, unit, history, surviving):
        """Return the values of all `columns` as a dict of (n,) arrays."""
        values = self.values(z, unit)
        mass = values["LOGMFORM"]
        known = values | {
            "LOGMSTAR": mass + np.log10(surviving),
            "LOGSFR": mass + history.log_sfr(),
            "LOGSFR10": mass + history.log_sfr(FIRST),
            "REDSHIFT": z,
            "AGE": history.mass_weighted_age(),
            "T50LB": (1.0 - history.formation_time(0.5)) * history.age,
            **dict(zip(self.HISTORY, history.fractions.T, strict=True)),
        }
        return {name: known[name] for name in self.columns()}

    def log_density(self, columns):
        """Raise `PixsedError`: the mixture of histories has no closed form.

        Nested sampling needs only `history` and `values`, which map a unit cube to populations.
        """
        raise PixsedError("the density of prior broad has no closed form; try another prior")
