"""Part of a cube: the autocorrelation of the noise of its bands."""

import numpy as np
from astropy.io import fits

from pixsed.errors import PixsedError

#: Name of the extension, which not every cube has.
EXTENSION = "NOISECOR"


def checked_autocorrelation(values, bands):
    """Return autocorrelations of a number of bands as float32.

    Raises
    ------
    PixsedError
        If they are not of shape (bands, 2 n + 1, 2 n + 1), or are not 1 in the middle or NaN.
    """
    values = np.asarray(values, dtype=np.float32)
    square = values.ndim == 3 and values.shape[1] == values.shape[2] and values.shape[1] % 2
    if not square or len(values) != bands:
        raise PixsedError(
            f"autocorrelation must be of shape ({bands}, 2 n + 1, 2 n + 1), got {values.shape}"
        )
    middle = values[:, values.shape[1] // 2, values.shape[1] // 2]
    unknown = np.isnan(values).all(axis=(1, 2))
    if not (unknown | (np.isfinite(values).all(axis=(1, 2)) & (abs(middle - 1) < 1e-4))).all():
        raise PixsedError("autocorrelation must be 1 in the middle of each band, or NaN in all")
    return values


def autocorrelation_hdu(values):
    """Return autocorrelations as an image HDU."""
    hdu = fits.ImageHDU(values, name=EXTENSION)
    reach = values.shape[1] // 2
    hdu.header["BUNIT"] = ("", "correlation of the noise of two pixels")
    for axis in (1, 2):
        hdu.header[f"CTYPE{axis}"] = ("LAG", f"lag in pixels along {'xy'[axis - 1]}")
        hdu.header[f"CRPIX{axis}"] = (reach + 1.0, "lag 0")
        hdu.header[f"CRVAL{axis}"], hdu.header[f"CDELT{axis}"] = 0.0, 1.0
    hdu.header["CTYPE3"] = ("BAND", "row of the table BANDS")
    hdu.header["CRPIX3"], hdu.header["CRVAL3"], hdu.header["CDELT3"] = 1.0, 1.0, 1.0
    return hdu


def read_autocorrelation(hdulist):
    """Return the autocorrelations of an open cube, or None if it has none."""
    if EXTENSION not in {hdu.name for hdu in hdulist}:
        return None
    return hdulist[EXTENSION].data
