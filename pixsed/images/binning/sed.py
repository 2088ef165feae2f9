"""Bins of pixels whose spectra have one shape, after the idea of Abdurro'uf et al. (2021).

From the brightest pixel left, a disc one PSF across; then, until the target S/N, the
nearest of the pixels that touch it and whose fluxes, scaled, agree with the disc's by
their reduced chi^2. What is left over joins the neighbour of the most similar shape.
"""

import heapq

import numpy as np

from pixsed.images.binning.groups import Group, contiguous

#: A bin that had the target keeps standing with this share of it, as pixels join.
ENOUGH = 0.8


def shape_chi2(flux, err, flux_ref, err_ref):
    """Return the reduced chi^2 between a spectrum and another, scaled to fit it best.

    chi^2 = sum of (f - s r)^2 / (e^2 + s^2 e_r^2); the weights take the scale of a first
    fit that leaves the error of the reference out.

    Parameters
    ----------
    flux, err, flux_ref, err_ref : `~numpy.ndarray`, shape (B,)
        NaN or 0 in an error = no data.

    Returns
    -------
    float
        0 with fewer than two bands in common: no shape to tell apart.
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


def sed_bins(pixels, target, diameter, chi2_max=4.0):
    """Return the bin of each pixel.

    Parameters
    ----------
    pixels : `~pixsed.images.binning.groups.Pixels`
    target : float
        S/N of a bin, mean over the bands of `pixels.snr_index`.
    diameter : float
        Pixels across that a bin has at least: as many as a disc of it.
    chi2_max : float, optional
        Reduced chi^2 up to which two shapes are one.

    Returns
    -------
    `~numpy.ndarray`, shape (N,), int
        From 0. One bin where all pixels together do not reach the target.
    """
    fewest = max(1, int(np.pi / 4 * diameter**2))
    free = np.ones(len(pixels), dtype=bool)
    groups, whole = [], []
    for seed in np.argsort(-pixels.brightness, kind="stable").tolist():
        if not free[seed]:
            continue
        group = _grow(pixels, free, seed, target, diameter / 2, fewest, chi2_max)
        groups.append(group)
        whole.append(group.snr >= target and len(group) >= fewest)
    labels = _join(pixels, groups, whole, target, fewest)
    return contiguous(pixels, labels)


def _grow(pixels, free, seed, target, radius, fewest, chi2_max):
    """Return a group grown from a seed; its pixels are no longer free."""
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
            if shape_chi2(pixels.flux0[:, pixel], pixels.err0[:, pixel], *reference) > chi2_max:
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
    """Return labels, groups short of the target joined to neighbours of a similar shape."""
    labels = np.full(len(pixels), -1)
    for number, group in enumerate(groups):
        labels[group.members] = number
    # The smallest first: least is changed by where they go.
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
