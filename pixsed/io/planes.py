"""Write planes of a mosaic some rows at a time: memory does not grow with the image."""

import contextlib
import gzip
import io
import shutil
from pathlib import Path

import numpy as np
from astropy.io import fits

from pixsed.io.atomic import atomic_path, name_long_strings
from pixsed.io.image import output_headers
from pixsed.io.stream import encode_checksum, ones_sum

_FITS_BLOCK = 2880
_READ = 1 << 20


class PlanesWriter:
    """A FITS file of 2-D float32 planes, made from an image and written by rows.

    A context manager: when its block ends well the file gets CHECKSUM and DATASUM and
    its name; after an error nothing stands under that name. Headers are those of
    `pixsed.io.image.write_image`.

    Parameters
    ----------
    image : `~pixsed.io.image.ImageFile`
        Sets the shape and the headers of every plane.
    names : sequence of str
        Extension names.
    path : str or path-like
        ``"-"`` is standard output, which gets the file when it is whole.
    overwrite, inputs, history
        As for `pixsed.io.cube.write_cube`.
    cards : dict, optional
        Added to the header of every plane.
    after : sequence of HDUs, optional
        Written after the planes: what is small, or on other pixels.

    Raises
    ------
    PixsedError
        If the file is there already, or its folder is not.
    """

    def __init__(self, image, names, path, *, overwrite=False, inputs=(), history=(), cards=None,
                 after=()):
        self._shape = image.shape
        self._path, self._overwrite = path, overwrite
        self._primary, shared = output_headers(image, inputs=inputs, history=history)
        name_long_strings(self._primary)
        shared.update(cards or {})
        self._after = list(after)
        self._headers = {name: self._header(name, shared) for name in names}
        self._sums = dict.fromkeys(names, 0)
        self._done = 0
        self._stack = contextlib.ExitStack()

    def _header(self, name, shared):
        header = fits.ImageHDU(np.zeros((1, 1), np.float32), shared, name=name).header
        header["NAXIS2"], header["NAXIS1"] = self._shape
        name_long_strings(header)
        header["DATASUM"] = ("0" * 10, "data unit checksum")
        header["CHECKSUM"] = ("0" * 16, "HDU checksum")
        return header

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self._target = stack.enter_context(atomic_path(self._path, self._overwrite))
            self._zipped = self._target.suffix == ".gz"
            part = self._target
            if self._zipped:  # rows cannot be put in their places in a stream
                part = self._target.with_name(self._target.name + ".part")
                stack.callback(part.unlink, missing_ok=True)
            self._file = stack.enter_context(open(part, "w+b"))
            fits.PrimaryHDU(header=self._primary).writeto(self._file, checksum=True)
            self._file.seek(0, 2)
            size = 4 * self._shape[0] * self._shape[1]
            self._headers_at, self._data_at = {}, {}
            for name, header in self._headers.items():
                self._headers_at[name] = self._file.tell()
                self._file.write(header.tostring().encode("ascii"))
                self._data_at[name] = self._file.tell()
                self._file.seek(size + -size % _FITS_BLOCK, 1)
            self._file.truncate()  # the padding is zeros
            self._stack = stack.pop_all()
        return self

    def append(self, planes):
        """Write the next rows: a dict of name -> (n, nx) array, one of each plane."""
        counts = {len(planes[name]) for name in self._headers}
        widths = {planes[name].shape[1] for name in self._headers}
        if len(counts) != 1 or widths != {self._shape[1]}:
            raise ValueError("every plane must have the same rows of the image")
        for name, at in self._data_at.items():
            data = np.ascontiguousarray(planes[name], dtype=">f4")
            self._file.seek(at + 4 * self._shape[1] * self._done)
            self._file.write(data)
            self._sums[name] = ones_sum(data, self._sums[name])
        self._done += counts.pop()

    def _finish(self):
        if self._done != self._shape[0]:
            raise ValueError(f"{self._done} rows of {self._shape[0]} were written")
        for name, header in self._headers.items():
            header["DATASUM"] = str(self._sums[name])
            total = ones_sum(header.tostring().encode("ascii"), self._sums[name])
            header["CHECKSUM"] = encode_checksum(total)
            self._file.seek(self._headers_at[name])
            self._file.write(header.tostring().encode("ascii"))
        if self._after:
            buffer = io.BytesIO()
            fits.HDUList([fits.PrimaryHDU(), *self._after]).writeto(buffer, checksum=True)
            self._file.seek(0, 2)
            self._file.write(buffer.getbuffer()[_FITS_BLOCK:])  # without that empty PRIMARY
        self._file.flush()
        if self._zipped:
            self._file.seek(0)
            name = "" if str(self._path) == "-" else Path(self._path).stem
            with open(self._target, "wb") as raw, gzip.GzipFile(name, "wb", 5, raw) as target:
                shutil.copyfileobj(self._file, target, _READ)

    def __exit__(self, *error):
        if error[0] is not None:
            return self._stack.__exit__(*error)
        with self._stack:
            self._finish()
        return None
