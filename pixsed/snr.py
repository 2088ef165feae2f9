"""Mean S/N of a pixel or a row, over the bands that have data."""

import numpy as np

from pixsed.bands import SNR_BANDS


def snr_bands(bands):
    """Return the bands of the mean S/N: those in `SNR_BANDS`, or else the last three.

    Parameters
    ----------
    bands : sequence of str
        In order of ascending wavelength.
    """
    return [band for band in bands if band in SNR_BANDS] or list(bands[-3:])


def is_reference(bands):
    """Return a mask of the bands that are in `SNR_BANDS`, (B,) bool."""
    return np.isin(bands, SNR_BANDS)


def snr_used(present, reference):
    """Return the bands over which the S/N of each pixel is averaged.

    These are F277W, F356W and F444W, if they have data in the pixel. If none of the three has
    data, the three reddest bands with data are used.

    Parameters
    ----------
    present : `~numpy.ndarray` of bool, shape (B, ...)
        Where a band has data.
    reference : `~numpy.ndarray` of bool, shape (B,)
        `is_reference` of the bands, which are in order of ascending wavelength.

    Returns
    -------
    `~numpy.ndarray` of bool, shape (B, ...)
    """
    shape = (-1,) + (1,) * (present.ndim - 1)
    wanted = present & reference.reshape(shape)
    fallback = ~wanted.any(axis=0) & present.any(axis=0)
    if fallback.any():
        from_red = np.cumsum(present[::-1], axis=0)[::-1]
        wanted = np.where(fallback, present & (from_red <= 3), wanted)
    return wanted


def mean_snr(flux, err, bands):
    """Return the mean S/N of each pixel over the bands of `snr_used`.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (B, ...)
        Fluxes and 1-sigma errors in one unit. NaN = no data.
    bands : sequence of str
        In order of ascending wavelength.

    Returns
    -------
    `~numpy.ndarray`, shape (...), float64
        NaN where no band has data.
    """
    with np.errstate(invalid="ignore"):
        ratio = np.asarray(flux) / err
        used = snr_used(np.isfinite(ratio), is_reference(bands))
        return np.where(used, ratio, 0).sum(axis=0) / used.sum(axis=0)


def reference_light(flux, bands):
    """Return the mean flux of each pixel over the bands of `snr_used`.

    Parameters
    ----------
    flux : `~numpy.ndarray`, shape (B, ...)
        NaN = no data.
    bands : sequence of str
        In order of ascending wavelength.

    Returns
    -------
    light : `~numpy.ndarray`, shape (...), float64
        0 where no band has data.
    used : `~numpy.ndarray` of bool, shape (B, ...)
        The bands of each pixel.
    """
    used = snr_used(np.isfinite(flux), is_reference(bands))
    light = np.where(used, flux, 0.0).sum(axis=0, dtype=float)
    return light / np.maximum(used.sum(axis=0), 1), used
