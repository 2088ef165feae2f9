"""Checks of the PSF matching of bands, from the PSFMATCH cards of their headers."""

import warnings
from collections import Counter

from pixsed.errors import PixsedWarning

#: Bands redward of F444W, whose PSFs are broader and may be left as they are.
KEPT_BANDS = ("F460M", "F480M")
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


def bands_apart(psfmatch):
    """Return the bands that are not known to have the PSF of the others, as text.

    Bands of `KEPT_BANDS` may be left unmatched (``none``), and the target needs no matching; they
    are not listed.

    Parameters
    ----------
    psfmatch : dict of str to str
        As for `main_target`.

    Returns
    -------
    str
        For example ``F115W, F200W (unknown); F090W (F200W)``; empty if all bands are alike.
    """
    target = main_target(psfmatch)
    apart = {}
    for band, name in psfmatch.items():
        alike = name == target or (band == target and name == "unknown")
        if not alike and not (name == "none" and band in KEPT_BANDS):
            apart.setdefault(name, []).append(band)
    return "; ".join(f"{', '.join(bands)} ({name})" for name, bands in apart.items())


def says_nothing(psfmatch):
    """Return whether there are several bands and all their PSFs are unknown."""
    return len(psfmatch) > 1 and set(psfmatch.values()) == {"unknown"}


def warn_of_psfs(psfmatch):
    """Warn of bands that are not known to be matched to one PSF.

    There is no warning if the PSF of every band is unknown, since the images may have been
    matched elsewhere.

    Parameters
    ----------
    psfmatch : dict of str to str
        As for `main_target`.

    Warns
    -----
    PixsedWarning
        With the bands and their PSFMATCH.
    """
    if len(psfmatch) < 2 or says_nothing(psfmatch):
        return
    if apart := bands_apart(psfmatch):
        target = main_target(psfmatch)
        whose = f"the PSF of {target}" if target else "one PSF"
        warnings.warn(
            f"not known to be matched to {whose}, by PSFMATCH of their headers: {apart}; the "
            "colours of a pixel are wrong where PSFs differ: match them with pixsed psfmatch",
            PixsedWarning,
            stacklevel=3,
        )
