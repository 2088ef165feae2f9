"""Give an image the PSF of another: the kernel, the convolution, and what it does to noise."""

import warnings
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.psf.autocorrelation import Autocorrelation, measure_autocorrelation
from pixsed.io.bandnames import band_name_or_none, pivot_um
from pixsed.io.headers import celestial_wcs, pixel_area_arcsec2
from pixsed.io.image import merged_header
from pixsed.io.locate import choose_image, open_fits, parse_location
from pixsed.io.rows import strips

#: Redward of F444W: their PSFs are broader, and they are left as they are.
KEPT_BANDS = ("F460M", "F480M")
WINDOWS = ("tukey", "cosine-bell", "split-cosine-bell", "hanning", "top-hat", "none")
METHODS = ("fourier", "wiener", "laplacian", "biharmonic")
#: Whether the noise's correlation before matching is measured.
CORRELATIONS = ("auto", "none")
#: A kernel that leaves more than this of the encircled energy is worth a warning.
MAX_RESIDUAL = 0.02
#: Radii in arcsec between which encircled energies are compared.
EE_RADII = (0.1, 0.5)
_SCALE_CARDS = ("PIXSCALE", "PIXSCL", "PIXELSCL")
# The pixel that an effective PSF's values include, where it is not that of its grid.
_PIXEL_CARD = "PSFPIX"
# Pixels of a mosaic that are convolved at once: some 0.5 GB of transforms.
_STRIP_PIXELS = 4_000_000
_CURVE_STEP = 0.02
# A PSF broader than the target's by this share of its FWHM is said to be so.
_BROADER = 1.02
# Errors scaled by a factor less certain than this would be no better for it.
_CERTAIN = 0.1
# Less of the kernel's weight than this on good pixels, and the result is no data: a little
# under the quarter that a corner of an image has.
_MIN_WEIGHT = 0.2


@dataclass
class Psf:
    """A PSF: `data` (ny, nx) float64 of any sum, `scale` in arcsec a pixel, `band` or None.

    `pixel` is the side in arcsec of the pixel that each value is the light of; None = `scale`.
    An effective PSF, oversampled, has values closer than its pixels are wide.
    """

    data: np.ndarray
    scale: float
    band: str | None = None
    name: str = "PSF"
    pixel: float | None = None

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
    pixel = header.get(_PIXEL_CARD)
    known = isinstance(pixel, int | float) and np.isfinite(pixel) and pixel > 0
    return Psf(data, float(scale), band_name_or_none(header), str(text),
               float(pixel) if known else None)  # fmt: skip


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


def resample_psf(psf, scale, size, angle=0.0):
    """Return a PSF on pixels of another scale, its core on the central pixel.

    Cubic splines between the samples; an output pixel of two or more of the pixels that
    the values include is the mean over it, so that its light is summed, not sampled.

    Parameters
    ----------
    psf : `Psf`
    scale : float
        Arcsec a pixel of the result.
    size : int
        Side of the result, odd.
    angle : float, optional
        Degrees by which it is turned, from the x axis towards y.

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
    fine = max(1, round(scale / (psf.pixel or psf.scale)))
    steps = (np.arange(size * fine) - (size * fine - 1) / 2) / fine * ratio
    dy, dx = np.meshgrid(steps, steps, indexing="ij")
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    places = [y0 - sine * dx + cosine * dy, x0 + cosine * dx + sine * dy]
    values = map_coordinates(psf.data, places, order=3, mode="constant")
    values = values.reshape(size, fine, size, fine).mean(axis=(1, 3))
    return values / values.sum()


def common_size(psf, target, scale):
    """Return the odd number of pixels of `scale` that fits in both PSFs."""
    extent = min(min(p.data.shape) * p.scale for p in (psf, target))
    size = int(extent / scale + 1e-6)
    return max(3, size - (size + 1) % 2)


def matching_kernel(source, target, *, method="fourier", window=None, alpha=0.5, beta=0.5,
                    regularization=1e-4):
    """Return the kernel that turns one PSF into another, by photutils.

    The window multiplies the target's resolution: where it falls below 1 at frequencies
    that the target has, the result is broader than the target.

    Parameters
    ----------
    source, target : `~numpy.ndarray`
        (n, n), n odd, centred, on the same pixels.
    method : {"fourier", "wiener", "laplacian", "biharmonic"}, optional
        The ratio of Fourier transforms; or that with a term in its denominator: a constant
        (Wiener's), or one that grows with frequency (with the Laplacian: Boucaud et al.
        2016, A&A 596, A63).
    window : str, optional
        One of `WINDOWS`: ``tukey`` is flat up to 1 - `alpha` of the Nyquist frequency, and
        falls to zero there; ``cosine-bell`` falls from frequency zero to zero at `alpha`;
        ``split-cosine-bell`` is flat up to `beta`, and falls to zero over `alpha`;
        ``top-hat`` is cut off at `beta`; ``hanning`` falls from zero to Nyquist. By
        default ``tukey`` for ``fourier``, else ``none``.
    alpha, beta : float, optional
        0 to 1.
    regularization : float, optional
        For ``fourier``, the share of its peak under which the source's transform is taken
        as zero; else the weight of the term.

    Returns
    -------
    `~numpy.ndarray`
        (n, n) float64, sum 1.
    """
    from photutils import psf_matching as photutils

    window = window or default_window(method)
    for value, name, known in ((method, "method", METHODS), (window, "window", WINDOWS)):
        if value not in known:
            raise PixsedError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    taper = {
        "tukey": lambda: photutils.TukeyWindow(alpha=alpha),
        "cosine-bell": lambda: photutils.CosineBellWindow(alpha=alpha),
        "split-cosine-bell": lambda: photutils.SplitCosineBellWindow(alpha=alpha, beta=beta),
        "hanning": photutils.HanningWindow,
        "top-hat": lambda: photutils.TopHatWindow(beta=beta),
        "none": lambda: None,
    }[window]()
    options = {"window": taper, "regularization": regularization}
    try:
        if method == "fourier":
            kernel = photutils.make_kernel(source, target, **options)
        else:
            penalty = None if method == "wiener" else method
            kernel = photutils.make_wiener_kernel(source, target, penalty=penalty, **options)
    except ValueError as error:
        raise PixsedError(
            f"no kernel between these PSFs ({' '.join(str(error).split())}); "
            "is the target the broader one?"
        ) from error
    if not np.isfinite(kernel).all():
        raise PixsedError("the kernel between these PSFs is not finite; try --method wiener")
    return kernel


def default_window(method):
    """Return the window that goes with a method."""
    return "tukey" if method == "fourier" else "none"


def fwhm_arcsec(psf, scale):
    """Return the FWHM of a PSF, in the unit of `scale`.

    That of the circle with the area where a cubic spline through the values is above half
    of its highest.

    Parameters
    ----------
    psf : `~numpy.ndarray`
        (n, n), centred.
    scale : float
        Length a pixel.
    """
    from scipy.ndimage import map_coordinates

    middle = (len(psf) - 1) / 2
    half = min(middle, np.sqrt((psf > psf.max() / 2).sum()) + 2)
    fine = np.linspace(-half, half, 601)
    y, x = np.meshgrid(middle + fine, middle + fine, indexing="ij")
    values = map_coordinates(psf, [y, x], order=3)
    area = (values > values.max() / 2).sum() * (fine[1] - fine[0]) ** 2
    return float(2 * np.sqrt(area / np.pi) * scale)


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


@dataclass
class EnergyCurve:
    """Encircled energy of an image's PSF: `before`, `after` matching, and the `target`'s.

    `radii` in arcsec; shares of the light within the PSFs' common square.
    """

    radii: np.ndarray
    before: np.ndarray
    after: np.ndarray
    target: np.ndarray

    def at(self, radius):
        """Return (after, target) at a radius in arcsec."""
        return tuple(float(np.interp(radius, self.radii, e)) for e in (self.after, self.target))


def energy_curve(source, target, kernel, scale):
    """Return the `EnergyCurve` of a match, out to the PSFs' edge.

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

    extent = (len(source) - 1) / 2 * scale
    radii = np.arange(_CURVE_STEP, extent + 1e-9, _CURVE_STEP)
    matched = fftconvolve(source, kernel, mode="same")
    curves = [encircled_energy(p, scale, radii) for p in (source, matched, target)]
    return EnergyCurve(radii, *curves)


def energy_residual(source, target, kernel, scale):
    """Return the largest difference in encircled energy, 0.1 to 0.5 arcsec, after matching.

    Parameters as for `energy_curve`.
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
    sum of squared errors says. That is of noise that was not correlated before.
    """
    return float(kernel.sum() / np.sqrt((kernel**2).sum()))


def convolve_image(data, err, kernel, *, err_factor=1.0):
    """Convolve an image, and propagate its errors.

    Parameters
    ----------
    data, err : `~numpy.ndarray`
        (ny, nx), any unit; NaN = no data.
    kernel : `~numpy.ndarray`
        2-D of odd sides.
    err_factor : float, optional
        Of noise that was correlated before
        (`~pixsed.images.psf.autocorrelation.Autocorrelation.error_factor`).

    Returns
    -------
    data, err : `~numpy.ndarray`
        (ny, nx) float32. Pixels without data, and those beyond the edge, are left out of
        the averages, the kernel's other weights scaled up; they stay NaN, as do the few
        with too little of the kernel on good pixels. `err` is the error of a pixel,
        sqrt(err^2 * kernel^2) of independent pixels, times `err_factor`.
    """
    kernel = _checked_kernel(kernel)
    if np.shape(err) != np.shape(data):
        raise PixsedError(f"err must be of shape {np.shape(data)}, got {np.shape(err)}")
    out = np.empty((2, *np.shape(data)), dtype=np.float32)
    parts = _convolved_strips(lambda rows: (data[rows], err[rows]), np.shape(data), kernel,
                              err_factor)
    for rows, *planes in parts:
        out[:, rows] = planes
    return out[0], out[1]


def _checked_kernel(kernel):
    kernel = np.asarray(kernel, dtype=float)
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise PixsedError(f"kernel must be 2-D of odd sides, got {kernel.shape}")
    return kernel / kernel.sum()


def _convolved_strips(read, shape, kernel, err_factor):
    """Yield (rows, data, err) of an image convolved, a strip at a time.

    `read` returns the data and errors of a slice of rows: a mosaic, and its transforms,
    need not be in memory at once.
    """
    from scipy.signal import oaconvolve

    ny, nx = shape
    halo = kernel.shape[0] // 2
    strip = max(2 * halo, _STRIP_PIXELS // nx, 1)
    for start in range(0, ny, strip):
        stop = min(ny, start + strip)
        low, high = max(0, start - halo), min(ny, stop + halo)
        value, error = (np.array(plane, dtype=float) for plane in read(slice(low, high)))
        good = np.isfinite(value) & np.isfinite(error)
        weight = oaconvolve(good.astype(float), kernel, mode="same")
        keep = good & (weight > _MIN_WEIGHT)
        weight[~keep] = np.nan
        value[~good] = 0.0
        error[~good] = 0.0
        mean = oaconvolve(value, kernel, mode="same")
        del value
        mean /= weight
        error = np.square(error, out=error)
        error = np.sqrt(np.maximum(oaconvolve(error, kernel**2, mode="same"), 0.0)) / weight
        error *= err_factor
        rows = slice(start - low, stop - low)
        yield slice(start, stop), mean[rows].astype(np.float32), error[rows].astype(np.float32)


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
    """How an image is matched to a target PSF (`plan_match`).

    Attributes
    ----------
    kernel : `~numpy.ndarray`
        (n, n), sum 1; a single 1 where nothing is convolved.
    psfmatch : str
        The target's band, ``"none"`` for a band left broader, or ``"unknown"``.
    residual : float or None
        Of encircled energy (`energy_residual`); None without the PSFs.
    curve : `EnergyCurve` or None
    noise_corr : float
        The noise of a large sum over that of the errors.
    err_factor : float
        By which the errors of independent pixels are multiplied; 1 where nothing is
        convolved, or it is not known.
    correlation : `~pixsed.images.psf.autocorrelation.Autocorrelation` or None
        Of the image's noise before; None where it is not measured.
    unchanged : str or None
        Why it is not convolved.
    """

    kernel: np.ndarray
    psfmatch: str
    residual: float | None
    curve: EnergyCurve | None
    noise_corr: float
    unchanged: str | None
    err_factor: float = 1.0
    correlation: Autocorrelation | None = None

    def strips(self, image):
        """Yield (data, err) of the image matched, from row 0 on, some rows at a time.

        Both (n, nx) float32, in the image's own unit; NaN = no data.
        """
        def read(rows):
            return image.read(rows, native=True)

        if self.unchanged:
            yield from map(read, strips(image.shape, _STRIP_PIXELS))
            return
        kernel = _checked_kernel(self.kernel)
        for _, data, err in _convolved_strips(read, image.shape, kernel, self.err_factor):
            yield data, err


def plan_match(image, *, psf=None, target=None, kernel=None, target_band=None,
               max_residual=None, angle=0.0, correlation="auto", segmap=None, **options):
    """Make what gives an image the PSF of another, and check it.

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
    max_residual : float, optional
        A larger `energy_residual` is an error; by default one above `MAX_RESIDUAL` is a
        warning.
    angle : float, optional
        Degrees by which both PSFs are turned first, as for `resample_psf`.
    correlation : {"auto", "none"}, optional
        Whether the correlation that the image's noise has before (from drizzling, say) is
        measured on its empty sky, and goes into errors and `Match.noise_corr`; else the
        noise of its pixels is taken as independent.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Sources to leave out of that sky; by default they are found.
    **options
        method, window, alpha, beta, regularization: as for `matching_kernel`.

    Returns
    -------
    `Match`

    Raises
    ------
    PixsedError
        If there is no kernel, or a poorer one than `max_residual` allows, or the map is
        of another shape.

    Warns
    -----
    PixsedWarning
        If the match is poor, it makes the noise of a pixel larger, or there is too little
        empty sky to measure the correlation.
    """
    if correlation not in CORRELATIONS:
        raise PixsedError(
            f"correlation must be one of {', '.join(CORRELATIONS)}, got {correlation!r}"
        )
    if segmap is not None and segmap.shape != image.shape:
        raise PixsedError(
            f"{segmap.name} is of shape {segmap.shape}, {image.name} of {image.shape}; "
            "give a segmentation map of the same grid"
        )
    scale = float(np.sqrt(pixel_area_arcsec2(image.wcs)))
    band = image.band_or_none
    target_band = target_band or (target.band if target else None)
    unchanged = reason_unchanged(band, target_band, psf, target)
    residual = curve = None
    if unchanged:
        kernel = np.ones((1, 1))
    if psf is not None and target is not None:
        size = common_size(psf, target, scale)
        planes = [resample_psf(p, scale, size, angle) for p in (psf, target)]
        if not unchanged:
            kernel = matching_kernel(*planes, **options)
        residual = energy_residual(*planes, kernel, scale)
        curve = energy_curve(*planes, kernel, scale)
    noise, err_factor = None, 1.0
    if correlation == "auto":
        noise, err_factor = _measured_noise(image, kernel, segmap)
    if not unchanged:
        widths = [fwhm_arcsec(p, scale) for p in planes] if curve is not None else None
        growth = err_factor * float(np.sqrt((kernel**2).sum()) / kernel.sum())
        _check_match(image.name, growth, residual, widths, max_residual, options)
    # What a header tells is in the measured noise too: the larger, not the product.
    before = max(image.noise_corr, noise.large_sum) if noise else image.noise_corr
    left_broader = unchanged and band in KEPT_BANDS and band != target_band
    return Match(
        kernel=kernel,
        psfmatch="none" if left_broader else target_band or "unknown",
        residual=residual,
        curve=curve,
        noise_corr=before * noise_correlation(kernel) / err_factor,
        unchanged=unchanged,
        err_factor=err_factor,
        correlation=noise,
    )


def _measured_noise(image, kernel, segmap):
    """Return the `Autocorrelation` of an image's noise and the factor of the errors.

    None and 1 where there is too little sky to know it, with a warning.
    """
    noise = measure_autocorrelation(image, segmap)
    factor, uncertainty = noise.error_factor(kernel) if noise else (np.nan, np.nan)
    if uncertainty < _CERTAIN * factor:
        return noise, factor
    if kernel.size == 1:  # nothing is convolved: the errors stay what they are
        return None, 1.0
    warnings.warn(
        f"{image.name}: too little empty sky to tell how correlated its noise is; its pixels "
        "are taken as independent, which makes errors of drizzled images too small; try "
        "--mask with its sources, or --correlation none to say so",
        PixsedWarning,
        stacklevel=4,
    )
    return None, 1.0


def _check_match(name, growth, residual, widths, max_residual, options):
    """Raise or warn where a kernel is poor, and say which option helps."""
    broader = widths is not None and widths[0] > _BROADER * widths[1]
    poor = residual is not None and residual > (MAX_RESIDUAL if max_residual is None
                                                else max_residual)  # fmt: skip
    faults = []
    if poor:
        limit = "" if max_residual is None else f", above --max-residual {max_residual:g}"
        faults.append(f"encircled energy stays {residual:.2g} off the target's between "
                      f"{EE_RADII[0]} and {EE_RADII[1]} arcsec{limit}")  # fmt: skip
    if broader:
        faults.append(f"its PSF, FWHM {widths[0]:.3f} arcsec, is broader than the target's, "
                      f"{widths[1]:.3f}")  # fmt: skip
    if growth > 1:
        faults.append(f"the noise of a pixel grows {growth:.3g} times")
    if broader or growth > 1:
        cure = "match the others to this, the broader one, or damp the kernel with --method wiener"
    else:
        cure = _cure(**options)
    if poor and max_residual is not None:
        raise PixsedError(f"{name}: {', '.join(faults)}; {cure}")
    if faults:
        warnings.warn(f"{name}: {', '.join(faults)}; {cure}", PixsedWarning, stacklevel=4)


def _cure(method="fourier", window=None, alpha=0.5, beta=0.5, regularization=1e-4):
    window = window or default_window(method)
    if window in ("cosine-bell", "hanning", "split-cosine-bell", "top-hat"):
        return "try --window tukey, or smaller pixels"
    if method != "fourier":
        return f"try --method fourier, or a --regularization below {regularization:g}"
    smaller = f"a smaller --alpha than {alpha:g}, " if window == "tukey" and alpha > 0 else ""
    return f"try {smaller}PSFs on wider stamps, or smaller pixels"
