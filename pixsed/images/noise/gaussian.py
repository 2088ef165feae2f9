"""A Gaussian fitted to values some of which are not of it."""

import numpy as np
from scipy.special import ndtr

#: Values beyond this many standard deviations are not of the Gaussian.
CLIP = 4.0


def fit_gaussian(values):
    """Return mean and standard deviation of a Gaussian, outliers left out.

    From the 16, 50 and 84 % quantiles, then from the values within 4 standard deviations,
    in rounds; what a Gaussian has beyond is allowed for. A second peak counts with the
    first, unless it holds less than a sixth of the values.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape, finite, not empty.

    Returns
    -------
    mean, std : float
    kept : int
        Values within.
    """
    values = np.asarray(values, dtype=float).ravel()
    low, mean, high = np.quantile(values, (ndtr(-1.0), 0.5, ndtr(1.0)))
    std = (high - low) / 2
    if not std > 0:  # most of them are equal
        return float(values.mean()), float(values.std()), values.size
    # The variance of a Gaussian cut at +-CLIP is less than 1 by this.
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
