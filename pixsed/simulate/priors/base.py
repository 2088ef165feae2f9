"""Base class of the priors of stellar populations.

A prior is a small class with coordinates and a star-formation history. A flow works on the
cumulative prior probability of each coordinate. Therefore no posterior can leave the prior, and
no time can exceed the age of the Universe.
"""

import numpy as np

from pixsed.cosmology import age
from pixsed.simulate.priors.coordinates import Uniform, log_uniform_density
from pixsed.sps.photometry import Dust

#: Coordinates of all priors.
COMMON = (
    Uniform("LOGMFORM", 4.0, 12.0, "dex(solMass)", "log10 of the stellar mass formed"),
    Uniform("AV", 0.0, 4.0, "mag", "V-band attenuation"),
    Uniform("METAL", -2.3, 0.4, "dex", "[M/H], log10 Z/Zsun, stars and gas"),
)
#: Columns of a table of simulations in addition to the parameters.
DERIVED = {
    "AGE": ("Gyr", "mass-weighted mean age of the stars formed"),
    "T25": ("", "cosmic time by which 25 % of the mass had formed, over the age"),
    "T50": ("", "cosmic time by which half of the mass had formed, over the age"),
    "T75": ("", "cosmic time by which 75 % of the mass had formed, over the age"),
}


def parameters_with(own):
    """Return the parameters of a prior, in order: name -> (unit, description).

    Parameters
    ----------
    own : dict
        Parameters of the histories.
    """
    unit = {c.name: (c.unit, c.description) for c in COMMON}
    return {
        "LOGMSTAR": ("dex(solMass)", "log10 of the mass in stars and remnants"),
        "LOGMFORM": unit["LOGMFORM"],
        "LOGSFR": ("dex(solMass yr-1)", "log10 of the mean SFR over the last 100 Myr"),
        "METAL": unit["METAL"],
        "AV": unit["AV"],
        **own,
        "REDSHIFT": ("", "redshift"),
    }


class Prior:
    """Base class of priors; subclasses define NAME, COORDINATES, PARAMETERS and `history`.

    Attributes
    ----------
    NAME : str
    Z_RANGE : tuple of float
        Range in which the redshift is uniform.
    COORDINATES : tuple
        `COMMON`, followed by the coordinates of the history: objects of
        `pixsed.simulate.priors.coordinates`.
    PARAMETERS : dict
        Columns of a table of simulations and of a model's samples, in order:
        name -> (unit, description).
    """

    #: Attenuation law, and number of SSP grids.
    ATTENUATION = "calzetti"
    LIBRARIES = 1
    #: Ionisation parameter of the gas, for a prior without the coordinate LOGU.
    LOG_U = -2.0
    #: Number of rows of simulations that share one stream of random numbers.
    BATCH = 50_000
    Z_RANGE = (0.0, 7.5)
    AV_MAX = COMMON[1].high

    @classmethod
    def columns(cls):
        """Return the columns of `parameters`: name -> (unit, description)."""
        coordinates = {c.name: (c.unit, c.description) for c in cls.COORDINATES}
        return {**cls.PARAMETERS, **DERIVED, **coordinates} | cls.PARAMETERS

    def draw(self, n, rng):
        """Draw `n` populations.

        Parameters
        ----------
        n : int
        rng : `~numpy.random.Generator`

        Returns
        -------
        z : `~numpy.ndarray`, shape (n,)
        unit : `~numpy.ndarray`, shape (n, D)
            Cumulative probability of each coordinate, in (0, 1).
        """
        tiny = 1e-9
        u = np.clip(rng.random((n, 1 + self.size())), tiny, 1 - tiny)
        return self.redshift_from(u[:, 0]), u[:, 1:]

    @classmethod
    def size(cls):
        """Return the number of coordinates, which is that of the columns of UNIT."""
        return len(cls.COORDINATES)

    @classmethod
    def redshift_from(cls, probability):
        """Return the redshift of a cumulative probability; uniform in `Z_RANGE`."""
        low, high = cls.Z_RANGE
        return low + (high - low) * np.asarray(probability)

    @classmethod
    def redshift_probability(cls, z):
        """Return the cumulative probability of a redshift, the inverse of `redshift_from`."""
        low, high = cls.Z_RANGE
        return (np.asarray(z) - low) / (high - low)

    def values(self, z, unit):
        """Return the coordinates in physical units, as a dict of (n,) arrays."""
        at_z = age(z)
        return {c.name: c.value(unit[:, i], at_z) for i, c in enumerate(self.COORDINATES)}

    def history(self, z, unit):
        """Return the star-formation histories, a `~pixsed.sps.sfh.History`."""
        raise NotImplementedError

    def dust(self, values):
        """Return the dust of coordinates in physical units, a `~pixsed.sps.photometry.Dust`."""
        return Dust(values["AV"])

    def parameters(self, z, unit, history, surviving):
        """Return the values of all `columns` as a dict of (n,) arrays.

        Parameters
        ----------
        z, unit : `~numpy.ndarray`
            Returned by `draw`.
        history : `~pixsed.sps.sfh.History`
            Returned by the method `history`.
        surviving : `~numpy.ndarray`, shape (n,)
            Fraction of the formed mass in stars and remnants.
        """
        values = self.values(z, unit)
        mass = values["LOGMFORM"]
        known = values | {
            "LOGMSTAR": mass + np.log10(surviving),
            "LOGSFR": mass + history.log_sfr(),
            "REDSHIFT": z,
            "AGE": history.mass_weighted_age(),
        }
        if "T25" not in known:
            times = history.formation_time(np.array([0.25, 0.5, 0.75]))
            known |= dict(zip(("T25", "T50", "T75"), times.T, strict=True))
        return {name: known[name] for name in self.columns()}

    def log_density(self, columns):
        """Return the natural log of the joint density of the prior.

        Parameters
        ----------
        columns : dict of `~numpy.ndarray`, shape (n,)
            Coordinates in physical units, and REDSHIFT; other columns are ignored.

        Returns
        -------
        `~numpy.ndarray`, shape (n,)
            Log density over the coordinates, in their units, and redshift; -inf outside the
            prior, NaN where a value is NaN.
        """
        z = np.asarray(columns["REDSHIFT"], dtype=float)
        at_z = age(np.clip(z, *self.Z_RANGE))
        names = [c.name for c in self.COORDINATES]
        values = {name: np.asarray(columns[name], dtype=float) for name in names}
        total = log_uniform_density(z, *self.Z_RANGE) + self._coordinates_density(values, at_z)
        return np.where(np.isnan(sum(values.values()) + z), np.nan, total)

    def _coordinates_density(self, values, at_z):
        return sum(c.log_density(values[c.name], at_z) for c in self.COORDINATES)
