"""Segmentation maps: parts, bounding boxes of segments, and masks of sources."""

import contextlib

import numpy as np

from pixsed.errors import PixsedError
from pixsed.io.locate import choose_image, is_image, open_fits, parse_location
from pixsed.io.rows import RowReader, strips

# Number of pixels in memory at once when the whole map is read.
_STRIP_PIXELS = 1_000_000
# Largest integer up to which a float is exact, by its number of bytes.
_EXACT = {2: 2**11, 4: 2**24, 8: 2**53}


class SegmentationMap:
    """Segmentation map on disk, read in strips and boxes.

    Parameters
    ----------
    hdulist : `~astropy.io.fits.HDUList`
        Open file, preferably not memory-mapped.
    location : `~pixsed.io.locate.Location`
        Without an extension, one named SEG or SEGMAP is preferred.

    Attributes
    ----------
    location : `~pixsed.io.locate.Location`
    name : str
        For messages.
    shape : tuple of int
    header : `~astropy.io.fits.Header`

    Raises
    ------
    PixsedError
        If the extension is ambiguous or does not contain integers.
    """

    def __init__(self, hdulist, location):
        self.location, self.name = location, str(location)
        named = [h for h in hdulist if h.name in ("SEG", "SEGMAP") and is_image(h)]
        if location.ext is None and len(named) == 1:
            self._hdu = named[0]
        else:
            self._hdu = choose_image(hdulist, location)
        self.rows = RowReader(self._hdu)
        self.shape = self._hdu.shape
        self.header = self._hdu.header

    def read(self, y=slice(None), x=slice(None)):
        """Return a part of the map, (ny, nx) int64; NaN becomes 0, no segment.

        Raises
        ------
        PixsedError
            If a value is not an integer, or is too large to be exact in its type or in int64.
        """
        values = self.rows.read(y, x)
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), 0, values)
            # Fractional values mean that an image was given instead of a segmentation map.
            if not (np.isfinite(values).all() and np.array_equal(values, np.round(values))):
                raise PixsedError(f"{self.name} does not hold integer ids; give a segmentation map")
            self._check_largest(values, _EXACT[values.dtype.itemsize])
        elif values.dtype.kind == "u":
            self._check_largest(values, np.iinfo(np.int64).max)
        return values.astype(np.int64)

    def _check_largest(self, values, largest):
        if values.size and (worst := max(int(values.max()), -int(values.min()))) > largest:
            raise PixsedError(
                f"{self.name}: id {worst} is too large: {values.dtype.name} tells ids apart up to "
                f"{largest}; number the segments anew, from 1"
            )

    def sources(self, y=slice(None), dilate=0):
        """Return the mask of the sources in rows `y`, grown by `dilate` pixels, (ny, nx) bool."""
        start, stop, _ = y.indices(self.shape[0])
        first = max(0, start - dilate)
        mask = source_mask(self.read(slice(first, stop + dilate)), dilate)
        return mask[start - first : stop - first]

    def counts(self):
        """Return the number of pixels of each segment: id -> number."""
        counts = {}
        for rows in strips(self.shape, _STRIP_PIXELS):
            strip = self.read(rows)
            labels, found = np.unique(strip[strip > 0], return_counts=True)
            for label, count in zip(labels.tolist(), found.tolist(), strict=True):
                counts[label] = counts.get(label, 0) + count
        return counts

    def boxes(self, ids=None):
        """Return the bounding box of segments: id -> (y0, y1, x0, x1), ends excluded.

        Parameters
        ----------
        ids : collection of int, optional
            By default every id of the map. Ids that are not in the map are left out.
        """
        boxes = {}
        for rows in strips(self.shape, _STRIP_PIXELS):
            strip = self.read(rows)
            wanted = strip > 0 if ids is None else np.isin(strip, list(ids)) & (strip > 0)
            y, x = np.nonzero(wanted)
            labels, which = np.unique(strip[y, x], return_inverse=True)
            low = np.full((2, len(labels)), np.iinfo(np.int64).max)
            high = np.zeros((2, len(labels)), dtype=np.int64)
            for axis, values in enumerate((y + rows.start, x)):
                np.minimum.at(low[axis], which, values)
                np.maximum.at(high[axis], which, values + 1)
            for i, label in enumerate(labels.tolist()):
                y0, y1, x0, x1 = int(low[0, i]), int(high[0, i]), int(low[1, i]), int(high[1, i])
                if label in boxes:
                    a0, a1, b0, b1 = boxes[label]
                    y0, y1, x0, x1 = min(a0, y0), max(a1, y1), min(b0, x0), max(b1, x1)
                boxes[label] = (y0, y1, x0, x1)
        return boxes


@contextlib.contextmanager
def open_segmap(text):
    """Yield the `SegmentationMap` of ``path`` or ``path[EXT]``, with its file open."""
    location = parse_location(text)
    with open_fits(location.path, memmap=False) as hdulist:
        yield SegmentationMap(hdulist, location)


def source_mask(segmap, dilate=0):
    """Return the mask of sources of a segmentation map, grown by `dilate` pixels, (ny, nx) bool."""
    mask = np.asarray(segmap) > 0
    if dilate > 0:
        from scipy.ndimage import binary_dilation

        mask = binary_dilation(mask, iterations=dilate)
    return mask
