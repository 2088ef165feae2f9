"""Noise of sums of pixels, given measured autocorrelations."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from pixsed.images.noise.covariance import (
    autocorrelations,
    correlation_width,
    gaussian_autocorrelation,
    total_variance,
)


def test_measured_or_gaussian():
    measured = np.full((3, 3, 3), np.nan)
    measured[1] = [[0, 0.2, 0], [0.3, 1, 0.3], [0, 0.2, 0]]
    found = autocorrelations([2.0, 2.0, 1.0], measured)
    middle = found.shape[1] // 2
    np.testing.assert_allclose(found[0].sum(), 4.0, rtol=1e-3)
    np.testing.assert_array_equal(
        found[1, middle - 1 : middle + 2, middle - 1 : middle + 2], measured[1]
    )
    assert found[1].sum() == pytest.approx(2.0)
    assert found[2].sum() == 1.0
    assert autocorrelations([1.0, np.nan]).shape == (2, 1, 1)


@pytest.mark.parametrize("width", [0.0, 0.8, 2.0])
def test_the_variance_of_a_total_against_all_pairs(width):
    rng = np.random.default_rng(1)
    err = rng.uniform(0.5, 2.0, (9, 11))
    err[2, 3] = np.nan
    y, x = np.nonzero(np.isfinite(err))
    e = err[y, x]
    distance2 = np.subtract.outer(y, y) ** 2 + np.subtract.outer(x, x) ** 2
    rho = np.eye(len(e)) if width == 0 else np.exp(-distance2 / (4 * width**2))
    found = total_variance(err, gaussian_autocorrelation([width])[0])
    assert found == pytest.approx((e[:, None] * e * rho).sum(), rel=2e-3)


def test_the_variance_of_a_total_against_noise():
    rng = np.random.default_rng(2)
    kernel = np.array([[0.2, 0.6, 0.1], [0.5, 1.0, 0.4], [0.1, 0.3, 0.2]])
    white = rng.standard_normal((3000, 14, 12))
    noise = fftconvolve(white, kernel[None], mode="valid", axes=(1, 2))
    rho = fftconvolve(kernel, kernel[::-1, ::-1])
    sigma = np.sqrt(rho.max())
    found = total_variance(np.full((12, 10), sigma), rho / rho.max())
    assert noise.sum(axis=(1, 2)).var() == pytest.approx(found, rel=0.08)
    assert correlation_width(np.sqrt((rho / rho.max()).sum())) > 0
