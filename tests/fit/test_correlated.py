"""Normals that are correlated between pixels."""

import numpy as np
import pytest

from pixsed.fit.correlated import CorrelatedNormals
from pixsed.images.noise.covariance import sum_variance

SHAPE = (30, 26)
Y, X = (plane.ravel() for plane in np.mgrid[: SHAPE[0], : SHAPE[1]])
#: Each pixel is a row.
PIXELS = np.arange(1, len(Y) + 1).reshape(SHAPE)


def gaussian(width, reach=8):
    offsets = np.arange(-reach, reach + 1)
    distance2 = offsets[:, None] ** 2 + offsets**2
    return np.where(distance2 == 0, 1.0, np.exp(-distance2 / (4 * width**2)))


WHITE = np.zeros((3, 3))
WHITE[1, 1] = 1.0


def normals(rho, common, samples=200, **changes):
    arguments = {"seed": 3, "name": "531"} | changes
    source = CorrelatedNormals(PIXELS, rho, 2, **arguments)
    common = np.full(len(Y), common) if np.isscalar(common) else common
    return np.concatenate([part for _, part in source.draws(common, samples)], axis=1)


@pytest.mark.parametrize("rho", [WHITE, gaussian(1.0), gaussian(2.0, 10)])
@pytest.mark.parametrize("common", [0.0, 0.3, 1.0])
def test_each_pixel_has_standard_normals(rho, common):
    found = normals(rho, common)
    assert found.shape == (len(Y), 200, 2)
    each = found.reshape(len(Y), -1)
    # With common = 1 all pixels have the same 400 numbers.
    assert abs(each.mean()) < 0.15 and abs(each.std(axis=1).mean() - 1.0) < 0.11


@pytest.mark.parametrize("width", [0.7, 1.5])
@pytest.mark.parametrize("common", [0.0, 0.4])
def test_correlation_of_pixels(width, common):
    """It is f + (1 - f) rho, at any lag, and draws and coordinates are independent."""
    rho = gaussian(width)
    found = normals(rho, common, 400).reshape(*SHAPE, 400, 2)
    for dy, dx in ((0, 1), (1, 0), (2, 2), (0, 5), (6, 0)):
        one = found[: SHAPE[0] - dy, : SHAPE[1] - dx]
        other = found[dy:, dx:]
        expected = common + (1 - common) * rho[8 + dy, 8 + dx]
        assert (one * other).mean() == pytest.approx(expected, abs=0.03)
        assert (one[:, :, :-1] * other[:, :, 1:]).mean() == pytest.approx(0.0, abs=0.03)
        assert (one[..., 0] * other[..., 1]).mean() == pytest.approx(0.0, abs=0.04)


def test_noise_of_a_large_sum():
    """The variance of a sum of N pixels is that of N correlated numbers."""
    rho = gaussian(1.2)
    sums = normals(rho, 0.0, 1000).sum(axis=0)
    lags = [np.abs(np.subtract.outer(axis, axis)) for axis in (Y, X)]
    near = (lags[0] <= 8) & (lags[1] <= 8)
    expected = rho[8 + np.where(near, lags[0], 0), 8 + np.where(near, lags[1], 0)][near].sum()
    assert sums.var() == pytest.approx(expected, rel=0.12)


def test_each_pixel_has_its_own_common_fraction():
    common = np.where(X < 13, 0.9, 0.1)
    found = normals(WHITE, common, 600).reshape(*SHAPE, 600, 2)
    left, right = found[:, :12], found[:, 14:]
    for part, fraction in ((left, 0.9), (right, 0.1)):
        pairs = (part[:-6] * part[6:]).mean()
        assert pairs == pytest.approx(fraction, abs=0.05)
    assert (left[:, :12] * right[:, :12]).mean() == pytest.approx(0.3, abs=0.05)


def test_draws_do_not_depend_on_their_number_or_on_the_pixels_chosen():
    whole = normals(gaussian(1.0), 0.5, 60)
    chosen = np.flatnonzero((Y + X) % 3 == 0)
    labels = np.zeros(SHAPE, int)
    labels.flat[chosen] = np.arange(1, len(chosen) + 1)
    source = CorrelatedNormals(labels, gaussian(1.0), 2, seed=3, name="531")
    some = np.concatenate([p for _, p in source.draws(np.full(len(chosen), 0.5), 40, 7)], axis=1)
    np.testing.assert_array_equal(some, whole[chosen][:, :40])
    for changed in ({"seed": 4}, {"name": "532"}):
        assert not np.array_equal(normals(gaussian(1.0), 0.5, 60, **changed), whole)


def test_measured_autocorrelation_with_negative_powers():
    rho = gaussian(1.0)
    rho[8, 0] = rho[8, 16] = -0.4
    found = normals(rho, 0.0)
    assert np.isfinite(found).all() and found.std() == pytest.approx(1.0, abs=0.03)


def test_groups_of_pixels():
    """Their normals are those of the sums of their pixels, scaled to unit variance."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    labels = 1 + (x >= 10) + 2 * (y >= 12)
    rho = gaussian(1.2)
    source = CorrelatedNormals(labels, rho, 2, seed=3, name="531")
    found = np.concatenate([part for _, part in source.draws(np.zeros(4), 1500)], axis=1)
    pixels = normals(rho, 0.0, 1500)
    for row in range(4):
        total = pixels[labels.ravel() == row + 1].sum(axis=0)
        scale = np.sqrt(sum_variance(labels, np.ones((1, *SHAPE)), rho[None])[0, row])
        np.testing.assert_allclose(found[row], total / scale, atol=2e-3)
        assert found[row].std() == pytest.approx(1.0, abs=0.04)
