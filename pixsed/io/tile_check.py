"""Check of a compressed image on reading: each tile lies in the file, and has its size.

The decoders of astropy trust both: a damaged tile could end the process.
"""

import math
import re

import numpy as np
from astropy.io import fits

from pixsed.errors import PixsedError

# Variable-length columns, and the bytes of their elements (FITS 4.0, table 18).
_VARIABLE = re.compile(r"[01]?[PQ]([LXBIJKAEDCM])")
_BYTES = dict(zip("LXBIJKAEDCM", (1, 1, 1, 2, 4, 8, 1, 4, 8, 8, 16), strict=True))
# The first bytes of a tile of HCOMPRESS_1, as its encoder in CFITSIO writes them.
_HCOMPRESS = np.dtype(
    [("magic", ">u2"), ("shape", ">i4", 2), ("scale", ">i4"), ("sum", ">i8"), ("planes", "u1", 3)]
)
_MAGIC = 0xDD99


def check_tiles(file, header, start, label):
    """Raise `PixsedError` if a tile of a compressed image cannot be in the file.

    Parameters
    ----------
    file : file object
        Open for reading, in binary mode.
    header : `~astropy.io.fits.Header`
        Checked by `pixsed.io.header_check.check_header`. No-op if it is not one of a compressed
        image.
    start : int
        Position of the data.
    label : str
        The file and the HDU, for messages.
    """
    if header.get("XTENSION", "").strip() != "BINTABLE" or not header.get("ZIMAGE", False):
        return
    forms = [header[f"TFORM{i}"].strip() for i in range(1, header["TFIELDS"] + 1)]
    columns = [fits.Column(f"c{i}", form) for i, form in enumerate(forms)]
    dtype = fits.ColDefs(columns).dtype.newbyteorder(">")
    if dtype.itemsize != header["NAXIS1"]:
        raise _broken(label, f"its columns are not NAXIS1 = {header['NAXIS1']} bytes wide")
    file.seek(start)
    table = np.frombuffer(file.read(dtype.itemsize * header["NAXIS2"]), dtype)
    axes = _axes(header)
    tiles = math.prod(-(-length // tile) for length, tile in axes)
    if not len(table) == header["NAXIS2"] == tiles:
        raise _broken(label, f"it has {len(table)} tiles, not {tiles}")
    heap = header.get("THEAP", table.nbytes)
    end = table.nbytes + header.get("PCOUNT", 0)
    for i, form in enumerate(forms):
        if match := _VARIABLE.match(form):
            name = header.get(f"TTYPE{i + 1}", form).strip()
            count, place = table[f"c{i}"].T.astype("i8")
            last = heap + place + count * _BYTES[match[1]]
            if ((count < 0) | (place < 0) | (last > end)).any():
                raise _broken(label, f"a tile of {name} lies outside of its data")
            if header.get("ZCMPTYPE", "").strip() == "HCOMPRESS_1" and name == "COMPRESSED_DATA":
                full = count > 0
                pixels = _tile_sizes(axes)[full]
                _check_hcompress(file, start + heap + place[full], pixels, label)


def _axes(header):
    """Return the length of each axis of the image, and that of its tiles."""
    lengths = [header[f"ZNAXIS{axis}"] for axis in range(1, header["ZNAXIS"] + 1)]
    defaults = [*lengths[:1], *[1] * len(lengths[1:])]  # a tile is a row
    tiles = [header.get(f"ZTILE{i}", default) for i, default in enumerate(defaults, start=1)]
    return list(zip(lengths, tiles, strict=True))


def _tile_sizes(axes):
    """Return the number of pixels of each tile; the first axis varies fastest."""
    sizes = np.ones(1, int)
    for length, tile in axes:
        ends = np.minimum(np.arange(tile, length + tile, tile), length)
        sizes = np.multiply.outer(np.diff(ends, prepend=0), sizes).ravel()
    return sizes


def _check_hcompress(file, places, pixels, label):
    """Check the size that each tile of HCOMPRESS_1 itself states."""
    for place, expected in zip(places, pixels, strict=True):
        file.seek(place)
        first = file.read(_HCOMPRESS.itemsize)
        if len(first) == _HCOMPRESS.itemsize:
            one = np.frombuffer(first, _HCOMPRESS)[0]
            shape = [int(n) for n in one["shape"]]
            good = one["magic"] == _MAGIC and min(shape) > 0 and math.prod(shape) == expected
            if good and one["planes"].max() < 64:
                continue
        raise _broken(label, "a tile has another size than its header says")


def _broken(label, why):
    return PixsedError(f"{label} is a damaged compressed image: {why}; copy the file again")
