"""Checks of the PSF matching of bands, from the cards PSFMATCH and PSFFWHM of their headers."""

import math
import statistics
import warnings
from collections import Counter

from pixsed.errors import PixsedWarning

#: Bands redward of F444W, whose PSFs are broader and may be left as they are.
KEPT_BANDS = ("F460M", "F480M")
#: FWHM over that of the others up to which such a band is accepted unmatched. F480M has 1.09 times
#: the FWHM of F444W, in proportion to the wavelength.
KEPT_WIDTH = 1.15
#: Message if `says_nothing`.
NO_PSFMATCH = "none of the bands says to which PSF it is matched (no PSFMATCH)"
# Values of PSFMATCH that are not bands: not matched, not known, different from cube to cube.
_NO_BAND = ("none", "unknown", "mixed")


def main_target(psfmatch):
    """Return the band whose PSF most bands have, or None if the PSF of every band is unknown.

    Parameters
    ----------
    psfmatch : dict of str to str
        Band -> PSFMATCH: a band, ``none`` or ``unknown``.
    """
    known = Counter(name for name in psfmatch.values() if name not in _NO_BAND)
    # Of equally frequent targets, one of the given bands comes first.
    order = sorted(known, key=lambda name: (-known[name], name not in psfmatch))
    return order[0] if order else None


def psfs_of_images(images):
    """Return the PSFMATCH and the PSFFWHM of open images, each a dict of band to value.

    Parameters
    ----------
    images : iterable of `~pixsed.io.image.ImageFile`
    """
    return tuple({im.band: getattr(im, name) for im in images} for name in ("psfmatch", "psf_fwhm"))


def common_psf(psfmatch, fwhm):
    """Return the band whose PSF most bands have, and the FWHM of that PSF.

    Parameters
    ----------
    psfmatch : dict of str to str
        As for `main_target`.
    fwhm : dict of str to float
        Band -> FWHM of its PSF in arcsec; NaN or missing = not known.

    Returns
    -------
    band : str
        ``"unknown"`` if no band says it, ``"none"`` if none is matched and one says so.
    fwhm : float
        Median of the bands with that PSF, in arcsec; NaN if not known.
    """
    target = main_target(psfmatch)
    known = [
        fwhm[band]
        for band, name in psfmatch.items()
        if target and name == target and fwhm.get(band, math.nan) > 0
    ]
    nothing = "none" if set(psfmatch.values()) - {"unknown"} else "unknown"
    return target or nothing, statistics.median(known) if known else math.nan


def bands_apart(psfmatch, fwhm=None):
    """Return the bands that are not known to have the PSF of the others, as text.

    The target needs no matching and is not listed. Nor are bands of `KEPT_BANDS` that are left
    unmatched (``none``), if their FWHM is not more than `KEPT_WIDTH` times that of the others.

    Parameters
    ----------
    psfmatch : dict of str to str
        As for `main_target`.
    fwhm : dict of str to float, optional
        As for `common_psf`; without it, or if that of the others is not known, every band of
        `KEPT_BANDS` may be left.

    Returns
    -------
    str
        For example ``F115W, F200W (unknown); F090W (F200W)``; empty if all bands are alike.
    """
    target, fwhm = main_target(psfmatch), fwhm or {}
    _, width = common_psf(psfmatch, fwhm)
    apart = {}
    for band, name in psfmatch.items():
        alike = name == target or (band == target and name == "unknown")
        # A comparison with NaN is false.
        too_wide = width > 0 and not fwhm.get(band, math.nan) <= KEPT_WIDTH * width
        kept = name == "none" and band in KEPT_BANDS and not too_wide
        if not (alike or kept):
            apart.setdefault(name, []).append(band)
    return "; ".join(f"{', '.join(bands)} ({name})" for name, bands in apart.items())


def says_nothing(psfmatch):
    """Return whether there are several bands and all their PSFs are unknown."""
    return len(psfmatch) > 1 and set(psfmatch.values()) == {"unknown"}


def warn_of_psfs(psfmatch, fwhm=None):
    """Warn of bands that are not known to be matched to one PSF.

    There is no warning if the PSF of every band is unknown, since the images may have been
    matched elsewhere.

    Parameters
    ----------
    psfmatch : dict of str to str
        As for `main_target`.
    fwhm : dict of str to float, optional
        As for `bands_apart`.

    Warns
    -----
    PixsedWarning
        With the bands and their PSFMATCH.
    """
    if len(psfmatch) < 2 or says_nothing(psfmatch):
        return
    if apart := bands_apart(psfmatch, fwhm):
        target = main_target(psfmatch)
        whose = f"the PSF of {target}" if target else "one PSF"
        warnings.warn(
            f"not known to be matched to {whose}, by PSFMATCH of their headers: {apart}; the "
            "colours of a pixel are wrong where PSFs differ: match them with pixsed psfmatch",
            PixsedWarning,
            stacklevel=3,
        )
