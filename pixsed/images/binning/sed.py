"""Bins of pixels with spectra of one shape, after Abdurro'uf et al. (2021, ApJS 254, 15).

A bin starts as a disc as wide as the PSF around the brightest pixel that is left. It then grows
to the target S/N by the nearest adjacent pixels whose scaled fluxes agree with those of the disc,
by their reduced chi^2. Bins below the target join the neighbour of the most similar shape.
"""

import heapq

import numpy as np

from pixsed.images.binning.groups import Group, contiguous

#: Fraction of the target S/N that a complete bin must keep when pixels join it.
ENOUGH = 0.8


def shape_chi2(flux, err, flux_ref, err_ref):
    """Return the reduced chi^2 between a spectrum and a reference scaled to fit it.

    chi^2 = sum of (f - s r)^2 / (e^2 + s^2 e_r^2). The scale s in the weights is that of a first
    fit without the errors of the reference.

    Parameters
    ----------
    flux, err, flux_ref, err_ref : `~numpy.ndarray`, shape (B,)
        An error of NaN or 0 = no data.

    Returns
    -------
    float
        0 with fewer than two bands in common.
    """
    good = (err > 0) & (err_ref > 0)
    if good.sum() < 2:
        return 0.0
    f, e, r, e_r = flux[good], err[good], flux_ref[good], err_ref[good]
    variance = e**2
    for _ in range(2):
        norm = (r**2 / variance).sum()
        scale = (f * r / variance).sum() / norm if norm > 0 else 0.0
        variance = e**2 + (scale * e_r) ** 2
    return float(((f - scale * r) ** 2 / variance).sum() / (good.sum() - 1))


def sed_bins(pixels, target, diameter, max_chi2=4.0):
    """Return the bin of each pixel.

    Parameters
    ----------
    pixels : `~pixsed.images.binning.groups.Pixels`
    target : float
        Target S/N of a bin, a mean over the bands of `pixels.snr_index`.
    diameter : float
        Diameter in pixels of the disc whose area is the smallest of a bin.
    max_chi2 : float, optional
        Reduced chi^2 up to which two spectral shapes are the same.

    Returns
    -------
    `~numpy.ndarray`, shape (N,), int
        From 0. A single bin if all pixels together do not reach the target.
    """
    fewest = max(1, int(np.pi / 4 * diameter**2))
    free = np.ones(len(pixels), dtype=bool)
    groups, whole = [], []
    for seed in np.argsort(-pixels.brightness, kind="stable").tolist():
        if not free[seed]:
            continue
        group = _grow(pixels, free, seed, target, diameter / 2, fewest, max_chi2)
        groups.append(group)
        whole.append(group.snr >= target and len(group) >= fewest)
    labels = _join(pixels, groups, whole, target, fewest)
    return contiguous(pixels, labels)


def _grow(pixels, free, seed, target, radius, fewest, max_chi2):
    """Return a group grown from a seed pixel, and mark its pixels as not free."""
    group = Group(pixels)
    y, x = pixels.y, pixels.x
    seen, heap = {seed}, [(0, seed)]
    reference = None
    while heap:
        distance2, pixel = heapq.heappop(heap)
        if distance2 > radius**2:  # beyond the disc
            if group.snr >= target and len(group) >= fewest:
                break
            if reference is None:
                reference = group.sed
            if shape_chi2(pixels.flux0[:, pixel], pixels.err0[:, pixel], *reference) > max_chi2:
                continue
        group.add(pixel)
        free[pixel] = False
        for other in pixels.around[pixel].tolist():
            if other >= 0 and free[other] and other not in seen:
                seen.add(other)
                away = (y[other] - y[seed]) ** 2 + (x[other] - x[seed]) ** 2
                heapq.heappush(heap, (int(away), other))
    return group


def _join(pixels, groups, whole, target, fewest):
    """Return labels, with groups below the target joined to neighbours of a similar shape."""
    labels = np.full(len(pixels), -1)
    for number, group in enumerate(groups):
        labels[group.members] = number
    # Smallest groups first, because they change their neighbours least.
    heap = [(len(g), i) for i, g in enumerate(groups) if not whole[i]]
    heapq.heapify(heap)
    while heap:
        size, number = heapq.heappop(heap)
        if groups[number] is None or whole[number] or len(groups[number]) != size:
            continue
        group = groups[number]
        around = pixels.around[group.members].ravel()
        near = np.unique(labels[around[around >= 0]])
        near = near[near != number].tolist()
        if not near:  # an island
            continue
        sed = group.sed
        best = min(near, key=lambda other: (shape_chi2(*sed, *groups[other].sed), other))
        other = groups[best]
        small, large = (group, other) if len(group) < len(other) else (other, group)
        for pixel in small.members:
            large.add(pixel)
        labels[large.members] = best
        groups[number], groups[best] = None, large
        enough = ENOUGH * target if whole[best] else target
        whole[best] = large.snr >= enough and len(large) >= fewest
        if not whole[best]:
            heapq.heappush(heap, (len(large), best))
    return labels
