"""Posteriors with two peaks, recognised from their draws."""

from functools import cache

import numpy as np

#: Minimum number of draws; with fewer, no posterior is said to have two peaks.
MIN_DRAWS = 32
# Number of bins of the histogram, and number of standard deviations on each side of the median.
_BINS, _RANGE = 32, 4.0
# Width of the smoothing kernel: this many standard deviations of the draws times S**-0.2. A
# narrower one misses a small second peak, a wider one two close peaks.
_WIDTH = 0.8
# Kernel weights are integers, up to this one. Sums are then exact in any order.
_UNIT = 1 << 20


@cache
def _kernel(count):
    """Return the smoothing matrix of the histogram of `count` draws, shape (bins, bins)."""
    bins = np.arange(_BINS)
    width = _WIDTH * count**-0.2 * _BINS / (2 * _RANGE)
    return np.round(_UNIT * np.exp(-0.5 * ((bins[:, None] - bins) / width) ** 2))


def threshold(count):
    """Return the depth of a valley, in Poisson errors, that `count` draws of one peak seldom reach.

    Fewer than 1 % of sets of draws of a uniform distribution, the worst of those with one peak,
    exceed it (tests/benchmarks/bench_peaks.py).
    """
    return 0.3 + 0.4 * np.log(count)


def valley_depth(draws, middle, std):
    """Return the depth of the deepest valley of a distribution between two peaks.

    The draws are counted in 32 bins within 4 standard deviations of the median, and the counts
    are smoothed with a Gaussian. At each bin, the lower of the highest count on its left and the
    highest count on its right minus the count there is the depth of a valley; it is divided by
    the Poisson error, the square root of the former. Skewness and long tails make no valley.

    Parameters
    ----------
    draws : `~numpy.ndarray`, shape (N, S)
    middle, std : `~numpy.ndarray`, shape (N,)
        Median and standard deviation of the draws.

    Returns
    -------
    `~numpy.ndarray`, shape (N,), float64
        0 for one peak, and where `std` is 0 or NaN.
    """
    rows, count = draws.shape
    with np.errstate(divide="ignore", invalid="ignore"):
        place = (draws - middle[:, None]) * (_BINS / (2 * _RANGE) / std)[:, None] + _BINS // 2
    # Draws beyond the histogram, and those of a row with NaN, go into a bin of their own.
    place = np.fmax(np.fmin(place + 1, _BINS + 1), 0).astype(np.intp)
    place += (_BINS + 2) * np.arange(rows)[:, None]
    histogram = np.bincount(place.ravel(), minlength=rows * (_BINS + 2))
    histogram = histogram.reshape(rows, -1)[:, 1:-1].astype(float)
    smooth = histogram @ _kernel(count) / _UNIT
    left = np.maximum.accumulate(smooth, axis=1)
    right = np.maximum.accumulate(smooth[:, ::-1], axis=1)[:, ::-1]
    peak = np.minimum(left, right)
    return ((peak - smooth) / np.sqrt(np.maximum(peak, 1e-9))).max(axis=1)


def has_two_peaks(draws, middle, std):
    """Return whether each of N distributions has two peaks, shape (N,), bool.

    Parameters
    ----------
    draws, middle, std
        See `valley_depth`.
    """
    count = draws.shape[1]
    if count < MIN_DRAWS:
        return np.zeros(len(draws), dtype=bool)
    return valley_depth(draws, middle, std) > threshold(count)
