"""Put maps that were made in parts, stripes of rows, together: memory does not grow with them."""

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
_OF_A_PART = ("PART", "PARTROW", "PARTNY")


def merge_maps(paths, output, *, overwrite=False):
    """Write the maps whose parts are `paths`, in any order.

    Parameters
    ----------
    paths : sequence of str
        What ``pixsed fit --part I/N`` wrote, all N of one run.
    output : path-like
        ``"-"`` is standard output.
    overwrite : bool, optional

    Returns
    -------
    tuple of int
        (ny, nx) of the whole.

    Raises
    ------
    PixsedError
        If a file is no part, one is missing or comes twice, or they are of several runs.
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
            for part in parts:  # one is open at a time: there may be thousands
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
    """A part: its number, of how many, its rows, where they begin, and the rows of the whole."""

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
            raise PixsedError(f"{path} is no part of maps; give files of pixsed fit --part I/N")
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
    """Return all parts of one run in order; raise if these are not."""
    first = parts[0]
    found = {}
    for part in parts:
        if part.of != first.of:
            raise PixsedError(
                f"{part.path} is one of {part.of} parts, {first.path} of {first.of}; give those of "
                "one run"
            )
        if part.header["FITKEY"] != first.header["FITKEY"]:
            raise PixsedError(
                f"{part.path} and {first.path} are of other inputs, another model or other "
                "options: their FITKEY differs; give the parts of one run"
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
            f"part {listed(missing, 10)} is missing; make it with pixsed fit --part, or name it"
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
    """Return the PRIMARY of the whole: that of the first part, its counts summed."""
    header = copied_header(parts[0].header)
    for key in _OF_A_PART:
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
