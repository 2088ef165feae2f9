"""Statistics of sky pixels: scatter and symmetry."""

import numpy as np


def robust_rms(values):
    """Return the rms of the sky: 3-sigma clipped, from the median absolute deviation.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape. Values that are not finite are ignored.

    Returns
    -------
    float
        In the unit of `values`; NaN if fewer than 10 values are finite.
    """
    from astropy.stats import mad_std, sigma_clip  # slow to import, and not always needed

    values = values[np.isfinite(values)].astype(np.float64)
    if values.size < 10:
        return float("nan")
    return float(mad_std(sigma_clip(values, sigma=3, maxiters=5, stdfunc="mad_std", masked=False)))


def is_like_sky(values):
    """Return whether values spread about as far above their median as below it.

    This is false for an image with a blanked sky, in which only sources are left.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Any shape. Values that are not finite are ignored.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return True
    low, middle, high = np.quantile(values, (0.16, 0.5, 0.84))
    return bool(high - middle <= 2 * (middle - low))
