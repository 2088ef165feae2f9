"""Plan the match of an image to a target PSF: the kernel, its checks, the noise."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from pixsed.checks import check_choice, check_number, check_numbers
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.informative import Informative
from pixsed.images.noise.autocorrelation import Autocorrelation, measure_autocorrelation
from pixsed.images.noise.covariance import kernel_noise_corr
from pixsed.images.psf.convolve import checked_kernel, convolved_strips
from pixsed.images.psf.kernel import (
    EnergyCurve,
    compared_radii,
    energy_curve,
    energy_residual,
    matching_kernel,
)
from pixsed.images.psf.match_checks import check_match, warn_of_names, warn_of_oversampling
from pixsed.images.psf.profile import common_size, fwhm_arcsec, resample_psf
from pixsed.images.quantity import to_number
from pixsed.io.formats.psfmatch import KEPT_BANDS
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.rows import strips

if TYPE_CHECKING:
    from astropy.units import Quantity

#: Choices for measuring the correlation of the noise before matching.
CORRELATIONS = ("auto", "none")
#: Difference up to which two PSFs are the same, in units of the peak and in encircled energy.
SAME_PSF = 1e-3
#: Encircled-energy residual up to which a band of `KEPT_BANDS` is left as it is. WebbPSF's F444W,
#: stretched in proportion to the wavelength, differs from F444W by 0.026 (F460M), 0.048 (F480M).
KEPT_RESIDUAL = 0.06
# Number of pixels of a mosaic that are copied at once.
_STRIP_PIXELS = 4_000_000
# Relative uncertainty up to which a factor of the errors is applied.
_CERTAIN = 0.1
_STAYS = "it is broader than the target, and stays as it is"


_RANGES = {
    "alpha": {"least": 0, "most": 1},
    "beta": {"least": 0, "most": 1},
    "regularization": {"above": 0, "most": 1},
    "max_residual": {"least": 0},
}


@dataclass(frozen=True)
class MatchOptions:
    """Options of a match of PSFs.

    Attributes
    ----------
    target_band : str, optional
        Band of the target PSF; by default that of the target or of the kernel.
    psf_scale : `~astropy.units.Quantity` or float, optional
        Pixel scale of PSFs without one in their header, in arcsec if it has no unit.
    angle : `~astropy.units.Quantity` or float, optional
        Angle by which both PSFs are rotated first, from the x axis towards y, in degrees if it
        has no unit.
    method, window, alpha, beta, regularization : optional
        As for `~pixsed.images.psf.kernel.matching_kernel`.
    max_residual : float, optional
        A larger encircled-energy residual is an error. By default one above
        `~pixsed.images.psf.match_checks.MAX_RESIDUAL` is a warning.
    correlation : {"auto", "none"}, optional
        Measure the correlation of the image's noise, from drizzling for example, on its empty sky,
        or take its pixels as independent.
    mask : str, optional
        Segmentation map of sources to leave out of that sky, ``path[EXT]``. By default sources
        are detected.
    """

    target_band: str | None = None
    psf_scale: Quantity | float | None = None
    angle: Quantity | float = 0.0
    method: str = "fourier"
    window: str | None = None
    alpha: float = 0.5
    beta: float = 0.5
    regularization: float = 1e-4
    max_residual: float | None = None
    correlation: str = "auto"
    mask: str | None = None

    def __post_init__(self):
        check_choice("correlation", self.correlation, CORRELATIONS)
        check_numbers(self, _RANGES)
        check_number("psf_scale", self.scale_arcsec, 1e-4, 10)
        check_number("angle", self.angle_degrees)

    @property
    def kernel_options(self) -> dict:
        """Options of `~pixsed.images.psf.kernel.matching_kernel`."""
        names = ("method", "window", "alpha", "beta", "regularization")
        return {name: getattr(self, name) for name in names}

    @property
    def scale_arcsec(self) -> float | None:
        """`psf_scale` in arcsec."""
        return to_number(self.psf_scale, "arcsec")

    @property
    def angle_degrees(self) -> float:
        """`angle` in degrees."""
        return to_number(self.angle, "deg")


@dataclass
class Match:
    """Plan of the match of an image to a target PSF (`plan_match`).

    Attributes
    ----------
    kernel : `~numpy.ndarray`, shape (n, n)
        Sum 1; a single 1 if nothing is convolved.
    psfmatch : str
        Band of the target. ``"none"`` for a band left broader, or with an encircled energy that
        differs from the target's by more than is allowed; ``"unknown"`` without a name.
    residual : float or None
        Encircled-energy residual (`~pixsed.images.psf.kernel.energy_residual`); None without
        PSFs.
    curve : `~pixsed.images.psf.kernel.EnergyCurve` or None
        Encircled energies; None without PSFs.
    fwhm : float or None
        FWHM in arcsec of the PSF of the matched image: of the target if `psfmatch` is not
        ``"none"``, else of its own (`~pixsed.images.psf.profile.fwhm_arcsec`). None without PSFs.
    noise_corr : float
        Noise of a large sum over that of independent pixels with these errors.
    unchanged : str or None
        Reason why the image is not convolved.
    err_factor : float
        Factor of the errors because the noise was correlated before. It is 1 if nothing is
        convolved or the factor is unknown.
    correlation : `~pixsed.images.noise.autocorrelation.Autocorrelation` or None
        Of the noise before matching; None if it is not measured.
    radii : tuple of float or None
        Smallest and largest radius of `residual`, in arcsec.
    source : `~pixsed.images.informative.Informative` or None
        The image that is convolved.
    options : `MatchOptions`
    kernel_sum : float or None
        Sum of a kernel that was given, before it was normalised.
    inputs : list of str
        Files that are read.
    """

    kernel: np.ndarray
    psfmatch: str
    residual: float | None
    curve: EnergyCurve | None
    noise_corr: float
    unchanged: str | None
    fwhm: float | None = None
    err_factor: float = 1.0
    correlation: Autocorrelation | None = None
    radii: tuple | None = None
    source: Informative | None = None
    options: MatchOptions = field(default_factory=MatchOptions)
    kernel_sum: float | None = None
    inputs: list = field(default_factory=list)

    @property
    def scatter_ratio(self):
        """Errors of the image over the scatter of its empty sky; None if not measured."""
        return 1 / self.correlation.scatter if self.correlation else None

    def strips(self, image):
        """Yield (data, err) of the matched image, from row 0 on, some rows at a time.

        Both are (n, nx) float32 in the unit of the image. NaN = no data.
        """
        if self.unchanged or self.source is None:
            for rows in strips(image.shape, _STRIP_PIXELS):
                yield image.read(rows, native=True)
            return
        parts = convolved_strips(
            self.source.read, image.shape, checked_kernel(self.kernel), self.err_factor
        )
        for _, data, err in parts:
            yield data, err

    def describe(self):
        """Return a description of the processing of the image."""
        if self.unchanged == _STAYS:
            return f"not convolved, {self.unchanged} (PSFMATCH none)"
        if self.unchanged:
            return f"unchanged, {self.unchanged}"
        if self.psfmatch == "none":
            return "convolved, but its PSF is not the target's (PSFMATCH none)"
        return f"PSF of {self.psfmatch}"


def plan_match(image, options=None, *, psf=None, target=None, kernel=None, segmap=None):
    """Make the kernel that gives an image the PSF of another, and check it.

    The PSFs decide, not the names of bands. An image is unchanged if its PSF is the target's (to
    within `SAME_PSF`), or if it is one of `~pixsed.io.formats.psfmatch.KEPT_BANDS` with a PSF
    broader than the target's, and not further from it than `KEPT_RESIDUAL`. A kernel that is given
    is applied.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Its celestial WCS sets the pixel scale of the kernel.
    options : `MatchOptions`, optional
        Its file name, `mask`, is not read here.
    psf, target : `~pixsed.images.psf.profile.Psf`, optional
        PSF of the image and target PSF, on pixels of any scale.
    kernel : `~numpy.ndarray`, optional
        In place of the PSFs, 2-D with odd sides, on the pixels of the image.
    segmap : `~pixsed.images.segmap.SegmentationMap`, optional
        Sources to leave out of the sky on which the noise is measured.

    Returns
    -------
    `Match`

    Raises
    ------
    PixsedError
        If there is no kernel, the residual is above the limit, the PSFs end within the compared
        radii, or the segmentation map has another shape.

    Warns
    -----
    PixsedWarning
        If the match is poor, it makes the noise of a pixel larger, the names of bands disagree
        with what is done, the PSFs end within 0.5 arcsec, errors are sentinels, or there is too
        little empty sky to measure the correlation.
    """
    options = options or MatchOptions()
    if segmap is not None and segmap.shape != image.shape:
        raise PixsedError(
            f"{segmap.name} is of shape {segmap.shape}, {image.name} of {image.shape}; "
            "give a segmentation map of the same grid"
        )
    target_band = options.target_band or (target.band if target else None)
    if psf is not None and target is not None:
        found = _find_kernel(image, psf, target, options)
    else:
        found = _given_kernel(kernel)
    kernel, unchanged = found.kernel, found.unchanged
    warn_of_names(image, psf, target, target_band, unchanged)
    measure = options.correlation == "auto"
    source = Informative(image) if measure or not unchanged else None
    noise, err_factor = _measure_noise(source, kernel, segmap) if measure else (None, 1.0)
    growth = err_factor * float(np.sqrt((kernel**2).sum()) / kernel.sum())
    left = image.band_or_none if unchanged == _STAYS else None
    matched = check_match(image.name, growth, found, left, options)
    # The measured correlation includes that of the header, so the larger one counts.
    before = max(image.noise_corr, noise.large_sum) if noise else image.noise_corr
    return Match(
        kernel=kernel,
        psfmatch=(target_band or "unknown") if matched else "none",
        residual=found.residual,
        curve=found.curve,
        noise_corr=before * kernel_noise_corr(kernel) / err_factor,
        unchanged=unchanged,
        fwhm=found.fwhm(matched),
        err_factor=err_factor,
        correlation=noise,
        radii=found.radii,
        source=source,
        options=options,
    )


@dataclass
class KernelFound:
    """Kernel of a match, and the fields of `Match` that follow from the PSFs.

    `widths` are the FWHM of the PSF, of the target and of the convolved PSF in arcsec.
    """

    kernel: np.ndarray
    unchanged: str | None
    residual: float | None = None
    curve: EnergyCurve | None = None
    radii: tuple | None = None
    widths: tuple = ()

    def fwhm(self, matched):
        """Return the FWHM of the image after a match that is good or not; None if unknown."""
        return self.widths[1 if matched else 2] if self.widths else None


def _find_kernel(image, psf, target, options):
    from scipy.signal import fftconvolve

    scale = float(np.sqrt(pixel_area_arcsec2(image.wcs)))
    warn_of_oversampling(image, (psf, target), scale)
    size = common_size(psf, target, scale)
    planes = tuple(resample_psf(p, scale, size, options.angle_degrees) for p in (psf, target))
    radii = compared_radii(size, scale)
    widths = tuple(fwhm_arcsec(p, scale) for p in planes)
    unchanged = reason_unchanged(image.band_or_none, planes, scale)
    kernel = np.ones((1, 1)) if unchanged else matching_kernel(*planes, **options.kernel_options)
    return KernelFound(
        kernel,
        unchanged,
        energy_residual(planes[0], planes[1], kernel, scale),
        energy_curve(planes[0], planes[1], kernel, scale),
        radii,
        (*widths, fwhm_arcsec(fftconvolve(planes[0], kernel, mode="same"), scale)),
    )


def _given_kernel(kernel):
    kernel = checked_kernel(kernel)
    if np.count_nonzero(kernel) == 1 and kernel[tuple(n // 2 for n in kernel.shape)] > 0:
        return KernelFound(np.ones((1, 1)), "the kernel is a single pixel")
    return KernelFound(kernel, None)


def reason_unchanged(band, planes, scale):
    """Return the reason why an image should not be convolved, or None.

    Parameters
    ----------
    band : str or None
        Band of the image.
    planes : sequence of `~numpy.ndarray`, shape (n, n)
        PSF of the image and target PSF, centred, on the same pixels.
    scale : float
        Pixel scale in arcsec.
    """
    source, target = planes
    residual = energy_residual(source, target, np.ones((1, 1)), scale)
    if np.abs(source - target).max() <= SAME_PSF * target.max() and residual <= SAME_PSF:
        return "its PSF is the target's"
    broader = fwhm_arcsec(source, scale) >= fwhm_arcsec(target, scale)
    return _STAYS if band in KEPT_BANDS and broader and residual <= KEPT_RESIDUAL else None


def _measure_noise(source, kernel, segmap):
    """Return the `Autocorrelation` of an image's noise and the factor of its errors.

    They are None and 1, with a warning, if there is too little sky.
    """
    noise = measure_autocorrelation(source, segmap)
    factor, uncertainty = noise.error_factor(kernel) if noise else (np.nan, np.nan)
    if uncertainty < _CERTAIN * factor:
        return noise, factor
    if kernel.size == 1:  # nothing is convolved, so the errors stay the same
        return None, 1.0
    warnings.warn(
        f"{source.name}: too little empty sky to tell how correlated its noise is; its pixels "
        "are taken as independent, which makes errors of drizzled images too small; try "
        "--segmap with its sources, or --correlation none to say so",
        PixsedWarning,
        stacklevel=4,
    )
    return None, 1.0
