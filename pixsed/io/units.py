"""Units of an image: the factor from its values to nJy per pixel."""

import re
import warnings

import numpy as np
from astropy import units as u

from pixsed.errors import PixsedError, PixsedWarning

# Spellings in headers that astropy does not know, in upper case, without spaces. MJY is left out:
# it may be milli or mega.
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
    "UJY": "uJy",
    "JY": "Jy",
    "NMGY": "nmgy",
    "NANOMAGGY": "nmgy",
    "NANOMAGGIES": "nmgy",
}
_SCALED = re.compile(
    r"(?P<scale>[-+]?\d*\.?\d+(e[-+]?\d+)?)\s*\*?\s*(?P<rest>[a-z].*)", re.IGNORECASE
)
# Units of flux in astropy, of magnitudes in headers: refused.
_SYSTEMS = re.compile(
    r"(m|mags?)?[_ (]*(AB|ST|VEGA)[_ )]*(mags?|magnitudes?)?(/.*)?", re.IGNORECASE
)
_ZERO_POINT = re.compile(r"zp\s*=\s*(?P<zp>[-+]?\d*\.?\d+(e[-+]?\d+)?)", re.IGNORECASE)
_PER_PIXEL = re.compile(r"\s*(/\s*pix(el)?s?|[\s.*]+pix(el)?(\^|\*\*)?\(?-1\)?)\s*$", re.IGNORECASE)
#: Cards whose names say that they hold an AB zero point.
_ZERO_POINT_CARDS = ("ZPAB", "ABZP", "ZP_AB")
_QUOTES = " '\""
_PER_WAVELENGTH = u.erg / u.s / u.cm**2 / u.AA
# Two calibrations in one header, or PIXAR_SR and the WCS, agree if they differ by less than this
# fraction. Zero points in headers are rounded to 0.01 mag, and the distortion of a camera changes
# the area of a pixel, by 1 % each. A zero point of another epoch or system, or PIXAR_SR of other
# pixels (a scale of 0.03 in place of 0.031 arcsec is 7 %), is off by more.
_AGREE = 0.02


def njy_per_unit(header, unit=None, *, name="image", pixel_area_sr=None, wcs_trouble=None):
    """Return the factor from the values of an image to nJy per pixel.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Header of the image, with BUNIT and, if needed, PIXAR_SR, PHOTFLAM and PHOTPLAM, PHOTMJSR or
        ZPAB.
    unit : str, optional
        Unit, in place of BUNIT, or ``"zp=25.94"``, the AB magnitude of a pixel value of 1.
    name : str, optional
        File name, for messages.
    pixel_area_sr : float, optional
        Area of a pixel by the WCS in steradian.
    wcs_trouble : str, optional
        Reason why there is no such area, for messages.

    Returns
    -------
    float
        Flux density in nJy of a pixel value of 1.

    Raises
    ------
    PixsedError
        If the unit is missing, unknown or logarithmic, or the header does not hold what its
        conversion to nJy needs. Nothing is guessed.
    """
    factor = _njy_per_unit(header, unit, name, pixel_area_sr, wcs_trouble)
    if not (np.isfinite(factor) and factor > 0):
        raise PixsedError(
            f"{name}: a value of 1 would be {factor:g} nJy per pixel; give its unit, as --unit uJy "
            'or --unit "zp=25.94"'
        )
    return factor


def _njy_per_unit(header, unit, name, pixel_area_sr, wcs_trouble):
    bunit = header.get("BUNIT")
    bunit = bunit.strip(_QUOTES) if isinstance(bunit, str) else ""
    text = unit.strip(_QUOTES) if unit is not None else bunit
    said = f"unit {text!r}" if unit is not None else f"BUNIT {bunit!r}" if bunit else "no BUNIT"
    if match := _ZERO_POINT.fullmatch(text):
        return _from_zero_point(float(match["zp"]))
    if not text:
        raise PixsedError(f'{name} has no BUNIT; give its unit, as --unit uJy or --unit "zp=25.94"')
    check_linear(text, name, said)
    parsed = parse_unit(text)
    if parsed is None or parsed == u.dimensionless_unscaled:
        raise PixsedError(
            f'{name}: {said} is not known; give the unit, as --unit uJy or --unit "zp=25.94"'
        )
    if parsed.is_equivalent(u.nJy):
        return float(parsed.to(u.nJy))
    if parsed.is_equivalent(u.MJy / u.sr):
        area = _pixel_area(header, pixel_area_sr, name, said, wcs_trouble)
        return float((parsed * u.sr).to(u.nJy)) * area
    for rate in (u.electron / u.s, u.ct / u.s, u.DN / u.s, u.adu / u.s):
        if parsed.is_equivalent(rate):
            one = _from_rate(header, pixel_area_sr, name, said, wcs_trouble)
            return float(parsed.to(rate)) * one
    if parsed.is_equivalent(u.mgy):
        return float(parsed.to(u.mgy) * (1 * u.AB).to_value(u.nJy))
    if parsed.is_equivalent(_PER_WAVELENGTH):
        return _at_pivot(parsed, header, name, said)
    raise PixsedError(
        f"{name}: {said} cannot be turned into nJy per pixel; give a value of 1, as "
        '--unit "3.2 nJy" or --unit "zp=25.94"'
    )


def check_linear(text, name, said):
    """Raise `PixsedError` if a unit, as text, is one of magnitudes, dex or decibel."""
    unit = parse_unit(text)
    is_log = isinstance(unit, u.function.FunctionUnitBase) or _SYSTEMS.fullmatch(text)
    # Magnitudes and decibel are multiples of dex.
    if is_log or (unit is not None and u.dex in unit.decompose().bases):
        raise PixsedError(
            f"{name}: {said} is a unit of magnitudes or logarithms, which do not add up; "
            "convert the image to a flux, such as nJy, first"
        )


def parse_unit(text):
    """Return the `~astropy.units.UnitBase` of a header's text, or None if it is not a unit."""
    text = str(text or "").strip(_QUOTES)
    # Every flux is per pixel, with or without these words.
    text = _PER_PIXEL.sub("", text)
    scale = 1.0
    if (match := _SCALED.fullmatch(text)) and _spelling(match["rest"]):
        scale, text = float(match["scale"]), match["rest"]
    text = _spelling(text) or text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", u.UnitsWarning)
        try:
            unit = u.Unit(text)
            return unit if scale == 1.0 else u.Unit(scale * unit)
        except (ValueError, TypeError):
            return None


def _spelling(text):
    return _SPELLINGS.get(text.replace(" ", "").upper().replace("/SEC", "/S"))


def _from_zero_point(zero_point):
    with np.errstate(over="ignore"):
        return float((zero_point * u.ABmag).to_value(u.nJy))


def _at_pivot(unit, header, name, said):
    """Return a flux density per wavelength in nJy, at the pivot wavelength of PHOTPLAM."""
    pivot = _number(header, "PHOTPLAM")
    if not pivot or pivot <= 0:
        raise PixsedError(
            f"{name}: {said} needs PHOTPLAM, the pivot wavelength in Angstrom, in the header; or "
            'give a value of 1, as --unit "3.2 nJy"'
        )
    return float(unit.to(u.nJy, equivalencies=u.spectral_density(pivot * u.AA)))


def _pixel_area(header, wcs_area, name, said, trouble):
    """Return the area of a pixel in steradian: PIXAR_SR, unless the WCS contradicts it."""
    card = header.get("PIXAR_SR")
    if not isinstance(card, int | float) or not np.isfinite(card) or card <= 0:
        card = None
    if card is None and wcs_area is None:
        raise PixsedError(
            f"{name}: {said} needs PIXAR_SR or a WCS for the pixel's area"
            + (f" ({trouble})" if trouble else "")
            + '; give a value of 1, as --unit "3.2 nJy"'
        )
    if card is None:
        return wcs_area
    if wcs_area is not None and abs(card / wcs_area - 1) > _AGREE:
        # Resampling keeps the surface brightness, but changes the pixels of PIXAR_SR.
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


def _from_rate(header, wcs_area, name, said, trouble):
    """Return the flux density in nJy of a rate of one per second, by the header."""
    found = {}
    photflam, photplam = _number(header, "PHOTFLAM"), _number(header, "PHOTPLAM")
    if photflam and photplam and photflam > 0 and photplam > 0:
        density = photflam * _PER_WAVELENGTH
        found["PHOTFLAM"] = float(density.to_value(u.nJy, u.spectral_density(photplam * u.AA)))
    cards = list(_ZERO_POINT_CARDS)
    # A zero point may be of any system; this card is used if its comment says AB.
    if "ZEROPNT" in header and re.search(r"\bAB\b", header.comments["ZEROPNT"]):
        cards.append("ZEROPNT")
    for key in cards:
        if (value := _number(header, key)) is not None:
            found[key] = _from_zero_point(value)
    photmjsr = _number(header, "PHOTMJSR")
    if not found and photmjsr and photmjsr > 0:
        area = _pixel_area(header, wcs_area, name, said, trouble)
        found["PHOTMJSR"] = photmjsr * float((u.MJy).to(u.nJy)) * area
    if not found:
        raise PixsedError(
            f"{name}: {said} needs PHOTFLAM with PHOTPLAM, or ZPAB, in the header; "
            'or give the AB zero point, as --unit "zp=25.94"'
        )
    if max(found.values()) > min(found.values()) * (1 + _AGREE):
        raise PixsedError(
            f"{name}: {said}, and {' and '.join(found)} differ by more than "
            f"{100 * _AGREE:g} %; "
            'give the right one, as --unit "zp=25.94"'
        )
    return next(iter(found.values()))
