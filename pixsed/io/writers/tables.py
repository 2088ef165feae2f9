"""Tables as files: whether a format can hold them is checked before the work."""

import io
import warnings
from pathlib import Path

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import ascii, fits
from astropy.table import Column, MaskedColumn, Table
from astropy.time import Time
from astropy.utils.exceptions import AstropyWarning

from pixsed.errors import PixsedError, PixsedWarning, listed
from pixsed.io.atomic import atomic_path, write_hdulist
from pixsed.io.cards import fits_text
from pixsed.io.columns import text_column
from pixsed.io.fluxes import known_unit
from pixsed.io.outputs import check_output, is_stream
from pixsed.io.provenance import stamp

_ENDINGS = {".fits": "fits", ".fit": "fits", ".fts": "fits", ".ecsv": "ecsv", ".csv": "csv"}
_MOST_COLUMNS = 999  # of a FITS table
_LOOK = 100
_BEFORE = "a column before it"


def table_format(path):
    """Return how a table is written under a name: ``"fits"``, ``"ecsv"`` or ``"csv"``.

    ``"-"``, standard output, takes FITS, as a device or a pipe does.

    Raises
    ------
    PixsedError
        If the name's ending is none of .fits, .fit, .fts (and these with .gz), .ecsv, .csv.
    """
    if is_stream(path):
        return "fits"
    path = Path(str(path))
    suffix, inner = path.suffix.lower(), Path(path.stem).suffix.lower()
    form = _ENDINGS.get(suffix)
    if suffix == ".gz" and _ENDINGS.get(inner) == "fits":
        form = "fits"
    if form is None:
        ending = f"the ending {path.suffix}" if path.suffix else "no ending"
        raise PixsedError(
            f"{path} has {ending}; a table is written as .fits, .ecsv or .csv (or .fits.gz): give "
            "one of these"
        )
    return form


def check_table_output(path, overwrite=False):
    """Raise `PixsedError` if a table cannot be written to `path`: call it before the work."""
    if not Path(str(path)).is_dir():  # which is told first
        table_format(path)
    check_output(path, overwrite)


def check_columns(table, path, name="table"):
    """Raise `PixsedError` if a format cannot hold a column of a table: call it before the work.

    Each column is written by itself, in memory, and read back.

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str or path-like
        The output, whose ending says the format.
    name : str, optional
        The input, for messages.

    Raises
    ------
    PixsedError
        If one cannot be held; the message names it.

    Warns
    -----
    PixsedWarning
        Of columns whose unit the format cannot hold: it goes into their descriptions.
    """
    form = table_format(path)
    shown = form.upper()
    if form == "fits" and len(table.colnames) > _MOST_COLUMNS - 50:
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
                raise _Unfit(f"it becomes {sorted(clash)[0]!r}, which is another column")
        except _Unfit as error:
            how = "remove it" if form == "ecsv" else "remove it, or write -o .ecsv"
            raise PixsedError(
                f"{name}: column {column!r} cannot be written as {shown}: {error}; {how}"
            ) from None
        unit = getattr(table[column], "unit", None)
        if form != "csv" and unit is not None and not _is_of_logs(unit):
            if str(unit).strip() and _unit_in(unit, form) is None:
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
                f"{name}: another column has the name of {column!r} but for upper and lower "
                f"case, which FITS does not tell apart; {how}"
            )


def write_table(table, path, *, overwrite=False, inputs=(), history=(), name="PIXSED", **cards):
    """Write a table as FITS, or by its ending as ECSV or CSV, atomically.

    A SkyCoord becomes columns of degrees in FITS and CSV, a Time a column of ISO text. Units
    that FITS does not have, those of logarithms among them, are in the descriptions (TCOMMn).

    Parameters
    ----------
    table : `~astropy.table.Table`
    path : str or path-like
        ``"-"`` is standard output, in FITS.
    overwrite : bool, optional
    inputs, history : sequence of str, optional
        Provenance: the primary header of FITS, the metadata of ECSV; CSV has none.
    name : str, optional
        EXTNAME.
    **cards
        Keyword -> (value, comment).

    Raises
    ------
    PixsedError
        If the file is there already, its folder is not, or its ending is unknown.
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
            card.keyword: card.value
            for card in header.cards
            if card.keyword not in ("HISTORY", "COMMENT", "")
        }
        meta["HISTORY"] = list(history)
    text = _as_text(table, form, meta)
    with atomic_path(path, overwrite) as temporary:
        temporary.write_text(text, encoding="utf-8")


def unit_and_comment(unit, text):
    """Return the TUNIT and the TCOMM of a column: the unit of a logarithm goes into the text.

    Astropy warns of dex() in a FITS table. As ``("", "log10 of the mass / solMass")``.

    Parameters
    ----------
    unit : str or `~astropy.units.UnitBase`
    text : str
        The description.
    """
    if not _is_of_logs(unit):
        return str(unit), text
    argument = str(getattr(u.Unit(unit), "physical_unit", "") or "")
    argument = f"({argument})" if " " in argument else argument
    if "log10" in text:  # log10 of a mass / solMass
        return "", f"{text} / {argument}" if argument else text
    return "", f"{text} [{unit}]".strip()


class _Unfit(Exception):
    """Why a format cannot hold a column."""


def _check_column(table, form, first):
    """Return the names of the columns that one becomes; raise `_Unfit` if it cannot be written.

    It is written, and must read back the same. Only in the `first` column of a line is text
    that begins with # a comment.
    """
    if not first:
        table.add_column(np.zeros(len(table), np.int16), name=_BEFORE, index=0)
    if form != "fits" and getattr(table[table.colnames[-1]], "dtype", np.dtype("O")).kind != "O":
        table = table[:_LOOK]  # whether text can hold a kind of values shows in a few
    plain = _plain_table(table, form)
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
                # In lines: a text might be taken for the name of a file.
                lines = _as_text(table, form, {}).splitlines()
                back = ascii.read(lines, format=form, guess=False)
    except _Unfit:
        raise
    except Exception as error:  # astropy's writers and readers raise anything
        raise _Unfit(" ".join(str(error).split())[:150] or type(error).__name__) from error
    if form != "csv":  # which keeps no type
        for column in plain.colnames:
            _compare(plain[column], back[column])
    return [column for column in plain.colnames if column != _BEFORE]


def _compare(written, read):
    if not isinstance(written, Column) or written.dtype.kind == "V":  # of ECSV only
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
        raise _Unfit("some of its values would read back as others")


class _Stream(io.BytesIO):
    """A file in memory that stays open after astropy closes it."""

    def close(self):
        pass


def _plain_table(table, form):
    """Return a table whose columns a format can hold, without display formats and metadata.

    Raises
    ------
    _Unfit
    """
    result = Table()
    for name in table.colnames:
        for key, column in _plain_columns(table[name], name, form):
            result[key] = column
            # A format of few digits, as VOTable gives, would round in text.
            result[key].info.format = None
            result[key].info.meta = None
    return result


def _plain_columns(column, name, form):
    """Yield the columns, as (name, column), that a column becomes in a format."""
    if isinstance(column, u.Quantity):
        values = getattr(column, "unmasked", column)
        values = Column(values.value, unit=values.unit, description=column.info.description)
        column = MaskedColumn(values, mask=column.mask) if hasattr(column, "mask") else values
    if form == "ecsv":
        yield name, column
        return
    if isinstance(column, SkyCoord):
        if column.data.differentials or column.ndim > 1:
            raise _Unfit("it is a SkyCoord with motions, or of several places a row")
        frame = column.frame
        for part in frame.get_representation_component_names():
            value = getattr(frame, part)
            if isinstance(value, u.Quantity) and value.unit != u.dimensionless_unscaled:
                unit = u.deg if value.unit.is_equivalent(u.deg) else value.unit
                yield (
                    f"{name}_{part}",
                    Column(value.to_value(unit), unit=unit, description=f"{part}, {frame.name}"),
                )
        return
    if isinstance(column, Time):
        mask = np.broadcast_to(np.asarray(column.mask), column.shape)
        values = np.where(mask, "", np.asarray(getattr(column.isot, "unmasked", column.isot)))
        yield name, Column(values.astype(str), description=f"time, {column.scale}, ISO 8601")
        return
    if not isinstance(column, Column):
        raise _Unfit(f"it holds {type(column).__name__} objects")
    column = text_column(column)
    if column.dtype.kind in "OV":
        raise _Unfit("it holds objects, or fields of its own")
    if form == "csv" and column.ndim > 1 and column.size == len(column):
        column = column.reshape(len(column))
    if form == "csv" and column.ndim > 1:
        raise _Unfit(f"it has {int(np.prod(column.shape[1:]))} values a row")
    yield name, _for_fits(column) if form == "fits" else column


def _for_fits(column):
    """Return a column as FITS can hold it: wider types, missing floats NaN, text not empty."""
    kind = column.dtype.kind
    result = column.copy()
    masked = isinstance(column, MaskedColumn) and np.ma.getmaskarray(column).any()
    if kind in "US":
        values = np.ma.filled(np.ma.asarray(column).astype(str), "") if masked else column
        text = np.asarray(values).astype(str)
        if not all(value.isascii() and (value.isprintable()) for value in text.flat):
            raise _Unfit("FITS holds printable ASCII letters only")
        text = text.astype(text.dtype if text.dtype.itemsize else "U1")
        return Column(text, name=column.name, unit=column.unit, description=column.description)
    if column.dtype == np.int8:
        result = result.astype(np.int16)
    elif column.dtype == np.float16:
        result = result.astype(np.float32)
    elif column.dtype == np.longdouble and column.dtype != np.float64:
        result = result.astype(np.float64)
    if not masked:
        return Column(result)
    if kind == "b":
        raise _Unfit("it is of true and false, some of them missing")
    if kind in "fc":
        return Column(result.filled(np.nan))
    if kind == "i":
        result.fill_value = np.iinfo(result.dtype).min  # TNULL, which no value may have
    return result


def _is_of_logs(unit):
    return "dex" in str(unit)


def _unit_in(unit, form):
    """Return a unit as a format can hold it, so that it reads back without a warning; else None."""
    options = {"format": "fits"} if form == "fits" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = known_unit(unit)
            u.Unit(found.to_string(**options), parse_strict="raise", **options)
    except Exception:  # of several classes
        return None
    return found


def _described(table, form):
    """Move units that a format cannot hold into the descriptions of a table's columns."""
    for column in table.itercols():
        unit = getattr(column, "unit", None)
        if not isinstance(column, Column) or unit is None:
            continue
        text = str(unit).strip()
        column.unit = _unit_in(unit, form)
        if column.unit is not None:
            continue
        if not text:
            continue
        said = column.description or ""
        left, said = unit_and_comment(unit, said)
        column.description = f"{said} [{left}]".strip() if left else said


def _table_hdu(table):
    plain = _plain_table(table, "fits")
    _described(plain, "fits")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        hdu = fits.table_to_hdu(plain)
    for number, column in enumerate(plain.itercols(), 1):
        if column.description:
            text = " ".join(str(column.description).split())
            hdu.header[f"TCOMM{number}"] = fits_text(text)
    return hdu


def _as_text(table, form, meta):
    plain = _plain_table(table, form)
    if form == "ecsv":
        _described(plain, form)
    plain.meta = meta
    stream = io.StringIO()
    plain.write(stream, format=f"ascii.{form}")
    return stream.getvalue()
