"""Conversion of fluxes, magnitudes and their errors to nJy."""

import re

import numpy as np
from astropy import units as u

from pixsed.errors import PixsedError
from pixsed.io.units import njy_per_unit, parse_unit

# Spellings of AB magnitudes that astropy does not know: lower case, only letters.
_AB_MAGNITUDES = {"abmag", "magab", "abmags", "abmagnitude", "abmagnitudes", "magnitudeab"}
# Logarithmic units without a physical unit: errors in them are relative.
_SCALES = (u.mag, u.dex, u.dB)
_COUNTS = [unit / time for unit in (u.ct, u.DN, u.adu, u.electron) for time in (1, u.s)]
# Magnitudes of this size or more are codes for "no value" (99, -99, 999).
_NO_MAGNITUDE = 90.0
_NO_FLUX = float(u.ABflux.to(u.nJy))  # AB magnitude 0 is a code for "no value" too
_ADVICE = 'convert it to nJy, or give its unit, as --unit nJy or --unit "mag(AB)"'


def flux_unit(unit, what):
    """Return the unit of a flux, or of its error: linear or logarithmic.

    Parameters
    ----------
    unit : str or `~astropy.units.UnitBase` or `~astropy.units.function.FunctionUnitBase`
        Unit as spelled in a file or by a user. ``"zp=25.94"`` is counts with that AB zero point.
    what : str
        Name of the column, for messages.

    Returns
    -------
    `~astropy.units.UnitBase` or `~astropy.units.function.FunctionUnitBase`
        Unit of flux density, a logarithm of one, or plain mag, dex or dB.

    Raises
    ------
    PixsedError
        If the unit is unknown, or not one of flux density.
    """
    text = str(unit).strip()
    if re.fullmatch(r"zp\s*=.*", text, re.IGNORECASE):
        return u.Unit(njy_per_unit({}, text, name=what) * u.nJy)
    if text in ("AB", "ST"):  # a linear unit in astropy, magnitudes in most tables
        raise PixsedError(
            f"{what} is in {text}, which may be a magnitude or a flux; tell which, as --unit "
            '"mag(AB)", or as --unit "3631 Jy"'
        )
    parsed = known_unit(text)
    if parsed is None or parsed == u.dimensionless_unscaled:
        raise PixsedError(f"{what} is in {text!r}, which is not a known unit; {_ADVICE}")
    if parsed in _SCALES:
        return parsed
    linear = getattr(parsed, "physical_unit", parsed)
    if linear.is_equivalent(u.mgy):  # taken as AB, as in images
        return u.Unit(linear.to(u.mgy) * u.ABflux.to(u.nJy) * u.nJy)
    if not linear.is_equivalent(u.nJy):
        raise PixsedError(
            f"{what} is in {text}, which is not a flux density{_reason(linear)}; {_ADVICE}"
        )
    if not linear.to(u.nJy) > 0:
        raise PixsedError(f"{what} is in {text}: the factor must be above 0; {_ADVICE}")
    return parsed


def known_unit(unit):
    """Return the unit of a text, with the spellings found in files, or None if it is not known."""
    text = str(unit).strip()
    if re.sub(r"[^a-z]", "", text.lower()) in _AB_MAGNITUDES:
        return u.ABmag
    return parse_unit(text) if text else None


def leaves_open(unit):
    """Return whether a unit does not define a flux density: unknown, counts or plain mag.

    Only for such columns is the unit taken from the option.
    """
    text = str(unit).strip()
    if text in ("AB", "ST"):
        return True
    parsed = parse_unit(text)
    if parsed is None or parsed == u.dimensionless_unscaled or parsed in _SCALES:
        return True
    return any(parsed.is_equivalent(other) for other in _COUNTS)


def is_relative(unit):
    """Return whether a unit is plain mag, dex or dB, in which an error is relative to its flux."""
    parsed = parse_unit(str(unit).strip())
    return parsed is not None and parsed in _SCALES


def _reason(unit):
    """Return why a unit that resembles one of flux cannot be converted, for a message."""
    for other, reason in (
        (u.erg / u.s / u.cm**2 / u.AA, " by frequency (its wavelength is not in the table)"),
        (u.erg / u.s / u.cm**2, " but a flux over a band"),
        (u.MJy / u.sr, " but a surface brightness, not summed over an aperture"),
        (u.Jy / u.beam, " but a surface brightness, not summed over an aperture"),
    ):
        if unit.is_equivalent(other):
            return reason
    if any(unit.is_equivalent(count) for count in _COUNTS):
        return ' (of a known AB zero point: --unit "zp=25.94")'
    return ""


def _dex(unit):
    """Return one step of a logarithmic unit in dex of flux; None for a linear unit."""
    function = getattr(unit, "function_unit", unit if unit in _SCALES else None)
    return None if function is None else float(function.to(u.dex))


def fluxes_njy(flux, err, flux_unit, err_unit):
    """Return fluxes and errors in nJy.

    An error in magnitudes (or dex, or dB) is relative, and converted to first order:
    ``err_njy = flux * err * ln(10) / 2.5``.

    Parameters
    ----------
    flux, err : `~numpy.ndarray`, shape (N,), float64
        NaN = no data.
    flux_unit, err_unit : unit
        Units from `flux_unit`; they may differ.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (N,), float64
        In nJy. A logarithmic flux is NaN if its size is 90 or more (the codes 99 and -99), if it is
        not finite, or if it is 3631 Jy or more (AB magnitude 0). A logarithmic error is NaN if it
        is not finite, 0 or less, or 90 or more.

    Raises
    ------
    PixsedError
        If the flux is in plain mag, dex or dB.
    """
    flux, err = np.asarray(flux, dtype=float), np.asarray(err, dtype=float)
    with np.errstate(all="ignore"):  # codes for "no value" overflow
        if _dex(flux_unit) is None:
            flux = flux * flux_unit.to(u.nJy)
        else:
            found = flux_unit.to_physical(flux) * flux_unit.physical_unit.to(u.nJy)
            flux = np.where((np.abs(flux) < _NO_MAGNITUDE) & (found < _NO_FLUX), found, np.nan)
        if (dex := _dex(err_unit)) is None:
            err = err * err_unit.to(u.nJy)
        else:
            relative = err * abs(dex) * np.log(10)
            err = np.where((err > 0) & (err < _NO_MAGNITUDE) & (flux > 0), flux * relative, np.nan)
    return flux, err
