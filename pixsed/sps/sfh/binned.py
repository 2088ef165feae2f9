"""Histories with constant rates in bins of lookback time."""

import numpy as np

from pixsed.sps.sfh.base import History, per_galaxy


class Binned(History):
    """Histories with a constant rate within each bin of lookback time.

    Parameters
    ----------
    edges : `~numpy.ndarray`, shape (N, B + 1)
        Lookback times, Gyr, ascending from 0 up to `age` at most.
    fractions : `~numpy.ndarray`, shape (N, B)
        Mass formed in each bin, in any unit: rows are divided by their sum.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.
    """

    def __init__(self, edges, fractions, age):
        self.age = np.asarray(age, dtype=float)
        self.edges = np.asarray(edges, dtype=float)
        fractions = np.asarray(fractions, dtype=float)
        self.fractions = fractions / fractions.sum(axis=1, keepdims=True)

    def mass_younger(self, limit):
        """Return the fraction of the formed mass younger than `limit` Gyr, (N,) or (N, K)."""
        limit, total = np.asarray(limit, dtype=float), 0.0
        for low, high, fraction in zip(
            self.edges.T[:-1], self.edges.T[1:], self.fractions.T, strict=True
        ):
            _, low, width, fraction = per_galaxy(limit, low, high - low, fraction)
            total = total + fraction * np.clip((limit - low) / width, 0.0, 1.0)
        return np.minimum(total, 1.0)

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        return (self.fractions * 0.5 * (self.edges[:, 1:] + self.edges[:, :-1])).sum(axis=1)

    def formation_time(self, fraction):
        """Return the cosmic time at which a fraction of the mass has formed, over the age.

        Exact; see `History.formation_time`.
        """
        fraction, time = per_galaxy(fraction, self.age - self.edges[:, -1])
        formed = 0.0
        # Starting with the earliest bin, add the fraction of each bin that is needed.
        for width, mass in zip(np.diff(self.edges).T[::-1], self.fractions.T[::-1], strict=True):
            _, width, mass = per_galaxy(fraction, width, mass)
            time = time + width * np.clip((fraction - formed) / np.maximum(mass, 1e-300), 0.0, 1.0)
            formed = formed + mass
        return np.clip(time / per_galaxy(fraction, self.age)[1], 0.0, 1.0)
