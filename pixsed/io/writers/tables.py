"""Writing of tables as FITS, ECSV or CSV, and checks that a format can hold them."""

import io
import warnings
from pathlib import Path

import numpy as np
from astropy.io import ascii, fits
from astropy.table import Column, Table
from astropy.utils.exceptions import AstropyWarning

from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.io.atomic import atomic_path, write_hdulist
from pixsed.io.cards import fits_text
from pixsed.io.outputs import check_output, is_stream, wrong_ending
from pixsed.io.provenance import stamp
from pixsed.io.writers.table_columns import (
    UnfitColumn,
    describe_units,
    is_logarithmic,
    plain_table,
    unit_in,
)

_ENDINGS = {".fits": "fits", ".fit": "fits", ".fts": "fits", ".ecsv": "ecsv", ".csv": "csv"}
_MOST_COLUMNS = 999  # in a FITS table
_LOOK = 100  # number of rows written to check a text format
_BEFORE = "a column before it"


def table_format(path):
    """Return the format of a table by its file name: ``"fits"``, ``"ecsv"`` or ``"csv"``.

    Streams such as ``"-"``, standard output, take FITS.

    Raises
    ------
    PixsedError
        If the ending is not .fits, .fit, .fts (also with .gz), .ecsv or .csv.
    """
    if is_stream(path):
        return "fits"
    path = Path(str(path))
    suffix, inner = path.suffix.lower(), Path(path.stem).suffix.lower()
    form = _ENDINGS.get(suffix)
    if suffix == ".gz" and _ENDINGS.get(inner) == "fits":
        form = "fits"
    if form is None:
        raise wrong_ending(path, (".fits", ".fits.gz", ".ecsv", ".csv"), "a table is")
    return form


def check_table_output(path, overwrite=False):
    """Raise `PixsedError` if a table cannot be written to `path`; call it before the work."""
    if not Path(str(path)).is_dir():  # check_output refuses folders
        table_format(path)
    check_output(path, overwrite)


def check_columns(table, path, name="table", added=50):
    """Raise `PixsedError` if a format cannot hold a column of a table; call it before the work.

    Each column is written on its own, in memory, and read back.

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str or path-like
        Output, whose ending tells the format.
    name : str, optional
        Name of the input, for messages.
    added : int, optional
        Number of columns that may be added.

    Raises
    ------
    PixsedError
        If a column cannot be written; the message names it.

    Warns
    -----
    PixsedWarning
        If the format cannot hold the units of columns; they are written into the descriptions.
    """
    form = table_format(path)
    shown = form.upper()
    if form == "fits" and len(table.colnames) > _MOST_COLUMNS - added:
        raise PixsedError(
            f"{name} has {len(table.colnames)} columns, and FITS holds {_MOST_COLUMNS} with those "
            "of the fit; write -o .ecsv"
        )
    lower = [column.lower() for column in table.colnames]
    told = []
    for number, column in enumerate(table.colnames):
        _check_name(column, lower, form, name)
        try:
            made = _check_column(table[[column]], form, first=number == 0)
            if clash := {key.lower() for key in made} & (set(lower) - {column.lower()}):
                raise UnfitColumn(f"it becomes {sorted(clash)[0]!r}, which is another column")
        except UnfitColumn as error:
            how = "remove it" if form == "ecsv" else "remove it, or write -o .ecsv"
            raise PixsedError(
                f"{name}: column {column!r} cannot be written as {shown}: {error}; {how}"
            ) from None
        unit = getattr(table[column], "unit", None)
        if form != "csv" and unit is not None and not is_logarithmic(unit):
            if str(unit).strip() and unit_in(unit, form) is None:
                told.append(f"{column} ({unit})")
    if told:
        warnings.warn(
            f"{name}: {shown} has no such unit, so the description says it: {listed(told, 6)}",
            PixsedWarning,
            stacklevel=2,
        )


def _check_name(column, lower, form, name):
    """Raise `PixsedError` if a format cannot hold the name of a column.

    `lower` has the names of all columns in lower case.
    """
    how = "rename it" if form == "ecsv" else "rename it, or write -o .ecsv"
    if not column.strip() or column != column.strip():
        raise PixsedError(f"{name}: column {column!r} has a blank name; {how}")
    if form == "fits":
        if not (column.isascii() and column.isprintable() and len(column) <= 60):
            raise PixsedError(f"{name}: FITS cannot hold the name of column {column!r}; {how}")
        if lower.count(column.lower()) > 1:
            raise PixsedError(
                f"{name}: another column has the name {column!r} except for upper and lower "
                f"case, which FITS ignores; {how}"
            )


def write_table(table, path, *, overwrite=False, inputs=(), history=(), name="PIXSED", **cards):
    """Write a table as FITS, or by its ending as ECSV or CSV, atomically.

    In FITS and CSV a SkyCoord becomes columns in degrees, and a Time a column of ISO text. Units
    that FITS does not have, such as logarithmic ones, are written into the descriptions (TCOMMn).

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str or path-like
        Output; ``"-"`` is standard output, in FITS.
    overwrite : bool, optional
        Replace the file if it exists.
    inputs, history : sequence of str, optional
        Provenance: in the primary header of FITS, in the metadata of ECSV; CSV has none.
    name : str, optional
        EXTNAME.
    **cards
        Keyword -> (value, comment).

    Raises
    ------
    PixsedError
        If the file exists and `overwrite` is false, its folder does not exist, or its ending is
        unknown.
    """
    form = table_format(path)
    header = stamp(fits.Header(), inputs=inputs, history=history, **cards)
    if form == "fits":
        hdu = _table_hdu(table)
        hdu.name = name
        write_hdulist(fits.HDUList([fits.PrimaryHDU(header=header), hdu]), path, overwrite)
        return
    meta = {}
    if form == "ecsv":
        meta = {
            card.keyword: None if isinstance(card.value, fits.card.Undefined) else card.value
            for card in header.cards
            if card.keyword not in ("HISTORY", "COMMENT", "")
        }
        meta["HISTORY"] = list(history)
    text = _as_text(table, form, meta)
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _check_column(table, form, first):
    """Return the names of the columns that one becomes; raise `UnfitColumn`.

    The column is written, and must read back the same. Only in the `first` column of a line does a
    text that begins with # become a comment.
    """
    if not first:
        table.add_column(np.zeros(len(table), np.int16), name=_BEFORE, index=0)
    if form != "fits" and getattr(table[table.colnames[-1]], "dtype", np.dtype("O")).kind != "O":
        table = table[:_LOOK]  # a few rows show whether text can hold a type
    plain = plain_table(table, form)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            if form == "fits":
                data = fits.HDUList([fits.PrimaryHDU(), _table_hdu(table)])
                stream = _Stream()
                data.writeto(stream, output_verify="exception")
                stream.seek(0)
                with fits.open(stream) as hdulist:
                    back = Table.read(hdulist[1], mask_invalid=False)
            else:
                # Lines, since astropy might take one text for a file name.
                lines = _as_text(table, form, {}).splitlines()
                back = ascii.read(lines, format=form, guess=False)
    except UnfitColumn:
        raise
    except Exception as error:  # astropy's writers and readers raise anything
        raise UnfitColumn(" ".join(str(error).split())[:150] or type(error).__name__) from error
    if form != "csv":  # which keeps no type
        for column in plain.colnames:
            _compare(plain[column], back[column])
    return [column for column in plain.colnames if column != _BEFORE]


def _compare(written, read):
    if not isinstance(written, Column) or written.dtype.kind == "V":  # only in ECSV
        return
    mask = np.ma.getmaskarray(np.ma.asarray(written))
    if written.dtype.kind in "US":
        texts = [
            np.char.rstrip(np.ma.filled(np.ma.asarray(c).astype(str), "")) for c in (written, read)
        ]
        same = np.array_equal(*texts)
    elif written.dtype == object:
        same = True
    else:
        found = np.ma.getmaskarray(np.ma.asarray(read))
        values = np.asarray(written)[~mask], np.asarray(read)[~mask]
        same = np.array_equal(mask, found) and np.array_equal(
            *values, equal_nan=written.dtype.kind in "fc"
        )
    if not same:
        raise UnfitColumn("some of its values would read back as others")


class _Stream(io.BytesIO):
    """A file in memory that stays open after astropy closes it."""

    def close(self):
        pass


def _table_hdu(table):
    plain = plain_table(table, "fits")
    describe_units(plain, "fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        hdu = fits.table_to_hdu(plain)
    for number, column in enumerate(plain.itercols(), 1):
        if column.description:
            text = " ".join(str(column.description).split())
            hdu.header[f"TCOMM{number}"] = fits_text(text)
    return hdu


def _as_text(table, form, meta):
    plain = plain_table(table, form)
    if form == "ecsv":
        describe_units(plain, form)
    plain.meta = meta
    stream = io.StringIO()
    plain.write(stream, format=f"ascii.{form}")
    return stream.getvalue()
