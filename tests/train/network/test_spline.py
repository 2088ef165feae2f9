# ruff: noqa: E402
import pytest

torch = pytest.importorskip("torch", reason="the flow is made with torch")

from pixsed.train.network import spline

BINS = 6


def random_spline(shape, seed=0, scale=1.5):
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(
        *shape, spline.parameter_count(BINS), generator=generator, dtype=torch.float64
    )


def forward(x, raw):
    """Return `spline.forward` for arrays of any shape, with the parameters along the last axis."""
    flat = raw.expand(*x.shape, raw.shape[-1]).reshape(-1, raw.shape[-1])
    return spline.forward(x.reshape(-1), flat.T, BINS).reshape(x.shape)


def test_inverse_undoes_forward():
    x = torch.linspace(-6, 6, 2001, dtype=torch.float64).repeat(5)
    raw = random_spline((5, 1)).expand(5, 2001, -1).reshape(len(x), -1)
    back, _ = spline.inverse(forward(x, raw), raw, BINS)
    assert torch.abs(back - x).max() < 1e-7


def test_monotone_within_its_bounds():
    x = torch.linspace(-4, 4, 4001, dtype=torch.float64).repeat(5, 1)
    y = forward(x, random_spline((5, 1), seed=1, scale=3))
    assert torch.all(torch.diff(y, dim=1) > 0)
    assert y.min() >= -spline.BOUND and y.max() <= spline.BOUND


def test_log_derivative_against_autograd():
    raw = random_spline((500,), seed=2)
    generator = torch.Generator().manual_seed(3)
    y = 10 * torch.rand(500, generator=generator, dtype=torch.float64) - 5
    y.requires_grad_(True)
    x, log_slope = spline.inverse(y, raw, BINS)
    (slope,) = torch.autograd.grad(x.sum(), y)
    assert torch.abs(torch.log(slope) - log_slope).max() < 1e-6


def test_identity_outside():
    x = torch.tensor([-9.0, -4.0, 4.0, 4.5, 100.0], dtype=torch.float64)
    raw = random_spline((5,), seed=4)
    assert torch.equal(forward(x, raw), x)
    back, log_slope = spline.inverse(x, raw, BINS)
    assert torch.equal(back, x) and torch.all(log_slope == 0)


def test_zero_parameters_are_the_identity():
    x = torch.linspace(-5, 5, 101)
    raw = torch.zeros(101, spline.parameter_count(BINS))
    assert torch.allclose(forward(x, raw), x, atol=1e-5)
    _, log_slope = spline.inverse(x, raw, BINS)
    assert torch.allclose(log_slope, torch.zeros(101), atol=1e-5)


def test_parameters_broadcast_over_samples():
    raw = random_spline((3, 1), seed=5)
    x = torch.linspace(-3, 3, 3 * 7, dtype=torch.float64).reshape(3, 7)
    whole = forward(x, raw)
    one = torch.stack([forward(x[:, i], raw[:, 0]) for i in range(7)], dim=1)
    assert torch.abs(whole - one).max() < 1e-12  # the order of sums depends on the size


@pytest.mark.parametrize("scale", [10.0, 1000.0])
def test_wild_parameters_stay_finite_in_float32(scale):
    raw = random_spline((400,), seed=6, scale=scale).float()
    x = torch.linspace(-4.2, 4.2, 400)
    y = forward(x, raw)
    assert torch.isfinite(y).all() and torch.abs(y).max() <= 4.2 + 1e-5
    back, log_slope = spline.inverse(y, raw, BINS)
    assert torch.isfinite(back).all() and torch.isfinite(log_slope).all()
