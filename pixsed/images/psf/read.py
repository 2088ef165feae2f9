"""Read and check a PSF or a matching kernel from a FITS file."""

import re
import warnings
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.psf.profile import Psf, centroid
from pixsed.io.bandnames import band_name_or_none
from pixsed.io.cards import positive_number
from pixsed.io.headers import celestial_wcs, pixel_area_arcsec2
from pixsed.io.image import merged_header
from pixsed.io.locate import choose_image, is_image, open_fits, parse_location

_SCALE_CARDS = ("PIXSCALE", "PIXSCL", "PIXELSCL", "PIXSCAL1", "PIXSCALX", "SECPIX", "SECPIX1")
# Pixel scale in degrees of headers without CTYPE: a step, or a column of the matrix.
_STEP_CARDS = (("CDELT1",), ("CD1_1", "CD2_1"))
# Side in arcsec of the pixel over which each value of an effective PSF is integrated.
_PIXEL_CARD = "PSFPIX"
# Range of pixel scales in arcsec; a value outside it must be in another unit.
_SMALLEST, _LARGEST = 1e-3, 10.0
# Relative difference up to which two pixel scales agree.
_SCALE_TOLERANCE = 0.01
# Offset in pixels of the core of a PSF from the centre above which a warning is given.
_OFF_CENTRE = 1.0
# Ratio of the values at the edge to the peak above which there is a warning, or an error.
_EDGE, _FLAT = 0.01, 0.5
# Pixels by which a kernel may move an image without a warning, and with one.
_SHIFT, _MAX_SHIFT = 0.25, 0.5
# Smallest ratio of the sum of a kernel to that of its absolute values. Below it, the sign of the
# sum is a rounding error.
_MIN_SUM = 1e-4


def read_psf(text, *, scale=None):
    """Read a PSF from ``path[EXT]``.

    Parameters
    ----------
    text : str
    scale : float, optional
        Pixel scale in arcsec, for a header without a celestial WCS or a card such as PIXSCALE,
        PIXSCL or PIXELSCL, or with contradictory ones.

    Returns
    -------
    `~pixsed.images.psf.profile.Psf`

    Raises
    ------
    PixsedError
        If the file cannot be read, the pixel scale is unknown or not in arcsec, or the values are
        not those of a PSF.

    Warns
    -----
    PixsedWarning
        If the core is more than a pixel off the centre, the values at the edge are above 1 % of
        the peak, or `scale` differs from that of the header.
    """
    data, header = _read_plane(text)
    if not np.isfinite(data).all() or data.sum() <= 0 or min(data.shape) < 3:
        raise PixsedError(f"{text} is not a PSF: it must be finite, with a sum above zero")
    scale = _psf_scale(header, scale, text)
    _check_edge(data, text)
    x, y = centroid(data)
    off = np.hypot(x - (data.shape[1] - 1) / 2, y - (data.shape[0] - 1) / 2)
    if off > _OFF_CENTRE:
        warnings.warn(
            f"{text}: the PSF's core is {off:.1f} pixels off the centre of its array; it is "
            "centred, and its wings are used as far as the nearest edge",
            PixsedWarning,
            stacklevel=3,
        )
    pixel = header.get(_PIXEL_CARD)
    known = isinstance(pixel, int | float) and np.isfinite(pixel) and pixel > 0
    return Psf(
        data,
        scale,
        band_name_or_none(header),
        str(text),
        float(pixel) if known else None,
        None if known else _oversampling(header),
    )


def _oversampling(header):
    value = header.get("OVERSAMP")
    return value if isinstance(value, int | float) else None


def _check_edge(data, text):
    edge = np.concatenate([data[0], data[-1], data[1:-1, 0], data[1:-1, -1]])
    ratio = np.median(edge) / data.max()
    if ratio > _FLAT:
        raise PixsedError(f"{text} is not a PSF: its edge is {ratio:.0%} of its peak")
    if ratio > _EDGE:
        warnings.warn(
            f"{text}: the PSF is {ratio:.1%} of its peak at the edge of its array: sky is left "
            "in it, or it is cut too narrow for its wings; subtract the sky, or give a wider "
            "one",
            PixsedWarning,
            stacklevel=3,
        )


def _psf_scale(header, given, text):
    """Return the pixel scale in arcsec, from the header or else as given."""
    found = _scales(header, text)
    values = list(found.values())
    if found and max(values) > (1 + _SCALE_TOLERANCE) * min(values):
        if given:
            return float(given)
        listed = ", ".join(f"{key} {value:.4g}" for key, value in found.items())
        raise PixsedError(
            f"{text}: its header gives more than one pixel scale, in arcsec: {listed}; "
            "say which with --psf-scale"
        )
    if not found and not given:
        raise PixsedError(
            f"{text}: no pixel scale, in a WCS or as {', '.join(_SCALE_CARDS[:3])}; "
            "give it with --psf-scale, in arcsec"
        )
    if found and given and not _alike(values[0], given):
        warnings.warn(
            f"{text}: a pixel is {values[0]:.4g} arcsec, as {next(iter(found))} says; "
            f"--psf-scale {given:g} is for headers that do not tell it",
            PixsedWarning,
            stacklevel=3,
        )
    return values[0] if found else float(given)


def _alike(a, b):
    return abs(a - b) <= _SCALE_TOLERANCE * max(a, b)


def _scales(header, text):
    """Return the pixel scales of a header in arcsec: source of the value -> value.

    Raises
    ------
    PixsedError
        If a value cannot be in arcsec, or there is a celestial WCS that cannot be read.
    """
    found = {}
    if re.search(r"-[A-Z]{3}", str(header.get("CTYPE1", "")).upper()):
        found["its WCS"] = float(np.sqrt(pixel_area_arcsec2(celestial_wcs(header, text))))
    for key in _SCALE_CARDS:
        try:
            value = float(header[key])
        except (KeyError, TypeError, ValueError):
            continue
        if np.isfinite(value) and value > 0:
            found[key] = value
    found.update({} if found else _steps(header))
    for key, value in found.items():
        if not _SMALLEST <= value <= _LARGEST:
            factors = {"degrees": 3600, "milliarcsec": 1e-3, "radians": 180 * 3600 / np.pi}
            units = [
                f"in {unit} it would be {value * factor:.3g} arcsec"
                for unit, factor in factors.items()
                if 5e-3 <= value * factor <= 1
            ]
            raise PixsedError(
                f"{text}: {key} = {value:.4g} is not a pixel scale in arcsec"
                + "".join(f"; {unit}" for unit in units)
                + "; correct its header"
            )
    return found


def _steps(header):
    """Return the pixel scale of WCS cards without CTYPE, unless they are in pixels (CDELT = 1)."""
    found = {}
    for keys in _STEP_CARDS:
        try:
            value = 3600 * float(np.hypot.reduce([float(header.get(key, 0.0)) for key in keys]))
        except (TypeError, ValueError):
            continue
        if _SMALLEST <= value <= _LARGEST:
            found[keys[0]] = value
    return found


@dataclass
class Kernel:
    """Matching kernel.

    Attributes
    ----------
    data : `~numpy.ndarray`, shape (ny, nx)
        Of odd sides and sum 1.
    band : str or None
        Band of the target PSF, from its card PSFMATCH.
    sum : float
        Sum before it was normalised.
    fwhm : float
        FWHM of the target PSF in arcsec, from its card PSFFWHM; NaN if not known.
    """

    data: np.ndarray
    band: str | None
    sum: float
    fwhm: float = np.nan


def read_kernel(text, *, scale=None):
    """Read a matching kernel from ``path[EXT]``.

    Parameters
    ----------
    text : str
    scale : float, optional
        Pixel scale of the image in arcsec. A kernel with another one in its header is an error.

    Returns
    -------
    `Kernel`

    Raises
    ------
    PixsedError
        If it cannot be read, has even sides, is not finite, has no sum above zero, has another
        pixel scale, or would move the image by more than half a pixel.

    Warns
    -----
    PixsedWarning
        If it moves the image by more than a quarter of a pixel, or has OVERSAMP above 1.
    """
    kernel, header = _read_plane(text)
    if kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise PixsedError(
            f"{text}: a kernel must have odd sides, got {kernel.shape}; pad it by a row or column"
        )
    total = kernel.sum()
    if not np.isfinite(kernel).all() or total <= _MIN_SUM * np.abs(kernel).sum():
        raise PixsedError(f"{text} is not a kernel: it must be finite, with a sum above zero")
    for key, value in (_scales(header, text) if scale else {}).items():
        if not _alike(value, scale):
            raise PixsedError(
                f"{text}: the kernel's pixels are {value:.4g} arcsec, as {key} says, the image's "
                f"{scale:.4g}; make it for these pixels, or give --psf and --target"
            )
    if (oversampling := _oversampling(header)) and oversampling > 1:
        warnings.warn(
            f"{text}: the kernel has OVERSAMP {oversampling:g}; it is taken on the image's "
            "pixels; if its values are closer, make it for these pixels",
            PixsedWarning,
            stacklevel=3,
        )
    if (shift := _shift(kernel)) > _SHIFT:
        message = (
            f"{text}: the kernel is {shift:.2f} pixels off its centre, and moves the image by it"
        )
        if shift > _MAX_SHIFT:
            raise PixsedError(f"{message}; centre it in an array of odd sides")
        warnings.warn(message, PixsedWarning, stacklevel=3)
    band = str(header.get("PSFMATCH", "")).strip() or None
    fwhm = positive_number(header.get("PSFFWHM")) if band else np.nan
    return Kernel(kernel / total, band, float(total), fwhm)


def _shift(kernel):
    """Return the shift in pixels that a kernel gives to a star, a Gaussian of sigma 2 pixels."""
    from scipy.ndimage import gaussian_filter

    star = gaussian_filter(np.pad(kernel, 10), 2.0, mode="constant")
    x, y = centroid(star)
    return float(np.hypot(x - (star.shape[1] - 1) / 2, y - (star.shape[0] - 1) / 2))


def _read_plane(text):
    """Return the values of an image as float64, and its header."""
    location = parse_location(str(text))
    with open_fits(location.path) as hdulist:
        named = [hdu for hdu in hdulist if hdu.name == "KERNEL"]
        hdu = named[0] if named and location.ext is None else choose_image(hdulist, location)
        # The cards of a primary HDU with an image belong to that image.
        common = fits.Header() if is_image(hdulist[0]) else hdulist[0].header
        return np.array(hdu.data, dtype=float), merged_header(hdu.header, common)
