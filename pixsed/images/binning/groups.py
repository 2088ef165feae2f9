"""Groups of pixels that grow pixel by pixel: sums, S/N and neighbours."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from pixsed.images.noise.covariance import correlation
from pixsed.snr import snr_used

_AROUND = [(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if dy or dx]


@dataclass
class Pixels:
    """N pixels to be binned, in B bands.

    Attributes
    ----------
    y, x : `~numpy.ndarray`, shape (N,), int
    flux, err : `~numpy.ndarray`, shape (B, N), float64
        In nJy; NaN in both = no data.
    width : `~numpy.ndarray`, shape (B,)
        `pixsed.images.noise.covariance.correlation_width` of each band.
    snr_index : `~numpy.ndarray`, int
        Bands over which the S/N is averaged, if they have data.
    shape : tuple of int
        (ny, nx) of the image.
    reference : `~numpy.ndarray` of bool, optional
        Mask of the bands of `snr_index` that are averaged, or else the three reddest with data
        (`pixsed.snr.snr_used`). By default all are averaged.
    """

    y: np.ndarray
    x: np.ndarray
    flux: np.ndarray
    err: np.ndarray
    width: np.ndarray
    snr_index: np.ndarray
    shape: tuple
    reference: np.ndarray | None = None

    def __post_init__(self):
        number = np.full((self.shape[0] + 2, self.shape[1] + 2), -1)
        number[self.y + 1, self.x + 1] = np.arange(len(self.y))
        #: (N, 8) int: the adjacent pixels of each, corners included; -1 = none.
        self.around = np.stack(
            [number[self.y + 1 + dy, self.x + 1 + dx] for dy, dx in _AROUND], axis=1
        )
        self.good = np.isfinite(self.flux)
        self.flux0 = np.where(self.good, self.flux, 0.0)
        self.err0 = np.where(self.good, self.err, 0.0)

    def __len__(self):
        return len(self.y)

    @property
    def brightness(self):
        """Mean S/N over the bands of `snr_index`, shape (N,); 0 without data."""
        return self.mean_snr(self.flux0, self.err0**2)

    def mean_snr(self, flux, variance):
        """Return the mean S/N of fluxes of shape (B, ...); 0 if no band has data."""
        return mean_snr(flux[self.snr_index], variance[self.snr_index], self.reference)

    def image(self, labels):
        """Return labels of pixels, from 0 with -1 = none, as an image of labels from 1."""
        plane = np.zeros(self.shape, dtype=np.int32)
        plane[self.y, self.x] = labels + 1
        return plane


def mean_snr(flux, variance, reference=None):
    """Return the S/N averaged over bands (axis 0); 0 if none has data.

    `pixsed.snr` has the rule of the bands. This function differs from its `mean_snr` by the input
    of the growing groups: variances, 0 = no data, and any choice of bands.

    Parameters
    ----------
    flux, variance : `~numpy.ndarray`, shape (B, ...)
        A variance of 0 = no data.
    reference : `~numpy.ndarray` of bool, shape (B,), optional
        As for `pixsed.snr.snr_used`; by default all bands are averaged.
    """
    present = variance > 0
    if reference is not None:
        present = snr_used(present, reference)
    ratio = np.where(present, flux, 0.0) / np.sqrt(np.where(present, variance, 1.0))
    return ratio.sum(axis=0) / np.maximum(present.sum(axis=0), 1)


class Group:
    """Group of pixels that grows to a bin.

    Attributes
    ----------
    members : `~numpy.ndarray`, shape (n,), int
    flux, variance, count : `~numpy.ndarray`, shape (B,)
        Sum of the flux, its variance with correlated noise, and the number of pixels with data.
    """

    def __init__(self, pixels):
        bands = len(pixels.flux)
        self.pixels = pixels
        self._room = np.empty(16, dtype=int)
        self._size = 0
        self._tried = None  # the last candidate pixel, and the variance with it
        self.flux, self.variance, self.count = (np.zeros(bands) for _ in range(3))

    def __len__(self):
        return self._size

    @property
    def members(self):
        """Indices of the pixels, in the order in which they were added."""
        return self._room[: self._size]

    def add(self, pixel):
        """Add a pixel."""
        self.variance = self._variance_with(pixel)
        self.flux = self.flux + self.pixels.flux0[:, pixel]
        self.count = self.count + self.pixels.good[:, pixel]
        if self._size == len(self._room):
            self._room = np.concatenate([self._room, np.empty_like(self._room)])
        self._room[self._size] = pixel
        self._size += 1
        self._tried = None

    def _variance_with(self, pixel):
        if self._tried is None or self._tried[0] != pixel:
            self._tried = pixel, self._compute_variance_with(pixel)
        return self._tried[1]

    def _compute_variance_with(self, pixel):
        pixels, err = self.pixels, self.pixels.err0
        variance = self.variance + err[:, pixel] ** 2
        if self._size and pixels.width.any():
            others = self.members
            distance2 = (pixels.y[others] - pixels.y[pixel]) ** 2 + (
                pixels.x[others] - pixels.x[pixel]
            ) ** 2
            common = (correlation(distance2, pixels.width) * err[:, others]).sum(axis=1)
            variance = variance + 2 * err[:, pixel] * common
        return variance

    @property
    def snr(self):
        """Mean S/N of the sums."""
        return float(self.pixels.mean_snr(self.flux, self.variance))

    def snr_with(self, pixel):
        """Return the mean S/N that the group would have with one more pixel."""
        flux = self.flux + self.pixels.flux0[:, pixel]
        return float(self.pixels.mean_snr(flux, self._variance_with(pixel)))

    @property
    def sed(self):
        """Mean flux per pixel and its error, shape (B,); NaN in both without data."""
        with np.errstate(divide="ignore", invalid="ignore"):
            none = self.count == 0
            return (
                np.where(none, np.nan, self.flux / self.count),
                np.where(none, np.nan, np.sqrt(self.variance) / self.count),
            )


def contiguous(pixels, labels):
    """Assign pixels that are separated from the rest of their bin to an adjacent bin.

    Parameters
    ----------
    pixels : `Pixels`
    labels : `~numpy.ndarray`, shape (N,), int
        From 0; -1 = in no bin, treated as separated pixels.

    Returns
    -------
    `~numpy.ndarray`, shape (N,), int
        Every bin is connected, corners included, and the numbers have no gaps. A piece without
        an adjacent bin is a new bin.
    """
    here = np.repeat(np.arange(len(pixels)), 8)
    there = pixels.around.ravel()
    touch = there >= 0
    here, there = here[touch], there[touch]
    same = labels[here] == labels[there]
    graph = coo_matrix((np.ones(same.sum()), (here[same], there[same])), shape=(len(pixels),) * 2)
    _, piece = connected_components(graph, directed=False)
    size = np.bincount(piece)
    label_of = np.full(len(size), -1)
    label_of[piece] = labels
    # The largest piece of each bin keeps its label; the other pieces become unlabelled.
    order = np.lexsort((np.arange(len(size)), -size, label_of))
    sorted_labels = label_of[order]
    main = np.ones(len(order), dtype=bool)
    main[1:] = sorted_labels[1:] != sorted_labels[:-1]
    owner = np.full(len(size), -1)
    keep = order[main & (sorted_labels >= 0)]
    owner[keep] = label_of[keep]
    while (owner < 0).any():
        borders = (owner[piece[here]] < 0) & (owner[piece[there]] >= 0)
        if not borders.any():  # an isolated piece becomes a separate bin
            number = int(owner.max()) + 1
            lost = np.flatnonzero(owner < 0)
            owner[lost[np.argmax(size[lost])]] = number
            continue
        pairs, length = np.unique(
            np.stack([piece[here[borders]], owner[piece[there[borders]]]]),
            axis=1,
            return_counts=True,
        )
        # Join the bin with the longest border, or the lowest number of equal ones.
        best = np.lexsort((pairs[1], -length, pairs[0]))
        first = np.ones(len(best), dtype=bool)
        first[1:] = pairs[0, best][1:] != pairs[0, best][:-1]
        owner[pairs[0, best][first]] = pairs[1, best][first]
    return np.unique(owner[piece], return_inverse=True)[1]
