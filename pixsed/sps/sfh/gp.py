"""Histories with given mass quantiles, by the Gaussian process of Dense Basis, in batches.

This is `dense_basis.gp_sfh.tuple_to_sfh` (Iyer & Gawiser 2017, Iyer+19), which works on one
object at a time. A Gaussian process goes through the points (cosmic time over age, fraction of
mass formed) of the three times and of three points that impose the present star-formation rate.
Its slope on a grid of 1000 times is the star-formation rate. Points, kernel, errors, grid and
the treatment of the last 10 Myr are the same; the mass formed is then normalised to 1.
"""

import numpy as np

from pixsed.sps.constants import YR_PER_GYR
from pixsed.sps.sfh.base import History, per_galaxy

GRID = 1000
#: Fractions of mass at which the present star-formation rate is imposed.
SFR_FRACTIONS = (0.97, 0.98, 0.99)
#: Largest accepted difference from the wanted present rate, dex.
SFR_TOLERANCE = 0.05
#: Time before observation in which the rate may be set to the wanted one, Gyr.
DECOUPLED = 0.01
#: White noise of george, and the error of the mass fraction at the three times.
_JITTER = 1.25e-12
_TIME_ERROR = 0.001 / np.sqrt(3.0)
#: Lower limit of the squared length of the kernel, which is the median mass fraction of the
#: points. The median is nearly always 0.75. If t75 is 1 and the rate is high, it may be 0 or
#: negative, and the kernel would not exist.
_LEAST_MEDIAN = 0.05
#: Maximum number of grid points in the last 10 Myr, enough down to an age of 0.2 Gyr
#: (redshift 18).
_TAIL = 50
_CHUNK = 500


def training_points(log_ssfr, times, age):
    """Return the points that the Gaussian process goes through.

    Parameters
    ----------
    log_ssfr : `~numpy.ndarray`, shape (N,)
        log10 of the present SFR over the mass formed [1/yr].
    times : `~numpy.ndarray`, shape (N, 3)
        t25, t50, t75: cosmic times over the age.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.

    Returns
    -------
    x, y : `~numpy.ndarray`, shape (N, 9)
        Cosmic time over the age, and fraction of the mass formed; x may be unsorted.
    """
    n = len(age)
    x, y = np.empty((n, 9)), np.empty((n, 9))
    x[:, 0], x[:, 1], x[:, 8] = 0.0, 0.01, 1.0
    y[:, 0], y[:, 1], y[:, 8] = 0.0, 0.0, 1.0
    x[:, 2:5], y[:, 2:5] = times, (0.25, 0.5, 0.75)
    rate = 10.0**log_ssfr * age * YR_PER_GYR  # mass fraction per age of the Universe
    for column, fraction in enumerate(SFR_FRACTIONS, 5):
        when = 1.0 - (1.0 - fraction) / rate
        late = (when > x[:, column - 1]) & (when > 0.9)
        x[:, column] = np.where(late, when, fraction)
        y[:, column] = np.where(late, fraction, 1.0 - (1.0 - fraction) * rate)
    return x, y


def _mean_coefficients(x, y):
    """Return the coefficients of the mean of the Gaussian process between its points.

    Between adjacent points it is (a + b s) exp(-q s) + (c + d s) exp(q s) + e s^2, where s is the
    cosmic time over the age: Matern-3/2 kernels of the points to the left and right.

    Returns
    -------
    pieces : tuple of `~numpy.ndarray`, shape (N, 10)
        a, b, c, d, from before the first point to after the last.
    square, rate : `~numpy.ndarray`, shape (N,)
        e and q.
    x : `~numpy.ndarray`, shape (N, 9)
        The sorted points.
    """
    order = np.argsort(x, axis=1, kind="stable")
    noise = np.full(9, _JITTER)
    noise[2:5] += _TIME_ERROR**2
    noise = noise[order]
    variance, middle = y.var(axis=1), np.maximum(np.median(y, axis=1), _LEAST_MEDIAN)
    x, y = np.take_along_axis(x, order, axis=1), np.take_along_axis(y, order, axis=1)
    rate = np.sqrt(3.0 / middle)
    linear = np.exp(-middle)
    distance = rate[:, None, None] * np.abs(x[:, :, None] - x[:, None, :])
    kernel = (1.0 + distance) * np.exp(-distance)
    kernel += linear[:, None, None] * (x[:, :, None] * x[:, None, :]) ** 2
    kernel *= variance[:, None, None]
    kernel[:, range(9), range(9)] += noise
    alpha = np.linalg.solve(kernel, y[:, :, None])[:, :, 0] * variance[:, None]
    s = rate[:, None] * x
    grow, decay = alpha * np.exp(s), alpha * np.exp(-s)

    def left(terms):
        return np.pad(np.cumsum(terms, axis=1), ((0, 0), (1, 0)))

    def right(terms):
        return np.pad(np.cumsum(terms[:, ::-1], axis=1)[:, ::-1], ((0, 0), (0, 1)))

    pieces = (
        left(grow * (1.0 - s)),
        left(grow) * rate[:, None],
        right(decay * (1.0 + s)),
        -right(decay) * rate[:, None],
    )
    return pieces, linear * (alpha * x**2).sum(axis=1), rate, x


def _mass_on_grid(pieces, square, rate, x):
    """Return the mean of the Gaussian process on the grid, shape (N, GRID)."""
    first = np.ceil(x * (GRID - 1)).astype(int)  # first grid time at or after each point
    ends = np.pad(first, ((0, 0), (1, 1)), constant_values=((0, 0), (0, GRID)))
    counts = np.diff(ends, axis=1).ravel()
    a, b, c, d = (np.repeat(p.ravel(), counts).reshape(len(x), GRID) for p in pieces)
    s = np.linspace(0.0, 1.0, GRID)
    if np.all(rate == rate[0]):  # nearly always, as the median is then 0.75
        rate = rate[:1]
    grow = np.exp(rate[:, None] * s)
    b *= s
    b += a
    b /= grow
    d *= s
    d += c
    d *= grow
    b += d
    b += square[:, None] * s**2
    return b


class GPHistory(History):
    """Dense Basis histories of given t25, t50, t75 and present specific SFR.

    The times at which 25, 50 and 75 % of the mass have formed differ from the given times,
    because of the errors of the Gaussian process, the clipping of negative rates, and the last
    10 Myr. `formation_time` returns the actual times.

    Parameters
    ----------
    log_ssfr : `~numpy.ndarray`, shape (N,)
        log10 of the present SFR over the mass formed [1/yr].
    times : `~numpy.ndarray`, shape (N, 3)
        t25 <= t50 <= t75: cosmic times over the age, 0 to 1.
    age : `~numpy.ndarray`, shape (N,)
        Age of the Universe at the galaxy, Gyr.

    Attributes
    ----------
    rates : `~numpy.ndarray`, shape (N, 1000), float32
        Star-formation rate at equal steps of cosmic time from 0 to `age`, linear between them,
        in mass fraction per step.
    """

    def __init__(self, log_ssfr, times, age):
        self.age = np.asarray(age, dtype=float)
        log_ssfr, times = np.asarray(log_ssfr, dtype=float), np.asarray(times, dtype=float)
        n = len(self.age)
        self.rates = np.empty((n, GRID), dtype=np.float32)
        # The sum starts at the late end, so that float32 is precise for small fractions.
        self._younger = np.empty((n, GRID), dtype=np.float32)
        x, y = training_points(log_ssfr, times, self.age)
        order = np.argsort(np.median(y, axis=1), kind="stable")  # equal kernels together
        for start in range(0, n, _CHUNK):
            rows = order[start : start + _CHUNK]
            mass = _mass_on_grid(*_mean_coefficients(x[rows], y[rows]))
            self.rates[rows], self._younger[rows] = _rates(mass, log_ssfr[rows], self.age[rows])

    def mass_younger(self, limit):
        """Return the fraction of the formed mass younger than `limit` Gyr, (N,) or (N, K)."""
        limit, age = per_galaxy(limit, self.age)
        position = np.clip(1.0 - limit / age, 0.0, 1.0) * (GRID - 1)
        node = np.minimum(position.astype(int), GRID - 2)
        part = position - node
        flat = node + per_galaxy(limit, np.arange(len(self.age)) * GRID)[1]
        r0, r1 = (self.rates.ravel()[flat + i].astype(float) for i in (0, 1))
        before, after = (self._younger.ravel()[flat + i].astype(float) for i in (0, 1))
        younger = after + (1.0 - part) * (r1 + 0.5 * (1.0 - part) * (r0 - r1))
        return np.clip(younger, after, before)  # keep the order despite float32 rounding

    def mass_weighted_age(self):
        """Return the mean lookback time at which the mass formed, Gyr, shape (N,)."""
        # Integrals of lookback time times the triangles of linear interpolation.
        moments = np.arange(GRID - 1, -1, -1, dtype=float)
        moments[0], moments[-1] = 0.5 * (GRID - 1) - 1 / 6, 1 / 6
        mean = np.empty(len(self.age))
        for start in range(0, len(mean), _CHUNK):
            rows = slice(start, start + _CHUNK)
            mean[rows] = (self.rates[rows] * moments).sum(axis=1)
        return mean * self.age / (GRID - 1)

    def formation_time(self, fraction):
        """Return the cosmic time at which a fraction of the mass has formed, over the age.

        See `History.formation_time`.
        """
        fraction = np.asarray(fraction, dtype=float)
        columns = [self._formed_at(one) for one in np.atleast_1d(fraction)]
        return np.stack(columns, axis=1) if fraction.ndim else columns[0]

    def _formed_at(self, fraction):
        rows = np.arange(len(self.age))
        node = np.empty(len(rows), dtype=int)
        for start in range(0, len(rows), _CHUNK):
            part = slice(start, start + _CHUNK)
            node[part] = np.count_nonzero(self._younger[part] > 1.0 - fraction, axis=1)
        node = np.clip(node - 1, 0, GRID - 2)
        r0, r1 = (self.rates[rows, node + i].astype(float) for i in (0, 1))
        needed = np.maximum(self._younger[rows, node] - (1.0 - fraction), 0.0)
        root = r0 + np.sqrt(np.maximum(r0**2 + 2 * (r1 - r0) * needed, 0.0))
        part = np.divide(2 * needed, root, out=np.zeros_like(root), where=root > 0)
        return (node + np.clip(part, 0.0, 1.0)) / (GRID - 1)


def _rates(mass, log_ssfr, age):
    """Return rates (mass fraction per step) and younger mass fractions on the grid, (n, GRID)."""
    n = len(mass)
    rates = np.zeros((n, GRID))
    np.subtract(mass[:, 1:], mass[:, :-1], out=rates[:, 1:])
    np.maximum(rates, 0.0, out=rates)
    rates *= GRID / (
        GRID - 1
    )  # as in dense_basis: a step is age / 1000 for rates, age / 999 in time
    # Number of grid points in the last 10 Myr: 1 at redshift 0, 14 at 7.5.
    count = np.ceil(DECOUPLED * (GRID - 1) / age - 0.5).astype(int)
    count = np.clip(count, 1, _TAIL)
    tail = rates[:, GRID - _TAIL :]
    late = np.arange(_TAIL) >= _TAIL - count[:, None]
    first, before = (rates[np.arange(n), GRID - count - i] for i in (0, 1))
    # Trapezoidal rule on equal steps: sums minus half of the ends.
    late_sum = np.where(late, tail, 0.0).sum(axis=1)
    in_late = late_sum - 0.5 * (first + tail[:, -1])
    early_sum = rates.sum(axis=1) - late_sum
    in_early = early_sum - 0.5 * (rates[:, 0] + before)
    scale = np.maximum(1.0 - in_late, 0.0)
    scale = np.divide(scale, in_early, out=np.zeros(n), where=in_early > 0)
    wanted = 10.0**log_ssfr * age * YR_PER_GYR / (GRID - 1)
    with np.errstate(divide="ignore"):
        off = np.abs(np.log10(tail[:, -1]) - np.log10(wanted)) > SFR_TOLERANCE
    new_tail = np.where(late, np.where(off[:, None], wanted[:, None], tail), scale[:, None] * tail)
    late_sum = np.where(late, new_tail, 0.0).sum(axis=1)
    total = scale * (early_sum - 0.5 * rates[:, 0]) + late_sum - 0.5 * new_tail[:, -1]
    rates *= (scale / total)[:, None]
    rates[:, GRID - _TAIL :] = new_tail / total[:, None]
    younger = np.zeros((n, GRID))
    np.add(rates[:, :0:-1], rates[:, -2::-1], out=younger[:, -2::-1])
    np.cumsum(younger[:, ::-1], axis=1, out=younger[:, ::-1])
    younger *= 0.5
    return rates, younger
