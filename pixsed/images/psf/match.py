"""Give an image the PSF of another: plan it, check it, and convolve."""

import warnings
from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.informative import Informative
from pixsed.images.noise.autocorrelation import Autocorrelation, measure_autocorrelation
from pixsed.images.psf.convolve import checked_kernel, convolved_strips
from pixsed.images.psf.kernel import (
    EE_RADII,
    EnergyCurve,
    compared_radii,
    default_window,
    energy_curve,
    energy_residual,
    matching_kernel,
    noise_correlation,
)
from pixsed.images.psf.profile import common_size, fwhm_arcsec, resample_psf
from pixsed.io.formats.psfmatch import KEPT_BANDS
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.rows import strips

#: Whether the noise's correlation before matching is measured.
CORRELATIONS = ("auto", "none")
#: A kernel that leaves more than this of the encircled energy is worth a warning.
MAX_RESIDUAL = 0.02
#: A kernel that leaves more than this makes no PSF like the target's: an error.
HOPELESS_RESIDUAL = 0.5
#: PSFs that differ by less than this, in units of the peak and in encircled energy, are one.
SAME_PSF = 1e-3
# Pixels of a mosaic that are copied at once.
_STRIP_PIXELS = 4_000_000
# A PSF broader than the target's by this fraction of its FWHM is said to be so.
_BROADER = 1.02
# Errors are scaled only by a factor that is known to this fraction.
_CERTAIN = 0.1
_STAYS = "it is broader than the target, and stays as it is"


@dataclass
class Match:
    """How an image is matched to a target PSF (`plan_match`).

    Attributes
    ----------
    kernel : `~numpy.ndarray`
        (n, n), sum 1; a single 1 where nothing is convolved.
    psfmatch : str
        The target's band; ``"none"`` for a band left broader, or one whose encircled energy
        differs from the target's by more than is allowed; ``"unknown"`` without a name.
    residual : float or None
        Of encircled energy (`energy_residual`); None without the PSFs.
    curve : `EnergyCurve` or None
    noise_corr : float
        The noise of a large sum over the noise that the errors tell.
    err_factor : float
        Factor on the errors of independent pixels; 1 where nothing is convolved, or it is not
        known.
    correlation : `~pixsed.images.noise.autocorrelation.Autocorrelation` or None
        Of the image's noise before; None where it is not measured.
    unchanged : str or None
        Why it is not convolved.
    radii : tuple of float or None
        Smallest and largest radius, in arcsec, of `residual`.
    source : `~pixsed.images.informative.Informative` or None
        The image, as it is convolved.
    """

    kernel: np.ndarray
    psfmatch: str
    residual: float | None
    curve: EnergyCurve | None
    noise_corr: float
    unchanged: str | None
    err_factor: float = 1.0
    correlation: Autocorrelation | None = None
    radii: tuple | None = None
    source: Informative | None = None

    @property
    def scatter_ratio(self):
        """The image's errors over the scatter of its empty sky, or None if not measured."""
        return 1 / self.correlation.scatter if self.correlation else None

    def strips(self, image):
        """Yield (data, err) of the image matched, from row 0 on, some rows at a time.

        Both (n, nx) float32, in the image's own unit; NaN = no data.
        """
        if self.unchanged:
            for rows in strips(image.shape, _STRIP_PIXELS):
                yield image.read(rows, native=True)
            return
        parts = convolved_strips(
            self.source.read, image.shape, checked_kernel(self.kernel), self.err_factor
        )
        for _, data, err in parts:
            yield data, err


def plan_match(
    image,
    *,
    psf=None,
    target=None,
    kernel=None,
    target_band=None,
    max_residual=None,
    angle=0.0,
    correlation="auto",
    segmap=None,
    **options,
):
    """Make the kernel that gives an image the PSF of another, and check it.

    The PSFs decide, not the names of bands: an image passes unchanged where its PSF is the
    target's (to `SAME_PSF`), or where it is one of `KEPT_BANDS` and its PSF is the
    broader. A kernel that is given is applied.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        With a celestial WCS, which sets the scale of the kernel.
    psf, target : `~pixsed.images.psf.profile.Psf`, optional
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
        Whether the correlation of the image's noise (from drizzling, say) is measured on its
        empty sky, for the errors and `Match.noise_corr`; else the noise of its pixels is
        taken as independent.
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
        If there is no kernel, or a poorer one than `max_residual` allows, the PSFs end
        within the radii compared, or the map is of another shape.

    Warns
    -----
    PixsedWarning
        If the match is poor, it makes the noise of a pixel larger, the names of bands
        disagree with what is done, the PSFs end within 0.5 arcsec, errors are sentinels, or
        there is too little empty sky to measure the correlation.
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
    if psf is not None and target is not None:
        found = _of_psfs(image, band, psf, target, scale, angle, options)
    else:
        found = _of_kernel(kernel)
    kernel, unchanged, radii = found.kernel, found.unchanged, found.radii
    _warn_of_names(image, psf, target, target_band, unchanged)
    source = None if unchanged and correlation == "none" else Informative(image)
    noise, err_factor = None, 1.0
    if correlation == "auto":
        noise, err_factor = _measured_noise(source, kernel, segmap)
    growth = err_factor * float(np.sqrt((kernel**2).sum()) / kernel.sum())
    matched = _check_match(
        image.name, growth, found, max_residual, band if unchanged == _STAYS else None, options
    )
    # The measured noise includes the correlation of the header: the larger, not the product.
    before = max(image.noise_corr, noise.large_sum) if noise else image.noise_corr
    return Match(
        kernel=kernel,
        psfmatch=(target_band or "unknown") if matched else "none",
        residual=found.residual,
        curve=found.curve,
        noise_corr=before * noise_correlation(kernel) / err_factor,
        unchanged=unchanged,
        err_factor=err_factor,
        correlation=noise,
        radii=radii,
        source=source,
    )


@dataclass
class _Found:
    """A kernel, and what the PSFs say of it (`Match`); `widths` are their FWHM in arcsec."""

    kernel: np.ndarray
    unchanged: str | None
    residual: float | None = None
    curve: EnergyCurve | None = None
    radii: tuple | None = None
    widths: tuple = ()


def _of_psfs(image, band, psf, target, scale, angle, options):
    _warn_of_oversampling(image, (psf, target), scale)
    size = common_size(psf, target, scale)
    planes = [resample_psf(p, scale, size, angle) for p in (psf, target)]
    radii = compared_radii(size, scale)
    widths = tuple(fwhm_arcsec(p, scale) for p in planes)
    unchanged = reason_unchanged(band, planes, widths, scale)
    kernel = np.ones((1, 1)) if unchanged else matching_kernel(*planes, **options)
    return _Found(
        kernel,
        unchanged,
        energy_residual(*planes, kernel, scale),
        energy_curve(*planes, kernel, scale),
        radii,
        widths,
    )


def _of_kernel(kernel):
    kernel = checked_kernel(kernel)
    if np.count_nonzero(kernel) == 1 and kernel[tuple(n // 2 for n in kernel.shape)] > 0:
        return _Found(np.ones((1, 1)), "the kernel is a single pixel")
    return _Found(kernel, None)


def reason_unchanged(band, planes, widths, scale):
    """Return why an image should not be convolved, or None.

    Parameters
    ----------
    band : str or None
        The image's.
    planes, widths : sequence
        Of the image's PSF and the target's: (n, n), on the same pixels and centred, and
        the FWHM.
    scale : float
        Arcsec a pixel.
    """
    source, target = planes
    if (
        np.abs(source - target).max() <= SAME_PSF * target.max()
        and energy_residual(source, target, np.ones((1, 1)), scale) <= SAME_PSF
    ):
        return "its PSF is the target's"
    if band in KEPT_BANDS and widths[0] >= widths[1]:
        return _STAYS
    return None


def _warn_of_names(image, psf, target, target_band, unchanged):
    """Warn where the names of the bands disagree with what is done."""
    band = image.band_or_none
    for given, name, option in ((psf, band, "--psf"), (target, target_band, "--target")):
        if given is not None and name and given.band and _filter(name) != _filter(given.band):
            whose = "the image's band" if given is psf else "--target-name"
            _warn(
                f"{image.name}: {option} {given.name} is of {given.band}, {whose} is {name}; "
                "the PSFs that are given are used"
            )
    if unchanged:
        return
    if image.psfmatch not in ("unknown", "none"):
        _warn(
            f"{image.name}: its PSFMATCH says that it is matched to {image.psfmatch} already; "
            "it is convolved all the same"
        )
    elif band is not None and band == target_band:
        _warn(
            f"{image.name}: its band, {band}, is the target's, and it is convolved all the "
            "same: " + ("the PSFs differ" if psf else "a kernel is given")
        )


def _warn_of_oversampling(image, psfs, scale):
    for psf in psfs:
        if psf.oversampling and psf.oversampling > 1 and abs(psf.scale / scale - 1) < 0.01:
            _warn(
                f"{image.name}: {psf.name} has OVERSAMP {psf.oversampling:g}; its pixel scale is "
                f"taken as it stands, {psf.scale:.4g} arcsec, the image's own; if its values "
                f"are {psf.scale / psf.oversampling:.3g} apart, correct its header"
            )


def _filter(band):
    return band.rpartition("_")[2].upper()


def _measured_noise(source, kernel, segmap):
    """Return the `Autocorrelation` of an image's noise and the factor of the errors.

    None and 1 where there is too little sky to know it, with a warning.
    """
    noise = measure_autocorrelation(source, segmap)
    factor, uncertainty = noise.error_factor(kernel) if noise else (np.nan, np.nan)
    if uncertainty < _CERTAIN * factor:
        return noise, factor
    if kernel.size == 1:  # nothing is convolved: the errors stay what they are
        return None, 1.0
    _warn(
        f"{source.name}: too little empty sky to tell how correlated its noise is; its pixels "
        "are taken as independent, which makes errors of drizzled images too small; try "
        "--mask with its sources, or --correlation none to say so"
    )
    return None, 1.0


def _check_match(name, growth, found, max_residual, left, options):
    """Return whether a match is good enough; raise or warn where not, and say what helps.

    `left` is the band that is left broader, or None.
    """
    residual, radii, widths = found.residual, found.radii, found.widths
    limit = MAX_RESIDUAL if max_residual is None else max_residual
    poor = residual is not None and residual > limit
    broader = bool(widths) and widths[0] > _BROADER * widths[1]
    faults = []
    if poor or left:
        allowed = f", above --max-residual {limit:g}" if poor and max_residual is not None else ""
        faults.append(
            f"encircled energy stays {residual:.2g} off the target's between "
            f"{radii[0]:g} and {radii[1]:.3g} arcsec{allowed}"
        )
    if broader or left:
        faults.append(
            f"its PSF, FWHM {widths[0]:.3f} arcsec, is broader than the target's, {widths[1]:.3f}"
        )
    if growth > 1 + 1e-9:
        faults.append(f"the noise of a pixel grows {growth:.3g} times")
    if left:
        cure = f"{left} is left as it is, PSFMATCH none"
        if poor and max_residual is not None:
            cure = f"{left} is not sharpened: match the others to it, or leave it out"
    elif broader or growth > 1 + 1e-9:
        cure = "match the others to this, the broader one, or damp the kernel with --method wiener"
    else:
        cure = _cure(**options)
    if poor and (max_residual is not None or (residual > HOPELESS_RESIDUAL and not left)):
        raise PixsedError(f"{name}: {', '.join(faults)}; {cure}")
    if radii is not None and radii[1] < EE_RADII[1] - 0.01:
        _warn(
            f"{name}: the PSFs end {radii[1]:.2f} arcsec from the centre, and encircled energies "
            f"are compared from {radii[0]:g} arcsec to there; give them on wider "
            "stamps"
        )
    if faults:
        if poor and not left:
            cure += "; PSFMATCH is none, unless a larger --max-residual accepts it"
        _warn(f"{name}: {', '.join(faults)}; {cure}")
    return not (poor or left)


def _cure(method="fourier", window=None, alpha=0.5, beta=0.5, regularization=1e-4):
    window = window or default_window(method)
    if window in ("cosine-bell", "hanning", "split-cosine-bell", "top-hat"):
        return "try --window tukey, or smaller pixels"
    if method != "fourier":
        return f"try --method fourier, or a --regularization below {regularization:g}"
    smaller = f"a smaller --alpha than {alpha:g}, " if window == "tukey" and alpha > 0 else ""
    return f"try {smaller}PSFs on wider stamps, or smaller pixels"


def _warn(message):
    warnings.warn(message, PixsedWarning, stacklevel=3)
