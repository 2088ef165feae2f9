"""Base class of star-formation histories."""

import numpy as np

from pixsed.sps.constants import YR_PER_GYR

#: Time over which the star-formation rate is averaged, Gyr.
SFR_TIME = 0.1
#: Floor of log10 of the specific star-formation rate, SFR / formed mass [1/yr].
LOG_SSFR_FLOOR = -14.0


class History:
    """Star-formation histories of N galaxies, each of 1 Msun formed.

    Lookback times (ages of stars) and cosmic times are in Gyr. Subclasses define `age`,
    `mass_younger` and `mass_weighted_age`.

    Attributes
    ----------
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.
    """

    def mass_younger(self, limit):
        """Return the fraction of the formed mass younger than a lookback time.

        Parameters
        ----------
        limit : float or `~numpy.ndarray`
            Lookback time, Gyr, at least 0: a number, (K,) for all galaxies, or (N, K).

        Returns
        -------
        `~numpy.ndarray`, shape (N,) or (N, K)
            Between 0 and 1.
        """
        raise NotImplementedError

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        raise NotImplementedError

    def weights(self, edges):
        """Return the fraction of mass formed in each age bin.

        Parameters
        ----------
        edges : `~numpy.ndarray`, shape (A + 1,)
            Ages, Gyr, ascending from 0.

        Returns
        -------
        `~numpy.ndarray`, shape (N, A)
            Each row sums to 1: the last bin includes mass older than the last edge.
        """
        younger = self.mass_younger(edges)
        younger[:, -1] = 1.0
        return np.diff(younger, axis=1)

    def log_sfr(self, time=SFR_TIME):
        """Return log10 of the mean SFR over the last `time` Gyr, for 1 Msun formed [1/yr], (N,)."""
        with np.errstate(divide="ignore"):
            log = np.log10(self.mass_younger(time)) - np.log10(time * YR_PER_GYR)
        return np.maximum(log, LOG_SSFR_FLOOR)

    def formation_time(self, fraction):
        """Return the cosmic time at which a fraction of the mass has formed.

        Parameters
        ----------
        fraction : float or `~numpy.ndarray`, shape (K,)
            Between 0 and 1: 0.25, 0.5 and 0.75 for t25, t50 and t75.

        Returns
        -------
        `~numpy.ndarray`, shape (N,) or (N, K)
            Cosmic time over the age of the Universe at the galaxy, between 0 and 1.
        """
        fraction = np.asarray(fraction, dtype=float)
        wanted = 1.0 - np.atleast_1d(fraction)
        low = np.zeros((len(self.age), len(wanted)))  # lookback times
        high = np.repeat(self.age[:, None], len(wanted), axis=1)
        for _ in range(32):  # to 2e-10 of the age
            middle = 0.5 * (low + high)
            younger = self.mass_younger(middle) < wanted
            low, high = np.where(younger, middle, low), np.where(younger, high, middle)
        time = 1.0 - 0.5 * (low + high) / self.age[:, None]
        return time if fraction.ndim else time[:, 0]


def per_galaxy(limit, *arrays):
    """Return `limit` as an array, and `arrays` (N,) reshaped to broadcast with it."""
    limit = np.asarray(limit, dtype=float)
    return limit, *(a[:, None] if limit.ndim else a for a in arrays)
