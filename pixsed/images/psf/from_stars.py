"""Effective PSF of an image from its stars: selection of stars, and the PSF."""

import warnings
from dataclasses import dataclass, field

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.psf.epsf import fit_epsf
from pixsed.images.psf.profile import centroid, encircled_energy, fwhm_arcsec
from pixsed.io.headers import pixel_area_arcsec2

#: Reasons why a star is not used, by the word in the table STARS.
REASONS = {
    "edge": "its stamp goes beyond the image",
    "no data": "pixels without data in its core, or many in its stamp",
    "saturated": "reaches --saturation, or its top is flat",
    "off-centre": "nothing peaks at its position",
    "duplicate": "a brighter one of the table is the same star",
    "faint": "signal-to-noise below --snr-min",
    "blended": "another source in its stamp",
    "not a star": "broader or sharper than the others",
    "not needed": "--max-stars brighter ones were enough",
}
# Radius of the core that must be complete, and largest offset from the listed position; pixels.
_CORE, _MAX_OFFSET = 2.5, 4.0
# Largest fraction of the pixels of a stamp without data.
_MAX_MISSING = 0.1
# Brightness of a neighbour, as a fraction of the star, before and after the PSF is subtracted.
_BRIGHT_NEIGHBOUR, _FAINT_NEIGHBOUR = 0.1, 0.03
_MIN_GOOD = 3


@dataclass
class Star:
    """Star of the table.

    Attributes
    ----------
    id : str
    x, y : float
        Position in pixels from 0.
    snr, flux : float
        Within a radius of 4 pixels; the flux is in the unit of the image.
    concentration : tuple of float
        Ratios of the light within 2, 4 and 8 pixels.
    reason : str
        Key of `REASONS`, or empty if the star is used.
    sky, noise : float
        Level and rms of the sky around it.
    """

    id: str
    x: float
    y: float
    snr: float = np.nan
    flux: float = np.nan
    concentration: tuple = ()
    reason: str = ""
    sky: float = np.nan
    noise: float = np.nan


@dataclass
class EmpiricalPsf:
    """Effective PSF of an image.

    Attributes
    ----------
    data : `~numpy.ndarray`, shape (m, m), float64
        Fraction of the light of a star in a pixel of the image, at steps of 1 / `oversampling`
        pixel. It is centred, with m odd, and its sum is 1.
    scale : float
        Step of the values in arcsec.
    pixel : float
        Side in arcsec of the pixels of the image, over which the values are integrated.
    oversampling : int
        Number of steps per pixel.
    fwhm : float
        In arcsec (`~pixsed.images.psf.profile.fwhm_arcsec`).
    radii, energy : `~numpy.ndarray`
        Curve of growth: radii in arcsec, and the fraction of the light of the stamp within them.
    stars : list of `Star`
        Every row of the table, in its order.
    """

    data: np.ndarray
    scale: float
    pixel: float
    oversampling: int
    fwhm: float
    radii: np.ndarray
    energy: np.ndarray
    stars: list = field(default_factory=list)


def make_psf(
    image, stars, *, size=101, oversampling=2, saturation=None, min_snr=50.0, max_stars=50
):
    """Make the effective PSF of an image from a list of stars.

    The sky of each star is the clipped median around its stamp. It contains some light of the
    PSF, which is restored on the assumption that the wings fall with the third power of the radius.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        With a celestial WCS. Only the surroundings of the stars are read.
    stars : list of `Star`
        Stars with positions; their other attributes are filled in.
    size : int, optional
        Side of the stamps in pixels, odd, 15 or more.
    oversampling : int, optional
        As for `pixsed.images.psf.epsf.fit_epsf`.
    saturation : float, optional
        Value in the unit of the image from which a pixel is saturated; its star is not used.
        Stars with a flat top, 4 equal pixels, are always taken as saturated.
    min_snr : float, optional
        Smallest S/N of the light within a radius of 4 pixels over the noise of the sky.
    max_stars : int, optional
        Largest number of stars; the brightest are used.

    Returns
    -------
    `EmpiricalPsf`

    Raises
    ------
    PixsedError
        If no star is left. The message gives the number of stars for each reason.

    Warns
    -----
    PixsedWarning
        If fewer than 3 stars are left.
    """
    if size < 15 or size % 2 == 0:
        raise PixsedError(f"size must be an odd number of pixels, 15 or more, got {size}")
    scale = float(np.sqrt(pixel_area_arcsec2(image.wcs)))
    for star in stars:
        _inspect(image, star, size, saturation, min_snr)
    left = sorted((s for s in stars if not s.reason), key=lambda s: -s.flux)
    _reject_duplicates(left)
    _reject_odd(left)
    left = [s for s in left if not s.reason]
    # Spare stars replace those that turn out to be blended.
    spare = left[max_stars:]
    chosen = left[:max_stars]
    while True:
        if not chosen:
            raise PixsedError(
                f"{image.name}: no star is left to make a PSF of ({summary(stars)}); "
                "give more stars, or loosen --snr-min or --saturation"
            )
        # A PSF without oversampling is quicker to make and shows other sources in the stamps.
        psf, centres, fluxes, residuals = _fit(image, chosen, size, 1)
        fwhm = fwhm_arcsec(psf, 1.0)
        for star, residual, centre, flux in zip(chosen, residuals, centres, fluxes, strict=True):
            if _has_neighbour(residual, centre, flux, star.noise, fwhm):
                star.reason = "blended"
        kept = [s for s in chosen if not s.reason]
        if len(kept) == len(chosen):
            break
        chosen, spare = kept + spare[: max_stars - len(kept)], spare[max_stars - len(kept) :]
    if oversampling > 1:
        psf, *_ = _fit(image, chosen, size, oversampling)
    for star in spare:
        star.reason = "not needed"
    if len(chosen) < _MIN_GOOD:
        warnings.warn(
            f"{image.name}: a PSF of {len(chosen)} star{'s' * (len(chosen) > 1)}, "
            f"{summary(stars)}; give more stars, or loosen --snr-min",
            PixsedWarning,
            stacklevel=2,
        )
    psf = _restore_wings(psf, size, oversampling)
    radii = np.arange(0.5, size / 2, 0.5) * scale
    step = scale / oversampling
    radii = radii[radii <= (len(psf) - 1) / 2 * step]
    return EmpiricalPsf(
        data=psf,
        scale=step,
        pixel=scale,
        oversampling=oversampling,
        fwhm=fwhm_arcsec(psf, step),
        radii=radii,
        energy=encircled_energy(psf, step, radii),
        stars=list(stars),
    )


def _fit(image, stars, size, oversampling):
    stamps, centres = zip(*(_stamp(image, star, size) for star in stars), strict=True)
    noise = np.array([star.noise for star in stars])
    return fit_epsf(np.array(stamps), noise, np.array(centres), oversampling=oversampling)


def summary(stars):
    """Return the number of stars used, and not used for each reason, as text."""
    used = sum(not s.reason for s in stars)
    words = [f"{used} of {len(stars)} used"]
    for reason in REASONS:
        if count := sum(s.reason == reason for s in stars):
            words.append(f"{count} {reason}")
    return ", ".join(words)


def _annulus(size):
    """Return the half side in pixels of the square in which the sky is measured."""
    return size // 2 + max(5, size // 4)


def _read(image, x, y, half):
    """Return the square of half side `half` around a pixel, NaN beyond the image."""
    column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    ny, nx = image.shape
    y0, y1, x0, x1 = row - half, row + half + 1, column - half, column + half + 1
    out = np.full((2 * half + 1, 2 * half + 1), np.nan)
    inside = slice(max(y0, 0), min(y1, ny)), slice(max(x0, 0), min(x1, nx))
    data, _ = image.read(*inside, native=True)
    out[inside[0].start - y0 : inside[0].stop - y0, inside[1].start - x0 : inside[1].stop - x0] = (
        data
    )
    return out, column - half, row - half


def _stamp(image, star, size):
    """Return the sky-subtracted stamp of a star, and its centre in the stamp."""
    data, x0, y0 = _read(image, star.x, star.y, size // 2)
    return data - star.sky, (star.x - x0, star.y - y0)


def _inspect(image, star, size, saturation, min_snr):
    """Fill in the position, flux and noise of a star, or the reason why it is not used."""
    from astropy.stats import mad_std, sigma_clip

    half, ny, nx = size // 2, *image.shape
    if not (half <= star.x < nx - half - 0.5 and half <= star.y < ny - half - 0.5):
        star.reason = "edge"
        return
    data, x0, y0 = _read(image, star.x, star.y, _annulus(size))
    y, x = np.indices(data.shape)
    middle = _annulus(size)
    outside = np.maximum(abs(x - middle), abs(y - middle)) > half
    near = np.hypot(x + x0 - star.x, y + y0 - star.y) <= _MAX_OFFSET
    stamp = data[~outside]
    if not np.isfinite(data[near]).any() or np.isnan(stamp).mean() > _MAX_MISSING:
        star.reason = "no data"
        return
    sky = sigma_clip(data[outside & np.isfinite(data)], 3, stdfunc="mad_std", masked=False)
    if sky.size < 20:
        sky = stamp[np.isfinite(stamp)]
    star.sky, star.noise = float(np.median(sky)), max(float(mad_std(sky)), 1e-30)
    data = data - star.sky
    peak = np.nanmax(data[near])
    core = near & (data >= 0.999999 * peak)
    if (saturation is not None and peak + star.sky >= saturation) or core.sum() >= 4:
        star.reason = "saturated"
        return
    place = np.argwhere(core)[0]
    if np.isnan(data[np.hypot(x - place[1], y - place[0]) <= _CORE]).any():
        star.reason = "no data"
        return
    window = np.nan_to_num(np.where(near, data, 0.0))
    first = np.argwhere(window == window.max())[0]
    reach = max(6, half // 4)
    box = tuple(slice(max(0, p - reach), p + reach + 1) for p in first)
    cx, cy = centroid(np.maximum(np.nan_to_num(data[box]), 0.0))
    cx, cy = cx + box[1].start, cy + box[0].start
    if (
        np.hypot(cx - first[1], cy - first[0]) > 1.5
        or np.hypot(cx + x0 - star.x, cy + y0 - star.y) > _MAX_OFFSET
    ):
        star.reason = "off-centre"
        return
    radius = np.hypot(x - cx, y - cy)
    star.flux = float(np.nansum(data[radius <= 4]))
    star.snr = star.flux / (star.noise * np.sqrt(np.pi * 16))
    inner, outer = (float(np.nansum(data[radius <= r])) for r in (2, 8))
    star.concentration = inner / star.flux, star.flux / outer
    if not star.snr >= min_snr:
        star.reason = "faint"
        return
    star.x, star.y = cx + x0, cy + y0
    others = ~outside & (radius > 6) & _peaks(data)
    if (data[others] > max(_BRIGHT_NEIGHBOUR * peak, 5 * star.noise)).any():
        star.reason = "blended"


def _peaks(data):
    from scipy.ndimage import maximum_filter

    filled = np.nan_to_num(data, nan=-np.inf)
    return (filled == maximum_filter(filled, 5)) & np.isfinite(data)


def _reject_duplicates(stars):
    """Reject the fainter of two rows of the same star; `stars` are in order of brightness."""
    for i, star in enumerate(stars):
        if any(np.hypot(s.x - star.x, s.y - star.y) < 2 for s in stars[:i] if not s.reason):
            star.reason = "duplicate"


def _reject_odd(stars):
    """Reject stars whose light is less or more concentrated than that of the others."""
    from astropy.stats import mad_std

    left = [s for s in stars if not s.reason]
    if len(left) < 4:
        return
    values = np.array([s.concentration for s in left])
    middle = np.median(values, axis=0)
    limit = np.maximum(5 * mad_std(values, axis=0), 0.08 * middle)
    for star, odd in zip(left, (np.abs(values - middle) > limit).any(axis=1), strict=True):
        if odd:
            star.reason = "not a star"


def _has_neighbour(residual, centre, flux, noise, fwhm):
    """Return whether the residual of a stamp has a source beside its star."""
    from scipy.ndimage import gaussian_filter

    sigma = fwhm / 2.355
    y, x = np.indices(residual.shape)
    radius = np.hypot(x - centre[0], y - centre[1])
    known = np.isfinite(residual)
    # Optimal estimate of the flux of a Gaussian source of this width at each pixel.
    area = 4 * np.pi * sigma**2
    light = area * gaussian_filter(np.where(known, residual, 0.0), sigma)
    error = noise * np.sqrt(area)
    beyond = known & (radius > 2 * fwhm)
    return bool((light[beyond] > max(_FAINT_NEIGHBOUR * flux, 7 * error)).any())


def _restore_wings(psf, size, oversampling):
    """Return the PSF with the light that was subtracted with the sky restored, sum 1."""
    step = np.arange(-_annulus(size), _annulus(size) + 1)
    square = np.maximum(abs(step[:, None]), abs(step))
    radius = np.hypot(step[:, None], step)
    ring = (square > size // 2 - size // 8) & (square <= size // 2)
    beyond = square > size // 2
    ratio = np.mean(radius[beyond] ** -3.0) / np.mean(radius[ring] ** -3.0)
    offset = abs(np.arange(len(psf)) - (len(psf) - 1) / 2) / oversampling
    edge = np.maximum(offset[:, None], offset) > size // 2 - size // 8
    psf = psf + max(0.0, psf[edge].mean()) * ratio / (1 - ratio)
    return psf / psf.sum()
