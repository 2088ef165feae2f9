# ruff: noqa: E402
import math
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the flow is made with torch")

from scipy.special import ndtri

from pixsed.simulate.noise import DEPTH
from pixsed.train import recalibrate as module
from pixsed.train.network import physics
from pixsed.train.network.features import Features
from pixsed.train.network.flow import PixelFlow
from pixsed.train.network.recalibration import Recalibration
from pixsed.train.network.spaces import TauSpace
from pixsed.train.options import NetworkSizes
from pixsed.train.recalibrate import recalibrate

BANDS, DIM, ROWS = 7, 6, 20_000
COVERAGES = (0.5, 0.6827, 0.95)
#: Column of the total S/N in the inputs of the recalibration.
TOTAL = 1 - Features.SUMMARY


def network(seed=0):
    """Small network with random weights."""
    torch.manual_seed(seed)
    table = np.zeros((5, 4, 3)), np.linspace(-3.5, 1.13, 5), np.linspace(-2, 2, 4), [-2.3, -1, 0.4]
    net = PixelFlow(
        BANDS,
        TauSpace(physics.Surviving(*table)),
        NetworkSizes(width=24, blocks=1, context=16, hidden=12, bins=5),
        mass_offset=1.0,
    )
    for conditioner in net.conditioners:
        torch.nn.init.normal_(conditioner.last.weight, std=0.3)
    return net.eval()


def pixels(n, rng):
    """Photometry with an S/N of 1 to 100 per band, half of it with exact redshifts."""
    error = 10 ** rng.uniform(-2, 0, (n, 1)) * np.ones(BANDS)
    flux = 1 + 0.3 * rng.standard_normal((n, BANDS)) + error * rng.standard_normal((n, BANDS))
    z = rng.uniform(0.1, 7, n)
    z_err = np.where(np.arange(n) % 2, 0.03 * (1 + z), 0.0)
    return tuple(torch.from_numpy(v.astype(np.float32)) for v in (flux, error, z, z_err))


def correct(base, inputs):
    """Truths as the network draws them."""
    return base


def by_snr(base, inputs):
    """Truths that the network draws too narrow at low S/N and too wide at high S/N.

    They are also shifted, and the third coordinate is correlated with the second.
    """
    signal = 2.0 * torch.tanh(3.0 * (inputs[:, TOTAL] - 1.35)).unsqueeze(1)
    base = torch.exp(-0.15 * signal) * base + 0.1 * signal
    base[:, 2] += 0.4 * base[:, 1]
    return base


def heavy(base, inputs):
    """Truths with a narrower core and heavier tails than the draws of the network."""
    return (base + 0.2 * base**3 + 0.01 * (base**2 - 1.0)) / 1.45


def truths(net, photometry, law, rng):
    """Draws of the network from normals that are transformed by `law`."""
    encoded = net.encode(*photometry)
    normals = torch.from_numpy(rng.standard_normal((len(photometry[2]), DIM)).astype(np.float32))
    base = law(normals, net.recalibration_inputs(encoded))
    with torch.no_grad():
        return net.draw(*photometry, base.unsqueeze(1))[0][:, 0]


def observer(net, law):
    """Stand-in for `Observer`, with truths drawn by the network under `law`."""

    class Drawn:
        def __init__(self, simulations, noise, rows, infer_redshift=False):
            pass

        @torch.no_grad()
        def batch(self, rows, rng):
            photometry = pixels(len(rows), rng)
            keys = "flux", "flux_err", "z", "z_err"
            truth = truths(net, photometry, law, rng)
            return dict(zip(keys, photometry, strict=True), coordinates=truth)

    return Drawn


@pytest.fixture
def fit(monkeypatch):
    """Recalibrate a network whose truths follow a law; return it before and after."""
    monkeypatch.setattr(module, "BATCH", 2048)

    def run(law, rows=ROWS, steps=200, **kwargs):
        before, net = network(), network()
        monkeypatch.setattr(module, "Observer", observer(before, law))
        state = recalibrate(net, np.zeros(rows), DEPTH, steps=steps, **kwargs)
        net.recalibration.load_state_dict(state)
        return before, net

    return run


@torch.no_grad()
def misses(net, origin, law, rows=15_000):
    """Errors of the coverage of central intervals of coordinates, (3 bins of S/N, D, 3)."""
    rng = np.random.default_rng(99)
    photometry = pixels(rows, rng)
    truth = truths(origin, photometry, law, rng)
    inputs = net.recalibration_inputs(net.encode(*photometry))
    generator = torch.Generator().manual_seed(5)
    base = torch.randn(rows, 31, DIM, generator=generator)
    drawn, _ = net.draw(*photometry, base)
    below = (drawn < truth.unsqueeze(1)).sum(dim=1)
    rank = (below + torch.rand(below.shape, generator=generator)) / 32
    third = torch.argsort(torch.argsort(inputs[:, TOTAL])) * 3 // rows
    inside = 2 * torch.abs(rank - 0.5).unsqueeze(-1) < torch.tensor(COVERAGES)
    return np.array(
        [inside[third == i].double().mean(dim=0) - torch.tensor(COVERAGES) for i in range(3)]
    )


def test_errors_that_depend_on_the_snr_are_corrected_in_each_bin(fit):
    before, after = fit(by_snr)
    wrong, corrected = (misses(net, before, by_snr) for net in (before, after))
    assert wrong[0, :, 1].max() < -0.04 and wrong[2, :, 1].min() > 0.04
    assert np.abs(corrected).max() < 0.03
    assert np.sqrt((corrected**2).mean()) < 0.012
    # Also jointly: the likelihood reaches that of the truths.
    rng = np.random.default_rng(98)
    photometry = pixels(20_000, rng)
    truth = truths(before, photometry, by_snr, rng)
    with torch.no_grad():
        gain = after.log_prob(truth, *photometry) - before.log_prob(truth, *photometry)
        inputs = before.recalibration_inputs(before.encode(*photometry))
        normals = torch.randn(20_000, DIM, generator=torch.Generator().manual_seed(1))
        law = by_snr(normals.clone(), inputs)
        scale = -0.3 * torch.tanh(3.0 * (inputs[:, TOTAL] - 1.35))
        best = (0.5 * law**2 - 0.5 * normals**2).sum(dim=1) - DIM * scale
    assert gain.sum(dim=1).mean() == pytest.approx(float(best.mean()), abs=0.1)


def test_heavy_tails_are_corrected_at_all_levels(fit):
    before, after = fit(heavy, rows=60_000, steps=600)
    wrong, corrected = (misses(net, before, heavy).mean(axis=0) for net in (before, after))
    assert wrong[:, 0].mean() > 0.04 and wrong[:, 2].mean() < -0.015
    assert np.abs(corrected).max() < 0.025
    # Both at once; a scale alone corrects one at the cost of the other.
    left = np.abs(corrected.mean(axis=0)) / np.abs(wrong.mean(axis=0))
    assert left[0] < 0.25 and left[2] < 0.6


def test_correct_network_is_unchanged(fit):
    before, after = fit(correct)
    assert np.abs(misses(after, before, correct)).max() < 0.03
    with torch.no_grad():
        encoded = after.encode(*pixels(5000, np.random.default_rng(3)))
        parameters = after.recalibration(after.recalibration_inputs(encoded))
    for found in parameters:
        assert torch.sqrt((found**2).mean()) < 0.05


def test_result_depends_on_the_seed_but_not_on_threads(fit):
    before = torch.get_num_threads()
    found = []
    for seed, threads in ((1, 1), (1, 2), (2, 2)):
        torch.set_num_threads(threads)
        try:
            net = fit(by_snr, rows=1500, steps=20, seed=seed)[1]
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        found.append(net.recalibration.state_dict())
    one, two, other = found
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["last.weight"], other["last.weight"])


def test_quantile_loss_is_smallest_at_the_quantiles():
    normals = torch.from_numpy(ndtri((np.arange(20_000) + 0.5) / 20_000))[:, None]
    true = 0.3, math.log(2.0), 0.1, 0.15
    zero, one = torch.zeros(1, 1, 1, dtype=torch.float64), normals.new_ones(1, 1)
    latent = 0.3 + 2.0 * Recalibration.sinh_arcsinh(normals, 0.1 * one, 0.15 * one)

    def loss(which, off):
        shift, log_scale, skew, log_tail = (
            (value + (off if i == which else 0.0)) * one for i, value in enumerate(true)
        )
        return module.quantile_loss(latent, Recalibration, (shift, log_scale, zero, skew, log_tail))

    for which in range(4):
        losses = [loss(which, off) for off in np.linspace(-0.1, 0.1, 11)]
        assert np.argmin(losses) == 5


def mixed(seed=0):
    """Network whose recalibration is far from the identity."""
    net = network(seed)
    for name in ("last", "mixing", "tails"):
        layer = getattr(net.recalibration, name)
        torch.nn.init.normal_(layer.weight, std=0.3)
        torch.nn.init.normal_(layer.bias, std=0.2)
    return net


def test_density_of_draws():
    """log_prob of draws is that of their normals minus log|det|, by autograd."""
    net, n = mixed().double(), 6
    photometry = [v.double() for v in pixels(n, np.random.default_rng(1))]
    base = torch.randn(n, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def drawn(base):
        return net.draw(*photometry, base.unsqueeze(1))[0][:, 0]

    jacobian = torch.autograd.functional.jacobian(lambda b: drawn(b).sum(dim=0), base)
    matrix = jacobian.permute(1, 0, 2)
    normal = -0.5 * (base**2).sum(dim=1) - 0.5 * DIM * math.log(2 * math.pi)
    with torch.no_grad():
        found = net.log_prob(drawn(base), *photometry).sum(dim=1)
    assert torch.abs(found - (normal - torch.linalg.slogdet(matrix)[1])).max() < 1e-6
    assert torch.abs(torch.triu(matrix, diagonal=1)).max() < 1e-12
    assert torch.abs(torch.tril(matrix, diagonal=-1)).max() > 0.01


def test_inverse_undoes_the_map():
    net = mixed()
    base = torch.randn(50, 4, DIM, generator=torch.Generator().manual_seed(2))
    inputs = net.recalibration_inputs(net.encode(*pixels(50, np.random.default_rng(1))))
    with torch.no_grad():
        latent = net.recalibration.apply_to(base, inputs)
        parameters = net.recalibration(inputs)
        back = [net.recalibration.inverse(latent[:, s], parameters)[0] for s in range(4)]
    assert torch.abs(latent - base).max() > 0.5
    assert torch.allclose(torch.stack(back, dim=1), base, atol=1e-5)


def test_sinh_arcsinh():
    """Inverse, derivative by autograd, median and width of the 68 % interval."""
    generator = torch.Generator().manual_seed(4)
    base, skew, tail = torch.rand(3, 500, generator=generator, dtype=torch.float64) - 0.5
    base = (10.0 * base).requires_grad_()
    transformed = Recalibration.sinh_arcsinh(base, skew, tail)
    back, log_slope = Recalibration.inverse_sinh_arcsinh(transformed, skew, tail)
    (slope,) = torch.autograd.grad(transformed.sum(), base)
    assert torch.abs(transformed - base).max() > 1.0
    assert torch.abs(back - base).max() < 1e-12
    assert torch.abs(torch.log(slope) - log_slope).max() < 1e-12
    one, none = torch.ones_like(skew), torch.zeros_like(skew)
    assert torch.abs(Recalibration.sinh_arcsinh(none, skew, tail)).max() < 1e-15
    width = Recalibration.sinh_arcsinh(one, skew, tail) - Recalibration.sinh_arcsinh(
        -one, skew, tail
    )
    assert torch.abs(width - 2.0).max() < 1e-14
    assert torch.abs(Recalibration.sinh_arcsinh(base, none, none) - base).max() < 1e-14


def test_identity_before_the_fit():
    net = network()
    base = 1.5 * torch.randn(50, 40, DIM, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        inputs = net.recalibration_inputs(net.encode(*pixels(50, np.random.default_rng(1))))
        found = net.recalibration.apply_to(base, inputs)
    assert torch.abs(found - base).max() < 2e-6


def test_same_result_in_onnxruntime(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript", reason="torch exports with it")
    net = mixed().recalibration

    class Applied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, base, inputs):
            return self.net.apply_to(base, inputs)

    generator = torch.Generator().manual_seed(6)
    base = 2.0 * torch.randn(30, 20, DIM, generator=generator)
    inputs = torch.randn(30, net.first.in_features, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            Applied(),
            (base, inputs),
            dynamo=True,
            verbose=False,
            opset_version=18,
            input_names=["base", "inputs"],
        ).save(tmp_path / "r.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "r.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"base": base.numpy(), "inputs": inputs.numpy()})
    with torch.no_grad():
        expected = net.apply_to(base, inputs).numpy()
        assert torch.abs(net(inputs)[4]).max() > 0.4
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=1e-5)
