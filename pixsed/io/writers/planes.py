"""Writing of planes of one shape box by box, with limited memory."""

import io

import numpy as np
from astropy.io import fits

from pixsed.io.atomic import name_long_strings
from pixsed.io.checksum import encode_checksum, ones_sum
from pixsed.io.hdu_size import BLOCK, padded

_BITPIX = {"i2": 16, "i4": 32, "f4": -32}


def plane_header(name, header, kind, shape):
    """Return the header of a plane: an image extension, with room for its checksums.

    Parameters
    ----------
    name : str
        EXTNAME.
    header : `~astropy.io.fits.Header`
        Other cards.
    kind : {"f4", "i2", "i4"}
        Type of the pixels.
    shape : tuple of int
        Shape (ny, nx).
    """
    result = fits.ImageHDU(np.zeros((1, 1), kind), header, name=name).header
    result["NAXIS2"], result["NAXIS1"] = shape
    name_long_strings(result)
    result["DATASUM"] = ("0" * 10, "data unit checksum")
    result["CHECKSUM"] = ("0" * 16, "HDU checksum")
    return result


class PlacedPlanes:
    """Planes in an open file, whose boxes are written in any order, each once.

    Pixels that are never written are zero.

    Parameters
    ----------
    file : file
        File of bytes, open for reading and writing.
    primary : `~astropy.io.fits.Header`
        Header of the empty primary HDU; that in the file, if the file was begun earlier.
    headers : dict of str to `~astropy.io.fits.Header`
        Headers from `plane_header`, all of one shape, in the order of the file.

    Attributes
    ----------
    sums : dict of str to int
        Checksums of the data written so far.
    """

    def __init__(self, file, primary, headers):
        self._file, self._primary, self._headers = file, primary, headers
        first = next(iter(headers.values()))
        self._shape = first["NAXIS2"], first["NAXIS1"]
        self._kinds = {
            name: np.dtype(">" + next(k for k, bits in _BITPIX.items() if bits == h["BITPIX"]))
            for name, h in headers.items()
        }
        self.sums = dict.fromkeys(headers, 0)
        self._head = self._primary_bytes()
        at = len(self._head)
        self._at = {}
        for name, header in headers.items():
            self._at[name] = at, at + len(header.tostring())
            size = self._kinds[name].itemsize * self._shape[0] * self._shape[1]
            at = self._at[name][1] + padded(size)
        self._end = at

    def _primary_bytes(self):
        hdu = fits.PrimaryHDU(header=self._primary)
        hdu.header.set("EXTEND", True, after="NAXIS")
        hdu.add_checksum()
        return hdu.header.tostring().encode("ascii")

    def begin(self):
        """Write the headers, and reserve room for the data."""
        self._file.seek(0)
        self._file.write(self._head)
        for name, header in self._headers.items():
            self._file.seek(self._at[name][0])
            self._file.write(header.tostring().encode("ascii"))
        self._file.truncate(self._end)  # pixels that are not written are zeros

    def has_all_bytes(self):
        """Return whether the file has the size of the headers and planes."""
        self._file.seek(0, io.SEEK_END)
        return self._file.tell() >= self._end

    def take_up(self, name, y, x, ny, nx):
        """Add a box of a plane that was written earlier to the sums.

        Returns
        -------
        bytes
            Of the box, row by row.
        """
        kind, width = self._kinds[name], self._shape[1]
        if min(y, x) < 0 or y + ny > self._shape[0] or x + nx > width:
            raise ValueError(f"{name}: the box must lie within the plane")
        parts = []
        for i in range(ny):
            self._file.seek(self._at[name][1] + kind.itemsize * (width * (y + i) + x))
            parts.append(self._file.read(kind.itemsize * nx))
        data = b"".join(parts)
        pixels = np.frombuffer(data, kind).reshape(ny, nx)
        self.sums[name] = self._add(pixels, y, x, self.sums[name])
        return data

    def place(self, name, data, y=0, x=0):
        """Write an (n, m) array into a plane, its first pixel at row `y` and column `x`.

        Returns
        -------
        `~numpy.ndarray`
            What was written: the array in the type of the plane.
        """
        kind = self._kinds[name]
        data = np.ascontiguousarray(data, dtype=kind)
        ends = y + data.shape[0], x + data.shape[1]
        if y < 0 or x < 0 or ends[0] > self._shape[0] or ends[1] > self._shape[1]:
            raise ValueError(f"{name}: the box must lie within the plane")
        nx, start = self._shape[1], self._at[name][1]
        if data.shape[1] == nx:
            self._file.seek(start + kind.itemsize * nx * y)
            self._file.write(data)
        else:
            for i, row in enumerate(data):
                self._file.seek(start + kind.itemsize * (nx * (y + i) + x))
                self._file.write(row)
        self.sums[name] = self._add(data, y, x, self.sums[name])
        return data

    def _add(self, data, y, x, total):
        """Return the checksum of a plane after a box was written."""
        if data.itemsize == 4:
            return ones_sum(data, total)
        # Checksums are of words of four bytes: a pixel of two bytes is the upper half of a word if
        # its number in the plane is even.
        number = (np.arange(data.shape[0])[:, None] + y) * self._shape[1] + np.arange(data.shape[1])
        words = np.where((number + x) % 2 == 0, 65536, 1).astype(np.uint64)
        total += int((data.view(">u2").astype(np.uint64) * words).sum())
        while total >> 32:
            total = (total & 0xFFFFFFFF) + (total >> 32)
        return total

    def finish(self, primary=None, after=()):
        """Write the checksums, and the HDUs after the planes.

        Parameters
        ----------
        primary : `~astropy.io.fits.Header`, optional
            Replaces the primary header; it must have the same length.
        after : sequence of HDUs, optional
        """
        if primary is not None:
            self._primary = primary
            head = self._primary_bytes()
            if len(head) != len(self._head):
                raise ValueError("the primary header has grown beyond its room")
            self._file.seek(0)
            self._file.write(head)
        for name, header in self._headers.items():
            header["DATASUM"] = str(self.sums[name])
            header["CHECKSUM"] = "0" * 16
            total = ones_sum(header.tostring().encode("ascii"), self.sums[name])
            header["CHECKSUM"] = encode_checksum(total)
            self._file.seek(self._at[name][0])
            self._file.write(header.tostring().encode("ascii"))
            # In an unfinished file that was damaged, the fill after the data may differ.
            size = self._kinds[name].itemsize * self._shape[0] * self._shape[1]
            self._file.seek(self._at[name][1] + size)
            self._file.write(bytes(-size % BLOCK))
        self._file.seek(self._end)
        if after:
            buffer = io.BytesIO()
            fits.HDUList([fits.PrimaryHDU(), *after]).writeto(buffer, checksum=True)
            self._file.write(buffer.getbuffer()[BLOCK:])  # without the empty primary HDU
        self._file.truncate()
        self._file.flush()


def gzip_to(source, target, name):
    """Compress an open file, from its beginning, to the path `target`, and store `name` in it."""
    import gzip
    import shutil

    source.seek(0)
    with open(target, "wb") as raw, gzip.GzipFile(name, "wb", 5, raw) as packed:
        shutil.copyfileobj(source, packed, 1 << 20)
