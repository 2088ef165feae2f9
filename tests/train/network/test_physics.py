# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the graph is made with torch")

from scipy.stats import norm

from pixsed import cosmology
from pixsed.sps.sfh import TauDelayed
from pixsed.train.network import physics


def single(values):
    return torch.as_tensor(np.asarray(values), dtype=torch.float32)


def test_normal_cdf():
    x = np.linspace(-5, 5, 501)
    found = physics.normal_cdf(single(x)).numpy()
    inside = np.clip(norm.cdf(x), 2e-6, 1 - 2e-6)  # never 0 or 1
    np.testing.assert_allclose(found, inside, atol=2e-7)
    assert 0 < physics.normal_cdf(single(-40.0)) and physics.normal_cdf(single(40.0)) < 1


def test_age():
    z = np.linspace(0, 9, 500)
    np.testing.assert_allclose(physics.age(single(z)), cosmology.age(z), rtol=5e-6)


@pytest.mark.parametrize(("z_max", "largest"), [(7.5, 8.9), (15.0, 15.5)])
def test_distance(z_max, largest):
    z = np.geomspace(2e-3, largest, 500)
    expected = np.log10(cosmology.luminosity_distance(z))
    distance = physics.LogDistance(z_max)
    np.testing.assert_allclose(distance(single(z)), expected, atol=1e-4)
    assert torch.isfinite(distance(single([0.0, 30.0]))).all()


def draw(n, seed=0):
    rng = np.random.default_rng(seed)
    at_z = cosmology.age(rng.uniform(0, 7.5, n))
    span = np.maximum(at_z * (1 - rng.random(n)), 1e-3)
    tau = 10 ** rng.uniform(-2, 2, n)
    # Rounded to float32, so that both functions take the same numbers.
    return span.astype(np.float32).astype(float), tau.astype(np.float32).astype(float)


def test_star_formation_rate():
    span, tau = draw(20000)
    expected = TauDelayed(tau, np.zeros_like(span), span).log_sfr()
    found = physics.log_sfr_tau(single(tau), single(span)).numpy()
    assert np.isfinite(found).all()
    assert np.abs(found - expected).max() < 0.005
    assert np.percentile(np.abs(found - expected), 99) < 1e-3


def test_star_formation_rate_at_the_ends():
    span = single([1e-6, 0.05, 0.1, 13.4, 13.4, 0.1001])
    tau = single([0.01, 100, 1, 0.01, 100, 100])
    found = physics.log_sfr_tau(tau, span)
    assert torch.isfinite(found).all()
    assert found[:3].tolist() == pytest.approx([-8, -8, -8], abs=1e-5)
    assert found[3] == -14


def test_gradients_are_finite():
    """Gradients must not be NaN, even where the training does not use them."""
    span, tau = (single(v).requires_grad_(True) for v in draw(1000, seed=1))
    physics.log_sfr_tau(tau, span).sum().backward()
    assert torch.isfinite(span.grad).all() and torch.isfinite(tau.grad).all()


def test_surviving_mass(ssp_grid):
    surviving = physics.Surviving(*physics.surviving_table(ssp_grid))
    span, tau = draw(20000, seed=2)
    metal = np.random.default_rng(3).uniform(-2.3, 0.4, 20000)
    weights = TauDelayed(tau, np.zeros_like(span), span).weights(ssp_grid.age_edges)
    metals = ssp_grid.metallicity_weights(metal)
    expected = np.log10(np.einsum("nz,za,na->n", metals, ssp_grid.surviving, weights))
    found = surviving(single(span), single(tau), single(metal)).numpy()
    # The error is largest for bursts (tau near 10 Myr) at the edge of an age bin.
    off = np.abs(found - expected)
    assert np.percentile(off, 99.9) <= 0.004 and off.max() <= 0.006


def test_surviving_mass_at_the_ends(ssp_grid):
    surviving = physics.Surviving(*physics.surviving_table(ssp_grid))
    span, tau = single([1e-9, 13.5, 20.0, 1.0]), single([0.01, 100.0, 0.001, 1000.0])
    found = surviving(span, tau, single([-2.3, 0.4, -5.0, 3.0]))
    assert torch.isfinite(found).all() and found.max() <= 1e-6 and found.min() > -0.5
