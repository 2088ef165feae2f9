"""Filter transmission on a grid uniform in log wavelength."""

from functools import cache

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.errors import PixsedError


@cache
def load_curve(name):
    """Return the transmission curve of a band from astro-sedpy.

    Parameters
    ----------
    name : str
        A band of `pixsed.bands`.

    Returns
    -------
    wave, transmission : `~numpy.ndarray`
        Angstrom, and photon-counting transmission in any scale. The arrays are cached: do not
        change them.

    Raises
    ------
    PixsedError
        If the band is unknown, or astro-sedpy is not installed.
    """
    if name not in BY_NAME:
        raise PixsedError(f"pixsed has no filter curve of {name}; known bands: {' '.join(BY_NAME)}")
    try:
        from sedpy.observate import load_filters
    except ImportError:
        raise PixsedError(
            "filter curves come from astro-sedpy, which is not installed; "
            "try: pip install 'pixsed[sps]'"
        ) from None
    curve = load_filters([BY_NAME[name].curve])[0]
    return np.asarray(curve.wavelength, float), np.asarray(curve.transmission, float)


def cumulative_average(x, y, edges):
    """Return the mean of a piecewise-linear y(x) between consecutive `edges`.

    y is zero outside x. The mean is exact for the linear pieces, so flux is conserved for cells
    of any width.

    Parameters
    ----------
    x : `~numpy.ndarray`, shape (K,)
    y : `~numpy.ndarray`, shape (..., K)
    edges : `~numpy.ndarray`, shape (M + 1,)

    Returns
    -------
    `~numpy.ndarray`, shape (..., M)
    """
    cumulative = np.zeros(y.shape)
    np.cumsum(0.5 * (y[..., 1:] + y[..., :-1]) * np.diff(x), axis=-1, out=cumulative[..., 1:])
    inside = np.clip(edges, x[0], x[-1])
    low = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, len(x) - 2)
    t = inside - x[low]
    slope = (y[..., low + 1] - y[..., low]) / (x[low + 1] - x[low])
    at_edges = cumulative[..., low] + t * (y[..., low] + 0.5 * t * slope)
    return np.diff(at_edges, axis=-1) / np.diff(edges)


def transmission_matrix(names, log_edges, curves=None):
    """Return the transmission of bands, averaged over cells of log wavelength.

    Parameters
    ----------
    names : sequence of str
    log_edges : `~numpy.ndarray`, shape (M + 1,)
        Natural log of the cell edges in Angstrom, uniformly spaced.
    curves : dict, optional
        Wavelength [Angstrom] and transmission by band; default: the curves of `load_curve`.

    Returns
    -------
    `~numpy.ndarray`, shape (M, B)
        Each column sums to 1, so that the product with f_nu is the AB flux density.

    Raises
    ------
    PixsedError
        If a band has no curve, or its curve is not within the edges.
    """
    columns = []
    for name in names:
        if curves is None:
            wave, transmission = load_curve(name)
        elif name in curves:
            wave, transmission = (np.asarray(values, dtype=float) for values in curves[name])
        else:
            raise PixsedError(f"curves has no {name}, only {' '.join(curves)}")
        seen = np.log(wave[transmission != 0][[0, -1]])
        if seen[0] < log_edges[0] or seen[1] > log_edges[-1]:
            raise PixsedError(
                f"{name} must lie between {np.exp(log_edges[0]):.0f} and "
                f"{np.exp(log_edges[-1]):.0f} Angstrom, its curve goes from "
                f"{np.exp(seen[0]):.0f} to {np.exp(seen[1]):.0f}"
            )
        column = cumulative_average(np.log(wave), transmission, log_edges)
        columns.append(column / column.sum())
    return np.stack(columns, axis=1)
