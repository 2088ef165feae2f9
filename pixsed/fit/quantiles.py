"""Quantiles and standard deviations, from draws or from the quantiles of a network."""

from functools import cache

import numpy as np
from scipy.special import ndtri

from pixsed.errors import PixsedError

#: A quantile of draws is the mean of the quantiles within `REACH` of its level, or within the
#: fraction `END_FRACTION` of the distance to 0 or 1 if that is less.
REACH, END_FRACTION = 0.05, 0.3


def _hat(t):
    """Return the integral of 1 - |t| from -1 to t."""
    t = np.clip(t, -1.0, 1.0)
    return 0.5 + t - 0.5 * t * np.abs(t)


@cache
def _window(level, count):
    """Return the slice of the sorted draws that enter a quantile, and their weights."""
    half = max(min(REACH, END_FRACTION * min(level, 1.0 - level)), 0.5 / count)
    # Draw k has the level (k + 1/2) / count; the quantile is linear between draws.
    ends = (level + half * np.array([-1.0, 1.0])) * count - 0.5
    start, stop = np.clip(ends, 0.0, count - 1.0)
    whole = [_hat(end - np.arange(count)) for end in (start, stop)]
    weights = whole[1] - whole[0]
    weights[0] += start - ends[0]
    weights[-1] += ends[1] - stop
    used = np.flatnonzero(weights)
    part = slice(used[0], used[-1] + 1)
    return part, (weights[part] / (ends[1] - ends[0])).astype(np.float32)


def of_draws(ordered, levels):
    """Return quantiles of sorted draws.

    Each is the mean of the quantiles within `REACH` of its level. This removes the jitter
    between quasi-random draws, and makes them worth up to 1.5 times as many.

    Parameters
    ----------
    ordered : `~numpy.ndarray`, shape (N, S), float32
        Ascending along the last axis. A row with a NaN has NaN quantiles.
    levels : sequence of float

    Returns
    -------
    list of `~numpy.ndarray`, shape (N,), float32
    """
    found = []
    middle = ordered[:, ordered.shape[1] // 2]
    for level in levels:
        part, weights = _window(float(level), ordered.shape[1])
        # Subtracting the median keeps digits. Each row is summed by itself, so that its sum
        # does not depend on the other rows.
        off = ordered[:, part] - middle[:, None]
        found.append(middle + (off * weights).sum(axis=1))
    return found


def spread(values, middle):
    """Return the standard deviation of draws, shape (N,), float32.

    Parameters
    ----------
    values : `~numpy.ndarray`, shape (N, S)
    middle : `~numpy.ndarray`, shape (N,)
        Values near the mean; subtracting them keeps digits in the sum of squares.
    """
    off = values - middle[:, None]
    mean = off.mean(axis=1)
    return np.sqrt(np.maximum((off * off).mean(axis=1) - mean * mean, 0.0))


def check_levels(levels, wanted):
    """Raise `PixsedError` if a wanted level is outside the range of `levels`."""
    beyond = [q for q in wanted if not levels[0] - 1e-9 <= q <= levels[-1] + 1e-9]
    if beyond:
        raise PixsedError(
            f"quantile {beyond[0]:g} is outside {levels[0]:g} to {levels[-1]:g}, the range of the "
            "model's quantile engine; try --engine flow"
        )


def at_levels(values, levels, wanted):
    """Return quantiles at other levels.

    A level that is among `levels` is copied. Between two levels the value is linear in the
    normal quantile of the level, as it is for a Gaussian.

    Parameters
    ----------
    values : `~numpy.ndarray`, shape (..., L)
        Quantiles, ascending with the level.
    levels : sequence of float
        L levels, ascending.
    wanted : sequence of float
        Q levels.

    Returns
    -------
    list of `~numpy.ndarray`, shape (...)

    Raises
    ------
    PixsedError
        If a wanted level is beyond the outermost levels.
    """
    check_levels(levels, wanted)
    score = ndtri(np.asarray(levels, dtype=float))
    found = []
    for q in wanted:
        near = int(np.abs(np.asarray(levels) - q).argmin())
        if abs(levels[near] - q) < 1e-9:
            found.append(values[..., near])
            continue
        above = int(np.searchsorted(levels, q))
        weight = np.float32((ndtri(q) - score[above - 1]) / (score[above] - score[above - 1]))
        low, high = values[..., above - 1], values[..., above]
        found.append(low + weight * (high - low))
    return found


@cache
def _moments(levels):
    """Return the weights of the mean, shape (L,), and of the mean square, shape (L, L)."""
    score = ndtri(np.asarray(levels, dtype=float))
    t = np.linspace(-8.0, 8.0, 16001)
    weight = np.exp(-0.5 * t * t)
    weight /= weight.sum()
    # Hat functions of the normal quantile; the outermost two pieces extend to infinity.
    piece = np.clip(np.searchsorted(score, t) - 1, 0, len(score) - 2)
    upper = (t - score[piece]) / (score[piece + 1] - score[piece])
    hats = np.zeros((len(t), len(score)))
    rows = np.arange(len(t))
    hats[rows, piece], hats[rows, piece + 1] = 1.0 - upper, upper
    return weight @ hats, hats.T @ (weight[:, None] * hats)


def deviation(values, levels):
    """Return the standard deviation of distributions given by quantiles, shape (...), float32.

    The quantile function is assumed to be linear in the normal quantile of the level, between
    the levels and beyond them, so the result is exact for a Gaussian.

    Parameters
    ----------
    values : `~numpy.ndarray`, shape (..., L)
        Quantiles, ascending with the level.
    levels : sequence of float
        L levels, ascending.
    """
    first, second = _moments(tuple(levels))
    # Subtract the middle value, so that digits do not cancel.
    off = values - values[..., len(levels) // 2 : len(levels) // 2 + 1]
    off = off.astype(float)
    mean = off @ first
    square = ((off @ second) * off).sum(axis=-1)
    return np.sqrt(np.maximum(square - mean * mean, 0.0)).astype(np.float32)
