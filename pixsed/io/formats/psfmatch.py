"""To which PSF the bands of an object are matched, as their PSFMATCH cards say."""

import warnings
from collections import Counter

from pixsed.errors import PixsedWarning

#: Redward of F444W: their PSFs are broader, and they may be left as they are.
KEPT_BANDS = ("F460M", "F480M")
# Values of PSFMATCH that are no band: not matched, not said, differing from cube to cube.
_NO_BAND = ("none", "unknown", "mixed")


def main_target(psfmatch):
    """Return the band whose PSF most bands have, or None where none says it.

    Parameters
    ----------
    psfmatch : dict
        Band -> PSFMATCH: a band, ``none`` or ``unknown``.
    """
    known = Counter(name for name in psfmatch.values() if name not in _NO_BAND)
    # Where as many have either: a band of the set goes first.
    order = sorted(known, key=lambda name: (-known[name], name not in psfmatch))
    return order[0] if order else None


def bands_apart(psfmatch):
    """Return the bands that are not known to have the PSF of the others, as a text.

    Not among them: bands of `KEPT_BANDS` that were left broader on purpose (``none``), and
    the target itself, which needs no matching.

    Parameters
    ----------
    psfmatch : dict
        As for `main_target`.

    Returns
    -------
    str
        As ``F115W, F200W (unknown); F090W (F200W)``; empty where all are alike.
    """
    target = main_target(psfmatch)
    apart = {}
    for band, name in psfmatch.items():
        alike = name == target or (band == target and name == "unknown")
        if not alike and not (name == "none" and band in KEPT_BANDS):
            apart.setdefault(name, []).append(band)
    return "; ".join(f"{', '.join(bands)} ({name})" for name, bands in apart.items())


def says_nothing(psfmatch):
    """Return whether, of several bands, none says to which PSF it is matched."""
    return len(psfmatch) > 1 and set(psfmatch.values()) == {"unknown"}


def warn_of_psfs(psfmatch):
    """Warn of bands that are not known to be matched to one PSF.

    Silent where none says anything: images may have been matched elsewhere.

    Parameters
    ----------
    psfmatch : dict
        As for `main_target`.

    Warns
    -----
    PixsedWarning
        The bands, and what their PSFMATCH is.
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
