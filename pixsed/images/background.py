"""The sky background of an image: a smooth map, subtracted, and its rms."""

import warnings
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning

# A box with this share of its pixels masked is filled in from its neighbours; photutils'
# own 10 % would leave hardly a box of a deep field whose sources are masked.
_EXCLUDE_PERCENT = 80.0


@dataclass
class Background:
    """An image after background subtraction; every array (ny, nx) float32, its unit.

    Attributes
    ----------
    data : `~numpy.ndarray`
        Background subtracted; NaN = no data.
    err : `~numpy.ndarray`
        1-sigma errors, the sky's rms included in quadrature.
    background, rms : `~numpy.ndarray`
        What was subtracted, and the rms of the sky around it; NaN where `data` is.
    """

    data: np.ndarray
    err: np.ndarray
    background: np.ndarray
    rms: np.ndarray


def subtract_background(data, err=None, *, box=200, filter_size=3, mask=None, sigma=3.0):
    """Subtract the mean of the clipped sky, box by box, interpolated between boxes.

    Parameters
    ----------
    data : `~numpy.ndarray`
        (ny, nx), any unit; NaN = no data.
    err : `~numpy.ndarray`, optional
        (ny, nx) 1-sigma errors in the same unit; NaN = no data. By default none: the
        errors are then the sky's rms.
    box : int, optional
        Side of a box in pixels. Where the image is smaller, a box is the image, with a
        `PixsedWarning`.
    filter_size : int, optional
        Boxes a side, odd, over which the median smooths.
    mask : `~numpy.ndarray`, optional
        (ny, nx) bool, true = source, left out of the sky.
    sigma : float, optional
        Clipping, in standard deviations.

    Returns
    -------
    `Background`

    Raises
    ------
    PixsedError
        If shapes do not agree, `box` or `filter_size` is out of range, or no box has
        enough sky.
    """
    _validate(data, err, mask, box, filter_size)
    from astropy.stats import SigmaClip
    from photutils.background import Background2D, MeanBackground, StdBackgroundRMS

    data = np.asarray(data, dtype=np.float64)
    empty = ~np.isfinite(data)
    if err is not None:
        empty |= ~np.isfinite(err)
    if empty.all():
        raise PixsedError("the image has no data: every pixel is NaN or of zero weight")
    box_size = tuple(min(box, n) for n in data.shape)
    if box_size != (box, box):
        warnings.warn(
            f"the image, {data.shape[1]} x {data.shape[0]} pixels, is smaller than a background "
            f"box of {box}; the box is {box_size[1]} x {box_size[0]}",
            PixsedWarning,
            stacklevel=2,
        )
    try:
        found = Background2D(
            np.where(empty, 0.0, data),
            box_size,
            mask=mask,
            coverage_mask=empty,
            fill_value=np.nan,
            exclude_percentile=_EXCLUDE_PERCENT,
            filter_size=filter_size,
            sigma_clip=SigmaClip(sigma=sigma),
            # Background2D clips for both.
            bkg_estimator=MeanBackground(sigma_clip=None),
            bkg_rms_estimator=StdBackgroundRMS(sigma_clip=None),
        )
        background, rms = found.background, found.background_rms
    except ValueError as error:
        raise PixsedError(
            f"the background cannot be measured ({' '.join(str(error).split())}); "
            "try a larger --box, or less of the image masked"
        ) from error
    total = rms if err is None else np.hypot(err, rms)
    planes = (data - background, total, background, rms)
    return Background(*(np.where(empty, np.nan, plane).astype(np.float32) for plane in planes))


def _validate(data, err, mask, box, filter_size):
    shape = np.shape(data)
    if len(shape) != 2:
        raise PixsedError(f"data must be 2-D, got {len(shape)}-D")
    for name, array in (("err", err), ("mask", mask)):
        if array is not None and np.shape(array) != shape:
            raise PixsedError(f"{name} must be of shape {shape}, got {np.shape(array)}")
    if box < 2:
        raise PixsedError(f"box must be 2 pixels or more, got {box}")
    if filter_size < 1 or filter_size % 2 == 0:
        raise PixsedError(f"filter_size must be odd, got {filter_size}")
