"""Removal of pixels whose error is a sentinel, used instead of NaN or a weight of zero.

This limit is for one image in its own unit, for which only the typical error is known.
`pixsed.nodata` compares the bands of a pixel in nJy, and `pixsed.io.fill` has the limit for any
number in a file.
"""

import warnings

import numpy as np

from pixsed.errors import PixsedWarning
from pixsed.io.rows import sampled_rows

#: An error above this multiple of the typical error is a sentinel. Depth varies less than this
#: within a mosaic.
SENTINEL = 1e4
# Number of pixels of an image whose errors are sampled.
_CHECKED_PIXELS = 400_000


class Informative:
    """Image in its own unit, with NaN where the error is a sentinel.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`

    Attributes
    ----------
    max_error : float
        Largest error that is not a sentinel; infinite if there are no errors.

    Warns
    -----
    PixsedWarning
        If there are pixels with sentinels.
    """

    def __init__(self, image):
        self._image = image
        self.name, self.shape, self.noise_corr = image.name, image.shape, image.noise_corr
        rows = (
            self._image.read(slice(row, row + 1), native=True)[1]
            for row in sampled_rows(self.shape, _CHECKED_PIXELS)
        )
        errors = np.concatenate([row.ravel() for row in rows if row is not None] or [[]])
        self.max_error = largest_error(errors)
        if above := np.count_nonzero(errors > self.max_error):
            warnings.warn(
                f"{self.name}: {100 * above / errors.size:.3g} % of its pixels have errors above "
                f"{self.max_error:.3g}, {SENTINEL:g} times the typical one: they are taken "
                "as no data",
                PixsedWarning,
                stacklevel=3,
            )

    def read(self, y=slice(None), x=slice(None), *, native=True):
        """Return (data, err) of a part, as `~pixsed.io.image.ImageFile.read` does."""
        data, err = self._image.read(y, x, native=native)
        if err is not None:
            bad = err > self.max_error
            data[bad] = np.nan
            err[bad] = np.nan
        return data, err


def largest_error(errors):
    """Return the largest error that is not a sentinel; infinite if no error is known.

    Parameters
    ----------
    errors : `~numpy.ndarray`
        Of any shape. Values that are not finite and positive are left out.
    """
    typical = typical_value(errors, SENTINEL)
    return SENTINEL * typical if typical else np.inf


def typical_value(values, ratio):
    """Return the median of the positive values, or of their lowest group.

    Sentinels may be more than half of the values. If more than 1 % of the values are below the
    median divided by `ratio`, the median of those lower values is used, and so on.

    Parameters
    ----------
    values : `~numpy.ndarray`
        Of any shape. Values that are not finite and positive are left out.
    ratio : float

    Returns
    -------
    float
        0 if no value is positive.
    """
    values = values[(values > 0) & np.isfinite(values)]
    if not values.size:
        return 0.0
    fewest = 0.01 * values.size
    middle = np.median(values)
    while (values := values[values < middle / ratio]).size > fewest:
        middle = np.median(values)
    return float(middle)
