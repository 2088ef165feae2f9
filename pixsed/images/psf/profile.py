"""PSF on pixels of any scale: centroid, FWHM, encircled energy and resampling."""

from dataclasses import dataclass

import numpy as np

from pixsed.errors import PixsedError


@dataclass
class Psf:
    """PSF on pixels of any scale.

    Attributes
    ----------
    data : `~numpy.ndarray`, shape (ny, nx), float64
        Of any sum.
    scale : float
        Pixel scale in arcsec.
    band : str or None
    name : str
        File name, for messages.
    pixel : float or None
        Side in arcsec of the pixel over which each value is integrated; None = `scale`. The values
        of an oversampled effective PSF are closer together.
    oversampling : float or None
        Card OVERSAMP of a file whose pixel scale may or may not allow for it.
    """

    data: np.ndarray
    scale: float
    band: str | None = None
    name: str = "PSF"
    pixel: float | None = None
    oversampling: float | None = None


def centroid(data):
    """Return the centroid (x, y) of a PSF within a Gaussian window of its width.

    Without the window, faint wings that are cut off unevenly by the edge of the array would move
    the centroid.
    """
    y, x = np.indices(data.shape)
    y0, x0 = np.unravel_index(np.argmax(data), data.shape)
    # Half of the light of a Gaussian lies within 1.18 sigma.
    radius = np.hypot(x - x0, y - y0).ravel()
    order = np.argsort(radius)
    light = np.cumsum(data.ravel()[order])
    half = radius[order][min(np.searchsorted(light, 0.5 * light[-1]), radius.size - 1)]
    sigma = max(half / 1.18, 0.7)
    for _ in range(50):
        weight = data * np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / sigma**2)
        # Twice the step, because a window as wide as the PSF halves it.
        dx = 2 * ((weight * (x - x0)).sum() / weight.sum())
        dy = 2 * ((weight * (y - y0)).sum() / weight.sum())
        x0, y0 = x0 + dx, y0 + dy
        if np.hypot(dx, dy) < 1e-5:
            break
    ny, nx = data.shape
    return float(np.clip(x0, 0, nx - 1)), float(np.clip(y0, 0, ny - 1))


def resample_psf(psf, scale, size, angle=0.0):
    """Return a PSF on pixels of another scale, with its core on the central pixel.

    The samples are interpolated by cubic splines. Output pixels at least twice as large as the
    input pixels are means over several samples.

    Parameters
    ----------
    psf : `Psf`
    scale : float
        Pixel scale of the result in arcsec.
    size : int
        Side of the result in pixels, odd.
    angle : float, optional
        Angle in degrees by which the PSF is rotated, from the x axis towards y.

    Returns
    -------
    `~numpy.ndarray`, shape (size, size), float64
        Sum 1; zero outside the input.

    Raises
    ------
    PixsedError
        If `size` is even or below 3.
    """
    from scipy.ndimage import map_coordinates

    if size < 3 or size % 2 == 0:
        raise PixsedError(f"size must be odd, 3 or more, got {size}")
    ratio = scale / psf.scale
    x0, y0 = centroid(psf.data)
    fine = max(1, round(scale / (psf.pixel or psf.scale)))
    steps = (np.arange(size * fine) - (size * fine - 1) / 2) / fine * ratio
    dy, dx = np.meshgrid(steps, steps, indexing="ij")
    cosine, sine = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    places = [y0 - sine * dx + cosine * dy, x0 + cosine * dx + sine * dy]
    values = map_coordinates(psf.data, places, order=3, mode="constant")
    values = values.reshape(size, fine, size, fine).mean(axis=(1, 3))
    return values / values.sum()


def common_size(psf, target, scale):
    """Return the largest odd number of pixels of `scale` arcsec that fits in both PSFs.

    It is counted around the cores. A PSF more than a pixel off the centre of its array ends at
    the nearest edge.
    """
    extent = min(_side(p.data) * p.scale for p in (psf, target))
    size = int(extent / scale + 1e-6)
    return max(3, size - (size + 1) % 2)


def _side(data):
    """Return the side in pixels of the largest square around the core of a PSF."""
    off = (
        abs(place - (n - 1) / 2) for place, n in zip(centroid(data), data.shape[::-1], strict=True)
    )
    return min(n - 2 * max(0.0, d - 1) for d, n in zip(off, data.shape[::-1], strict=True))


def fwhm_arcsec(psf, scale):
    """Return the FWHM of a PSF, in the unit of `scale`.

    It is the diameter of the circle with the area in which a cubic spline through the values is
    above half its peak.

    Parameters
    ----------
    psf : `~numpy.ndarray`, shape (n, n)
        Centred.
    scale : float
        Pixel scale.
    """
    from scipy.ndimage import map_coordinates

    middle = (len(psf) - 1) / 2
    half = min(middle, np.sqrt((psf > psf.max() / 2).sum()) + 2)
    fine = np.linspace(-half, half, 601)
    y, x = np.meshgrid(middle + fine, middle + fine, indexing="ij")
    values = map_coordinates(psf, [y, x], order=3)
    area = (values > values.max() / 2).sum() * (fine[1] - fine[0]) ** 2
    return float(2 * np.sqrt(area / np.pi) * scale)


def encircled_energy(psf, scale, radii):
    """Return the fraction of a PSF's light within each radius.

    Parameters
    ----------
    psf : `~numpy.ndarray`, shape (n, n)
        Centred on its central pixel, with n odd.
    scale : float
        Pixel scale in arcsec.
    radii : sequence of float
        In arcsec.

    Returns
    -------
    `~numpy.ndarray`
    """
    from photutils.aperture import CircularAperture, aperture_photometry

    centre = ((psf.shape[1] - 1) / 2, (psf.shape[0] - 1) / 2)
    table = aperture_photometry(psf, [CircularAperture(centre, r / scale) for r in radii])
    sums = [table[f"aperture_sum_{i}"][0] for i in range(len(radii))]
    return np.array(sums) / psf.sum()
