"""Convolve an image to the PSF of another image, errors included."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.noise.error_scale import IMAGE_LIMIT, is_off
from pixsed.images.opened import open_image
from pixsed.images.psf.convolve import checked_kernel
from pixsed.images.psf.match_plan import Match, MatchOptions, plan_match
from pixsed.images.psf.profile import Psf
from pixsed.images.psf.read import Kernel, read_kernel, read_psf
from pixsed.images.segmap import open_segmap
from pixsed.io.bandnames import check_band_name
from pixsed.io.headers import pixel_area_arcsec2
from pixsed.io.locate import parse_location
from pixsed.io.units import parse_unit

if TYPE_CHECKING:
    from astropy.units import UnitBase
    from astropy.wcs import WCS

    from pixsed.io.image import ImageFile


@dataclass
class MatchedImage:
    """An image at the target PSF.

    Attributes
    ----------
    flux, err : `~numpy.ndarray`, shape (ny, nx), float32
        Image and 1-sigma errors in `unit`. NaN = no data.
    wcs : `~astropy.wcs.WCS`
    unit : `~astropy.units.UnitBase` or None
        Unit of the arrays, from BUNIT; None if it is unknown.
    match : `~pixsed.images.psf.match_plan.Match`
        Kernel, encircled energies and noise correlation.
    """

    flux: np.ndarray
    err: np.ndarray
    wcs: WCS
    unit: UnitBase | None
    match: Match


@contextlib.contextmanager
def open_match(
    image: str | ImageFile,
    psf: str | Psf | None = None,
    target: str | Psf | None = None,
    *,
    kernel: str | np.ndarray | None = None,
    options: MatchOptions | None = None,
) -> Iterator[tuple[ImageFile, Match]]:
    """Yield the open image and its `~pixsed.images.psf.match_plan.Match`.

    The parameters, errors and warnings are those of `match_psf`.
    """
    options = options or MatchOptions()
    if (psf is None) != (target is None) or (psf is None) == (kernel is None):
        raise PixsedError("give a PSF and a target PSF, or a kernel")
    band = options.target_band
    if band:
        options = replace(options, target_band=check_band_name(band, "--target-name"))
    names = [name for name in (psf, target, kernel, options.mask) if isinstance(name, str | Path)]
    if psf is not None:
        psf, target = (_as_psf(given, options) for given in (psf, target))
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(open_image(image))
        segmap = stack.enter_context(open_segmap(options.mask)) if options.mask else None
        given = None if kernel is None else _as_kernel(kernel, source)
        if given and not options.target_band:
            options = replace(options, target_band=given.band)
        match = plan_match(
            source,
            options,
            psf=psf,
            target=target,
            kernel=given.data if given else None,
            segmap=segmap,
        )
        match.kernel_sum = given.sum if given else None
        if given and given.fwhm > 0 and match.psfmatch == given.band:
            match.fwhm = given.fwhm
        match.inputs = [*source.files, *(parse_location(str(name)).path for name in names)]
        _warn_of_errors(source.name, match.scatter_ratio)
        yield source, match


def _as_psf(given, options):
    return given if isinstance(given, Psf) else read_psf(given, scale=options.scale_arcsec)


def _as_kernel(given, source):
    if isinstance(given, str | Path):
        return read_kernel(given, scale=pixel_area_arcsec2(source.wcs) ** 0.5)
    return Kernel(checked_kernel(given), None, float(np.sum(given)))


def _warn_of_errors(name, ratio):
    """Warn if the errors are far from the scatter of the empty sky; `ratio` may be None."""
    if ratio and is_off(ratio, IMAGE_LIMIT):
        warnings.warn(
            f"{name}: its errors are {ratio:.2g} times the scatter of its empty sky, and stay so; "
            "bkg --err sky, or cutout --rescale-errors, makes them agree",
            PixsedWarning,
            stacklevel=4,
        )


def match_psf(
    image: str | ImageFile,
    psf: str | Psf | None = None,
    target: str | Psf | None = None,
    *,
    kernel: str | np.ndarray | None = None,
    options: MatchOptions | None = None,
) -> MatchedImage:
    """Convolve an image to the PSF of another, errors included, as ``pixsed psfmatch`` does.

    Give `psf` and `target`, or `kernel`. An image that has the target PSF is unchanged.

    Parameters
    ----------
    image : str or `~pixsed.io.image.ImageFile`
        ``path[EXT]``, or an open image, with a celestial WCS.
    psf, target : str or `~pixsed.images.psf.profile.Psf`, optional
        PSF of the image and target PSF, on pixels of any scale.
    kernel : str or `~numpy.ndarray`, optional
        Matching kernel on the pixels of the image, 2-D with odd sides.
    options : `~pixsed.images.psf.match_plan.MatchOptions`, optional

    Returns
    -------
    `MatchedImage`
        The whole image. `open_match` gives it in strips.

    Raises
    ------
    PixsedError
        If a file cannot be read, there is no kernel, the encircled-energy residual is above the
        limit, or the PSFs end within the compared radii.

    Warns
    -----
    PixsedWarning
        If the match is poor, it makes the noise of a pixel larger, or the errors differ from the
        scatter of the sky by more than a factor of 1.3.

    Examples
    --------
    >>> from pixsed.images.psf.match import match_psf
    >>> matched = match_psf("f200w.fits", "psf_f200w.fits", "psf_f444w.fits")  # doctest: +SKIP
    >>> matched.match.residual  # doctest: +SKIP
    """
    with open_match(image, psf, target, kernel=kernel, options=options) as (source, match):
        parts = zip(*match.strips(source), strict=True)
        flux, err = (np.concatenate(part) for part in parts)
        unit = parse_unit(str(source.header.get("BUNIT", "")).strip(" '\""))
        return MatchedImage(flux, err, source.wcs, unit, match)
