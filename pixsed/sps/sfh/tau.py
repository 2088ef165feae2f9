"""Tau-delayed histories."""

import numpy as np

from pixsed.sps.sfh.base import History, per_galaxy


def delayed_formed(x):
    """Return 1 - (1 + x) exp(-x), without cancellation at small x."""
    x = np.asarray(x, dtype=float)
    with np.errstate(over="ignore", invalid="ignore"):
        exact = -np.expm1(-x) - x * np.exp(-x)
    series = x**2 * (1 / 2 - x * (1 / 3 - x * (1 / 8 - x * (1 / 30 - x / 144))))
    return np.where(x < 0.02, series, exact)


class TauDelayed(History):
    """Tau-delayed histories: SFR(t) proportional to (t - t_i) exp(-(t - t_i) / tau) from t_i on.

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
        """Return the fraction of the formed mass younger than `limit` Gyr, (N,) or (N, K).

        It is computed from the late end, where a short tau gives tiny fractions.
        """
        limit, span, tau, total = per_galaxy(limit, self.span, self.tau, self._total)
        later = np.minimum(limit, span)
        x1, x2 = (span - later) / tau, span / tau
        # Subtract upper tails, so that digits do not cancel; for small x, subtract lower tails.
        with np.errstate(under="ignore"):
            fraction = np.exp(-x1) * ((1 + x1) - (1 + x2) * np.exp(x1 - x2))
        short = self.span / self.tau <= 0.5
        fraction[short] = delayed_formed(x2[short]) - delayed_formed(x1[short])
        fraction /= total
        return np.clip(fraction, 0.0, 1.0, out=fraction)

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        r = self.span / self.tau
        # Mean of x with weight x exp(-x) from 0 to r: gamma(3, r) / gamma(2, r).
        with np.errstate(under="ignore"):
            third = 2.0 - np.exp(-r) * (r**2 + 2 * r + 2)
        third = np.where(r < 0.05, r**3 * (1 / 3 - r * (1 / 4 - r / 10)), third)
        return self.span - self.tau * third / self._total

    def formation_time(self, fraction):
        """Return the cosmic time at which a fraction of the mass has formed, over the age.

        Exact: the inverse of the incomplete gamma function. See `History.formation_time`.
        """
        from scipy.special import gammaincinv

        fraction = np.asarray(fraction, dtype=float)
        arrays = (self.tau, self.span, self.age, self._total)
        _, tau, span, age, total = per_galaxy(fraction, *arrays)
        later = np.minimum(tau * gammaincinv(2.0, fraction * total), span)
        return np.clip((age - span + later) / age, 0.0, 1.0)
