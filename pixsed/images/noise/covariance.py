"""Noise of sums of pixels with correlated noise."""

import numpy as np

# Correlations below this are ignored; for a Gaussian they are less than 0.1 % of a variance.
_NEGLIGIBLE = 1e-4


def kernel_noise_corr(kernel):
    """Return the noise of a large sum over that of independent pixels, after convolution.

    The errors of a convolved image are those of single pixels. Neighbouring pixels are
    correlated, so that the noise of a sum over many pixels is larger than the root of the sum
    of the squared errors, by this factor. The noise before the convolution is uncorrelated.

    Parameters
    ----------
    kernel : `~numpy.ndarray`
        2-D.

    Returns
    -------
    float
    """
    return float(kernel.sum() / np.sqrt((kernel**2).sum()))


def correlation_width(noise_corr):
    """Return the width of the Gaussian kernel that gives white noise this correlation.

    White noise smoothed by a Gaussian of standard deviation s has the correlation
    exp(-d^2 / (4 s^2)) between pixels at a distance d. The sum of the correlation over all pixels
    is the square of `noise_corr`.

    Parameters
    ----------
    noise_corr : float
        Noise of a large sum over that of independent pixels. With 1 or less, or NaN, the noise
        is independent.

    Returns
    -------
    float
        s in pixels; 0 for independent noise.
    """
    if not noise_corr > 1.0 + 1e-9:
        return 0.0
    from scipy.optimize import brentq

    # In the continuous limit noise_corr = 2 sqrt(pi) s; on pixels it is the sum over a row.
    high = noise_corr / (2 * np.sqrt(np.pi)) + 0.5
    i = np.arange(-int(14 * high) - 3, int(14 * high) + 4)

    def excess(s):
        return np.exp(-(i**2) / (4 * s**2)).sum() - noise_corr

    return float(brentq(excess, 1e-3, high + 1.0, xtol=1e-9))


def correlation(distance2, width):
    """Return the correlation of the noise of pixels at a distance, for each of B bands.

    Parameters
    ----------
    distance2 : `~numpy.ndarray`, shape (...)
        Squared distance in pixels^2.
    width : `~numpy.ndarray`, shape (B,)
        `correlation_width` of each band.

    Returns
    -------
    `~numpy.ndarray`, shape (B, ...)
    """
    distance2 = np.asarray(distance2, dtype=float)
    width = np.reshape(width, (-1,) + (1,) * distance2.ndim)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance2 == 0, 1.0, np.exp(-distance2 / (4 * width**2)))


def gaussian_autocorrelation(width):
    """Return the correlation of the noise of two pixels by lag, for each of B bands.

    Parameters
    ----------
    width : sequence of float, shape (B,)
        `correlation_width` of each band.

    Returns
    -------
    `~numpy.ndarray`, shape (B, 2 n + 1, 2 n + 1)
        1 in the middle; beyond n every correlation is below 1e-4.
    """
    width = np.asarray(width, dtype=float)
    reach = int(np.ceil(2 * np.sqrt(-np.log(_NEGLIGIBLE)) * width.max(initial=0.0)))
    offsets = np.arange(-reach, reach + 1)
    return correlation(offsets[:, None] ** 2 + offsets**2, width)


def autocorrelations(noise_corr, measured=None):
    """Return the correlation of the noise of two pixels by lag, for each of B bands.

    Parameters
    ----------
    noise_corr : sequence of float, shape (B,)
        Noise of a large sum over that of independent pixels. It determines the Gaussian of a
        band without a measured autocorrelation.
    measured : `~numpy.ndarray`, shape (B, 2 m + 1, 2 m + 1), optional
        Measured autocorrelation; NaN in a band without one.

    Returns
    -------
    `~numpy.ndarray`, shape (B, 2 n + 1, 2 n + 1)
    """
    widths = np.array([correlation_width(value) for value in np.asarray(noise_corr, dtype=float)])
    if measured is None:
        return gaussian_autocorrelation(widths)
    known = np.isfinite(measured).all(axis=(1, 2))
    found = gaussian_autocorrelation(np.where(known, 0.0, widths))
    reach = max(found.shape[1] // 2, measured.shape[1] // 2)
    found, measured = (widened(rho, reach) for rho in (found, measured))
    return np.where(known[:, None, None], measured, found)


def cube_autocorrelations(cube, bands):
    """Return the correlation of the noise of two pixels of a cube by lag, for each of B bands.

    That of a band is measured, or a Gaussian with the noise_corr of the cube's table. For a
    binned cube the table has the noise of a sum of bins instead, which does not count here.

    Parameters
    ----------
    cube : `~pixsed.io.formats.cube.Cube`
    bands : sequence of str

    Returns
    -------
    `~numpy.ndarray`, shape (B, 2 n + 1, 2 n + 1)
    """
    index = [cube.bands.index(band) for band in bands]
    corr = np.ones(len(index)) if cube.binning is not None else noise_factors(cube, bands)
    measured = None if cube.autocorrelation is None else cube.autocorrelation[index]
    return autocorrelations(corr, measured)


def noise_factors(cube, bands):
    """Return noise_corr of bands of a cube, shape (B,); 1 where it is not known."""
    index = [cube.bands.index(band) for band in bands]
    corr = np.asarray(cube.table["noise_corr"], dtype=float)[index]
    return np.where(np.isfinite(corr) & (corr > 0), corr, 1.0)


def widened(rho, reach):
    """Return autocorrelations (B, 2 n + 1, 2 n + 1) with zeros around them, up to a reach."""
    extra = reach - rho.shape[1] // 2
    return np.pad(rho, ((0, 0), (extra, extra), (extra, extra)))


def total_variance(err, rho):
    """Return the variance of the sum of all pixels, with correlated noise.

    Parameters
    ----------
    err : `~numpy.ndarray`, shape (ny, nx)
        1-sigma errors; pixels with NaN are left out.
    rho : `~numpy.ndarray`, shape (2 n + 1, 2 n + 1)
        Correlation by lag.

    Returns
    -------
    float
    """
    from scipy.signal import fftconvolve

    err = np.nan_to_num(np.asarray(err, dtype=float))
    if rho.size == 1:
        return float((err**2).sum())
    return float((err * fftconvolve(err, rho, mode="same")).sum())


def sum_variance(labels, err, rho):
    """Return the variance of the sum over each group of pixels, with correlated noise.

    Parameters
    ----------
    labels : `~numpy.ndarray`, shape (ny, nx), int
        Groups from 1 to K; 0 = in no group.
    err : `~numpy.ndarray`, shape (B, ny, nx)
        1-sigma errors of the pixels; pixels with NaN are left out of the sums.
    rho : `~numpy.ndarray`, shape (B, 2 n + 1, 2 n + 1)
        Correlation by lag, from `autocorrelations`.

    Returns
    -------
    `~numpy.ndarray`, shape (B, K), float64
    """
    count = int(labels.max(initial=0))
    used = labels > 0
    err = np.where(used & np.isfinite(err), err, 0.0).astype(float)
    labels = np.where(used, labels, 0)

    def sums(groups, values):
        return np.bincount(groups.ravel(), values.ravel(), minlength=count + 1)[1:]

    variance = np.array([sums(labels, plane**2) for plane in err]).reshape(len(err), count)
    ny, nx = labels.shape
    reach = rho.shape[1] // 2
    for dy in range(min(reach, ny - 1) + 1):
        for dx in range(-min(reach, nx - 1), min(reach, nx - 1) + 1):
            # Half of the neighbours: each pair is found once and counted twice.
            factor = rho[:, reach + dy, reach + dx]
            bands = np.flatnonzero(np.abs(factor) >= _NEGLIGIBLE)
            if (dy == 0 and dx <= 0) or not len(bands):
                continue
            here = np.s_[: ny - dy, max(0, -dx) : nx - max(0, dx)]
            there = np.s_[dy:, max(0, dx) : nx - max(0, -dx)]
            same = (labels[here] == labels[there]) & used[here]
            if not same.any():
                continue
            groups = labels[here][same]
            for band in bands:
                pairs = err[band][here][same] * err[band][there][same]
                variance[band] += 2 * factor[band] * sums(groups, pairs)
    return variance
