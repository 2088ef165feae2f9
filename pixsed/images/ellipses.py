"""Elliptical annuli of a galaxy: its shape, the weights of pixels, and half radii."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from scipy.optimize import brentq

from pixsed.errors import PixsedError

# Accuracy of a half radius in pixels.
_ACCURACY = 1e-4
# Weights below this are rounding errors of the difference of two ellipses.
_NOTHING = 1e-9


@dataclass(frozen=True)
class Ellipse:
    """Centre and shape of a galaxy.

    Attributes
    ----------
    x, y : float
        Centre in pixels; the centre of the first pixel is 0.
    axis_ratio : float
        Minor over major axis, above 0 and up to 1.
    theta : float
        Angle of the major axis in radians, from the x axis towards the y axis.
    """

    x: float
    y: float
    axis_ratio: float = 1.0
    theta: float = 0.0

    def area(self, inner, outer):
        """Return the area between two semi-major axes, in pixels."""
        return np.pi * self.axis_ratio * (outer**2 - inner**2)

    def radius(self, y, x):
        """Return the semi-major axis of the ellipse through each position, in pixels."""
        dx, dy = np.asarray(x) - self.x, np.asarray(y) - self.y
        along = dx * np.cos(self.theta) + dy * np.sin(self.theta)
        across = dy * np.cos(self.theta) - dx * np.sin(self.theta)
        return np.hypot(along, across / self.axis_ratio)

    def annulus(self, inner, outer):
        """Return the photutils aperture between two semi-major axes in pixels."""
        from photutils.aperture import EllipticalAnnulus, EllipticalAperture

        place, q = (self.x, self.y), self.axis_ratio
        if inner > 0:
            return EllipticalAnnulus(place, inner, outer, q * outer, theta=self.theta)
        return EllipticalAperture(place, outer, q * outer, theta=self.theta)

    def weights(self, edges, shape, y, x):
        """Return the fraction of the area of pixels that lies in each annulus.

        Parameters
        ----------
        edges : sequence of float
            A + 1 ascending semi-major axes in pixels.
        shape : tuple of int
            (ny, nx).
        y, x : `~numpy.ndarray`, shape (N,), int
            The pixels.

        Returns
        -------
        `~numpy.ndarray`, shape (A, N), float64
        """
        found = np.zeros((len(edges) - 1, len(y)))
        for row, inner, outer in zip(found, edges[:-1], edges[1:], strict=True):
            image = self.annulus(inner, outer).to_mask(method="exact").to_image(shape)
            if image is not None:  # the annulus is on the image
                values = image[y, x]
                row[:] = np.where(values > _NOTHING, values, 0.0)
        return found


def measure_shape(image, inside):
    """Return the `Ellipse` of the second moments of an image, centred on its centroid.

    Parameters
    ----------
    image : `~numpy.ndarray`, shape (ny, nx)
        Values that are not positive do not count.
    inside : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels of the galaxy.

    Returns
    -------
    `Ellipse`

    Raises
    ------
    PixsedError
        If no pixel is positive.
    """
    from photutils.segmentation import SegmentationImage, SourceCatalog

    image = np.where(np.isfinite(image), image, 0.0)
    if not (image[inside] > 0).any():
        raise PixsedError("no pixel of the galaxy has a positive flux to measure its shape on")
    [source] = SourceCatalog(image, SegmentationImage(inside.astype(np.int32)))
    x, y = (float(value) for value in np.ravel(source.centroid))
    ratio = 1.0 - float(source.ellipticity)
    if not (np.isfinite(ratio) and ratio > 0):
        ratio = 1.0  # one pixel has no shape
    theta = float(source.orientation.to_value(u.rad))
    return Ellipse(x, y, ratio, theta if np.isfinite(theta) else 0.0)


def half_radius(image, inside, ellipse):
    """Return the semi-major axis of the ellipse that holds half of an image, in pixels.

    Parameters
    ----------
    image : `~numpy.ndarray`, shape (ny, nx)
        NaN counts as 0.
    inside : `~numpy.ndarray`, shape (ny, nx), bool
        Pixels that count.
    ellipse : `Ellipse`

    Returns
    -------
    float
        NaN if the sum of the image is not positive.
    """
    image = np.where(inside & np.isfinite(image), image, 0.0)
    y, x = np.nonzero(inside)
    if not (len(y) and image.sum() > 0):
        return np.nan
    # A pixel ends half a diagonal beyond its centre, along the minor axis at most.
    end = ellipse.radius(y, x).max() + np.sqrt(0.5) / ellipse.axis_ratio
    half = 0.5 * image.sum()

    def excess(radius):
        if radius == 0.0:
            return -half
        found = ellipse.annulus(0.0, radius).to_mask(method="exact").multiply(image)
        return (0.0 if found is None else found.sum()) - half

    return float(brentq(excess, 0.0, end, xtol=_ACCURACY))


def position_angle(wcs, ellipse):
    """Return the position angle of the major axis in degrees, east of north, 0 to 180."""
    x = ellipse.x + np.array([0.0, np.cos(ellipse.theta)])
    y = ellipse.y + np.array([0.0, np.sin(ellipse.theta)])
    here, there = wcs.pixel_to_world(x, y).icrs
    return float(here.position_angle(there).deg % 180.0)


def pixel_angle(wcs, x, y, angle):
    """Return the angle from the x axis, in radians, of a position angle in degrees at a pixel."""
    here = wcs.pixel_to_world(x, y).icrs
    there = here.directional_offset_by(angle * u.deg, 0.1 * u.arcsec)
    x2, y2 = wcs.world_to_pixel(there)
    return float(np.arctan2(y2 - y, x2 - x))
