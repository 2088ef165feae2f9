"""Reading of image rows from disk with limited memory."""

import numpy as np


class RowReader:
    """Reader of boxes of a 2-D HDU, of an open file, by whole rows.

    One long read is faster than many short ones, and compressed tiles usually are rows. If `ahead`
    is set, that many more rows are read and kept, so that boxes in order of their rows need one
    pass over the file.

    Parameters
    ----------
    hdu : image HDU

    Attributes
    ----------
    ahead : int
        Number of rows read in advance; 0 keeps nothing.
    row_bytes : int
        Size of a row in bytes.
    """

    def __init__(self, hdu):
        self._hdu = hdu
        self.shape = hdu.shape
        self.row_bytes = abs(hdu.header["BITPIX"]) // 8 * hdu.shape[1]
        self.ahead = 0
        self._kept, self._first = None, 0

    def read(self, y=slice(None), x=slice(None)):
        """Return rows `y` and columns `x`, slices of step 1, as a view of the rows read."""
        start, stop, _ = y.indices(self.shape[0])
        if self._kept is not None and self._first <= start and stop <= self._end():
            return self._kept[start - self._first : stop - self._first, x]
        self._kept = None  # frees memory before the next rows are read
        rows = read_section(self._hdu, slice(start, stop + self.ahead), slice(None))
        if self.ahead:
            self._kept, self._first = rows, start
        return rows[: stop - start, x]

    def _end(self):
        return self._first + len(self._kept)


def read_section(hdu, y, x):
    """Return rows `y` and columns `x` of an HDU, loading no more than the file requires."""
    # Each seek in a compressed stream would unpack it from the start.
    zipped = hdu.fileinfo()["file"].compression is not None if hdu.fileinfo() else True
    return np.asarray(hdu.data[y, x] if zipped else hdu.section[y, x])


def to_float32(values):
    """Return values as float32; those beyond its range, such as 1e99, become infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float32)


def strips(shape, pixels):
    """Yield slices of rows that cover an image of (ny, nx), of about `pixels` pixels each."""
    height = max(1, pixels // shape[1])
    for start in range(0, shape[0], height):
        yield slice(start, min(start + height, shape[0]))


def sampled_rows(shape, pixels):
    """Return the numbers of evenly spread rows with about `pixels` pixels in total."""
    step = max(1, shape[0] * shape[1] // pixels)
    return range(min(step // 2, shape[0] - 1), shape[0], step)


class SampledRows:
    """Evenly spread rows of images of one shape; the rows of each image are read once.

    Parameters
    ----------
    shape : tuple of int
        Shape (ny, nx) of the images.
    pixels : int
        Approximate number of pixels in total.
    """

    def __init__(self, shape, pixels):
        self._numbers = sampled_rows(shape, pixels)
        self._read = {}

    def of(self, hdu):
        """Return the rows of an image HDU, shape (n, nx)."""
        if id(hdu) not in self._read:
            rows = RowReader(hdu)
            parts = [rows.read(slice(n, n + 1)) for n in self._numbers]
            self._read[id(hdu)] = np.concatenate(parts)
        return self._read[id(hdu)]
