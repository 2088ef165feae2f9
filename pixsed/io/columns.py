"""Selection of columns in users' tables, and conversion to numbers or text."""

import math

import numpy as np
from astropy.table import Column, MaskedColumn

from pixsed.errors import PixsedError, listed

#: Texts that mean "no value" in a column of numbers, in lower case.
PLACEHOLDERS = frozenset(
    [
        "",
        "-",
        "--",
        "---",
        ".",
        "..",
        "...",
        "nan",
        "none",
        "null",
        "nil",
        "n/a",
        "na",
        "<na>",
        "#n/a",
        "nodata",
        "masked",
    ]
)


def same_name(names, wanted, path):
    """Return the column with a name, or None. Case is ignored if there is no exact match.

    Raises
    ------
    PixsedError
        If no column matches exactly and several match when case is ignored.
    """
    if wanted in names:
        return wanted
    found = [name for name in names if name.lower() == wanted.lower()]
    if len(found) > 1:
        raise PixsedError(
            f"{path}: columns {', '.join(found)} are all {wanted} but for upper and lower case; "
            "rename all but one"
        )
    return found[0] if found else None


def find_column(names, asked, usual, option, path):
    """Return the column named by the user, or the only column with a usual name.

    Parameters
    ----------
    names : list of str
        Names of the table's columns.
    asked : str or None
        Name given by the user, in any case (`same_name`); None to look for a usual one.
    usual : collection of str
        Usual names, in lower case.
    option, path : str
        Option that names the column, and file name, for the message.

    Returns
    -------
    str

    Raises
    ------
    PixsedError
        If the named column does not exist, or none or several have a usual name.
    """
    if asked is not None:
        found = same_name(names, asked, path)
        if found is None:
            raise PixsedError(
                f"{path} has no column {asked!r}; it has {listed(names)}: name one with {option}"
            )
        return found
    found = [name for name in names if name.lower() in usual]
    if len(found) == 1:
        return found[0]
    if found:
        raise PixsedError(f"{path}: which column is it, {', '.join(found)}? Name one with {option}")
    raise PixsedError(f"{path}: name a column with {option}; it has {listed(names)}")


def flat(column, name, path):
    """Return a column as a masked array with one value per row; a shape of (N, 1) becomes (N,).

    Raises
    ------
    PixsedError
        If a row has several values, or the column is not a plain one (a SkyCoord or a Time).
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
            f"{path}: column {name!r} must have one value per row, got "
            f"{values.size // max(len(values), 1)}; split it into several columns"
        )
    return values.reshape(len(values))


def _of_objects(values):
    """Return an object column of texts or numbers as such; other columns are unchanged.

    Arrays of one value count as that value.
    """
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
    """Return a column as float64, shape (N,).

    Parameters
    ----------
    column : `~astropy.table.Column` or `~astropy.units.Quantity`
        Shape (N,) or (N, 1).
    name : str
        Name of the column, for the message.
    options : str
        Options that name another column, for the message.
    path : str
        File name, for the message.

    Returns
    -------
    `~numpy.ndarray`
        NaN where a value is masked or one of `PLACEHOLDERS`.

    Raises
    ------
    PixsedError
        If it holds anything but numbers; the message names the first such row.
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
    """Return a column of ids as a list of str; 7, 7.0 and ``"7"`` are the same id."""
    values = flat(column, name, path)
    if values.dtype.kind == "S":
        values = np.ma.MaskedArray(np.char.decode(values.data, "latin-1"), mask=values.mask)
    found = ["" if value is np.ma.masked else str(value).strip() for value in values]
    if values.dtype.kind == "f":
        found = [text.removesuffix(".0") for text in found]
    return found


def integers(column, name, option, path):
    """Return a column of ids as a list of int, None where masked, NaN or one of `PLACEHOLDERS`.

    Parameters
    ----------
    column : `~astropy.table.Column`
        Integers, whole floats, or texts of either.
    name, path : str
        Name of the column and of the file, for the message.
    option : str
        Option that names another column, for the message.

    Raises
    ------
    PixsedError
        If an id is not a whole number, or a float too large to be told from the next integer.
    """
    values = flat(column, name, path)
    if values.dtype.kind == "S":
        values = np.ma.MaskedArray(np.char.decode(values.data, "latin-1"), mask=values.mask)
    exact = 2.0 ** (np.finfo(values.dtype).nmant + 1 if values.dtype.kind == "f" else 53)
    result = []
    for row, value in enumerate(values.tolist(), 1):  # masked ones are None
        try:
            result.append(_integer(value, exact))
        except (TypeError, ValueError):
            raise PixsedError(
                f"{path}: column {name!r} must hold the integer ids of the segmentation "
                f"map, and row {row} has {value!r}; name another with {option}"
            ) from None
        except OverflowError:
            raise PixsedError(
                f"{path}: column {name!r} has the id {value!r} in row {row}, and {values.dtype} "
                f"tells whole numbers apart below {exact:.0f} only; write the ids as integers"
            ) from None
    return result


def _integer(value, exact):
    """Return a value as an int, or None if it means "no value".

    Raises
    ------
    OverflowError
        If it is a float of `exact` or more.
    TypeError, ValueError
        If it is not a whole number.
    """
    if isinstance(value, str):
        if value.strip().lower() in PLACEHOLDERS:
            return None
        try:
            return int(value)
        except ValueError:  # 7.0
            value = float(value)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool) or value in (math.inf, -math.inf) or value != int(value):
        raise ValueError(value)
    if isinstance(value, float) and abs(value) >= exact:
        raise OverflowError(value)
    return int(value)


def integers_or_texts(values):
    """Return ids as a column of int64 if each is the text of an integer, else as texts."""
    values = [str(value) for value in values]
    try:
        found = np.array([int(value) for value in values], dtype=np.int64)
    except (ValueError, OverflowError):
        return Column(values)
    return Column(found if [str(number) for number in found] == values else values)


def text_column(column):
    """Return an object column of texts, or of texts and None, as str; other columns unchanged."""
    if not isinstance(column, Column) or column.dtype != object or column.ndim != 1:
        return column
    values = np.ma.MaskedArray(np.asarray(column), mask=getattr(column, "mask", False))
    if not all(value is None or isinstance(value, str | bytes) for value in values.data):
        return column
    values = _of_objects(values)
    kind = MaskedColumn if values.mask.any() else Column
    return kind(
        values if values.mask.any() else values.data,
        name=column.name,
        description=column.description,
        unit=column.unit,
    )


def unit_of(column):
    """Return the unit of a column, or None if it has none."""
    unit = getattr(column, "unit", None)
    return None if unit is None or not str(unit).strip() else unit
