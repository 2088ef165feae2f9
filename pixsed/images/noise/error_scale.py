"""Comparison of the errors of images and cubes with the scatter of their empty sky."""

import math

import numpy as np

from pixsed.images.informative import largest_error
from pixsed.io.rows import sampled_rows
from pixsed.io.sky import is_like_sky, robust_rms
from pixsed.nodata import MAX_ERR

#: Ratio of the errors of an image to the scatter of its sky, or its inverse, above which `bkg`
#: and `psfmatch` warn. `pixsed.images.noise.autocorrelation` masks sources and subtracts the
#: background, so that the scatter is known to a few per cent.
IMAGE_LIMIT = 1.3
#: The same for `cutout`, `noise` and the mosaics of `fit`. Their sky is everything outside the
#: segments. Faint sources raise its scatter and drizzling lowers it, each by up to a factor of 2,
#: whereas a wrong unit or a variance read as a standard deviation gives much more than 3.
MOSAIC_LIMIT = 3.0
# Number of pixels of a mosaic on which its errors are compared with its sky.
_SAMPLED_PIXELS = 400_000
# Number of pixels below which the sky of a cut is not measured.
_MIN_SKY_PIXELS = 10


def is_off(ratio, limit):
    """Return whether a ratio or its inverse is above a limit; False if it is NaN."""
    return bool(ratio > limit or ratio < 1 / limit)


def mosaic_scatter(image, segmap=None):
    """Return the scatter of the sky of a mosaic in units of its errors; 1 if they agree.

    The robust rms of flux over error on rows spread over the mosaic, which also holds for a
    mosaic of several depths. Errors that are sentinels are left out.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Sources to leave out, on the pixels of the image.

    Returns
    -------
    float
        NaN if there is too little sky, or the errors are the rms of the sky.
    """
    if image.err_source == "sky":
        return math.nan
    sample, errors = [], []
    for row in sampled_rows(image.shape, _SAMPLED_PIXELS):
        flux, err = image.read(slice(row, row + 1))
        if segmap is not None:
            flux[segmap.read(slice(row, row + 1)) > 0] = np.nan
        good = np.isfinite(flux)
        sample.append(flux[good])
        errors.append(err[good])
    sample, errors = np.concatenate(sample), np.concatenate(errors)
    known = errors <= _largest_known(errors)
    sample, errors = sample[known], errors[known]
    if not sample.size or (image.fill and not is_like_sky(sample)):
        return math.nan
    # A constant background is not scatter.
    return robust_rms((sample - np.median(sample)) / errors)


def sky_rms(flux, sky):
    """Return the robust rms of `flux` over the sky pixels; NaN if there are too few.

    Parameters
    ----------
    flux : `~numpy.ndarray`, shape (ny, nx)
        NaN = no data.
    sky : `~numpy.ndarray` of bool, shape (ny, nx)
    """
    values = flux[sky & np.isfinite(flux)]
    return robust_rms(values) if values.size >= _MIN_SKY_PIXELS else math.nan


def median_error(err, sky):
    """Return the median error over the sky, or over all pixels if there is too little sky.

    Parameters
    ----------
    err : `~numpy.ndarray`, shape (ny, nx)
        1-sigma errors in nJy; NaN = no data. Sentinels are left out.
    sky : `~numpy.ndarray` of bool, shape (ny, nx)

    Returns
    -------
    float
        In nJy; NaN if no error is known.
    """
    good = err <= _largest_known(err)
    if not good.any():
        return math.nan
    values = err[good & sky]
    return float(np.median(values if values.size >= _MIN_SKY_PIXELS else err[good]))


def _largest_known(errors):
    """Return the limit, in nJy, above which an error is a sentinel."""
    return min(largest_error(errors), MAX_ERR)
