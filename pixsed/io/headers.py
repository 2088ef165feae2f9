"""Celestial WCS of a header: its cards checked and repaired, and quantities derived from it."""

import contextlib
import logging
import re
import warnings

import numpy as np
from astropy import log
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS
from astropy.wcs.utils import proj_plane_pixel_area, proj_plane_pixel_scales, wcs_to_celestial_frame

from pixsed.errors import PixsedError, PixsedWarning

# The primary WCS only: an alternate one ends in a letter and does not match.
_NUMBERS = re.compile(
    r"EQUINOX|LONPOLE|LATPOLE|(CRPIX|CRVAL|CDELT|CROTA)[12]"
    r"|PC[12]_[12]|CD[12]_[12]|PC00[12]00[12]|PV[12]_\d+"
    r"|(A|B|AP|BP)_(ORDER|DMAX|\d_\d)"
)
_TEXTS = re.compile(r"WCSNAME|RADESYS|(CTYPE|CUNIT)[12]")
_SIP = re.compile(r"(A|B|AP|BP)_(ORDER|DMAX|\d_\d)")
_PC = re.compile(r"PC[12]_[12]|PC00[12]00[12]")
_CD = re.compile(r"CD[12]_[12]")
# Distortions whose tables are in other HDUs.
_TABLES = re.compile(r"(CPDIS|CQDIS|D2IMDIS)[12]")
_PROJECTED = re.compile(r"(RA--|DEC-|[A-Z]LON|[A-Z]LAT)-[A-Z]{3}(-SIP)?")
_FRAMES = ("", "ICRS", "FK5", "FK4", "FK4-NO-E", "GAPPT")
_ANGLES = ("deg", "arcmin", "arcsec", "mas", "rad")
# Smallest and largest side of a pixel in arcsec in an image of galaxies.
_SMALLEST, _LARGEST = 1e-3, 10.0
# Largest distance in pixels of the reference pixel: the sky has fewer pixels from pole to pole.
_FARTHEST = 2.0**31
# Two matrices of one header are the same if their elements agree to this fraction of the largest.
# A number written with seven digits is off by 5e-7 at most, and 1e-6 moves a pixel that lies
# 10 000 pixels from CRPIX by 0.01 pixel.
_AGREE = 1e-6
# The same for CROTA2, which programs write with few digits of a degree.
_ROTATION_AGREES = 1e-3


def celestial_wcs(header, name):
    """Return the celestial `~astropy.wcs.WCS` of a header.

    Only the cards that `celestial_header` returns are used.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
    name : str
        File name, for the message.

    Raises
    ------
    PixsedError
        If the header has no celestial WCS, contradicts itself, or has pixels of an impossible size.

    Warns
    -----
    PixsedWarning
        If there are SIP coefficients but CTYPE has no -SIP.
    """
    cards = celestial_header(header, name)
    if "CTYPE1" not in cards:
        other = "; it has only an alternate one" if "CTYPE1A" in header else ""
        raise PixsedError(f"{name} has no celestial WCS{other}; add one to its header")
    types = [cards[key] for key in ("CTYPE1", "CTYPE2")]
    if any(_SIP.fullmatch(key) for key in header) and not any(t.endswith("-SIP") for t in types):
        warnings.warn(
            f"{name}: its WCS has SIP coefficients, but CTYPE {types[0]!r} without -SIP: they are "
            "not applied, as if the image were rectified",
            PixsedWarning,
            stacklevel=2,
        )
    with warnings.catch_warnings(), _quiet_log():
        # Hide wcslib's notices of repairs (dates, PC001001) that need no action by the user.
        warnings.simplefilter("ignore")
        try:
            wcs = WCS(cards, naxis=2)
            wcs.wcs.set()
            known = wcs.has_celestial and all(_PROJECTED.fullmatch(t) for t in types)
            if known:
                if wcs.wcs.radesys not in _FRAMES:
                    raise ValueError(f"RADESYS {wcs.wcs.radesys!r} is not one of FITS")
                wcs_to_celestial_frame(wcs)
                sides = u.deg.to(u.arcsec, proj_plane_pixel_scales(wcs))
                mean = np.sqrt(pixel_area_arcsec2(wcs))
        except Exception as error:  # wcslib's errors have no common class
            raise _unreadable(name, error) from error
    if not known:
        raise PixsedError(
            f"{name} has no celestial WCS (CTYPE {types[0]!r}, {types[1]!r}); add one to its header"
        )
    if not (min(mean, *sides) >= _SMALLEST and max(sides) <= _LARGEST):
        raise PixsedError(
            f"{name}: its WCS cannot be right: a pixel of {sides[0]:.3g} x {sides[1]:.3g} arcsec"
            f"{'' if mean >= _SMALLEST else ', of no area'}; fix CDELT or CD, or CUNIT, in its "
            "header"
        )
    return wcs


def celestial_header(header, name="image"):
    """Return the cards of the primary celestial WCS as a new header.

    Values are copied: `~astropy.wcs.WCS.to_header` rounds to 12 digits, which is a few 1e-6 pixel
    if CRPIX lies far outside. These faults are repaired:

    - numbers in quotes; spellings of degrees in CUNIT; the old names RADECSYS and EPOCH;
    - SIP coefficients without -SIP in CTYPE, which are left out;
    - PC and CDELT next to an equal CD matrix, which are left out;
    - TAN with the polynomial of SCAMP, which is TPV.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
    name : str, optional
        File name, for messages.

    Returns
    -------
    `~astropy.io.fits.Header`
        Empty if there is no CTYPE.

    Raises
    ------
    PixsedError
        If the cards cannot be read or contradict each other.
    """
    result = fits.Header()
    for card in header.cards:
        key = {"RADECSYS": "RADESYS"}.get(card.keyword, card.keyword)
        if key in result or (key != card.keyword and key in header):
            continue
        if _NUMBERS.fullmatch(key):
            result.append(fits.Card(key, _number(card, name), card.comment))
        elif _TEXTS.fullmatch(key):
            text = str(_value(card, name)).strip()
            text = text if key == "WCSNAME" or key.startswith("CUNIT") else text.upper()
            result.append(fits.Card(key, text, card.comment))
    # EPOCH is usually the date of the observation; these two values can only be equinoxes.
    if "EQUINOX" not in result and header.get("EPOCH") in (1950, 2000):
        result["EQUINOX"] = float(header["EPOCH"])
    if missing := {"CTYPE1", "CTYPE2"} - set(result):
        if len(missing) == 1:
            raise _unreadable(name, f"{missing.pop()} is missing")
        return fits.Header()
    for key in ("CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"):
        # By the standard the default is 0, but programs always write it.
        if key not in result:
            raise _unreadable(name, f"{key} is missing")
        if key.startswith("CRPIX") and abs(result[key]) > _FARTHEST:
            raise _unreadable(name, f"{key} = {result[key]:g} is too far from the image")
    if "WCSAXES" in header:
        # It must be the first WCS card. Headers of slices may have another number; this is 2-D.
        result.insert(0, ("WCSAXES", 2, "number of coordinate axes"))
    _check_axes(header, result, name)
    _mend_units(result, name)
    _mend_distortion(result, name)
    _mend_matrix(result, name)
    return result


def shifted_header(header, x0, y0):
    """Return a copy of a WCS header for a cutout from pixel (`x0`, `y0`), counted from 0."""
    result = header.copy()
    result["CRPIX1"] = header.get("CRPIX1", 0.0) - x0
    result["CRPIX2"] = header.get("CRPIX2", 0.0) - y0
    return result


def pixel_area_arcsec2(wcs):
    """Return the area of a pixel on the sky in arcsec^2, at the reference point of the WCS."""
    # The square of the exact factor: that of astropy for deg**2 is off by one bit.
    return float(proj_plane_pixel_area(wcs)) * u.deg.to(u.arcsec) ** 2


def grid_offset(wcs, other, shape):
    """Return the largest distance in pixels between two grids at the corners of an image.

    Parameters
    ----------
    wcs, other : `~astropy.wcs.WCS`
    shape : tuple of int
        Shape (ny, nx) of the image.

    Returns
    -------
    float
        Infinite if the sky position of a corner is not on the other grid.
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


@contextlib.contextmanager
def _quiet_log():
    """Suppress astropy's log notices, which would corrupt a FITS file on standard output.

    The command line suppresses them in settings/astropy/astropy.cfg; this function is for users
    of the Python API. Log warnings and errors go to standard error and are kept.
    """
    level = log.level
    log.setLevel(max(level, logging.WARNING))
    try:
        yield
    finally:
        log.setLevel(level)


def _unreadable(name, why):
    """Return the `PixsedError` of a WCS that cannot be read."""
    return PixsedError(
        f"{name}: its WCS cannot be read ({' '.join(str(why).split())}); fix its header"
    )


def _value(card, name):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return card.value
    except (fits.VerifyError, ValueError) as error:
        raise _unreadable(name, f"{card.keyword}: {error}") from error


def _number(card, name):
    """Return the value of a card as a number, in quotes or not, or raise `PixsedError`."""
    value = _value(card, name)
    text = value.strip() if isinstance(value, str) else value
    if card.keyword == "EQUINOX" and isinstance(text, str):
        text = text.lstrip("JBjb")
    try:
        number = float(text)
    except (TypeError, ValueError):
        number = np.nan
    if isinstance(value, bool) or not np.isfinite(number):
        raise _unreadable(name, f"{card.keyword} = {value!r} is not a number")
    return value if not isinstance(value, str) else number


def _check_axes(header, cards, name):
    """Raise `PixsedError` if the axes are of two kinds, or distorted by tables in other HDUs."""
    if tables := sorted(key for key in header if _TABLES.fullmatch(key)):
        raise PixsedError(
            f"{name}: its WCS has a distortion by table ({tables[0]}), which is not read; "
            "drizzle or reproject the image first"
        )
    types = [cards.get(key, "") for key in ("CTYPE1", "CTYPE2")]
    if types[0].endswith("-SIP") != types[1].endswith("-SIP"):
        raise _unreadable(name, f"CTYPE {types[0]!r} and {types[1]!r}: -SIP in one alone")


def _mend_units(cards, name):
    """Spell CUNIT as wcslib needs it."""
    for key in ("CUNIT1", "CUNIT2"):
        text = cards.get(key, "")
        if not text:
            continue
        word = text.lower()
        try:
            unit = u.Unit(word.removesuffix("s") if word not in _ANGLES else word)
            cards[key] = next(angle for angle in _ANGLES if unit == u.Unit(angle))
        except (ValueError, TypeError, StopIteration):
            why = f"{key} {text!r} is none of {', '.join(_ANGLES)}"
            raise _unreadable(name, why) from None


def _mend_distortion(cards, name):
    """Remove SIP if CTYPE has no -SIP; turn TAN with the polynomial of SCAMP into TPV."""
    sip = [key for key in cards if _SIP.fullmatch(key)]
    if not cards["CTYPE1"].endswith("-SIP"):
        for key in sip:
            del cards[key]
    elif one := [k for k in "AB" if f"{k}_ORDER" in cards]:
        if len(one) == 1:
            raise _unreadable(name, f"{one[0]}_ORDER without {'BA'['AB'.index(one[0])]}_ORDER")
    # TAN itself has only PV1_0 to PV1_4, for the pole and the reference point.
    powers = [key for key in cards if re.fullmatch(r"PV2_\d+|PV1_([5-9]|[1-3]\d)", key)]
    if powers:
        for key in ("CTYPE1", "CTYPE2"):
            cards[key] = re.sub(r"-TAN$", "-TPV", cards.get(key, ""))


def _mend_matrix(cards, name):
    """Keep one of two equal matrices; raise `PixsedError` if they differ, or there is none."""
    cd = [key for key in cards if _CD.fullmatch(key)]
    pc = [key for key in cards if _PC.fullmatch(key)]
    if not cd:
        if not {"CDELT1", "CDELT2"} <= set(cards):
            raise PixsedError(
                f"{name}: its WCS has no pixel scale (neither CD matrix nor CDELT); add it to its "
                "header"
            )
        _check_rotation(cards, pc, name)
        return
    if not pc:
        return  # by the standard, CDELT and CROTA next to a CD matrix are ignored
    mine = np.array([[cards.get(f"CD{i}_{j}", 0.0) for j in (1, 2)] for i in (1, 2)])
    theirs = _pc_matrix(cards) * np.array([[cards.get(f"CDELT{i}", 1.0)] for i in (1, 2)])
    if not np.allclose(mine, theirs, rtol=_AGREE, atol=_AGREE * np.abs(mine).max()):
        raise PixsedError(
            f"{name}: its WCS has a CD matrix and a PC matrix, against the FITS standard, and they "
            "differ; delete the wrong one from its header"
        )
    for key in (*pc, "CDELT1", "CDELT2"):
        cards.remove(key, ignore_missing=True)


def _check_rotation(cards, pc, name):
    """Raise `PixsedError` if CROTA2 differs from the PC matrix, which wcslib uses."""
    angle = np.radians(cards.get("CROTA2", 0.0))
    if not pc or angle == 0:  # a CROTA2 of 0 is a leftover
        return
    steps = np.array([cards["CDELT1"], cards["CDELT2"]])
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * steps
    matrix = _pc_matrix(cards) * steps[:, None]
    if not np.allclose(matrix, turned, atol=_ROTATION_AGREES * np.abs(steps).max()):
        raise PixsedError(
            f"{name}: its WCS has a PC matrix and CROTA2, against the FITS standard, and they "
            "differ; delete the wrong one from its header"
        )


def _pc_matrix(cards):
    """Return the PC matrix, by new or old keywords; the default is the unit matrix."""
    matrix = np.eye(2)
    for i, j in np.ndindex(2, 2):
        for key in (f"PC00{i + 1}00{j + 1}", f"PC{i + 1}_{j + 1}"):
            matrix[i, j] = cards.get(key, matrix[i, j])
    return matrix
