"""Star-formation histories: the mass formed in bins of age, and what follows from it.

Lookback time (age) and cosmic time are in Gyr. A history is normalised to
1 Msun formed.
"""

import numpy as np

#: Time over which the star-formation rate is averaged, Gyr.
SFR_TIME = 0.1
#: Floor of log10 of the specific star-formation rate, SFR / formed mass [1/yr].
LOG_SSFR_FLOOR = -14.0


def delayed_formed(x):
    """Return 1 - (1 + x) exp(-x), without loss of digits at small x."""
    x = np.asarray(x, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = -np.expm1(-x) - x * np.exp(-x)
    series = x**2 * (1 / 2 - x * (1 / 3 - x * (1 / 8 - x * (1 / 30 - x / 144))))
    return np.where(x < 0.02, series, exact)


class TauDelayed:
    """SFR(t) proportional to (t - t_i) exp(-(t - t_i) / tau) from t_i on.

    Parameters
    ----------
    tau : `~numpy.ndarray`, shape (N,)
        Gyr.
    tstart : `~numpy.ndarray`, shape (N,)
        t_i, cosmic time at which star formation begins, Gyr.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.
    """

    def __init__(self, tau, tstart, age):
        self.tau = np.asarray(tau, dtype=float)
        self.span = np.maximum(np.asarray(age, dtype=float) - tstart, 1e-9)
        self.age = np.asarray(age, dtype=float)
        self._total = delayed_formed(self.span / self.tau)

    def mass_younger(self, limit):
        """Return the share of the formed mass younger than `limit` Gyr, shape (N,) or (N, K).

        Computed from the late end, where a short tau leaves tiny shares.
        """
        limit = np.asarray(limit, dtype=float)
        span, tau, total = self.span, self.tau, self._total
        if limit.ndim:
            span, tau, total = span[:, None], tau[:, None], total[:, None]
        later = np.minimum(limit, span)
        x1, x2 = (span - later) / tau, span / tau
        # Upper tails differ without cancelling; lower tails do for small x.
        with np.errstate(under="ignore"):
            tails = np.exp(-x1) * ((1 + x1) - (1 + x2) * np.exp(-(x2 - x1)))
        heads = delayed_formed(x2) - delayed_formed(x1)
        return np.clip(np.where(x2 > 0.5, tails, heads) / total, 0.0, 1.0)

    def weights(self, edges):
        """Return the share of mass formed in each age bin.

        Parameters
        ----------
        edges : `~numpy.ndarray`, shape (A + 1,)
            Gyr, from 0 upwards.

        Returns
        -------
        `~numpy.ndarray`, shape (N, A)
            Rows add up to 1: mass older than the last edge is counted in the last bin.
        """
        younger = self.mass_younger(edges)
        younger[:, -1] = 1.0
        return np.diff(younger, axis=1)

    def log_sfr(self):
        """Return log10 of the mean SFR over the last 100 Myr, for 1 Msun formed [1/yr]."""
        with np.errstate(divide="ignore"):
            log = np.log10(self.mass_younger(SFR_TIME)) - np.log10(SFR_TIME * 1e9)
        return np.maximum(log, LOG_SSFR_FLOOR)

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr."""
        r = self.span / self.tau
        # Mean of x over x exp(-x) from 0 to r: gamma(3, r) / gamma(2, r).
        with np.errstate(under="ignore"):
            third = 2.0 - np.exp(-r) * (r**2 + 2 * r + 2)
        third = np.where(r < 0.05, r**3 * (1 / 3 - r * (1 / 4 - r / 10)), third)
        return self.span - self.tau * third / self._total
