"""Power-law and double-power-law histories."""

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from pixsed.sps.sfh.base import History, per_galaxy


class PowerLaw(History):
    """Power-law histories: SFR(t) proportional to (t - t_i)^p from t_i on.

    Parameters
    ----------
    power : `~numpy.ndarray`, shape (N,)
        p, above -1. The rate falls if p < 0 and rises if p > 0.
    tstart : `~numpy.ndarray`, shape (N,)
        t_i, cosmic time at which star formation begins, Gyr.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.
    """

    def __init__(self, power, tstart, age):
        self.age = np.asarray(age, dtype=float)
        self.grow = 1.0 + np.asarray(power, dtype=float)
        self.span = np.maximum(self.age - tstart, 1e-9)

    def mass_younger(self, limit):
        """Return the fraction of the formed mass younger than `limit` Gyr, (N,) or (N, K)."""
        limit, grow, span = per_galaxy(limit, self.grow, self.span)
        with np.errstate(divide="ignore"):  # log 0 where all of the mass is younger
            return -np.expm1(grow * np.log1p(-np.minimum(limit / span, 1.0)))

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        return self.span / (1.0 + self.grow)

    def formation_time(self, fraction):
        """Return the cosmic time at which a fraction of the mass has formed, over the age.

        Exact; see `History.formation_time`.
        """
        fraction, grow, span, age = per_galaxy(fraction, self.grow, self.span, self.age)
        return np.clip((age - span + span * fraction ** (1.0 / grow)) / age, 0.0, 1.0)


#: 1 / (1 + y) for y from 0 to 1 as a polynomial, to 1e-10.
_INVERSE = Chebyshev.interpolate(lambda y: 1 / (1 + y), 12, domain=[0, 1]).convert(kind=Polynomial)
#: Number of values computed together, few enough to stay in the cache of the processor.
_CHUNK = 50_000


class DoublePowerLaw(History):
    """Double-power-law histories (Carnall+18).

    SFR(t) is proportional to 1 / [(t / tau)^alpha + (t / tau)^-beta].

    Parameters
    ----------
    alpha, beta : `~numpy.ndarray`, shape (N,)
        Slopes of the fall after tau and of the rise before it, above 0.
    tau : `~numpy.ndarray`, shape (N,)
        Cosmic time about the peak, Gyr, at most `age`.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.
    """

    def __init__(self, alpha, beta, tau, age):
        self.alpha, self.beta, self.tau, self.age = (
            np.asarray(a, dtype=float) for a in (alpha, beta, tau, age)
        )
        self._whole = self._formed(self.age, slice(None))

    def _formed(self, time, rows, moment=0):
        """Return the integral of SFR x (t / tau)^moment up to a cosmic time, unnormalised.

        With w = (alpha + beta) log(t / tau) it is the integral of exp(a w) / (1 + exp(w)),
        a = (beta + 1 + moment) / (alpha + beta). On each side of w = 0 the inverse is a
        polynomial in exp(-|w|), integrated term by term.
        """
        alpha, beta, tau = (p[rows] for p in (self.alpha, self.beta, self.tau))
        if np.ndim(time) == 2:
            alpha, beta, tau = alpha[:, None], beta[:, None], tau[:, None]
        a = (beta + 1.0 + moment) / (alpha + beta)
        w = (alpha + beta) * np.log(np.maximum(time, 1e-30) / tau)
        before, after = np.minimum(w, 0.0), np.maximum(w, 0.0)
        coefficients = _INVERSE.coef
        with np.errstate(under="ignore"):
            rising = _polynomial([c / (a + k) for k, c in enumerate(coefficients)], np.exp(before))
            total = np.exp(a * before) * rising
            # After the peak the exponents a - 1 - k may be 0. For k = 0 this is handled below;
            # for k > 0 an integer a - 1 is shifted by 1e-7.
            first = a - 1.0
            whole = np.maximum(np.round(first), 1.0)
            first = np.where(np.abs(first - whole) < 1e-7, whole + 1e-7, first)
            terms = [c / (first - k) for k, c in enumerate(coefficients[1:], 1)]
            decay = np.exp(-after)
            falling = np.exp(first * after) * decay * _polynomial(terms, decay) - sum(terms)
            near = np.abs(first) < 1e-12
            safe = np.where(near, 1.0, first)
            falling += coefficients[0] * np.where(near, after, np.expm1(first * after) / safe)
        return total + falling

    def mass_younger(self, limit):
        """Return the fraction of the formed mass younger than `limit` Gyr, (N,) or (N, K)."""
        limit = np.asarray(limit, dtype=float)
        younger = np.empty((len(self.age), *limit.shape[-1:]))
        step = max(1, _CHUNK // (younger.shape[1] if limit.ndim else 1))
        for start in range(0, len(younger), step):
            rows = slice(start, start + step)
            part = limit[rows] if limit.ndim == 2 else limit
            part, age, whole = per_galaxy(part, self.age[rows], self._whole[rows])
            younger[rows] = 1.0 - self._formed(np.maximum(age - part, 0.0), rows) / whole
        return np.clip(younger, 0.0, 1.0)

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        mean = self.tau * self._formed(self.age, slice(None), moment=1) / self._whole
        return np.clip(self.age - mean, 0.0, self.age)


def _polynomial(coefficients, x):
    """Evaluate a polynomial with arrays as coefficients, lowest order first."""
    total = coefficients[-1]
    for c in coefficients[-2::-1]:
        total = total * x + c
    return total
