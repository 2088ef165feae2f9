"""Base normals of the flow, keyed by the seed and the position of the pixel on the sky.

A pixel gets the same draws in every tile, thread and cutout, so the maps do not depend on how
the image is divided.
"""

import hashlib
from functools import cache

import numpy as np
from scipy.special import ndtri

#: Default number of draws per pixel. With it, no quantile of any property has a larger rank
#: error than with 500 independent draws (measured by tests/benchmarks/bench_draws.py).
DEFAULT_SAMPLES = 128
# One draw in ten million is beyond this limit, where no flow was trained.
_LIMIT = 5.2
# Number of bits of the Sobol points, and of the index of the table of normals. Looking a normal
# up in the table is ten times as fast as computing it with ndtri.
_BITS, _TABLE_BITS = 30, 16
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(z):
    """Apply the increment and finaliser of splitmix64 (Steele et al. 2014) to uint64 values."""
    with np.errstate(over="ignore"):  # arithmetic modulo 2**64
        z = z + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def _hash(*keys):
    """Return a uint64 hash of integer arrays, broadcast against each other."""
    state = np.zeros(1, dtype=np.uint64)
    for key in keys:
        state = _mix(state ^ _mix(np.asarray(key, dtype=np.int64).astype(np.uint64)))
    return state


def _uniform(bits):
    """Return uniforms inside (0, 1) from uint64 values."""
    return ((bits >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52


def _normal(uniform):
    return np.clip(ndtri(uniform), -_LIMIT, _LIMIT).astype(np.float32)


def global_indices(header, shape):
    """Return the indices of the rows and columns of an image, counted from the WCS reference.

    A cutout of a mosaic has the indices of the mosaic.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        With CRPIX1 and CRPIX2; without them indices count from the corner of the image.
    shape : tuple of int
        (ny, nx).

    Returns
    -------
    y, x : `~numpy.ndarray`, shape (ny,) and (nx,), int64
    """
    # All pixels get the same integer offset, so no two have the same index. The offset is
    # rounded a little past the half: rounding errors of CRPIX then do not change it.
    offsets = [
        int(np.floor(float(header.get(f"CRPIX{axis}", 1.0)) - 1.0 + 0.5 + 1e-6)) for axis in (2, 1)
    ]
    return tuple(
        np.arange(n, dtype=np.int64) - offset for n, offset in zip(shape, offsets, strict=True)
    )


def key_of_name(name):
    """Return an int64 key of a name, which is the same on every machine."""
    digest = hashlib.sha256(str(name).strip().encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


# Primitive polynomials and first direction numbers from the second dimension on: Joe & Kuo
# (2008, SIAM J. Sci. Comput. 30, 2635), "new-joe-kuo-6".
_JOE_KUO = (
    (0, (1,)),
    (1, (1, 3)),
    (1, (1, 3, 1)),
    (2, (1, 1, 1)),
    (1, (1, 1, 3, 3)),
    (4, (1, 3, 5, 13)),
    (2, (1, 1, 5, 5, 17)),
    (4, (1, 1, 5, 5, 5)),
    (7, (1, 1, 7, 11, 19)),
    (11, (1, 1, 5, 1, 1)),
    (13, (1, 1, 1, 3, 11)),
    (14, (1, 3, 5, 5, 31)),
)


def _directions(dimension):
    """Return the `_BITS` direction numbers of one dimension of a Sobol set."""
    if dimension == 0:
        return [1 << (_BITS - 1 - i) for i in range(_BITS)]
    polynomial, first = _JOE_KUO[dimension - 1]
    degree, m = len(first), list(first)
    for i in range(degree, _BITS):
        new = m[i - degree] ^ (m[i - degree] << degree)
        for k in range(1, degree):
            if polynomial >> (degree - 1 - k) & 1:
                new ^= m[i - k] << k
        m.append(new)
    return [value << (_BITS - 1 - i) for i, value in enumerate(m)]


@cache
def _sobol(n_samples, dim):
    """Return the points of a Sobol set, shape (S, D), uint32, as integers of `_BITS` bits.

    The points are not scrambled: the shift of each pixel makes them random. They are computed
    here because importing scipy.stats, which offers them, takes as long as fitting 1000 pixels.
    """
    if dim > 1 + len(_JOE_KUO):
        from scipy.stats import qmc

        power = max(1, int(n_samples - 1).bit_length())
        points = qmc.Sobol(dim, scramble=False, bits=_BITS).random_base2(power)
        return np.round(points[:n_samples] * 2**_BITS).astype(np.uint32)
    index = np.arange(n_samples, dtype=np.uint32)
    gray = index ^ (index >> np.uint32(1))
    directions = np.array([_directions(d) for d in range(dim)], dtype=np.uint32)
    points = np.zeros((n_samples, dim), dtype=np.uint32)
    for bit in range(int(n_samples).bit_length()):
        points ^= (gray >> np.uint32(bit) & np.uint32(1))[:, None] * directions[:, bit]
    return points


@cache
def _normals_of_bits():
    return _normal((np.arange(2**_TABLE_BITS) + 0.5) * 2.0**-_TABLE_BITS)


def base_normals(seed, y, x, n_samples, dim):
    """Return quasi-random standard normals, for the posteriors of single pixels.

    All pixels use the same Sobol set, with a random digital shift per pixel, which keeps the
    set even. Quantiles of S such draws scatter less than quantiles of S independent draws. The
    draws of two pixels are not independent: for sums over pixels use `independent_normals`.

    Parameters
    ----------
    seed : int
    y, x : `~numpy.ndarray`, shape (N,), int
        Indices of the pixels, as returned by `global_indices`.
    n_samples, dim : int
        S and D; the set is most even if S is a power of two.

    Returns
    -------
    `~numpy.ndarray`, shape (N, S, D), float32
        Rounded to one of 65536 equally likely values.
    """
    y, x = np.asarray(y)[:, None], np.asarray(x)[:, None]
    shift = (_hash(seed, y, x, np.arange(dim)[None, :]) >> np.uint64(64 - _BITS)).astype(np.uint32)
    bits = _sobol(n_samples, dim)[None] ^ shift[:, None, :]
    return _normals_of_bits()[bits >> np.uint32(_BITS - _TABLE_BITS)]


def independent_normals(seed, y, x, n_samples, dim):
    """Return independent standard normals, for sums over pixels, draw by draw.

    Parameters
    ----------
    seed, y, x, n_samples, dim
        See `base_normals`.

    Returns
    -------
    `~numpy.ndarray`, shape (N, S, D), float32
    """
    y, x = np.asarray(y)[:, None, None], np.asarray(x)[:, None, None]
    # This key has one word more than the keys of the shifts, so the streams are independent.
    bits = _hash(seed, y, x, np.arange(n_samples)[None, :, None], np.arange(dim)[None, None, :])
    return _normal(_uniform(bits))
