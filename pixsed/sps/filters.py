"""Filter transmission on a grid uniform in log wavelength."""

from functools import cache
from pathlib import Path

import numpy as np

from pixsed.bands import BY_NAME
from pixsed.errors import PixsedError
from pixsed.extras import install_advice

#: Range of the observed wavelengths of all bands, Angstrom.
WAVELENGTHS = (1900.0, 110000.0)
# Largest fraction of a curve that may be cut off at either end of the wavelength range.
_OUTSIDE = 1e-3


@cache
def load_curve(name):
    """Return the transmission curve of a band, from astro-sedpy or from pixsed's own table.

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
    if not BY_NAME[name].curve:
        return _own_curves()[name]
    try:
        from sedpy.observate import load_filters
    except ImportError:
        raise PixsedError(
            "filter curves come from astro-sedpy, which is not installed; "
            f"try: {install_advice('astro-sedpy')}"
        ) from None
    curve = load_filters([BY_NAME[name].curve])[0]
    return np.asarray(curve.wavelength, float), np.asarray(curve.transmission, float)


@cache
def _own_curves():
    """Return wavelength [Angstrom] and transmission by band, of the bands that sedpy lacks."""
    from astropy.table import Table

    table = Table.read(Path(__file__).with_name("throughputs.ecsv"), format="ascii.ecsv")
    groups = table.group_by("band").groups
    return {
        str(group["band"][0]): (np.asarray(group["wavelength"]), np.asarray(group["transmission"]))
        for group in groups
    }


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


def check_range(name, wave, transmission, log_range=None):
    """Check that a curve lies within a range of wavelengths, but for 0.1 % of it at either end.

    Parameters
    ----------
    name : str
        Band, for the message.
    wave, transmission : `~numpy.ndarray`, shape (K,)
        Angstrom, ascending; transmission in any scale.
    log_range : sequence of float, optional
        Natural log of the range in Angstrom; default: that of `WAVELENGTHS`.

    Raises
    ------
    PixsedError
        If more of the curve lies outside.
    """
    low, high = np.exp(np.log(WAVELENGTHS) if log_range is None else log_range)
    total = np.cumsum(0.5 * (transmission[1:] + transmission[:-1]) * np.diff(np.log(wave)))
    below, upto = np.interp([low, high], wave[1:], total / total[-1], left=0.0)
    if below > _OUTSIDE or upto < 1.0 - _OUTSIDE:
        seen = wave[np.flatnonzero(transmission)[[0, -1]]]
        raise PixsedError(
            f"{name} must lie between {low:.0f} and {high:.0f} Angstrom, its curve goes from "
            f"{seen[0]:.0f} to {seen[1]:.0f}"
        )


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
        check_range(name, wave, transmission, log_edges[[0, -1]])
        column = cumulative_average(np.log(wave), transmission, log_edges)
        columns.append(column / column.sum())
    return np.stack(columns, axis=1)
