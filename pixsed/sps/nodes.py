"""Attenuation of the light in a band at any A_V, from a few nodes of the attenuation curve.

Within a band the attenuation curve c varies little, and exp(-A_V c) is a smooth function of
c. The light in the band is therefore distributed over a few values of c, the nodes, by
Lagrange polynomials of c. This is done once for each spectrum and redshift. A sum over the
nodes then replaces the integral over wavelength at any A_V.
"""

from functools import cache

import numpy as np

#: Largest relative error of exp(-A_V c) at the largest A_V and the worst wavelength. The error
#: of the flux in a band is about fifty times smaller.
TOLERANCE = 5e-5
# Half the range of A_V c that one set of nodes covers. In larger ranges float32 rounding would
# matter, because the polynomials have both signs.
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


def choose_nodes(half_range):
    """Return the number of nodes that keep exp(y) within `TOLERANCE`.

    Parameters
    ----------
    half_range : float
        y is between -`half_range` and `half_range`.

    Returns
    -------
    segments, k : int
        Number of equal parts of the range, and of nodes in each.
    """
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


def distribute(curve, segments, k):
    """Return the distribution of the light at each wavelength over the nodes.

    Parameters
    ----------
    curve : `~numpy.ndarray`, shape (S, W)
        S sets of values of the curve.
    segments, k : int
        Result of `choose_nodes` for the widest range of a set.

    Returns
    -------
    fractions : `~numpy.ndarray`, shape (S, W, segments * k)
        Each row sums to 1.
    nodes : `~numpy.ndarray`, shape (S, segments * k)
        Values of the curve at the nodes.
    """
    low = curve.min(axis=1, keepdims=True)
    width = np.maximum((curve.max(axis=1, keepdims=True) - low) / segments, 1e-12)
    position = (curve - low) / width
    segment = np.minimum(position.astype(int), segments - 1)
    fractions, x = lagrange(2.0 * (position - segment) - 1.0, k)
    if segments > 1:
        inside = segment[..., None] == np.arange(segments)
        fractions = (inside[..., None] * fractions[..., None, :]).reshape(
            *curve.shape, segments * k
        )
    within = (np.arange(segments)[:, None] + 0.5 * (x + 1.0)).ravel()
    return fractions, low + width * within
