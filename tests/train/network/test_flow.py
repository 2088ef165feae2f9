# ruff: noqa: E402
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the flow is made with torch")

from pixsed import cosmology
from pixsed.train.network import physics
from pixsed.train.network.emulator import Emulator
from pixsed.train.network.flow import PixelFlow
from pixsed.train.network.spaces import SPACES, DirichletSpace, TauSpace
from pixsed.train.options import NetworkSizes

BANDS = 7
SIZES = NetworkSizes(width=24, blocks=1, context=16, hidden=12, bins=5)


def table():
    """Table of the surviving mass fraction that needs no grid file."""
    log_span, log_tau = np.linspace(-3.5, 1.13, 5), np.linspace(-2, 2, 4)
    metal = np.array([-2.3, -1.0, 0.4])
    values = -0.02 * (log_span[:, None, None] + 3.5) - 0.01 * (metal + 2.3)
    values = values + np.zeros((1, 4, 1))
    return values, log_span, log_tau, metal


def space(prior="tau"):
    """Space with an artificial but physical table or emulator."""
    if prior == "tau":
        return TauSpace(physics.Surviving(*table()))
    emulator = Emulator(8, 1)
    emulator.width.fill_(1.0)
    emulator.low.copy_(torch.tensor([-0.5]))
    emulator.high.copy_(torch.tensor([0.0]))
    emulator.spread.fill_(0.3)
    return DirichletSpace(emulator)


def network(spread=0.4, seed=0, prior="tau"):
    """Small network with random last layers, which are zero at the start of the training."""
    torch.manual_seed(seed)
    net = PixelFlow(BANDS, space(prior), SIZES, mass_offset=1.0)
    for conditioner in net.conditioners:
        torch.nn.init.normal_(conditioner.last.weight, std=spread)
        torch.nn.init.normal_(conditioner.from_known.bias, std=spread)
    return net.eval()


def pixels(n, seed=0, dtype=torch.float32):
    rng = np.random.default_rng(seed)
    flux = 10 ** rng.uniform(-1, 2, (n, 1)) * rng.uniform(0.5, 2, (n, BANDS))
    err = 0.05 * flux + 0.1
    flux[rng.random(flux.shape) < 0.2] = np.nan
    z = rng.uniform(0.1, 7, n)
    z_err = np.where(np.arange(n) % 2, 0.03 * (1 + z), 0.0)
    return tuple(torch.as_tensor(v, dtype=dtype) for v in (flux, err, z, z_err))


DIM = 6
OUTPUTS = TauSpace.OUTPUTS


@pytest.mark.parametrize("prior", SPACES)
def test_shapes(prior):
    net, seen = network(prior=prior), pixels(9)
    dim = net.space.dim
    base = torch.randn(9, 4, dim, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        samples, predicted = net(*seen, base)
        terms = net.log_prob(base[:, 0], *seen)
    assert samples.shape == (9, 4, len(net.space.OUTPUTS)) and predicted.shape == (9, BANDS)
    assert terms.shape == (9, dim)
    assert torch.isfinite(samples).all() and torch.all(predicted > 0)


def test_quantiles_do_not_cross():
    net, seen = network(), pixels(40)
    torch.nn.init.normal_(net.encoder.to_quantiles.weight, std=3.0)
    with torch.no_grad():
        quantiles = net.encode(*seen)[1]
    assert quantiles.shape == (40, len(TauSpace.TARGETS), 5)
    assert torch.all(quantiles.diff(dim=2) >= 0)


def test_density_of_draws():
    """log_prob of draws is that of their normals minus log|det|, by autograd."""
    net, n = network().double(), 8
    seen = pixels(n, dtype=torch.float64)
    generator = torch.Generator().manual_seed(2)
    base = torch.randn(n, DIM, generator=generator, dtype=torch.float64)

    def drawn(base):
        return net.draw(*seen, base.unsqueeze(1))[0][:, 0]

    jacobian = torch.autograd.functional.jacobian(lambda b: drawn(b).sum(dim=0), base)
    matrix = jacobian.permute(1, 0, 2)  # row, coordinate, normal
    _, log_det = torch.linalg.slogdet(matrix)
    normal = -0.5 * (base**2).sum(dim=1) - 0.5 * DIM * math.log(2 * math.pi)
    with torch.no_grad():
        found = net.log_prob(drawn(base), *seen).sum(dim=1)
    assert torch.abs(found - (normal - log_det)).max() < 1e-6
    # Autoregressive: no coordinate depends on a later normal.
    assert torch.abs(torch.triu(matrix, diagonal=1)).max() < 1e-12


def test_density_integrates_to_one():
    """Integrate over the first coordinate, whose term depends on no other coordinate."""
    net = network().double()
    seen = tuple(v[:1].expand(4001, *v.shape[1:]) for v in pixels(1, dtype=torch.float64))
    x = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    coordinates = torch.zeros(4001, DIM, dtype=torch.float64)
    coordinates[:, 0] = x
    with torch.no_grad():
        density = torch.exp(net.log_prob(coordinates, *seen)[:, 0])
    assert torch.trapezoid(density, x).item() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("spread", [0.4, 3.0])
def test_no_draw_leaves_the_prior(spread):
    net, seen = network(spread), pixels(64)
    corners = torch.cartesian_prod(*[torch.tensor([-5.0, 5.0])] * DIM)
    wild = 5 * torch.randn(64, DIM, generator=torch.Generator().manual_seed(1))
    base = torch.cat([corners, wild]).unsqueeze(0).expand(64, -1, -1)
    with torch.no_grad():
        samples = net(*seen, base)[0].double().numpy()
    assert np.isfinite(samples).all()
    found = dict(zip(OUTPUTS, np.moveaxis(samples, -1, 0), strict=True))
    bounds = {
        "LOGMFORM": (4, 12),
        "AV": (0, 4),
        "METAL": (-2.3, 0.4),
        "TAU": (0.01, 100),
        "REDSHIFT": (0, 7.5),
    }
    for name, (low, high) in bounds.items():
        assert found[name].min() >= low and found[name].max() <= high, name
    at_z = cosmology.age(found["REDSHIFT"])
    assert found["TSTART"].min() >= 0 and np.all(found["TSTART"] < at_z)
    assert np.all(found["LOGMSTAR"] <= found["LOGMFORM"] + 1e-5)
    specific = found["LOGSFR"] - found["LOGMFORM"]
    assert specific.min() >= -14 - 1e-5 and specific.max() <= -8 + 1e-5


@pytest.mark.parametrize("spread", [0.4, 3.0])
def test_no_draw_leaves_the_dirichlet_prior(spread):
    net, seen = network(spread, prior="dirichlet"), pixels(8)
    corners = torch.cartesian_prod(*[torch.tensor([-5.0, 5.0])] * 9)
    wild = 5 * torch.randn(64, 9, generator=torch.Generator().manual_seed(1))
    base = torch.cat([corners, wild]).unsqueeze(0).expand(8, -1, -1)
    with torch.no_grad():
        samples = net(*seen, base)[0].double().numpy()
    assert np.isfinite(samples).all()
    found = dict(zip(DirichletSpace.OUTPUTS, np.moveaxis(samples, -1, 0), strict=True))
    for name, (low, high) in {"LOGMFORM": (4, 12), "AV": (0, 4), "METAL": (-2.3, 0.4)}.items():
        assert found[name].min() >= low and found[name].max() <= high, name
    assert np.all(found["T25"] > 0) and np.all(found["T75"] < 1)
    assert np.all(found["T25"] < found["T50"]) and np.all(found["T50"] < found["T75"])
    assert np.all(found["LOGMSTAR"] <= found["LOGMFORM"] + 1e-5)
    specific = found["LOGSFR"] - found["LOGMFORM"]
    assert specific.min() >= -14 - 1e-5 and specific.max() <= -8 + 1e-5
    at_z = cosmology.age(found["REDSHIFT"])
    assert np.all(found["AGE"] >= 0) and np.all(found["AGE"] <= at_z * (1 + 1e-5))


def test_exact_redshift_is_returned():
    net, (flux, err, z, _) = network(), pixels(5)
    base = torch.randn(5, 6, DIM, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        samples = net(flux, err, z, torch.zeros(5), base)[0]
    assert torch.equal(samples[..., OUTPUTS.index("REDSHIFT")], z[:, None].expand(5, 6))


def test_values_of_missing_bands_do_not_matter():
    net, (flux, err, z, z_err) = network(), pixels(6)
    base = torch.randn(6, 3, DIM, generator=torch.Generator().manual_seed(0))
    missing = torch.isnan(flux)
    missing[:, 2] = True
    nan = torch.full_like(flux, float("nan"))
    variants = [
        (torch.where(missing, nan, flux), err),
        (torch.where(missing, nan, flux), torch.where(missing, nan, err)),
        (torch.where(missing, 1e6 * torch.ones_like(flux), flux), torch.where(missing, nan, err)),
        (torch.where(missing, torch.ones_like(flux), flux), torch.where(missing, 0 * err, err)),
        (torch.where(missing, nan, flux), torch.where(missing, 1e-9 + 0 * err, err)),
    ]
    with torch.no_grad():
        first, *others = (net(f, e, z, z_err, base)[0] for f, e in variants)
    for other in others:
        assert torch.equal(first, other)


@pytest.mark.parametrize("left", [(0, 1, 2), (0, 3, 6), (6,)])
def test_few_bands(left):
    net, (flux, err, z, z_err) = network(), pixels(6)
    flux = torch.nan_to_num(flux, nan=1.0)
    gone = [band for band in range(BANDS) if band not in left]
    flux[:, gone] = float("nan")
    base = torch.randn(6, 3, DIM, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        samples, predicted = net(flux, err, z, z_err, base)
        terms = net.log_prob(base[:, 0], flux, err, z, z_err)
    assert all(torch.isfinite(v).all() for v in (samples, predicted, terms))


@pytest.mark.parametrize("value", [0.0, -3.0, 1e-12, 1e9, -1e9])
def test_odd_fluxes_stay_finite(value):
    net, (flux, err, z, z_err) = network(), pixels(6)
    base = torch.randn(6, 3, DIM, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        samples, predicted = net(torch.full_like(flux, value), err, z, z_err, base)
    assert torch.isfinite(samples).all() and torch.isfinite(predicted).all()


def test_pixels_are_independent():
    net, seen = network(), pixels(12)
    base = torch.randn(12, 3, DIM, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = net(*seen, base)[0]
        part = net(*(v[4:7] for v in seen), base[4:7])[0]
    assert torch.allclose(whole[4:7], part, rtol=1e-4, atol=1e-4)


def test_small_errors_are_raised_to_the_floor():
    net = network()
    flux, _, z, z_err = pixels(6)
    base = torch.randn(6, 4, net.space.dim, generator=torch.Generator().manual_seed(2))

    def drawn(relative, floor):
        net.error_floor = floor
        return net(flux, relative * flux.abs(), z, z_err, base)[0]

    assert torch.equal(drawn(0.001, 0.05), drawn(0.05, 0.0))
    assert torch.equal(drawn(0.2, 0.05), drawn(0.2, 0.0))  # larger errors are unchanged
    assert not torch.equal(drawn(0.001, 0.0), drawn(0.05, 0.0))
