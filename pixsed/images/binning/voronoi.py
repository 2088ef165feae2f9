"""Voronoi bins of a target S/N: accretion, then a weighted tessellation.

Bins grow as in Cappellari & Copin (2003, MNRAS 342, 345, section 5.1). The tessellation is that of
Diehl & Statler (2006, MNRAS 368, 497), which only requires that the S/N grows with the bin.

The code is our own, because VorBin may not be redistributed, nor used for profit, and because the
S/N of a bin is that of its sum with correlated noise, averaged over bands.
"""

import numpy as np

from pixsed.images.binning.groups import Group, contiguous, mean_snr
from pixsed.images.noise.covariance import gaussian_autocorrelation, sum_variance

#: Fraction of the target S/N that a complete bin must have.
ENOUGH = 0.8
# Deviation from roundness above which a bin stops growing.
_ROUNDNESS = 0.3
_ROUNDS = 50
# Pixels times bins of one array of distances, which fits in the cache of a processor.
_BLOCK = 100_000


def voronoi_bins(pixels, target, fewest=1):
    """Return the bin of each pixel.

    Parameters
    ----------
    pixels : `~pixsed.images.binning.groups.Pixels`
    target : float
        Target S/N of a bin, a mean over the bands of `pixels.snr_index`.
    fewest : int, optional
        Smallest number of pixels of a bin, as far as the tessellation allows.

    Returns
    -------
    `~numpy.ndarray`, shape (N,), int
        From 0. A single bin if all pixels together do not reach the target.
    """
    labels = _accrete(pixels, target, fewest)
    count = labels.max(initial=-1) + 1
    if count == 0:
        return contiguous(pixels, np.zeros(len(pixels), dtype=int))
    # Pixels that reach the target alone remain bins; all other pixels are reassigned.
    size = np.bincount(labels[labels >= 0], minlength=count)
    alone = (labels >= 0) & (size[labels] == 1)
    divided = np.flatnonzero(~alone)
    seeds = np.unique(labels[divided][labels[divided] >= 0])
    if len(seeds):
        labels[divided] = seeds[_tessellate(pixels, divided, labels, seeds, target, fewest)]
    return contiguous(pixels, labels)


def _accrete(pixels, target, fewest):
    """Return bins grown to the target one after another; -1 = in a bin that failed."""
    labels = np.full(len(pixels), -1)
    free = np.ones(len(pixels), dtype=bool)
    start = int(np.argmax(pixels.brightness))
    done = np.zeros(3)  # pixels binned, and the sums of their y and x
    count = 0
    while True:
        group = _grow(pixels, free, start, target, fewest)
        members = group.members
        if group.snr >= ENOUGH * target and len(group) >= fewest:
            labels[members] = count
            count += 1
        done += len(members), pixels.y[members].sum(), pixels.x[members].sum()
        left = np.flatnonzero(free)
        if not len(left):
            return labels
        # The next bin starts at the pixel nearest to the centre of all binned pixels.
        start = int(left[_nearest(pixels, left, done[1] / done[0], done[2] / done[0])])


def _nearest(pixels, candidates, y, x):
    return np.argmin((pixels.y[candidates] - y) ** 2 + (pixels.x[candidates] - x) ** 2)


def _grow(pixels, free, start, target, fewest):
    group = Group(pixels)
    group.add(start)
    free[start] = False
    border = set()
    y, x = float(pixels.y[start]), float(pixels.x[start])
    newest, snr = start, group.snr
    while snr < target or len(group) < fewest:
        border.update(int(p) for p in pixels.around[newest] if p >= 0 and free[p])
        border.discard(newest)
        if not border:
            break
        candidates = np.array(sorted(border))
        newest = int(candidates[_nearest(pixels, candidates, y, x)])
        n = len(group) + 1
        y1, x1 = y + (pixels.y[newest] - y) / n, x + (pixels.x[newest] - x) / n
        members = np.append(group.members, newest)
        farthest2 = ((pixels.y[members] - y1) ** 2 + (pixels.x[members] - x1) ** 2).max()
        if farthest2 > (1 + _ROUNDNESS) ** 2 * n / np.pi:
            break
        with_it = group.snr_with(newest)
        if n > fewest and with_it > target and with_it - target > target - snr:
            break  # closer to the target without the pixel
        group.add(newest)
        free[newest] = False
        y, x, snr = y1, x1, with_it
    return group


def _tessellate(pixels, divided, labels, seeds, target, fewest):
    """Return, for each pixel of `divided`, the index of its bin in `seeds`.

    A pixel goes to the bin with the smallest distance divided by the scale of the bin. The scales
    follow from the size and S/N of the bins of the round before.
    """
    y, x = pixels.y[divided].astype(float), pixels.x[divided].astype(float)
    member = np.searchsorted(seeds, labels[divided])
    known = labels[divided] >= 0
    count = len(seeds)
    n = np.bincount(member[known], minlength=count)
    centre = np.stack([np.bincount(member[known], v[known], minlength=count) / n for v in (y, x)])
    scale = np.ones(count)
    before = [None, None]
    for _ in range(_ROUNDS):
        member = _assign(y, x, centre, scale)
        if any(old is not None and np.array_equal(member, old) for old in before):
            break
        before = [before[1], member]
        n = np.bincount(member, minlength=count)
        there = n > 0
        snr = _snr_of(pixels, divided, member, count)
        # The limit keeps the scale of a bin without signal close to that of the others.
        wanted = np.maximum(target / np.clip(snr, 0.1 * target, None), fewest / np.maximum(n, 1))
        scale[there] = np.sqrt(n * wanted)[there]
        for axis, values in enumerate((y, x)):
            sums = np.bincount(member, values, minlength=count)
            centre[axis, there] = sums[there] / n[there]
    return member


def _assign(y, x, centre, scale):
    result = np.empty(len(y), dtype=int)
    step = max(1, _BLOCK // len(scale))
    # Squared distances over squared scales, expanded into one product of matrices.
    pixel = np.stack([y**2 + x**2, y, x, np.ones(len(y))], axis=1)
    bins = np.stack([np.ones(len(scale)), *(-2 * centre), (centre**2).sum(axis=0)]) / scale**2
    for start in range(0, len(y), step):
        part = slice(start, start + step)
        result[part] = np.argmin(pixel[part] @ bins, axis=1)
    return result


def _snr_of(pixels, divided, member, count):
    index = pixels.snr_index
    plane = np.zeros(pixels.shape, dtype=int)
    plane[pixels.y[divided], pixels.x[divided]] = member + 1
    err = np.zeros((len(index), *pixels.shape))
    err[:, pixels.y, pixels.x] = pixels.err0[index]
    variance = np.zeros((len(index), count))
    found = sum_variance(plane, err, gaussian_autocorrelation(pixels.width[index]))
    variance[:, : found.shape[1]] = found
    flux = np.array([np.bincount(member, pixels.flux0[i, divided], minlength=count) for i in index])
    return mean_snr(flux, variance, pixels.reference)
