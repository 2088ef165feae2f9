"""Conversion of columns to types, texts and units that FITS, ECSV and CSV can hold."""

import warnings

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, MaskedColumn, Table
from astropy.time import Time

from pixsed.io.columns import text_column
from pixsed.io.fluxes import known_unit


class UnfitColumn(Exception):
    """Error for a column that a format cannot hold; the message gives the reason."""


def plain_table(table, form):
    """Return a table whose columns a format can hold, without display formats and metadata.

    Raises
    ------
    UnfitColumn
    """
    result = Table()
    for name in table.colnames:
        for key, column in _plain_columns(table[name], name, form):
            result[key] = column
            # The display format of a VOTable column may have few digits, which would round text.
            result[key].info.format = None
            result[key].info.meta = None
    return result


def _plain_columns(column, name, form):
    """Yield (name, column) of the columns that one column becomes in a format."""
    if isinstance(column, u.Quantity):
        values = getattr(column, "unmasked", column)
        values = Column(values.value, unit=values.unit, description=column.info.description)
        column = MaskedColumn(values, mask=column.mask) if hasattr(column, "mask") else values
    if form == "ecsv":
        yield name, column
        return
    if isinstance(column, SkyCoord):
        if column.data.differentials or column.ndim > 1:
            raise UnfitColumn("it is a SkyCoord with motions, or with several positions per row")
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
        raise UnfitColumn(f"it holds {type(column).__name__} objects")
    column = text_column(column)
    if column.dtype.kind in "OV":
        raise UnfitColumn("it holds objects, or records")
    if form == "csv" and column.ndim > 1 and column.size == len(column):
        column = column.reshape(len(column))
    if form == "csv" and column.ndim > 1:
        raise UnfitColumn(f"it has {int(np.prod(column.shape[1:]))} values per row")
    yield name, _for_fits(column) if form == "fits" else column


def _for_fits(column):
    """Return a column as FITS can hold it: wider types, NaN for missing floats, no empty text."""
    kind = column.dtype.kind
    result = column.copy()
    masked = isinstance(column, MaskedColumn) and np.ma.getmaskarray(column).any()
    if kind in "US":
        values = np.ma.filled(np.ma.asarray(column).astype(str), "") if masked else column
        text = np.asarray(values).astype(str)
        if not all(value.isascii() and (value.isprintable()) for value in text.flat):
            raise UnfitColumn("FITS holds only printable ASCII letters")
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
        raise UnfitColumn("it has logical values, some of them missing")
    if kind in "fc":
        return Column(result.filled(np.nan))
    if kind == "i":
        result.fill_value = np.iinfo(result.dtype).min  # TNULL; no value may equal it
    return result


def is_logarithmic(unit):
    """Return whether a unit is the logarithm of one (dex)."""
    return "dex" in str(unit)


def unit_in(unit, form):
    """Return a unit that reads back from a format without a warning, or None."""
    options = {"format": "fits"} if form == "fits" else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = known_unit(unit)
            u.Unit(found.to_string(**options), parse_strict="raise", **options)
    except Exception:  # of several classes
        return None
    return found


def describe_units(table, form):
    """Move units that a format cannot hold into the descriptions of the columns, in place."""
    known = {}  # astropy takes milliseconds for a unit, and many columns have the same
    for column in table.itercols():
        unit = getattr(column, "unit", None)
        if not isinstance(column, Column) or unit is None:
            continue
        text = str(unit).strip()
        if text not in known:
            known[text] = unit_in(unit, form)
        column.unit = known[text]
        if column.unit is not None:
            continue
        if not text:
            continue
        said = column.description or ""
        left, said = unit_and_comment(unit, said)
        column.description = f"{said} [{left}]".strip() if left else said


def unit_and_comment(unit, text):
    """Return the TUNIT and TCOMM of a column; a logarithmic unit goes into the comment.

    astropy warns of ``dex()`` in FITS tables. An example is ``("", "log10 of the mass /
    solMass")``.

    Parameters
    ----------
    unit : str or `~astropy.units.UnitBase`
    text : str
        Description of the column.
    """
    if not is_logarithmic(unit):
        return str(unit), text
    argument = str(getattr(u.Unit(unit), "physical_unit", "") or "")
    argument = f"({argument})" if " " in argument else argument
    if "log10" in text:  # log10 of a mass / solMass
        return "", f"{text} / {argument}" if argument else text
    return "", f"{text} [{unit}]".strip()
