"""Give an image the PSF of another: the kernel, the convolution, and what it does to noise."""

import warnings
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.bandnames import band_name_or_none, pivot_um
from pixsed.io.headers import celestial_wcs, pixel_area_arcsec2
from pixsed.io.image import merged_header
from pixsed.io.locate import choose_image, open_fits, parse_location

#: Redward of F444W: their PSFs are broader, and they are left as they are.
KEPT_BANDS = ("F460M", "F480M")
WINDOWS = ("tukey", "cosine-bell")
#: A kernel that leaves more than this of the encircled energy is worth a warning.
MAX_RESIDUAL = 0.02
#: Radii in arcsec between which encircled energies are compared.
EE_RADII = (0.1, 0.5)
_SCALE_CARDS = ("PIXSCALE", "PIXSCL", "PIXELSCL")
_STRIP = 1024
# Less of the kernel's weight than this on good pixels, and the result is no data: a little
# under the quarter that a corner of an image has.
_MIN_WEIGHT = 0.2


@dataclass
class Psf:
    """A PSF: `data` (ny, nx) float64 of any sum, `scale` in arcsec a pixel, `band` or None."""

    data: np.ndarray
    scale: float
    band: str | None = None
    name: str = "PSF"

    def same_as(self, other):
        """Return whether another PSF is this one, pixel for pixel."""
        return (
            self.data.shape == other.data.shape
            and bool(np.isclose(self.scale, other.scale, rtol=1e-6))
            and np.allclose(self.data, other.data, rtol=1e-6, atol=1e-9 * np.abs(self.data).max())
        )


def read_psf(text, *, scale=None):
    """Read a PSF from ``path[EXT]``.

    Parameters
    ----------
    text : str
    scale : float, optional
        Arcsec a pixel, where neither a celestial WCS nor a card PIXSCALE, PIXSCL or
        PIXELSCL says it.

    Returns
    -------
    `Psf`

    Raises
    ------
    PixsedError
        If the file cannot be read, the scale is not known, or the values are not a PSF's.
    """
    data, header = _read_plane(text)
    scale = _pixel_scale(header) or scale
    if not scale:
        raise PixsedError(
            f"{text}: no pixel scale, in a WCS or as {', '.join(_SCALE_CARDS)}; "
            "give it with --psf-scale, in arcsec"
        )
    if not np.isfinite(data).all() or data.sum() <= 0 or min(data.shape) < 3:
        raise PixsedError(f"{text} is not a PSF: it must be finite, with a sum above zero")
    return Psf(data, float(scale), band_name_or_none(header), str(text))


def read_kernel(text):
    """Read a matching kernel from ``path[EXT]``: (ny, nx) of odd sides, made to sum to 1.

    Returns
    -------
    kernel : `~numpy.ndarray`
    target : str or None
        The band it matches to, from its card PSFMATCH.
    """
    kernel, header = _read_plane(text)
    if kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise PixsedError(
            f"{text}: a kernel must have odd sides, got {kernel.shape}; pad it by a row or column"
        )
    if not np.isfinite(kernel).all() or kernel.sum() <= 0:
        raise PixsedError(f"{text} is not a kernel: it must be finite, with a sum above zero")
    return kernel / kernel.sum(), str(header.get("PSFMATCH", "")).strip() or None


def _read_plane(text):
    location = parse_location(str(text))
    with open_fits(location.path) as hdulist:
        named = [hdu for hdu in hdulist if hdu.name == "KERNEL"]
        hdu = named[0] if named and location.ext is None else choose_image(hdulist, location)
        return np.array(hdu.data, dtype=float), merged_header(hdu.header, hdulist[0].header)


def _pixel_scale(header):
    try:
        return np.sqrt(pixel_area_arcsec2(celestial_wcs(header, "PSF")))
    except PixsedError:
        pass
    for key in _SCALE_CARDS:
        value = header.get(key)
        if isinstance(value, int | float) and np.isfinite(value) and value > 0:
            return float(value)
    return None


def centroid(data):
    """Return (x, y) of a PSF's core: the centroid under a Gaussian of its own width.

    The window keeps faint wings, cut off unevenly by the array's edge, from moving it.
    """
    y, x = np.indices(data.shape)
    y0, x0 = np.unravel_index(np.argmax(data), data.shape)
    # Half of the light lies within 1.18 sigma of a Gaussian's centre.
    radius = np.hypot(x - x0, y - y0).ravel()
    order = np.argsort(radius)
    light = np.cumsum(data.ravel()[order])
    half = radius[order][min(np.searchsorted(light, 0.5 * light[-1]), radius.size - 1)]
    sigma = max(half / 1.18, 0.7)
    for _ in range(50):
        weight = data * np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / sigma**2)
        # Twice the step: a window of the PSF's own width halves it.
        dx = 2 * ((weight * (x - x0)).sum() / weight.sum())
        dy = 2 * ((weight * (y - y0)).sum() / weight.sum())
        x0, y0 = x0 + dx, y0 + dy
        if np.hypot(dx, dy) < 1e-5:
            break
    ny, nx = data.shape
    return float(np.clip(x0, 0, nx - 1)), float(np.clip(y0, 0, ny - 1))


def resample_psf(psf, scale, size):
    """Return a PSF on pixels of another scale, its core on the central pixel.

    Cubic splines between the samples; an output pixel of two or more input pixels is
    the mean over it, so that its light is summed, not sampled.

    Parameters
    ----------
    psf : `Psf`
    scale : float
        Arcsec a pixel of the result.
    size : int
        Side of the result, odd.

    Returns
    -------
    `~numpy.ndarray`
        (size, size) float64, sum 1; zero outside the input.
    """
    from scipy.ndimage import map_coordinates

    if size < 3 or size % 2 == 0:
        raise PixsedError(f"size must be odd, 3 or more, got {size}")
    ratio = scale / psf.scale
    x0, y0 = centroid(psf.data)
    fine = max(1, round(ratio))
    steps = (np.arange(size * fine) - (size * fine - 1) / 2) / fine * ratio
    y, x = np.meshgrid(y0 + steps, x0 + steps, indexing="ij")
    values = map_coordinates(psf.data, [y, x], order=3, mode="constant")
    values = values.reshape(size, fine, size, fine).mean(axis=(1, 3))
    return values / values.sum()


def common_size(psf, target, scale):
    """Return the odd number of pixels of `scale` that fits in both PSFs."""
    extent = min(min(p.data.shape) * p.scale for p in (psf, target))
    size = int(extent / scale + 1e-6)
    return max(3, size - (size + 1) % 2)


def matching_kernel(source, target, *, window="tukey", alpha=0.5):
    """Return the kernel that turns one PSF into another.

    The ratio of Fourier transforms under a cosine taper, by photutils. The window
    multiplies the target's resolution: where it falls below 1 at frequencies that the
    target has, the result is broader than the target.

    Parameters
    ----------
    source, target : `~numpy.ndarray`
        (n, n), n odd, centred, on the same pixels.
    window : {"tukey", "cosine-bell"}, optional
        ``tukey`` is flat up to 1 - `alpha` of the Nyquist frequency, and falls to zero
        there; ``cosine-bell`` falls from frequency zero to zero at `alpha`.
    alpha : float, optional
        0 to 1.

    Returns
    -------
    `~numpy.ndarray`
        (n, n) float64, sum 1.
    """
    from photutils.psf_matching import CosineBellWindow, TukeyWindow, make_kernel

    if window not in WINDOWS:
        raise PixsedError(f"window must be one of {', '.join(WINDOWS)}, got {window!r}")
    taper = {"tukey": TukeyWindow, "cosine-bell": CosineBellWindow}[window](alpha=alpha)
    try:
        return make_kernel(source, target, window=taper)
    except ValueError as error:
        raise PixsedError(
            f"no kernel between these PSFs ({' '.join(str(error).split())}); "
            "is the target the broader one?"
        ) from error


def encircled_energy(psf, scale, radii):
    """Return the share of a PSF's light within each radius.

    Parameters
    ----------
    psf : `~numpy.ndarray`
        (n, n), n odd, centred on its central pixel.
    scale : float
        Arcsec a pixel.
    radii : sequence of float
        Arcsec.

    Returns
    -------
    `~numpy.ndarray`
    """
    from photutils.aperture import CircularAperture

    centre = ((psf.shape[1] - 1) / 2, (psf.shape[0] - 1) / 2)
    sums = [CircularAperture(centre, r / scale).do_photometry(psf)[0][0] for r in radii]
    return np.array(sums) / psf.sum()


def energy_residual(source, target, kernel, scale):
    """Return the largest difference in encircled energy, 0.1 to 0.5 arcsec, after matching.

    Parameters
    ----------
    source, target : `~numpy.ndarray`
        (n, n) PSFs on the kernel's pixels.
    kernel : `~numpy.ndarray`
        Applied to `source`.
    scale : float
        Arcsec a pixel.
    """
    from scipy.signal import fftconvolve

    radii = np.arange(EE_RADII[0], EE_RADII[1] + 1e-9, 0.01)
    matched = fftconvolve(source, kernel, mode="same")
    difference = encircled_energy(matched, scale, radii) - encircled_energy(target, scale, radii)
    return float(np.abs(difference).max())


def noise_correlation(kernel):
    """Return the factor by which a kernel makes the noise of large sums exceed the errors.

    The errors of a convolved image are those of single pixels; their neighbours' are
    correlated, and the noise of a sum over many pixels is this factor larger than the
    sum of squared errors says.
    """
    return float(kernel.sum() / np.sqrt((kernel**2).sum()))


def convolve_image(data, err, kernel):
    """Convolve an image, and propagate its errors.

    Parameters
    ----------
    data, err : `~numpy.ndarray`
        (ny, nx), any unit; NaN = no data.
    kernel : `~numpy.ndarray`
        2-D of odd sides.

    Returns
    -------
    data, err : `~numpy.ndarray`
        (ny, nx) float32. Pixels without data, and those beyond the edge, are left out of
        the averages, the kernel's other weights scaled up; they stay NaN, as do the few
        with too little of the kernel on good pixels. `err` is the error of a pixel,
        sqrt(err^2 * kernel^2), taking the input's pixels as independent.
    """
    from scipy.signal import oaconvolve

    kernel = np.asarray(kernel, dtype=float)
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise PixsedError(f"kernel must be 2-D of odd sides, got {kernel.shape}")
    if np.shape(err) != np.shape(data):
        raise PixsedError(f"err must be of shape {np.shape(data)}, got {np.shape(err)}")
    kernel = kernel / kernel.sum()
    ny = data.shape[0]
    halo = kernel.shape[0] // 2
    out = np.full((2, *data.shape), np.nan, dtype=np.float32)
    # In strips, so that a mosaic's transforms need not be in memory at once.
    for start in range(0, ny, _STRIP):
        stop = min(ny, start + _STRIP)
        low, high = max(0, start - halo), min(ny, stop + halo)
        value = np.asarray(data[low:high], dtype=float)
        error = np.asarray(err[low:high], dtype=float)
        good = np.isfinite(value) & np.isfinite(error)
        weight = oaconvolve(good.astype(float), kernel, mode="same")
        mean = oaconvolve(np.where(good, value, 0.0), kernel, mode="same")
        variance = oaconvolve(np.where(good, error, 0.0) ** 2, kernel**2, mode="same")
        keep = good & (weight > _MIN_WEIGHT)
        rows = slice(start - low, stop - low)
        with np.errstate(divide="ignore", invalid="ignore"):
            planes = mean / weight, np.sqrt(np.maximum(variance, 0.0)) / weight
        for plane, result in zip(planes, out, strict=True):
            result[start:stop] = np.where(keep, plane, np.nan)[rows]
    return out[0], out[1]


def reason_unchanged(band, target_band, source=None, target=None):
    """Return why an image should not be convolved, or None.

    Parameters
    ----------
    band, target_band : str or None
        The image's band and the target's.
    source, target : `Psf`, optional
    """
    if band is not None and band == target_band:
        return f"its band, {band}, is the target's"
    if source is not None and target is not None and source.same_as(target):
        return "its PSF is the target's"
    if band in KEPT_BANDS and not (
        target_band is not None and pivot_um(target_band) >= pivot_um(band)
    ):
        return f"{band} is broader than the target, and stays as it is"
    return None


@dataclass
class Match:
    """An image matched to a target PSF, in its own unit.

    Attributes
    ----------
    data, err : `~numpy.ndarray`
        (ny, nx) float32; NaN = no data.
    kernel : `~numpy.ndarray`
        (n, n), sum 1; a single 1 where nothing was convolved.
    psfmatch : str
        The target's band, ``"none"`` for a band left broader, or ``"unknown"``.
    residual : float or None
        Of encircled energy (`energy_residual`); None without the PSFs.
    noise_corr : float
        `noise_correlation`, times what the image had before.
    unchanged : str or None
        Why it was not convolved.
    """

    data: np.ndarray
    err: np.ndarray
    kernel: np.ndarray
    psfmatch: str
    residual: float | None
    noise_corr: float
    unchanged: str | None


def match_image(image, *, psf=None, target=None, kernel=None, target_band=None,
                window="tukey", alpha=0.5):
    """Give an image the PSF of another.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        With a celestial WCS, which sets the scale of the kernel.
    psf, target : `Psf`, optional
        The image's and the one wanted, on pixels of any scale.
    kernel : `~numpy.ndarray`, optional
        2-D of odd sides on the image's pixels, in place of the PSFs.
    target_band : str, optional
        By default that of `target`.
    window, alpha
        As for `matching_kernel`.

    Returns
    -------
    `Match`

    Warns
    -----
    PixsedWarning
        If the match is poor, or it makes the noise of a pixel larger.
    """
    scale = float(np.sqrt(pixel_area_arcsec2(image.wcs)))
    band = image.band_or_none
    target_band = target_band or (target.band if target else None)
    unchanged = reason_unchanged(band, target_band, psf, target)
    residual = None
    if unchanged:
        kernel = np.ones((1, 1))
    if psf is not None and target is not None:
        size = common_size(psf, target, scale)
        planes = [resample_psf(p, scale, size) for p in (psf, target)]
        if not unchanged:
            kernel = matching_kernel(*planes, window=window, alpha=alpha)
        residual = energy_residual(*planes, kernel, scale)
    data, err = image.read(native=True)
    if not unchanged:
        data, err = convolve_image(data, err, kernel)
        _warn_of_match(image.name, kernel, residual)
    left_broader = unchanged and band in KEPT_BANDS and band != target_band
    return Match(
        data=data,
        err=err,
        kernel=kernel,
        psfmatch="none" if left_broader else target_band or "unknown",
        residual=residual,
        noise_corr=image.noise_corr * noise_correlation(kernel),
        unchanged=unchanged,
    )


def _warn_of_match(name, kernel, residual):
    growth = float(np.sqrt((kernel**2).sum()) / kernel.sum())
    if growth > 1:
        warnings.warn(
            f"{name}: its PSF is sharpened, and the noise of a pixel grows {growth:.3g} times; "
            "match the others to this, the broader one",
            PixsedWarning,
            stacklevel=3,
        )
    elif residual is not None and residual > MAX_RESIDUAL:
        warnings.warn(
            f"{name}: encircled energy stays {residual:.2g} off the target's between "
            f"{EE_RADII[0]} and {EE_RADII[1]} arcsec; try --window tukey, or smaller pixels",
            PixsedWarning,
            stacklevel=3,
        )
