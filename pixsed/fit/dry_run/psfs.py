"""Checks of PSFs: cards of matched images, and files of PSFs of images still to be matched."""

import math
import warnings

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.errors import PixsedWarning
from pixsed.fit.dry_run.findings import parted
from pixsed.images.psf.match_plan import MatchOptions, plan_match
from pixsed.images.psf.profile import common_size, fwhm_arcsec, resample_psf
from pixsed.images.psf.read import read_psf
from pixsed.io.formats.psfmatch import (
    KEPT_BANDS,
    NO_PSFMATCH,
    common_psf,
    says_nothing,
    warn_of_psfs,
)

# Diameter in m of the mirror behind a camera.
_MIRRORS = {
    **dict.fromkeys(("NIRCAM", "NIRISS", "MIRI"), 6.5),
    **dict.fromkeys(("ACS", "WFC3/UVIS", "WFC3/IR"), 2.4),
    "IRAC": 0.85,
}
# FWHM over wavelength and diameter: a narrower PSF is not possible, and a wider one is of another
# band, or has the wrong pixel scale. Pixels and drizzling widen ACS's F435W to 3.5.
_NARROWEST, _WIDEST = 0.8, 5.0


def check_cards(found, psfmatch, fwhm):
    """Check PSFMATCH and PSFFWHM of several bands.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    psfmatch : dict of str to str
        Band -> PSFMATCH.
    fwhm : dict of str to float
        Band -> FWHM in arcsec; NaN = not known.
    """
    if len(psfmatch) < 2:
        return
    if says_nothing(psfmatch):
        found.warning(
            "psf", NO_PSFMATCH, "match them with pixsed psfmatch, unless they are matched"
        )
        return
    with found.stage("psf", "problem"):
        number = len(found.found)
        warn_of_psfs(psfmatch, fwhm)
    if len(found.found) == number:
        band, width = common_psf(psfmatch, fwhm)
        about = f", FWHM {width:.3f} arcsec" if width > 0 else ""
        found.ok("psf", f"{len(psfmatch)} bands matched to {band}{about}")


def check_files(found, images, psfs, target, scale=None):
    """Check the PSFs of images that are still to be matched, and the match.

    Parameters
    ----------
    found : `~pixsed.fit.dry_run.findings.Findings`
    images : list of `~pixsed.io.image.ImageFile`
    psfs : dict of str to str
        Band -> file of its PSF.
    target : str
        Band to whose PSF the images will be matched.
    scale : float, optional
        Pixel scale in arcsec of PSFs whose header does not give it.
    """
    read = {}
    for band, path in psfs.items():
        with found.of(path, "PSFs").stage("psf"):
            read[band] = read_psf(path, scale=scale)
    if target not in psfs:
        found.problem("psf", f"no PSF of the target, {target}", f"give --psf {target}=FILE")
    bands = [image.band for image in images]
    if extra := [band for band in psfs if band not in {*bands, target}]:
        found.warning(
            "psf", f"PSFs of bands that no image has: {', '.join(extra)}", "check their names"
        )
    unmatched = [image for image in images if image.psfmatch != target]
    if lacking := [image.band for image in unmatched if image.band not in psfs]:
        found.problem("psf", f"no PSF of {', '.join(lacking)}", "give --psf BAND=FILE for each")
    for image in images:
        one = found.of(image.name, "images")
        if image.psfmatch == target:
            one.ok("psf", f"matched to {target} already")
        elif image.band in read:
            _check_width(one, image.band, read[image.band])
            if target in read:
                _check_match(one, image, read[image.band], read[target])


def _check_width(found, band, psf):
    """Report a PSF that is much narrower or wider than the optics make it."""
    known = BY_NAME.get(band)
    if known is None:
        return
    limit = math.degrees(known.pivot_um * 1e-6 / _MIRRORS[known.instrument]) * 3600
    size = common_size(psf, psf, psf.scale)
    width = fwhm_arcsec(resample_psf(psf, psf.scale, size), psf.scale)
    if not _NARROWEST <= width / limit <= _WIDEST:
        found.problem(
            "psf",
            f"{psf.name}: a FWHM of {width:.3f} arcsec is not that of {band}, whose wavelength "
            f"over the mirror's diameter is {limit:.3f} arcsec",
            "check the band, and its pixel scale (--psf-scale)",
        )


def _check_match(found, image, psf, target):
    """Plan the match as psfmatch does; one that would be marked as not matched is a problem."""
    with found.stage("psf") as stage, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PixsedWarning)
        match = plan_match(image, MatchOptions(correlation="none"), psf=psf, target=target)
    if not stage.passed:
        return
    kept = match.unchanged and image.band in KEPT_BANDS
    bad = match.psfmatch == "none" and not kept
    for warning in caught:
        found.add("problem" if bad else "warning", "psf", *parted(str(warning.message)))
    if not caught:
        residual = np.nan if match.residual is None else match.residual
        found.ok("psf", f"encircled energy within {residual:.4f} of the target's after psfmatch")
