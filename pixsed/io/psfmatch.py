"""To which PSF the bands of an object are matched, as their PSFMATCH cards say."""

from collections import Counter

#: Redward of F444W: their PSFs are broader, and they may be left as they are.
KEPT_BANDS = ("F460M", "F480M")
# Values of PSFMATCH that are no band: left broader or not matched, not said, of several cubes.
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

    Bands of `KEPT_BANDS` that were left broader on purpose (``none``) are not among them.

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
        if name != target and not (name == "none" and band in KEPT_BANDS):
            apart.setdefault(name, []).append(band)
    return "; ".join(f"{', '.join(bands)} ({name})" for name, bands in apart.items())
