"""Convolve an image with a kernel, and propagate its errors."""

import numpy as np

from pixsed.errors import PixsedError
from pixsed.images.informative import typical_value

# Number of pixels of a mosaic that are convolved at once; their transforms take about 0.5 GB.
_STRIP_PIXELS = 4_000_000
# Fraction of the kernel on good pixels up to which a pixel has no result. A pixel at the corner
# of an image has a quarter of a symmetric kernel and must be kept, also if the kernel is somewhat
# asymmetric. Below this fraction, the result is an average of few pixels on one side.
_MIN_WEIGHT = 0.2
# Rounding in Fourier transforms leaves about 1e-16 of the largest value on every pixel. Values
# larger than the typical one by this factor are therefore convolved one by one.
_WILD = 1e6
_SAMPLE = 100_000


def convolve_image(data, err, kernel, *, err_factor=1.0):
    """Convolve an image, and propagate its errors.

    A value, however large, changes only the pixels that the kernel reaches from it.

    Parameters
    ----------
    data, err : `~numpy.ndarray`
        (ny, nx), any unit; NaN = no data.
    kernel : `~numpy.ndarray`
        2-D of odd sides, smaller than the image or not.
    err_factor : float, optional
        Factor of the errors for noise that was correlated before
        (`~pixsed.images.noise.autocorrelation.Autocorrelation.error_factor`).

    Returns
    -------
    data, err : `~numpy.ndarray`
        (ny, nx) float32. Pixels without data and beyond the edge are left out of the averages,
        and the other weights of the kernel are scaled up. They stay NaN, as do pixels with too
        little of the kernel on good pixels. `err` is the error of a pixel: the root of err^2
        convolved with kernel^2, for independent pixels, times `err_factor`.

    Raises
    ------
    PixsedError
        If the kernel has an even side or no sum above zero, or the shapes differ.
    """
    kernel = checked_kernel(kernel)
    if np.shape(err) != np.shape(data):
        raise PixsedError(f"err must be of shape {np.shape(data)}, got {np.shape(err)}")
    out = np.empty((2, *np.shape(data)), dtype=np.float32)
    parts = convolved_strips(
        lambda rows: (data[rows], err[rows]), np.shape(data), kernel, err_factor
    )
    for rows, *planes in parts:
        out[:, rows] = planes
    return out[0], out[1]


def checked_kernel(kernel):
    """Return a kernel as float64 with sum 1.

    Raises
    ------
    PixsedError
        If it is not 2-D with odd sides, or has no finite sum above zero.
    """
    kernel = np.asarray(kernel, dtype=float)
    if kernel.ndim != 2 or kernel.shape[0] % 2 == 0 or kernel.shape[1] % 2 == 0:
        raise PixsedError(f"kernel must be 2-D of odd sides, got {kernel.shape}")
    total = kernel.sum()
    if not np.isfinite(total) or total <= 0:
        raise PixsedError(f"kernel must be finite, with a sum above zero, got a sum of {total:g}")
    return kernel / total


def convolved_strips(read, shape, kernel, err_factor):
    """Yield (rows, data, err) of a convolved image, one strip at a time.

    `read` returns the data and errors of a slice of rows, so that a mosaic and its transforms
    need not fit in memory.
    """
    ny, nx = shape
    halo = kernel.shape[0] // 2
    strip = max(2 * halo, _STRIP_PIXELS // nx, 1)
    for start in range(0, ny, strip):
        stop = min(ny, start + strip)
        low, high = max(0, start - halo), min(ny, stop + halo)
        value, error = (np.array(plane, dtype=float) for plane in read(slice(low, high)))
        good = np.isfinite(value) & np.isfinite(error)
        weight = _convolved(good.astype(float), kernel)
        weight[~(good & (weight > _MIN_WEIGHT))] = np.nan
        value[~good] = 0.0
        error[~good] = 0.0
        mean = _convolved(value, kernel)
        del value
        mean /= weight
        error = _convolved(np.square(error, out=error), kernel**2)
        error = np.sqrt(np.maximum(error, 0.0, out=error), out=error)
        error *= err_factor / weight
        rows = slice(start - low, stop - low)
        with np.errstate(over="ignore"):
            planes = np.array([mean[rows], error[rows]], dtype=np.float32)
        planes[:, ~np.isfinite(planes).all(axis=0)] = np.nan  # beyond float32
        yield slice(start, stop), *planes


def _convolved(plane, kernel):
    """Return a plane convolved by Fourier transforms, and extreme values one by one."""
    from scipy.signal import oaconvolve

    wild = _wild(plane)
    rest = plane
    if len(wild):
        rest = plane.copy()
        rest[tuple(wild.T)] = 0.0
    out = oaconvolve(rest, kernel, mode="same")
    (ny, nx), (above, left) = plane.shape, (n // 2 for n in kernel.shape)
    for y, x in wild:
        y0, y1, x0, x1 = max(0, y - above), y + above + 1, max(0, x - left), x + left + 1
        part = kernel[y0 - y + above :, x0 - x + left :][: ny - y0, : nx - x0]
        out[y0:y1, x0:x1] += plane[y, x] * part
    return out


def _wild(plane):
    """Return the (N, 2) indices of values above `_WILD` times the typical one."""
    size = np.abs(plane)
    sample = size.ravel()[:: max(1, size.size // _SAMPLE)]
    typical = typical_value(sample, _WILD) or typical_value(size, _WILD)
    return np.argwhere(size > _WILD * typical) if typical else np.empty((0, 2), dtype=int)
