"""Fit of a Gaussian to values with outliers."""

import numpy as np
from scipy.special import ndtr

#: Number of standard deviations beyond which a value is an outlier.
CLIP = 4.0


def fit_gaussian(values):
    """Return the mean and standard deviation of a Gaussian, with outliers left out.

    The first estimate is from the 16, 50 and 84 % quantiles. It is then refined from the values
    within 4 standard deviations, corrected for the truncated tails, until no value changes sides.
    A second peak is included unless it holds less than a sixth of the values.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape, finite, not empty.

    Returns
    -------
    mean, std : float
    kept : int
        Number of values within 4 standard deviations.
    """
    values = np.asarray(values, dtype=float).ravel()
    low, mean, high = np.quantile(values, (ndtr(-1.0), 0.5, ndtr(1.0)))
    std = (high - low) / 2
    if not std > 0:  # most of them are equal
        return float(values.mean()), float(values.std()), values.size
    # Standard deviation of a unit Gaussian truncated at +-CLIP.
    density = np.exp(-0.5 * CLIP**2) / np.sqrt(2 * np.pi)
    cut = np.sqrt(1 - 2 * CLIP * density / (2 * ndtr(CLIP) - 1))
    kept = 0
    for _ in range(20):
        inside = values[np.abs(values - mean) <= CLIP * std]
        mean, std = inside.mean(), inside.std() / cut
        if inside.size == kept or not std > 0:
            break
        kept = inside.size
    return float(mean), float(std), int(kept)
