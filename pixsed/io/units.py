"""Units of an image: the factor that turns its values into nJy a pixel."""

import re
import warnings

import numpy as np
from astropy import units as u

from pixsed.errors import PixsedError, PixsedWarning

# Spellings in headers that astropy does not take, upper case, without spaces. MJY is not
# among them: it may be milli or mega.
_SPELLINGS = {
    "ELECTRONS/S": "electron/s",
    "ELECTRON/S": "electron/s",
    "E-/S": "electron/s",
    "E/S": "electron/s",
    "ELECTRONS": "electron",
    "COUNTS/S": "ct/s",
    "COUNT/S": "ct/s",
    "CPS": "ct/s",
    "COUNTS": "ct",
    "COUNT": "ct",
    "DN/S": "DN/s",
    "ADU/S": "adu/s",
    "NJY": "nJy",
    "NANOJY": "nJy",
    "MICROJY": "uJy",
    "MUJY": "uJy",
    "JY": "Jy",
}
_ZERO_POINT = re.compile(r"zp\s*=\s*(?P<zp>[-+]?\d*\.?\d+(e[-+]?\d+)?)", re.IGNORECASE)
_PER_PIXEL = re.compile(r"\s*(/\s*pix(el)?|\s+pix(el)?\^?-1)\s*$", re.IGNORECASE)
#: Cards that hold an AB zero point by their name.
_ZERO_POINT_CARDS = ("ZPAB", "ABZP", "ZP_AB")
# Two calibrations in one header must agree this well, or neither is taken.
_AGREE = 0.02


def njy_per_unit(header, unit=None, *, name="image", pixel_area_sr=None):
    """Return the factor from an image's values to nJy a pixel.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        The image's, with BUNIT and, as needed, PIXAR_SR, PHOTFLAM and PHOTPLAM,
        PHOTMJSR or ZPAB.
    unit : str, optional
        In place of BUNIT: a unit, or ``"zp=25.94"``, the AB magnitude of one a pixel.
    name : str, optional
        The file, for messages.
    pixel_area_sr : float, optional
        The pixel's area by the WCS, in steradian.

    Returns
    -------
    float
        nJy a pixel for a value of 1.

    Raises
    ------
    PixsedError
        If the unit is missing, unknown, or cannot be turned into nJy with what the
        header holds. Nothing is guessed.
    """
    bunit = header.get("BUNIT")
    bunit = bunit.strip() if isinstance(bunit, str) else ""
    text = unit.strip() if unit is not None else bunit
    said = f"unit {text!r}" if unit is not None else f"BUNIT {bunit!r}" if bunit else "no BUNIT"
    if match := _ZERO_POINT.fullmatch(text):
        return _from_zero_point(float(match["zp"]))
    if not text:
        raise PixsedError(f'{name} has no BUNIT; say its unit, as --unit uJy or --unit "zp=25.94"')
    parsed = parse_unit(text)
    if parsed is None or parsed == u.dimensionless_unscaled:
        raise PixsedError(
            f'{name}: {said} is not known; say it, as --unit uJy or --unit "zp=25.94"'
        )
    if parsed.is_equivalent(u.nJy):
        return float(parsed.to(u.nJy))
    if parsed.is_equivalent(u.MJy / u.sr):
        area = _pixel_area(header, pixel_area_sr, name, said)
        return float((parsed * u.sr).to(u.nJy)) * area
    for rate in (u.electron / u.s, u.ct / u.s, u.DN / u.s, u.adu / u.s):
        if parsed.is_equivalent(rate):
            return float(parsed.to(rate)) * _from_rate(header, pixel_area_sr, name, said)
    raise PixsedError(
        f"{name}: {said} cannot be turned into nJy a pixel; say what a value of 1 is, as "
        '--unit "3.2 nJy" or --unit "zp=25.94"'
    )


def parse_unit(text):
    """Return the `~astropy.units.UnitBase` of `text`, or None if it is not one."""
    # Whether a flux is said to be "per pixel" makes no difference: it is.
    text = _PER_PIXEL.sub("", text)
    text = _SPELLINGS.get(text.replace(" ", "").upper(), text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        try:
            return u.Unit(text)
        except (ValueError, TypeError):
            return None


def _from_zero_point(zero_point):
    return float((zero_point * u.ABmag).to_value(u.nJy))


def _pixel_area(header, wcs_area, name, said):
    """Return the area of a pixel in steradian: PIXAR_SR, if the WCS does not belie it."""
    card = header.get("PIXAR_SR")
    if not isinstance(card, int | float) or not np.isfinite(card) or card <= 0:
        card = None
    if card is None and wcs_area is None:
        raise PixsedError(
            f"{name}: {said} needs PIXAR_SR or a WCS for the pixel's area; say the unit of a "
            'pixel, as --unit "3.2 nJy"'
        )
    if card is None:
        return wcs_area
    if wcs_area is not None and abs(card / wcs_area - 1) > _AGREE:
        # Resampling keeps a surface brightness but not the pixel PIXAR_SR was made for.
        warnings.warn(
            f"{name}: PIXAR_SR {card:.4g} sr is not the area of its WCS's pixels, "
            f"{wcs_area:.4g} sr; the WCS's was used",
            PixsedWarning,
            stacklevel=2,
        )
        return wcs_area
    return float(card)


def _number(header, key):
    value = header.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return None
    return float(value)


def _from_rate(header, wcs_area, name, said):
    """Return nJy for a rate of one a second, from what calibration the header holds."""
    found = {}
    photflam, photplam = _number(header, "PHOTFLAM"), _number(header, "PHOTPLAM")
    if photflam and photplam and photflam > 0 and photplam > 0:
        density = photflam * u.erg / u.s / u.cm**2 / u.AA
        found["PHOTFLAM"] = float(
            density.to_value(u.nJy, u.spectral_density(photplam * u.AA))
        )
    cards = list(_ZERO_POINT_CARDS)
    # A bare zero point may be of any system; this card counts where it says which.
    if "ZEROPNT" in header and re.search(r"\bAB\b", header.comments["ZEROPNT"]):
        cards.append("ZEROPNT")
    for key in cards:
        if (value := _number(header, key)) is not None:
            found[key] = _from_zero_point(value)
    photmjsr = _number(header, "PHOTMJSR")
    if not found and photmjsr and photmjsr > 0:
        area = _pixel_area(header, wcs_area, name, said)
        found["PHOTMJSR"] = photmjsr * float((u.MJy).to(u.nJy)) * area
    if not found:
        raise PixsedError(
            f"{name}: {said} needs PHOTFLAM with PHOTPLAM, or ZPAB, in the header; "
            'or say the AB zero point, as --unit "zp=25.94"'
        )
    if max(found.values()) > min(found.values()) * (1 + _AGREE):
        raise PixsedError(
            f"{name}: {said}, and {' and '.join(found)} differ by more than 2 %; "
            'say which, as --unit "zp=25.94"'
        )
    return next(iter(found.values()))
