"""Reading of users' tables: FITS, ECSV, CSV, VOTable and other text."""

import bz2
import gzip
import io
import logging
import lzma
import re
import warnings
from pathlib import Path

from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError, listed
from pixsed.io.columns import text_column
from pixsed.io.formats.kinds import is_fits
from pixsed.io.inputs import check_input
from pixsed.io.locate import open_fits, parse_location
from pixsed.io.text_tables import decode, read_text

_log = logging.getLogger("pixsed")
_TABLES = (fits.BinTableHDU, fits.TableHDU)
_UNPACK = {b"\x1f\x8b": gzip.open, b"BZ": bz2.open, b"\xfd7": lzma.open}
# Largest size of a packed table of text, unpacked.
_LARGEST = 1 << 30
# Data of a VOTable that are elsewhere.
_ELSEWHERE = re.compile(rb"<(?:\w+:)?STREAM\b[^>]*\bhref\s*=\s*[\"']([^\"']*)", re.IGNORECASE)


def read_table(text, *, hdu=None, wanted=None):
    """Return the `~astropy.table.Table` of ``path`` or ``path[EXT]``.

    Columns of text are `str`; NaN is not masked; units that astropy does not know are kept.

    Parameters
    ----------
    text : str
        ``path``, ``path[EXT]`` or ``path[EXT,VER]``: FITS, ECSV, CSV, VOTable, or text in columns
        with their names in the first line.
    hdu : str, optional
        Extension if `text` has none.
    wanted : callable, optional
        ``wanted(names)`` returns whether a table with these columns is a candidate. Used if a file
        has several tables and none is given.

    Raises
    ------
    PixsedError
        If there is no such file or table, it cannot be read, it has no rows, or several tables are
        possible.
    """
    place = parse_location(str(text), hdu)
    path = Path(place.path)
    check_input(path, "a table")
    _log.info("reading %s", path)
    try:
        with warnings.catch_warnings():
            # Unknown units and too large integers are checked where they are used.
            warnings.simplefilter("ignore")
            if is_fits(path):
                table = _read_fits(place, wanted)
            elif place.ext is not None:
                raise PixsedError(f"{path} is not FITS, so it has no {place.extension}")
            else:
                table = _read_other(path, wanted)
    except PixsedError:
        raise
    except Exception as error:  # each reader raises its own classes
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise PixsedError(
            f"{path} cannot be read as a table ({said}); give FITS, ECSV, CSV or VOTable"
        ) from error
    if not len(table):
        raise PixsedError(f"{place} has no rows; give another table")
    for name in table.colnames:
        column = text_column(table[name])
        if column is not table[name]:
            table.replace_column(name, column)
    return table


def _read_fits(place, wanted):
    # Columns of a memory map would keep the file open as long as the table exists.
    with open_fits(place.path, memmap=False) as hdulist:
        number = _table_number(hdulist, place, wanted)
        hdu = hdulist[number]
        names = [name.lower() for name in hdu.columns.names]
        if twice := [name for name in hdu.columns.names if names.count(name.lower()) > 1]:
            raise PixsedError(
                f"{place}: columns {', '.join(twice)} have the same name, since FITS ignores "
                "case; rename them"
            )
        table = Table.read(hdu, mask_invalid=False)
        for name in table.colnames:
            column = table[name]
            if getattr(column, "dtype", None) is not None and column.dtype.kind == "S":
                try:
                    table.replace_column(name, column.astype(str))
                except UnicodeDecodeError:
                    raise PixsedError(
                        f"{place}: column {name!r} has letters that are not ASCII, which FITS does "
                        "not allow; correct the text"
                    ) from None
        for number, name in enumerate(hdu.columns.names, 1):
            text = hdu.header.get(f"TCOMM{number}")
            if name in table.colnames and isinstance(text, str) and text.strip():
                table[name].info.description = text
        return table


def _describe(hdulist, numbers):
    return ", ".join(f"{number} ({hdulist[number].name or 'no name'})" for number in numbers)


def _table_number(hdulist, place, wanted):
    """Return the number of the table HDU of a `~pixsed.io.locate.Location`."""
    tables = [i for i, hdu in enumerate(hdulist) if isinstance(hdu, _TABLES)]
    if not tables:
        raise PixsedError(f"{place.path} has no table, only images; give a table")
    its = f"its tables are: {_describe(hdulist, tables)}"
    if place.ext is None:
        found, how = tables, "name one as path[EXT]"
        if len(tables) > 1 and wanted is not None:
            found = [i for i in tables if wanted(hdulist[i].columns.names)] or tables
    elif isinstance(place.ext, int):
        found, how = [place.ext] if place.ext < len(hdulist) else [], "name one of them"
    else:
        found = [
            i
            for i, hdu in enumerate(hdulist)
            if hdu.name == place.ext.strip().upper() and place.ver in (None, hdu.ver)
        ]
        how = "name it by its number"
    if not found:
        raise PixsedError(f"{place}: no such extension; {its}")
    if len(found) > 1:
        raise PixsedError(
            f"{place}: which table is it? There are {_describe(hdulist, found)}; {how}"
        )
    if found[0] not in tables:
        raise PixsedError(f"{place} is not a table; {its}; a cube has no [EXT]")
    return found[0]


def _read_other(path, wanted):
    content = path.read_bytes()
    packed = _UNPACK.get(content[:2])
    suffix = path.suffix.lower()
    if packed is not None:
        with packed(io.BytesIO(content)) as file:
            content, suffix = file.read(_LARGEST + 1), Path(path.stem).suffix.lower()
        if len(content) > _LARGEST:
            raise PixsedError(
                f"{path} unpacks to more than {_LARGEST >> 20} MB of text; unpack it if that is "
                "right, or save the table as FITS"
            )
    start = content[:400].lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith(b"<?xml") or start.startswith(b"<votable"):
        return _read_votable(content, path, wanted)
    return read_text(decode(content, path), path, suffix)


def _read_votable(content, path, wanted):
    from astropy.io import votable

    if elsewhere := _ELSEWHERE.search(content):
        raise PixsedError(
            f"{path}: its data are not in it but at {elsewhere[1].decode(errors='replace')!r}, and "
            "pixsed opens no connection; save the table with its data inside, for example as FITS"
        )
    found = [table for table in votable.parse(io.BytesIO(content)).iter_tables() if table.fields]
    if len(found) > 1 and wanted is not None:
        found = [t for t in found if wanted([f.name for f in t.fields])] or found
    if len(found) != 1:
        names = listed([str(table.name or table.ID) for table in found])
        raise PixsedError(
            f"{path} holds {len(found)} tables ({names}); save the one to use as FITS"
        )
    return found[0].to_table(use_names_over_ids=True)
