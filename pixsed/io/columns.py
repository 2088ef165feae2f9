"""Columns of tables that users bring: found by name, and read as numbers or text."""

import numpy as np
from astropy import units as u
from astropy.table import Column, MaskedColumn

from pixsed.errors import PixsedError, listed
from pixsed.io.fluxes import flux_unit, fluxes_njy, is_relative, leaves_open

#: Texts that stand for "no value" in a column of numbers, in lower case.
PLACEHOLDERS = frozenset(
    ["", "-", "--", "---", ".", "..", "...", "nan", "none", "null", "nil", "n/a", "na", "<na>",
     "#n/a", "nodata", "masked"]
)  # fmt: skip


def find_column(names, asked, usual, option, path):
    """Return the column asked for, or the one whose name is usual for it.

    Parameters
    ----------
    names : list of str
        The table's columns.
    asked : str or None
        As the user wrote it; None to look for one.
    usual : collection of str
        Names to look for, in lower case.
    option, path : str
        For the message.

    Returns
    -------
    str

    Raises
    ------
    PixsedError
        If the column asked for is not there, or none or several have a usual name.
    """
    if asked is not None:
        if asked not in names:
            raise PixsedError(
                f"{path} has no column {asked!r}; it has {listed(names)}: name one with {option}"
            )
        return asked
    found = [name for name in names if name.lower() in usual]
    if len(found) == 1:
        return found[0]
    if found:
        raise PixsedError(
            f"{path}: which column is it, {', '.join(found)}? Name one with {option}"
        )
    raise PixsedError(f"{path}: name a column with {option}; it has {listed(names)}")


def is_numeric(column):
    """Return whether a column holds numbers, masked ones included."""
    return getattr(column, "dtype", np.dtype(object)).kind in "iuf"


def flat(column, name, path):
    """Return a column as a masked array of one value a row; shapes (N, 1) are taken as (N,).

    Raises
    ------
    PixsedError
        If there are several values in a row, or it is no plain column (a SkyCoord, a Time).
    """
    if not isinstance(column, np.ndarray):  # Column, MaskedColumn and Quantity are arrays
        kind = type(column).__name__
        raise PixsedError(f"{path}: column {name!r} holds {kind} objects, not numbers")
    mask = getattr(column, "mask", False)
    values = getattr(column, "unmasked", column)  # of a masked Quantity
    values = np.ma.MaskedArray(np.asarray(values), mask=np.asarray(mask))
    if values.dtype == object and values.ndim == 1:
        values = _of_objects(values)
    if values.ndim != 1 and values.size != len(values):
        raise PixsedError(
            f"{path}: column {name!r} has {values.size // max(len(values), 1)} values a row; one "
            "is wanted: split it into columns of its own"
        )
    return values.reshape(len(values))


def _of_objects(values):
    """Return an object column as text or numbers where it is; arrays of one value are that."""
    mask = np.ma.getmaskarray(values).copy()
    found = []
    for row, value in enumerate(values.data):
        if isinstance(value, np.ndarray | list | tuple) and np.size(value) == 1:
            value = np.ravel(value)[0]
        if value is None or np.ma.is_masked(value):
            mask[row] = True
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (mask[row] or is_number or isinstance(value, str | bytes)):
            return values
        found.append("" if mask[row] else value.decode() if isinstance(value, bytes) else value)
    kept = [value for value, none in zip(found, mask, strict=True) if not none]
    if kept and not any(isinstance(value, str) for value in kept):
        found = [0 if none else value for value, none in zip(found, mask, strict=True)]
    else:
        found = [str(value) for value in found]
    return np.ma.MaskedArray(np.array(found), mask=mask)


def numbers(column, name, options, path):
    """Return a column as float64, shape (N,), NaN where masked, or where text stands for "none".

    Parameters
    ----------
    column : `~astropy.table.Column` or `~astropy.units.Quantity`
        Shape (N,) or (N, 1).
    name : str
    options : str
        Those that name another column, for the message.
    path : str

    Raises
    ------
    PixsedError
        If it holds anything else than numbers; the message names the first such row.
    """
    how = f"name another with {options}" if options else "correct it, or remove the row"
    values = flat(column, name, path)
    kind = values.dtype.kind
    if kind in "iuf":
        return np.asarray(np.ma.filled(values.astype(float), np.nan))
    if kind not in "US":
        raise PixsedError(f"{path}: column {name!r} must hold numbers, got {values.dtype}; {how}")
    if kind == "S":
        values = np.ma.MaskedArray(np.char.decode(values.data, "latin-1"), mask=values.mask)
    result = np.full(len(values), np.nan)
    for row, text in enumerate(np.ma.filled(values, "")):
        text = str(text).strip()
        if text.lower() in PLACEHOLDERS:
            continue
        try:
            result[row] = float(text)
        except ValueError:
            raise PixsedError(
                f"{path}: column {name!r} must hold numbers, and row {row + 1} has {text!r}; {how}"
            ) from None
    return result


def texts(column, name, path):
    """Return a column of ids as a list of str; 7, 7.0 and ``"7"`` are the same."""
    values = flat(column, name, path)
    if values.dtype.kind == "S":
        values = np.ma.MaskedArray(np.char.decode(values.data, "latin-1"), mask=values.mask)
    found = ["" if value is np.ma.masked else str(value).strip() for value in values]
    if values.dtype.kind == "f":
        found = [text.removesuffix(".0") for text in found]
    return found


def integers_or_texts(values):
    """Return ids as a column of int64 if each is the text of an integer, else of text."""
    values = [str(value) for value in values]
    try:
        found = np.array([int(value) for value in values], dtype=np.int64)
    except (ValueError, OverflowError):
        return Column(values)
    return Column(found if [str(number) for number in found] == values else values)


# Photometry.


def unit_of(column):
    """Return the unit of a column as text, or the unit itself; None where it has none."""
    unit = getattr(column, "unit", None)
    return None if unit is None or not str(unit).strip() else unit


def band_columns(names):
    """Return the bands of a table: columns that have an ``_ERR`` beside them."""
    return [name for name in names if f"{name}_ERR" in names and name != "REDSHIFT"]


def band_njy(table, band, units, path):
    """Return flux and error of a band in nJy.

    Parameters
    ----------
    table : `~astropy.table.Table`
        With the columns ``<BAND>`` and ``<BAND>_ERR``.
    band : str
    units : dict
        Band -> unit, in place of that of its columns; None -> unit of columns that have none,
        or none that is of use.
    path : str
        For messages.

    Returns
    -------
    flux, err : `~numpy.ndarray`, shape (N,), float64
        NaN where masked, and as `~pixsed.io.fluxes.fluxes_njy` says.
    used : bool
        Whether ``units`` was used.

    Raises
    ------
    PixsedError
        If a column is not one number a row, or its unit is missing or no flux density.
    """
    names = band, f"{band}_ERR"
    flux, err = (numbers(table[name], name, "", path) for name in names)
    found, used = [], False
    for name in names:
        unit, said = unit_of(table[name]), units.get(band.upper())
        what = f"{path}: column {name}"
        # An error in plain magnitudes is of the flux's system.
        relative = name != band and unit is not None and is_relative(unit)
        if said is None and (unit is None or (leaves_open(unit) and not relative)):
            said = units.get(None)
        if said is None and unit is not None:
            found.append(flux_unit(unit, what))
            continue
        if said is None:
            raise PixsedError(
                f"{what} has no unit; write it into the table (FITS TUNIT or ECSV), or say it, "
                "as --unit nJy"
            )
        found.append(flux_unit(said, f"{what}, by --unit,"))
        used = True
    if is_relative(found[0]):
        raise PixsedError(
            f'{path}: column {band} is in {found[0]} of no system; say which, as --unit "mag(AB)", '
            "or convert it to nJy"
        )
    return *fluxes_njy(flux, err, *found), used


def check_redshift_unit(column, name, path):
    """Raise `PixsedError` if a column of redshifts, or of their errors, has a unit."""
    unit = unit_of(column)
    if unit is None or str(unit).strip().lower() in ("redshift", "z", "dimensionless", "none", "-"):
        return
    try:
        plain = u.Unit(str(unit)) == u.dimensionless_unscaled
    except ValueError:  # text that is no unit
        plain = True
    if not plain:
        raise PixsedError(f"{path}: column {name!r} is in {unit}; redshifts have no unit")


def text_column(column):
    """Return an object column of text, or of text and None, as one of str; others unchanged."""
    if not isinstance(column, Column) or column.dtype != object or column.ndim != 1:
        return column
    values = np.ma.MaskedArray(np.asarray(column), mask=getattr(column, "mask", False))
    if not all(value is None or isinstance(value, str | bytes) for value in values.data):
        return column
    values = _of_objects(values)
    kind = MaskedColumn if values.mask.any() else Column
    return kind(values if values.mask.any() else values.data, name=column.name,
                description=column.description, unit=column.unit)  # fmt: skip
