import numpy as np
import pytest
from scipy.signal import fftconvolve

from pixsed.images.noise.apertures import EmptyApertures
from pixsed.images.noise.covariance import kernel_noise_corr


def gaussian(sigma):
    r = int(5 * sigma) + 2
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    kernel = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return kernel / kernel.sum()


def smooth(kernel, size, seed):
    shape = [size + n - 1 for n in kernel.shape]
    return fftconvolve(np.random.default_rng(seed).standard_normal(shape), kernel, mode="valid")


def gathered(kernel, size=600, images=1, sky=None, err=1.0):
    apertures = EmptyApertures()
    for seed in range(images):
        image = smooth(kernel, size, seed)
        here = np.ones(image.shape, bool) if sky is None else sky
        apertures.add(image, np.full(image.shape, err), here)
    return apertures


def factor_of_side(kernel, side):
    """Return the factor directly, as a sum over all pairs of pixels of unit variance."""
    pad = kernel.shape[0]
    wide = np.pad(kernel, pad)
    overlap = fftconvolve(wide, wide[::-1, ::-1], mode="same")
    overlap /= overlap.max()
    centre = overlap.shape[0] // 2
    total = 0.0
    for dy in range(-side + 1, side):
        for dx in range(-side + 1, side):
            if max(abs(dy), abs(dx)) <= centre:
                pairs = (side - abs(dy)) * (side - abs(dx))
                total += pairs * overlap[centre + dy, centre + dx]
    return np.sqrt(total) / side


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_smoothed_white_noise(sigma):
    kernel = gaussian(sigma)
    value, error = gathered(kernel, images=2).factor()
    analytic = kernel_noise_corr(kernel)
    if sigma > 0.5:
        assert analytic == pytest.approx(2 * np.sqrt(np.pi) * sigma, rel=1e-3)
    assert value == pytest.approx(analytic, rel=0.03)
    assert 0 < error < 0.03 * value


def test_broad_kernel():
    kernel = gaussian(3.0)
    value, error = gathered(kernel, size=900, images=2).factor()
    assert value == pytest.approx(6 * np.sqrt(np.pi), rel=0.03)


def test_every_size():
    kernel = gaussian(1.5)
    side, factor, error = gathered(kernel, images=2).curve()
    assert side[0] == 2 and side[-1] >= 20
    expected = np.array([factor_of_side(kernel, int(m)) for m in side])
    small = side <= 14
    np.testing.assert_allclose(factor[small], expected[small], rtol=0.03)
    assert np.mean(np.abs(factor - expected) / error < 3) > 0.8


def test_white_noise():
    value, error = gathered(np.ones((1, 1)), size=300, err=7.0).factor()
    assert value == pytest.approx(1, abs=0.02) and error < 0.02


def test_sky_between_sources_of_small_images():
    """Sources, missing data and a residual background do not change the factor."""
    y, x = np.indices((65, 65))
    sky = np.hypot(x - 30, y - 34) > 15
    kernel = gaussian(1.0)
    apertures = EmptyApertures()
    for seed in range(40):
        image = smooth(kernel, 65, seed) + 3.0
        image[~sky] += 1000
        image[:3, 7] = np.nan
        apertures.add(image, np.full((65, 65), 0.1), sky)
    value, error = apertures.factor()
    # Subtracting the mean sky of each small image removes some noise, which is corrected.
    assert value == pytest.approx(2 * np.sqrt(np.pi), rel=0.03)


def test_errors_that_vary():
    """In a mosaic of two depths the scatter is in units of the errors."""
    kernel = gaussian(1.0)
    err = np.ones((600, 600))
    err[:, 300:] = 5
    apertures = EmptyApertures()
    apertures.add(smooth(kernel, 600, 3) * err, err, err > 0)
    assert apertures.factor()[0] == pytest.approx(2 * np.sqrt(np.pi), rel=0.03)


def test_too_little_sky():
    kernel = gaussian(2.0)
    value, error = gathered(kernel, size=65, images=2).factor()
    assert np.isnan(value) and np.isnan(error)
    apertures = gathered(kernel, size=65, images=2)
    limit = apertures.lower_limit()
    assert 3 < limit < 2 * np.sqrt(np.pi) * 2
    nothing = EmptyApertures()
    nothing.add(np.zeros((9, 9)), np.ones((9, 9)), np.ones((9, 9), bool))  # too small
    nothing.add(np.zeros((30, 30)), np.ones((30, 30)), np.ones((30, 30), bool))  # no noise
    nothing.add(np.ones((30, 30)), np.full((30, 30), np.nan), np.ones((30, 30), bool))
    assert np.isnan(nothing.factor()).all() and np.isnan(nothing.lower_limit())
