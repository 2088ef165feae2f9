"""Continuity prior on binned histories."""

import numpy as np

from pixsed.cosmology import age
from pixsed.simulate.priors.base import COMMON, Prior, parameters_with
from pixsed.simulate.priors.coordinates import StudentT
from pixsed.sps.sfh import Binned

N_BINS = 7


def bin_edges(at_z):
    """Return the edges of the time bins of Leja+19.

    The edges are 0, 30 and 100 Myr, then equal logarithmic steps up to 0.85 of the age of the
    Universe, and finally the age itself. If the age is below 0.5 Gyr (redshift 9.8), the edges
    at 30 and 100 Myr shrink in proportion to it.

    Parameters
    ----------
    at_z : `~numpy.ndarray`, shape (N,)
        Age of the Universe, Gyr.

    Returns
    -------
    `~numpy.ndarray`, shape (N, N_BINS + 1)
        Lookback times, Gyr, ascending.
    """
    at_z = np.asarray(at_z, dtype=float)
    small = np.minimum(1.0, at_z / 0.5)
    middle = np.geomspace(0.1 * small, 0.85 * at_z, N_BINS - 2, axis=1)
    return np.column_stack([np.zeros_like(at_z), 0.03 * small, middle, at_z])


class ContinuityPrior(Prior):
    """Seven bins of constant rate with similar rates in adjacent bins (Leja+19).

    log10 of the ratio of the rates of adjacent bins has a Student's t distribution with two
    degrees of freedom and scale 0.3, truncated at +-10 dex, where Prospector clips it.
    """

    NAME = "continuity"
    COORDINATES = (
        *COMMON,
        *(
            StudentT(
                f"LOGRATIO{i}",
                0.3,
                10.0,
                "dex",
                f"log10 of the SFR in time bin {i} over that in bin {i + 1}, the earlier",
            )
            for i in range(1, N_BINS)
        ),
    )
    PARAMETERS = parameters_with({c.name: (c.unit, c.description) for c in COORDINATES[3:]})

    def history(self, z, unit):
        """Return the star-formation histories, `~pixsed.sps.sfh.Binned`."""
        values, edges = self.values(z, unit), bin_edges(age(z))
        ratios = np.stack([values[c.name] for c in self.COORDINATES[3:]], axis=1)
        log_rate = -np.cumsum(np.pad(ratios, ((0, 0), (1, 0))), axis=1)
        rate = 10.0 ** (log_rate - log_rate.max(axis=1, keepdims=True))
        return Binned(edges, rate * np.diff(edges, axis=1), age(z))
