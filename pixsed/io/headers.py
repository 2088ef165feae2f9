"""Headers: the celestial WCS of one as cards, and copies fit for another HDU."""

import re
import warnings

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area

from pixsed.errors import PixsedError
from pixsed.io.cards import is_input_keyword

# The primary WCS only: an alternate one ends in a letter and does not match.
_WCS_CARD = re.compile(
    r"WCSAXES|WCSNAME|RADESYS|RADECSYS|EQUINOX|LONPOLE|LATPOLE"
    r"|(CTYPE|CRPIX|CRVAL|CUNIT|CDELT|CROTA)[12]"
    r"|PC[12]_[12]|CD[12]_[12]|PC00[12]00[12]|PV[12]_\d+"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)"
)
# Cards that say how the data of this one HDU are stored: never copied to another.
_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|TFIELDS|THEAP|END"
    r"|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|EXTNAME|EXTVER|EXTLEVEL|INHERIT"
    r"|Z(IMAGE|SIMPLE|TENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|CMPTYPE|TILE\d+|NAME\d+|VAL\d+"
    r"|QUANTIZ|DITHER0|BLANK|SCALE|ZERO)|T(TYPE|FORM|UNIT|SCAL|ZERO|NULL|DIM|DISP)\d+"
    r"|LONGSTRN|NEXTEND|DATAMIN|DATAMAX"
)


def celestial_wcs(header, name):
    """Return the celestial `~astropy.wcs.WCS` of a header.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
    name : str
        The file, for the message.

    Raises
    ------
    PixsedError
        If the header has no celestial WCS.
    """
    with warnings.catch_warnings():
        # Notices of what wcslib repaired (dates, RADECSYS): nothing a user need act on.
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(header, naxis=2)
        except Exception as error:  # wcslib's errors have no common class
            raise PixsedError(
                f"{name}: its WCS cannot be read ({' '.join(str(error).split())}); fix the header"
            ) from error
    if not wcs.has_celestial:
        raise PixsedError(f"{name} has no celestial WCS; add one to its header")
    return wcs


def celestial_header(header):
    """Return the cards of the primary celestial WCS, values untouched, as a new header.

    `~astropy.wcs.WCS.to_header` rounds to 12 digits, a few 1e-6 pixel where CRPIX lies
    far outside; copied cards keep every digit.
    """
    result = fits.Header()
    for card in header.cards:
        if _WCS_CARD.fullmatch(card.keyword) and card.keyword not in result:
            result.append(fits.Card(card.keyword, card.value, card.comment))
    if "WCSAXES" in result:
        # It must come before the other WCS cards; a cube's slice of another count is 2-D here.
        del result["WCSAXES"]
        result.insert(0, ("WCSAXES", 2, "number of coordinate axes"))
    if "RADECSYS" in result:  # its name before the standard
        result.rename_keyword("RADECSYS", "RADESYS")
    return result


def shifted_header(header, x0, y0):
    """Return a copy of a WCS header for the cut whose first pixel is (`x0`, `y0`), from 0."""
    result = header.copy()
    result["CRPIX1"] = header.get("CRPIX1", 0.0) - x0
    result["CRPIX2"] = header.get("CRPIX2", 0.0) - y0
    return result


def pixel_area_arcsec2(wcs):
    """Return the area of a pixel on the sky in arcsec^2, from the WCS at its reference."""
    return float(proj_plane_pixel_area(wcs)) * 3600.0**2


def grid_offset(wcs, other, shape):
    """Return the largest distance in pixels between two grids at the corners of `shape`.

    Parameters
    ----------
    wcs, other : `~astropy.wcs.WCS`
    shape : tuple of int
        (ny, nx).

    Returns
    -------
    float
        Infinite where the sky of a corner is not on the other grid.
    """
    ny, nx = shape
    x = np.array([0.0, nx - 1.0, 0.0, nx - 1.0])
    y = np.array([0.0, 0.0, ny - 1.0, ny - 1.0])
    try:
        sky = wcs.pixel_to_world(x, y)
        x2, y2 = other.world_to_pixel(sky)
    except Exception:  # no convergence, or not on the projection
        return np.inf
    distance = np.hypot(x2 - x, y2 - y)
    return float(distance.max()) if np.isfinite(distance).all() else np.inf


def copied_header(header):
    """Return a copy of a header's cards for an HDU whose data are stored anew.

    Cards of structure, scaling and checksums are left out, as are an earlier
    INFILEn and the second card of a keyword. One that breaks the standard is mended,
    or beyond mending left out too.
    """
    result = fits.Header()
    for card in header.cards:
        keyword = card.keyword
        if _STRUCTURAL.fullmatch(keyword) or is_input_keyword(keyword):
            continue
        if keyword in ("COMMENT", "HISTORY", ""):
            # At the bottom, as every card is: astropy else moves it out of its place.
            result.append((keyword, str(card.value)), useblanks=False, bottom=True)
            continue
        if keyword in result:
            continue
        try:
            with warnings.catch_warnings():
                # A comment too long for its card is cut: no loss worth a warning.
                warnings.simplefilter("ignore", VerifyWarning)
                card.verify("silentfix")
                # Made anew: the card's text as read may not be as the standard wants it.
                fresh = fits.Card(keyword, card.value, card.comment)
                fresh.verify("exception")
                str(fresh)
        except (fits.VerifyError, ValueError):
            continue
        result.append(fresh, useblanks=False, bottom=True)
    return result
