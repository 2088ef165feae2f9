"""Dimming by a curve times A_V, from few wavelengths.

Within a band the attenuation curve c varies little, and exp(-A_V c) is a smooth
function of c. So the band's light is shared out between a few values of c, its nodes,
by Lagrange polynomials of c: once for each spectrum and redshift, whatever A_V. A sum
over the nodes then stands for the integral over wavelength at any A_V.
"""

from functools import cache

import numpy as np

#: Largest relative error of the dimming that a number of nodes may leave, at the
#: largest A_V and the worst wavelength; that of a band's flux is some fifty times smaller.
TOLERANCE = 5e-5
# Half the range of A_V c that one set of nodes covers: beyond it rounding in float32
# would be felt, since the polynomials take both signs.
_HALF_RANGE = 2.5


@cache
def _chebyshev(k):
    """The matrix from Chebyshev to Lagrange polynomials, and the nodes."""
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
        The shape of `x` and an axis of length `k`; they add up to 1.
    nodes : `~numpy.ndarray`, shape (k,)
    """
    matrix, nodes = _chebyshev(k)
    return np.polynomial.chebyshev.chebvander(x, k - 1) @ matrix, nodes


def how_many(half_range):
    """Return how many nodes keep exp(y) to `TOLERANCE`, y from -`half_range` to it.

    Parameters
    ----------
    half_range : float

    Returns
    -------
    segments, k : int
        Equal parts of the range, and nodes in each.
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


def share_out(curve, segments, k):
    """Return how the light at each wavelength is shared out between nodes.

    Parameters
    ----------
    curve : `~numpy.ndarray`, shape (S, W)
        Values of the curve, S sets of them.
    segments, k : int
        As `how_many` gives them for the widest range of a set.

    Returns
    -------
    shares : `~numpy.ndarray`, shape (S, W, segments * k)
        Rows add up to 1.
    nodes : `~numpy.ndarray`, shape (S, segments * k)
        Values of the curve at the nodes.
    """
    low = curve.min(axis=1, keepdims=True)
    width = np.maximum((curve.max(axis=1, keepdims=True) - low) / segments, 1e-12)
    position = (curve - low) / width
    segment = np.minimum(position.astype(int), segments - 1)
    shares, x = lagrange(2.0 * (position - segment) - 1.0, k)
    if segments > 1:
        inside = segment[..., None] == np.arange(segments)
        shares = (inside[..., None] * shares[..., None, :]).reshape(*curve.shape, segments * k)
    within = (np.arange(segments)[:, None] + 0.5 * (x + 1.0)).ravel()
    return shares, low + width * within
