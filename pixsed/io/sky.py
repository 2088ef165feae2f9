"""Statistics of sky pixels: their scatter, and whether they are sky at all."""

import numpy as np


def robust_rms(values):
    """Return the scatter of the sky: 3-sigma clipped, by the median absolute deviation.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape; what is not finite is left out.

    Returns
    -------
    float
        In the unit of `values`; NaN where fewer than 10 are finite.
    """
    from astropy.stats import mad_std, sigma_clip  # slow to import, and not always needed

    values = values[np.isfinite(values)].astype(np.float64)
    if values.size < 10:
        return float("nan")
    return float(mad_std(sigma_clip(values, sigma=3, maxiters=5, stdfunc="mad_std", masked=False)))


def is_like_sky(values):
    """Return whether values spread about as far above their median as below it.

    Pixels of sources alone, where the sky was blanked, do not.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape; what is not finite is left out.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return True
    low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
    return bool(high - middle <= 2 * (middle - low))
