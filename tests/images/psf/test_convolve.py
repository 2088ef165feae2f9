"""A value affects only pixels within the kernel, even if it is very large."""

import numpy as np
import pytest
from scipy.ndimage import convolve

from pixsed.errors import PixsedError
from pixsed.images.informative import largest_error, typical_value
from pixsed.images.psf.convolve import convolve_image
from pixsed.images.psf.kernel import matching_kernel

N = 120


def gaussian(size, sigma):
    y, x = np.indices((size, size)) - (size - 1) / 2
    kernel = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return kernel / kernel.sum()


GAUSSIAN = gaussian(15, 2.0)
LOPSIDED = np.pad(np.array([[0.0, 0.1, 0.2], [0.3, 1.0, 0.0], [0.0, 0.0, 0.1]]), ((0, 4), (2, 0)))
KERNELS = {
    "gaussian": GAUSSIAN,
    "ratio": matching_kernel(gaussian(31, 1.2), gaussian(31, 2.2)),
    "lopsided": LOPSIDED / LOPSIDED.sum(),
}


def direct(data, err, kernel):
    """Return the convolution by scipy.ndimage, without a Fourier transform."""
    good = (np.isfinite(data) & np.isfinite(err)).astype(float)
    weight, value, variance = (
        convolve(np.where(good > 0, plane, 0.0), k, mode="constant")
        for plane, k in ((good, kernel), (data, kernel), (np.square(err), kernel**2))
    )
    weight[weight <= 0.2] = np.nan  # too little of the kernel
    return value / weight, np.sqrt(variance) / weight


def noise(seed=0, shape=(N, N)):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, shape), rng.uniform(0.08, 0.12, shape)


def reached(places, kernel, shape=(N, N)):
    """Return the mask of pixels that the kernel reaches from any of the places."""
    above, left = (n // 2 for n in kernel.shape)
    mask = np.zeros(shape, bool)
    for y, x in places:
        mask[max(0, y - above) : y + above + 1, max(0, x - left) : x + left + 1] = True
    return mask


@pytest.mark.parametrize("place", [(60, 50), (0, 0), (119, 119), (40, 0), (39, 60), (41, 119)])
@pytest.mark.parametrize("value", [1e3, -1e5, 1e6, 1e7, 1e8, 1e10, -1e15, 1e20, 1e30])
def test_a_wild_value_stays_within_reach(value, place, monkeypatch):
    # Strips of 40 rows: a pixel on either side of their borders too.
    monkeypatch.setattr("pixsed.images.psf.convolve._STRIP_PIXELS", 40 * N)
    data, err = noise()
    before = convolve_image(data, err, GAUSSIAN)
    for plane in (0, 1):
        planes = [data.copy(), err.copy()]
        planes[plane][place] = value if plane == 0 else abs(value)
        after = convolve_image(*planes, GAUSSIAN)
        far = ~reached([place], GAUSSIAN)
        for one, other in zip(after, before, strict=True):
            np.testing.assert_allclose(one[far], other[far], rtol=1e-6, atol=1e-9)
        assert after[plane][place] == pytest.approx(direct(*planes, GAUSSIAN)[plane][place])


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize("value", [1.0, 1e4, 1e9, 1e20])
def test_many_wild_values_are_convolved_as_by_scipy(name, value):
    kernel = KERNELS[name]
    data, err = noise(1)
    rng = np.random.default_rng(2)
    data[rng.random(data.shape) < 0.02] = np.nan
    places = rng.integers(0, 60, (40, 2))  # a quarter of the image is free of them
    data[tuple(places.T)] = value * rng.normal(1, 1, 40)
    err[tuple(places[20:].T)] = value
    expected = direct(data, err, kernel)
    for got, known in zip(convolve_image(data, err, kernel), expected, strict=True):
        # What of the kernel's own round-off is in the wings is the same in both.
        np.testing.assert_allclose(
            got, np.where(np.isnan(data), np.nan, known), rtol=2e-5, atol=1e-8
        )


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("value", [1e8, -1e20])
def test_wild_values_may_be_most_of_them(value, fraction):
    data, err = noise(3)
    edge = int(fraction * N)
    data[:, :edge] = value
    err[:, :edge] = abs(value)
    expected = direct(data, err, GAUSSIAN)
    for got, known in zip(convolve_image(data, err, GAUSSIAN), expected, strict=True):
        np.testing.assert_allclose(got[:, edge + 8 :], known[:, edge + 8 :], rtol=1e-5, atol=1e-8)


def test_a_saturated_star_is_no_trouble():
    data, err = noise(4)
    data += 1e5 * gaussian(N, 1.5)
    expected = direct(data, err, GAUSSIAN)
    for got, known in zip(convolve_image(data, err, GAUSSIAN), expected, strict=True):
        np.testing.assert_allclose(got, known, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("height", [1, 7, 16, 33, 1000])
def test_strips_change_nothing(height, monkeypatch):
    data, err = noise(5)
    data[60, 30], err[20, 100] = 1e12, 1e9
    data[16:18, 40:50] = np.nan
    whole = convolve_image(data, err, GAUSSIAN)
    monkeypatch.setattr("pixsed.images.psf.convolve._STRIP_PIXELS", height * N)
    for one, other in zip(convolve_image(data, err, GAUSSIAN), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (9, 9), (20, 60), (1, 1)])
def test_a_kernel_larger_than_the_image(shape):
    data, err = noise(6, shape)
    kernel = gaussian(61, 9.0)
    expected = direct(data, err, kernel)
    for got, known in zip(convolve_image(data, err, kernel), expected, strict=True):
        np.testing.assert_allclose(got, known, rtol=1e-5)


def test_no_data_at_all_and_constants():
    empty = np.full((30, 30), np.nan)
    assert all(np.isnan(plane).all() for plane in convolve_image(empty, empty, GAUSSIAN))
    for value in (0.0, 1e-30, 1e30, -5.0):
        out, _ = convolve_image(np.full((30, 30), value), np.ones((30, 30)), GAUSSIAN)
        np.testing.assert_allclose(out, value, rtol=1e-6)


def test_values_beyond_float32_are_missing_data():
    sharp = 3 * np.pad(np.ones((1, 1)), 1) - np.ones((3, 3)) / 4.5
    data, err = np.zeros((20, 20)), np.ones((20, 20))
    data[10, 10] = 3e38
    out, out_err = convolve_image(data, err, sharp)
    assert np.isnan(out[10, 10]) and np.isnan(out_err[10, 10])
    assert np.isfinite(out[5, 5])


@pytest.mark.parametrize(
    ("kernel", "match"),
    [
        (np.full((3, 3), np.nan), "must be finite, with a sum above zero"),
        (np.zeros((3, 3)), "got a sum of 0"),
        (-np.ones((3, 3)), "got a sum of -9"),
        (np.ones((2, 3)), "2-D of odd sides"),
        (np.ones(3), "2-D of odd sides"),
    ],
)
def test_what_is_no_kernel(kernel, match):
    with pytest.raises(PixsedError, match=match):
        convolve_image(np.ones((9, 9)), np.ones((9, 9)), kernel)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0),
        ([0, -1, np.nan, np.inf], 0),
        ([1, 2, 3], 2),
        ([1, 2, 3, np.nan, -5], 2),
        ([0.1] * 4 + [1e10] * 6, 0.1),
        ([0.1] + [1e10] * 40, 0.1),
        ([0.1] * 3 + [1e6] * 10 + [1e12] * 20, 0.1),
        ([1e-20] + [1.0] * 1000, 1.0),
    ],
)
def test_typical_value(values, expected):
    assert typical_value(np.array(values, dtype=float), 1e4) == pytest.approx(expected)


def test_largest_error():
    assert largest_error(np.array([0.1, 0.1, 1e10])) == pytest.approx(1e3)
    assert largest_error(np.array([np.nan])) == np.inf


@pytest.mark.parametrize(("fraction", "kept"), [(0.15, False), (0.19, False), (0.21, True)])
def test_fraction_of_the_kernel_that_a_result_needs(fraction, kept):
    """More than a fifth of the kernel must lie on good pixels.

    A pixel at the corner of an image has a quarter of a symmetric kernel, and is kept. With less
    the average is of a few pixels on one side, whose centroid is not that of the pixel.
    """
    kernel = np.full((3, 3), (1 - fraction) / 8)
    kernel[1, 1] = fraction
    data = np.full((7, 7), np.nan)
    data[3, 3] = 5.0  # the only good pixel: `fraction` of the kernel is on it
    found, err = convolve_image(data, np.ones_like(data), kernel)
    assert np.isfinite(found[3, 3]) == np.isfinite(err[3, 3]) == kept
    assert not np.isfinite(found).any() or found[3, 3] == pytest.approx(5.0)
    corner, _ = convolve_image(np.ones((9, 9)), np.ones((9, 9)), np.full((5, 5), 0.04))
    assert np.isfinite(corner).all()
