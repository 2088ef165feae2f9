"""Elliptical annuli: weights of pixels, shapes, half radii and position angles."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.images.ellipses import (
    Ellipse,
    half_radius,
    measure_shape,
    pixel_angle,
    position_angle,
)

SHAPE = 41, 47
PIXELS = tuple(axis.ravel() for axis in np.indices(SHAPE))
ELLIPSE = Ellipse(22.3, 19.6, 0.6, 0.7)


def gaussian(ellipse=ELLIPSE, sigma=4.0, shape=SHAPE):
    """Return an elliptical Gaussian whose semi-major axis has the scale sigma."""
    y, x = np.indices(shape)
    return np.exp(-0.5 * (ellipse.radius(y, x) / sigma) ** 2)


def test_weights_are_the_areas_of_pixels_inside():
    edges = [0.0, 0.4, 3.0, 9.5]
    weights = ELLIPSE.weights(edges, SHAPE, *PIXELS)
    # Count points of a fine grid in each pixel, by the equation of a rotated ellipse.
    fine = (np.arange(20) + 0.5) / 20 - 0.5
    y = PIXELS[0][:, None, None] + fine[:, None] - ELLIPSE.y
    x = PIXELS[1][:, None, None] + fine - ELLIPSE.x
    c, s, q = np.cos(0.7), np.sin(0.7), 0.6
    radius = np.sqrt((c * x + s * y) ** 2 + ((c * y - s * x) / q) ** 2)
    for row, inner, outer in zip(weights, edges[:-1], edges[1:], strict=True):
        counted = ((radius >= inner) & (radius < outer)).mean(axis=(1, 2))
        assert np.abs(row - counted).max() < 0.04
        assert row.sum() == pytest.approx(np.pi * q * (outer**2 - inner**2), rel=1e-6)


def test_annuli_beyond_the_image_have_no_pixels():
    far = Ellipse(500.0, 500.0).weights([0.0, 2.0, 5.0], SHAPE, *PIXELS)
    assert far.shape == (2, len(PIXELS[0])) and not far.any()


@pytest.mark.parametrize(("q", "theta"), [(0.5, 0.3), (0.9, -1.2), (0.3, 1.5)])
def test_shape_of_a_gaussian(q, theta):
    shape = 81, 85
    true = Ellipse(41.4, 39.7, q, theta)
    image = gaussian(true, 6.0, shape)
    found = measure_shape(np.where(image < 1e-6, np.nan, image), np.ones(shape, bool))
    assert (found.x, found.y) == pytest.approx((true.x, true.y), abs=0.01)
    assert found.axis_ratio == pytest.approx(q, abs=0.02)  # a pixel has a size
    assert np.cos(2 * (found.theta - theta)) == pytest.approx(1.0, abs=1e-3)


def test_one_pixel_has_no_shape():
    image = np.zeros(SHAPE)
    image[10, 20] = 1.0
    found = measure_shape(image, image > 0)
    assert (found.x, found.y) == (20, 10) and 0 < found.axis_ratio <= 1


def test_no_positive_pixel():
    with pytest.raises(PixsedError, match="no pixel of the galaxy has a positive flux"):
        measure_shape(np.full(SHAPE, -1.0), np.ones(SHAPE, bool))


def test_half_radius_of_a_gaussian():
    everywhere = np.ones((81, 85), bool)
    true = Ellipse(41.4, 39.7, 0.6, 0.7)
    found = half_radius(gaussian(true, 6.0, everywhere.shape), everywhere, true)
    assert found == pytest.approx(6.0 * np.sqrt(2 * np.log(2)), rel=0.01)
    assert np.isnan(half_radius(np.zeros(everywhere.shape), everywhere, true))
    assert np.isnan(half_radius(np.ones(everywhere.shape), ~everywhere, true))


@pytest.mark.parametrize(("theta", "angle"), [(np.pi / 2, 0.0), (0.0, 90.0), (3 * np.pi / 4, 45.0)])
def test_position_angles_are_east_of_north(theta, angle):
    # North is up and east is left, so that the x axis points to the west.
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [53.1, -27.8]
    wcs.wcs.crpix, wcs.wcs.cdelt = [20, 20], [-1e-5, 1e-5]
    found = position_angle(wcs, Ellipse(19.0, 19.0, 0.5, theta))
    assert (found - angle + 90) % 180 == pytest.approx(90, abs=1e-3)
    back = pixel_angle(wcs, 19.0, 19.0, angle)
    assert np.cos(2 * (back - theta)) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("frame", ["RA", "GLON"])
def test_position_angles_on_a_rotated_grid(wcs_header, frame):
    header = wcs_header(crpix=(20.0, 20.0))
    if frame == "GLON":
        header["CTYPE1"], header["CTYPE2"] = "GLON-TAN", "GLAT-TAN"
    wcs = WCS(header)
    for angle in (0.0, 33.0, 140.0):
        theta = pixel_angle(wcs, 15.0, 11.0, angle)
        ellipse = Ellipse(15.0, 11.0, 0.5, theta)
        assert (position_angle(wcs, ellipse) - angle + 90) % 180 == pytest.approx(90, abs=1e-3)
        # By hand: the direction on the sky of a step of 10 pixels along the major axis.
        here = SkyCoord(wcs.pixel_to_world(15.0, 11.0)).icrs
        there = wcs.pixel_to_world(15.0 + 10 * np.cos(theta), 11.0 + 10 * np.sin(theta)).icrs
        east = (there.ra - here.ra).deg * np.cos(here.dec.rad)
        found = np.degrees(np.arctan2(east, (there.dec - here.dec).deg))
        assert (found - angle + 90) % 180 == pytest.approx(90, abs=0.01)
