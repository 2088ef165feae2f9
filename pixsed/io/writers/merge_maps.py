"""Merging of maps fitted in parts (stripes of rows), with limited memory."""

import contextlib
import re
import warnings
from dataclasses import dataclass

from astropy.io import fits

from pixsed.errors import PixsedError, listed
from pixsed.io.atomic import atomic_path, name_long_strings
from pixsed.io.cards import copied_header, input_cards, is_input_keyword
from pixsed.io.locate import open_fits
from pixsed.io.rows import strips
from pixsed.io.writers.planes import PlacedPlanes, gzip_to, plane_header

_STRIP_PIXELS = 1 << 20
_KINDS = {-32: "f4", 16: "i2", 32: "i4"}
_PART_CARDS = ("PART", "PARTROW", "PARTNY")


def merge_maps(paths, output, *, overwrite=False):
    """Merge the parts of maps, in any order.

    Parameters
    ----------
    paths : sequence of str
        Files of ``pixsed fit --part I/N``: all N parts of one fit.
    output : path-like
        Output; ``"-"`` is standard output.
    overwrite : bool, optional
        Replace the file if it exists.

    Returns
    -------
    tuple of int
        Shape (ny, nx) of the merged maps.

    Raises
    ------
    PixsedError
        If a file is not a part, a part is missing or comes twice, or they are of several fits.
    """
    with contextlib.ExitStack() as stack:
        parts = _in_order([_read_part(path) for path in paths])
        first = parts[0]
        hdulist = stack.enter_context(open_fits(first.path, memmap=False))
        shape = first.rows, hdulist[1].shape[1]
        headers = {}
        for hdu in hdulist[1:-1]:
            kind = _KINDS[hdu.header["BITPIX"]]
            headers[hdu.name] = plane_header(hdu.name, copied_header(hdu.header), kind, shape)
        target = stack.enter_context(atomic_path(output, overwrite))
        zipped = target.suffix == ".gz"
        plain = target.with_name(target.name + ".part") if zipped else target
        stack.callback(plain.unlink, missing_ok=True) if zipped else None
        with open(plain, "w+b") as file:
            planes = PlacedPlanes(file, _primary(parts), headers)
            planes.begin()
            for part in parts:  # one at a time is open, since there may be thousands
                with open_fits(part.path, memmap=False) as opened:
                    for name in headers:
                        for rows in strips(opened[name].shape, _STRIP_PIXELS):
                            data = opened[name].section[rows]
                            planes.place(name, data, part.start + rows.start)
            table = hdulist[-1]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                planes.finish(after=[fits.BinTableHDU(table.data, table.header)])
            if zipped:
                gzip_to(file, target, "")
    return shape


@dataclass(frozen=True)
class _Part:
    """A part of maps.

    Attributes
    ----------
    path : str
    header : `~astropy.io.fits.Header`
        Primary header.
    number, of : int
        Number of the part, and number of parts.
    length, start, rows : int
        Number of its rows, first row, and number of rows of the whole image.
    """

    path: str
    header: fits.Header
    number: int
    of: int
    length: int
    start: int
    rows: int


def _read_part(path):
    with open_fits(path, memmap=False) as hdulist:
        header = hdulist[0].header
        match = re.fullmatch(r"(\d+)/(\d+)", str(header.get("PART", "")))
        if match is None or hdulist[-1].name != "MAPS" or "FITKEY" not in header:
            raise PixsedError(f"{path} is not a part of maps; give files of pixsed fit --part I/N")
        return _Part(
            path,
            header,
            int(match[1]),
            int(match[2]),
            hdulist[1].shape[0],
            int(header["PARTROW"]),
            int(header["PARTNY"]),
        )


def _in_order(parts):
    """Return all parts in order; raise `PixsedError` if they are not the parts of one fit."""
    first = parts[0]
    found = {}
    for part in parts:
        if part.of != first.of:
            raise PixsedError(
                f"{part.path} is one of {part.of} parts, {first.path} of {first.of}; give the "
                "parts of one fit"
            )
        if part.header["FITKEY"] != first.header["FITKEY"]:
            raise PixsedError(
                f"{part.path} and {first.path} have different inputs, models or options, since "
                "their FITKEY differs; give the parts of one fit"
            )
        if part.number in found:
            raise PixsedError(
                f"{found[part.number].path} and {part.path} are both part {part.number}; give each "
                "once"
            )
        found[part.number] = part
    missing = [f"{number}/{first.of}" for number in range(1, first.of + 1) if number not in found]
    if missing:
        raise PixsedError(
            f"part {listed(missing, 10)} is missing; make it with pixsed fit --part, or add it"
        )
    ordered = [found[number] for number in sorted(found)]
    row = 0
    for part in ordered:
        if part.start != row:
            raise PixsedError(f"{part.path} begins at row {part.start}, not {row}; make it again")
        row += part.length
    if row != first.rows:
        raise PixsedError(f"the parts have {row} rows, their image {first.rows}; make them again")
    return ordered


def _primary(parts):
    """Return the primary header of the merged maps: that of the first part, with summed counts."""
    header = copied_header(parts[0].header)
    for key in _PART_CARDS:
        header.remove(key, ignore_missing=True)
    header.update(input_cards(_inputs(parts[0].header)))
    header["NFIT"] = sum(part.header["NFIT"] for part in parts)
    lines = [str(line) for line in header.get("HISTORY", [])]
    header.remove("HISTORY", ignore_missing=True, remove_all=True)
    for line in lines:
        header.add_history(re.sub(r"^fit: \d+ pixels", f"fit: {header['NFIT']} pixels", line))
    header.add_history(f"merge: {len(parts)} parts")
    name_long_strings(header)
    return header


def _inputs(header):
    return [header[key] for key in header if is_input_keyword(key)]
