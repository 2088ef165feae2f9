"""Histories constant in bins of lookback time, with edges of each galaxy's own."""

import numpy as np

from pixsed.sps.sfh.base import History, per_galaxy


class Binned(History):
    """A constant rate within each bin of lookback time.

    Parameters
    ----------
    edges : `~numpy.ndarray`, shape (N, B + 1)
        Lookback times from 0 upwards, Gyr; the last no more than `age`.
    shares : `~numpy.ndarray`, shape (N, B)
        Share of the mass formed in each bin; rows are divided by their sum.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.
    """

    def __init__(self, edges, shares, age):
        self.age = np.asarray(age, dtype=float)
        self.edges = np.asarray(edges, dtype=float)
        shares = np.asarray(shares, dtype=float)
        self.shares = shares / shares.sum(axis=1, keepdims=True)

    def mass_younger(self, limit):
        """Return the share of the formed mass younger than `limit` Gyr, (N,) or (N, K)."""
        limit, total = np.asarray(limit, dtype=float), 0.0
        for low, high, share in zip(
            self.edges.T[:-1], self.edges.T[1:], self.shares.T, strict=True
        ):
            _, low, width, share = per_galaxy(limit, low, high - low, share)
            total = total + share * np.clip((limit - low) / width, 0.0, 1.0)
        return np.minimum(total, 1.0)

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        return (self.shares * 0.5 * (self.edges[:, 1:] + self.edges[:, :-1])).sum(axis=1)

    def formation_time(self, share):
        """Return the cosmic time by which a share of the mass had formed, over the age.

        Exact; see `History.formation_time`.
        """
        share, time = per_galaxy(share, self.age - self.edges[:, -1])
        formed = 0.0
        # From the earliest bin on: the part of each bin that is needed.
        for width, mass in zip(np.diff(self.edges).T[::-1], self.shares.T[::-1], strict=True):
            _, width, mass = per_galaxy(share, width, mass)
            time = time + width * np.clip((share - formed) / np.maximum(mass, 1e-300), 0.0, 1.0)
            formed = formed + mass
        return np.clip(time / per_galaxy(share, self.age)[1], 0.0, 1.0)
