"""Join tables of fits or of masses."""

import os
import re
import warnings

import numpy as np
from astropy.table import vstack

from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.io.columns import numbers, texts
from pixsed.io.formats.kinds import describe, is_fits
from pixsed.io.locate import open_fits, parse_location
from pixsed.io.tables import read_table
from pixsed.io.writers.tables import write_table

# Cards that must be the same in all tables, and are kept.
_SAME = (
    "MODEL",
    "MODELSHA",
    "ENGINE",
    "SEED",
    "NSAMP",
    "SNRMIN",
    "ERRFLOOR",
    "ZEROPTS",
    "ZPFLOOR",
    "PIXNOISE",
    "IMF",
    "SPSLIB",
    "CRCOSMO",
    "REDSHIFT",
    "ZERR",
    "IDCOL",
    "ZCOL",
    "ZERRCOL",
    "FLUXUNIT",
)
_BITS = re.compile(r"(FLAG|DQ)BIT\d+")
_KINDS = "tables of pixsed fit or sum-mass, or the parts of maps"


def merge_tables(paths, output, *, overwrite=False):
    """Write the rows of several tables into one table.

    Parameters
    ----------
    paths : sequence of str
        Tables of ``pixsed fit`` or ``pixsed sum-mass``, as FITS or ECSV; a CSV file has no
        record of the fit.
    output : path-like
        ``"-"`` is standard output. The ending says the format
        (`pixsed.io.writers.tables.write_table`).
    overwrite : bool, optional
        Replace `output` if it exists.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    PixsedError
        If a file is not such a table, the tables differ in their columns, units, model or
        options, or a row is in two tables.

    Warns
    -----
    PixsedWarning
        If an id is in two tables with different values.
    """
    _check_once(paths)
    tables, cards, name, rows, ids = [], None, "POSTERIOR", {}, {}
    for path in paths:
        table, found, kind = _read(path)
        if cards is None:
            cards, name = found, kind
        first = tables[0] if tables else table
        if table.colnames != first.colnames:
            raise PixsedError(f"{path} has other columns than {paths[0]}; merge tables of one kind")
        for column in table.colnames:
            if getattr(table[column], "dtype", np.dtype(float)).kind == "O":
                raise PixsedError(f"{path}: {column} has rows of several lengths; fit it again")
            if str(table[column].unit) != str(first[column].unit):
                raise PixsedError(f"{path}: {column} has another unit than in {paths[0]}")
        for key in dict.fromkeys([*cards, *found]):
            if cards.get(key) != found.get(key):
                raise PixsedError(
                    f"{path} was made with {key} = {found.get(key, 'none')}, {paths[0]} with "
                    f"{cards.get(key, 'none')}; merge tables of one fit"
                )
        _check_rows(table, path, rows, ids)
        tables.append(table)
    whole = _stack(tables, paths)
    write_table(
        whole,
        output,
        overwrite=overwrite,
        inputs=paths,
        name=name,
        history=[f"merge: {len(paths)} tables"],
        **cards,
    )
    return len(whole)


def _check_once(paths):
    seen = {}
    for path in paths:
        real = os.path.realpath(parse_location(path).path)
        if real in seen:
            raise PixsedError(f"{path} is given twice, also as {seen[real]}; give each table once")
        seen[real] = path


def _read(path):
    """Return a table, the cards that record how it was made, and its EXTNAME."""
    place = parse_location(path)
    if is_fits(place.path):
        with open_fits(place.path) as hdulist:
            names = [hdu.name for hdu in hdulist]
            header = dict(hdulist[0].header)
        kind = next((name for name in ("POSTERIOR", "MASS") if name in names), None)
        if kind is None or "MODEL" not in header:
            raise PixsedError(f"{path} is {describe(place.path)}; merge takes {_KINDS}")
        table = read_table(path if place.ext is not None else f"{path}[{kind}]")
    else:
        table = read_table(path)
        header = table.meta
        kind = "MASS" if "RES_LOGMSTAR_P50" in table.colnames else "POSTERIOR"
        if "MODEL" not in header or "CREATOR" not in header:
            why = "a table without a record of its fit, such as a CSV"
            raise PixsedError(f"{path} is {why}; merge takes {_KINDS}, as .fits or .ecsv")
    cards = {key: value for key, value in header.items() if key in _SAME or _BITS.fullmatch(key)}
    return table, cards, kind


def _check_rows(table, path, rows, ids):
    """Raise `PixsedError` if a row repeats one of an earlier table; warn of repeated ids.

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str
    rows : dict
        Hash of a row -> path of its table; the rows of this table are added.
    ids : dict
        The same for ids.
    """
    own = texts(table["ID"], "ID", path) if "ID" in table.colnames else None
    plain = [
        np.ma.filled(np.ma.asarray(c).astype(str), "")
        if c.ndim == 1
        else [str(value) for value in c]
        for c in table.itercols()
    ]
    fitted = np.isfinite(_mass(table, path))
    again = []
    for number, row in enumerate(zip(*plain, strict=True)):
        # Rows that were not fitted and have no id may be equal.
        if not fitted[number] and own is None:
            continue
        if (other := rows.setdefault(hash(row), path)) != path:
            what = f"row {number + 1}" if own is None else f"ID {own[number]}"
            raise PixsedError(
                f"{what} of {path} is in {other} too, with the same values; give each row once"
            )
        if own is not None and ids.setdefault(own[number], path) != path:
            again.append(own[number])
    if again:
        warnings.warn(
            f"{path}: ID {listed(again)} in {ids[again[0]]} too, with other values; both are kept",
            PixsedWarning,
            stacklevel=3,
        )


def _mass(table, path):
    name = next((name for name in table.colnames if "LOGMSTAR_P50" in name), None)
    return np.zeros(len(table)) if name is None else numbers(table[name], name, "", path)


def _stack(tables, paths):
    """Return the rows of all tables; ids are text if those of one table are."""
    if "ID" in tables[0].colnames:
        kinds = {table["ID"].dtype.kind in "US" for table in tables}
        if len(kinds) > 1:
            for table, path in zip(tables, paths, strict=True):
                table["ID"] = texts(table["ID"], "ID", path)
    for name in tables[0].colnames:
        if len({_kind(table[name]) for table in tables}) > 1:
            raise PixsedError(f"{paths[0]} and others have different types of values in {name}")
    return vstack(tables, metadata_conflicts="silent")


def _kind(column):
    """Return what joined columns must have in common: text or number, and the shape of a row."""
    kind = getattr(column, "dtype", np.dtype(object)).kind
    return {"S": "U", "i": "f", "u": "f"}.get(kind, kind), getattr(column, "shape", ())[1:]
