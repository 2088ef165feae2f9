import numpy as np
import pytest
from scipy.stats import norm

from pixsed.images.noise.gaussian import fit_gaussian


def test_against_the_quantiles_of_a_gaussian():
    values = norm.ppf((np.arange(200_000) + 0.5) / 200_000, 3, 0.2)
    mean, std, kept = fit_gaussian(values)
    assert mean == pytest.approx(3, abs=1e-6) and std == pytest.approx(0.2, rel=1e-4)
    assert kept == pytest.approx(200_000 * (1 - 2 * norm.sf(4)), abs=2)


def test_outliers():
    rng = np.random.default_rng(0)
    values = np.append(rng.normal(3, 0.2, 20000), rng.uniform(5, 50, 1500))
    mean, std, kept = fit_gaussian(values)
    assert mean == pytest.approx(3, abs=0.01) and std == pytest.approx(0.2, rel=0.02)
    assert abs(kept - 20000) < 10


def test_two_peaks():
    """The errors of cubes of two depths give one Gaussian over both."""
    values = np.append(np.full(600, 1.0), np.full(400, 3.0))
    mean, std, kept = fit_gaussian(values)
    assert kept == 1000 and mean == pytest.approx(1.8)
    assert std == pytest.approx(values.std(), rel=0.01)


def test_equal_values():
    assert fit_gaussian(np.full(50, 0.1)) == pytest.approx((0.1, 0.0, 50))
    mean, std, kept = fit_gaussian(np.append(np.full(100, 0.1), 0.2))
    assert kept == 101 and std > 0
