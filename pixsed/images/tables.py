"""Tables that users bring: read in any format, their columns found by name."""

import warnings
from pathlib import Path

import numpy as np

from pixsed.errors import PixsedError
from pixsed.io.locate import parse_location


def read_table(path):
    """Read a table of any format that astropy knows.

    Parameters
    ----------
    path : str
        FITS (``path[EXT]`` too), ECSV, CSV, VOTable, ASCII.

    Returns
    -------
    `~astropy.table.Table`

    Raises
    ------
    PixsedError
        If there is no such file, or it cannot be read as a table.
    """
    from astropy.table import Table

    location = parse_location(str(path))
    if not Path(location.path).is_file():
        raise PixsedError(f"{path}: no such catalogue; check the name and the folder")
    options = {} if location.ext is None else {"hdu": location.ext}
    try:
        with warnings.catch_warnings():
            # Units that astropy does not know, several tables in a file: no matter here.
            warnings.simplefilter("ignore")
            try:
                return Table.read(location.path, **options)
            except Exception:
                if options:
                    raise
                return Table.read(location.path, format="ascii")
    except Exception as error:  # every reader has its own
        text = " ".join(str(error).split())[:200]
        raise PixsedError(
            f"{path} cannot be read as a table ({text}); save it as FITS, ECSV or CSV"
        ) from error


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
            raise PixsedError(f"{path} has no column {asked!r}; it has {listed(names)}; {option}")
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
    return np.ma.asarray(column).dtype.kind in "iuf"


def numbers(column, name, options, path):
    """Return a column as float64, NaN where masked.

    `options` name another column, for the message of the `PixsedError` that one of text gives.
    """
    try:
        return np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
    except (TypeError, ValueError) as error:
        raise PixsedError(
            f"{path}: column {name!r} must hold numbers; name another with {options}"
        ) from error


def listed(names):
    """Return names as text, the first 30 of them."""
    shown = ", ".join(names[:30])
    return shown if len(names) <= 30 else f"{shown} and {len(names) - 30} more"
