"""Attenuation of the light in a band by any curve, from its values at a few wavelengths.

Within a band the fraction of light that dust transmits is a smooth function of wavelength. The
light in the band is therefore distributed over a few wavelengths, the nodes, by Lagrange
polynomials in ln(wavelength). This is done once for each spectrum and redshift. A sum over the
nodes then replaces the integral over wavelength, for any curve and A_V.
"""

from functools import cache

import numpy as np

#: Largest relative error of the transmitted fraction at the worst wavelength of a band, for a
#: power law of wavelength with the slope `SLOPE`. The error of the flux is much smaller.
TOLERANCE = 5e-4
#: Slope of ln(transmitted fraction) with ln(wavelength) for which the nodes suffice. With the curve
#: of Calzetti+00 and A_V = 4 it is 9 at 1200 Angstrom.
SLOPE = 13.0
# Half the range of the logarithm that one set of nodes covers. In larger ranges float32 rounding
# would matter, because the polynomials have both signs.
_HALF_RANGE = 2.5


@cache
def _chebyshev(k):
    """Return the matrix from Chebyshev to Lagrange polynomials, and the nodes."""
    order = np.arange(k)
    angle = (order + 0.5) * np.pi / k
    matrix = np.cos(order[:, None] * angle) * np.where(order, 2.0, 1.0)[:, None] / k
    return matrix, np.cos(angle)


def lagrange(x, k):
    """Return the Lagrange polynomials of the `k` Chebyshev nodes in -1 to 1.

    Parameters
    ----------
    x : `~numpy.ndarray`
        Any shape.
    k : int

    Returns
    -------
    values : `~numpy.ndarray`
        Shape of `x` with an additional axis of length `k`, over which they sum to 1.
    nodes : `~numpy.ndarray`, shape (k,)
    """
    matrix, nodes = _chebyshev(k)
    return np.polynomial.chebyshev.chebvander(x, k - 1) @ matrix, nodes


def choose_nodes(width):
    """Return the number of nodes that keep the transmitted fraction within `TOLERANCE`.

    Parameters
    ----------
    width : float
        Width of the band in ln(wavelength).

    Returns
    -------
    segments, k : int
        Number of equal parts of the range, and of nodes in each.
    """
    half_range = 0.5 * SLOPE * width
    segments = max(1, int(np.ceil(half_range / _HALF_RANGE)))
    return segments, _enough(np.ceil(half_range / segments * 50.0) / 50.0)


@cache
def _enough(half_range):
    x = np.linspace(-1.0, 1.0, 101)
    k = 1
    while True:
        values, nodes = lagrange(x, k)
        error = values @ np.exp(half_range * nodes) * np.exp(-half_range * x) - 1.0
        if np.abs(error).max() < TOLERANCE:
            return k
        k += 1


def distribute(position, segments, k):
    """Return the distribution of the light at each wavelength over the nodes.

    Parameters
    ----------
    position : `~numpy.ndarray`, shape (W,)
        Position in the range of the band, from 0 to 1. Values beyond belong to the ends.
    segments, k : int
        Result of `choose_nodes`.

    Returns
    -------
    fractions : `~numpy.ndarray`, shape (W, segments * k)
        Each row sums to 1.
    nodes : `~numpy.ndarray`, shape (segments * k,)
        Positions of the nodes.
    """
    place = np.clip(position, 0.0, 1.0) * segments
    segment = np.minimum(place.astype(int), segments - 1)
    fractions, x = lagrange(2.0 * (place - segment) - 1.0, k)
    inside = segment[:, None] == np.arange(segments)
    fractions = (inside[:, :, None] * fractions[:, None, :]).reshape(len(position), segments * k)
    return fractions, (np.arange(segments)[:, None] + 0.5 * (x + 1.0)).ravel() / segments
