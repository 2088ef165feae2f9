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
from pixsed.train.network.flow import PixelFlow, Recalibration
from pixsed.train.network.spaces import TauSpace
from pixsed.train.recalibrate import recalibrate

BANDS, DIM, ROWS = 7, 6, 20_000
SHARES = (0.5, 0.6827, 0.95)
#: Where the total S/N is among what the recalibration sees.
TOTAL = 1 - Features.SUMMARY


def network(seed=0):
    """A small network that has learnt something, at random."""
    torch.manual_seed(seed)
    table = np.zeros((5, 4, 3)), np.linspace(-3.5, 1.13, 5), np.linspace(-2, 2, 4), [-2.3, -1, 0.4]
    net = PixelFlow(
        BANDS,
        TauSpace(physics.Surviving(*table)),
        mass_offset=1.0,
        width=24,
        blocks=1,
        context=16,
        hidden=12,
        bins=5,
    )
    for conditioner in net.conditioners:
        torch.nn.init.normal_(conditioner.last.weight, std=0.3)
    return net.eval()


def pixels(n, rng):
    """Photometry of a S/N of 1 to 100 a band, half of it with exact redshifts."""
    error = 10 ** rng.uniform(-2, 0, (n, 1)) * np.ones(BANDS)
    flux = 1 + 0.3 * rng.standard_normal((n, BANDS)) + error * rng.standard_normal((n, BANDS))
    z = rng.uniform(0.1, 7, n)
    z_err = np.where(np.arange(n) % 2, 0.03 * (1 + z), 0.0)
    return tuple(torch.from_numpy(v.astype(np.float32)) for v in (flux, error, z, z_err))


def right(base, seen):
    return base


def by_snr(base, seen):
    """Truths a third further out than the network has it where S/N is low, as much nearer
    where it is high, to one side, and the third coordinate along with the second."""
    signal = 2.0 * torch.tanh(3.0 * (seen[:, TOTAL] - 1.35)).unsqueeze(1)
    base = torch.exp(-0.15 * signal) * base + 0.1 * signal
    base[:, 2] += 0.4 * base[:, 1]
    return base


def heavy(base, seen):
    """Truths nearer than the network has them at 50 %, and further out at 95 %."""
    return (base + 0.2 * base**3 + 0.01 * (base**2 - 1.0)) / 1.45


def truths(net, photometry, law, rng):
    """Coordinates drawn by the network from normals that are `law` of standard ones."""
    encoded = net.encode(*photometry)
    normals = torch.from_numpy(rng.standard_normal((len(photometry[2]), DIM)).astype(np.float32))
    base = law(normals, net.seen(encoded))
    with torch.no_grad():
        return net.draw_encoded(encoded, *photometry[2:], base.unsqueeze(1))[0][:, 0]


def observer(net, law):
    """Stands for `Observer`: the truths are those that the network, so changed, draws."""

    class Drawn:
        def __init__(self, simulations, noise, rows, infer_redshift=False):
            pass

        @torch.no_grad()
        def batch(self, rows, rng):
            seen = pixels(len(rows), rng)
            keys = "flux", "flux_err", "z", "z_err"
            return dict(zip(keys, seen, strict=True), coordinates=truths(net, seen, law, rng))

    return Drawn


@pytest.fixture
def fit(monkeypatch):
    """Recalibrate a network whose truths follow a law; return what it was and what it is."""
    smaller = {
        "BATCH": 2048,
        "_MARGINAL_BATCH": 512,
        "_ROUND_DRAWS": 24,
        "_ROUND_ROWS": 8000,
        "_ROUND_STEPS": 60,
    }
    for name, value in smaller.items():
        monkeypatch.setattr(module, name, value)

    def run(law, rows=ROWS, steps=200, marginal_steps=100, **kwargs):
        before, net = network(), network()
        monkeypatch.setattr(module, "Observer", observer(before, law))
        net.recalibration.load_state_dict(
            recalibrate(
                net, np.zeros(rows), DEPTH, steps=steps, marginal_steps=marginal_steps, **kwargs
            )
        )
        return before, net

    return run


@torch.no_grad()
def misses(net, origin, law, rows=15_000):
    """Coverage of central intervals less the share they are of, (3 bins of S/N, D, 3)."""
    rng = np.random.default_rng(99)
    photometry = pixels(rows, rng)
    truth = truths(origin, photometry, law, rng)
    encoded = net.encode(*photometry)
    generator = torch.Generator().manual_seed(5)
    base = torch.randn(rows, 31, DIM, generator=generator)
    drawn, _ = net.draw_encoded(encoded, *photometry[2:], base)
    below = (drawn < truth.unsqueeze(1)).sum(dim=1)
    rank = (below + torch.rand(below.shape, generator=generator)) / 32
    third = torch.argsort(torch.argsort(net.seen(encoded)[:, TOTAL])) * 3 // rows
    inside = 2 * torch.abs(rank - 0.5).unsqueeze(-1) < torch.tensor(SHARES)
    return np.array(
        [inside[third == i].double().mean(dim=0) - torch.tensor(SHARES) for i in range(3)]
    )


def test_what_is_wrong_by_signal_to_noise_is_mended_in_each_bin(fit):
    before, after = fit(by_snr)
    wrong, mended = (misses(net, before, by_snr) for net in (before, after))
    assert wrong[0, :, 1].max() < -0.04 and wrong[2, :, 1].min() > 0.04
    assert np.abs(mended).max() < 0.03
    assert np.sqrt((mended**2).mean()) < 0.012
    # Jointly too: the likelihood is that of the network that the truths are of.
    rng = np.random.default_rng(98)
    photometry = pixels(20_000, rng)
    truth = truths(before, photometry, by_snr, rng)
    with torch.no_grad():
        gain = after.log_prob(truth, *photometry) - before.log_prob(truth, *photometry)
        seen = before.seen(before.encode(*photometry))
        normals = torch.randn(20_000, DIM, generator=torch.Generator().manual_seed(1))
        law = by_snr(normals.clone(), seen)
        scale = -0.3 * torch.tanh(3.0 * (seen[:, TOTAL] - 1.35))
        best = (0.5 * law**2 - 0.5 * normals**2).sum(dim=1) - DIM * scale
    assert gain.sum(dim=1).mean() == pytest.approx(float(best.mean()), abs=0.1)


def test_heavy_tails_are_mended_at_all_levels(fit):
    before, after = fit(heavy, rows=60_000, steps=300, marginal_steps=150)
    wrong, mended = (misses(net, before, heavy).mean(axis=0) for net in (before, after))
    assert wrong[:, 0].mean() > 0.04 and wrong[:, 2].mean() < -0.015
    assert np.abs(mended).max() < 0.02
    # At once; a scale alone mends the one at the other's cost.
    left = np.abs(mended.mean(axis=0)) / np.abs(wrong.mean(axis=0))
    assert left[0] < 0.25 and left[2] < 0.6


def test_what_is_right_is_left(fit):
    before, after = fit(right)
    assert np.abs(misses(after, before, right)).max() < 0.03
    with torch.no_grad():
        seen = after.seen(after.encode(*pixels(5000, np.random.default_rng(3))))
        parts = after.recalibration(seen)
    for found in parts:
        assert torch.sqrt((found**2).mean()) < 0.05


def test_the_same_seed_gives_the_same_on_any_threads(fit):
    before = torch.get_num_threads()
    found = []
    for seed, threads in ((1, 1), (1, 2), (2, 2)):
        torch.set_num_threads(threads)
        try:
            net = fit(by_snr, rows=1500, steps=20, marginal_steps=10, seed=seed)[1]
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
        found.append(net.recalibration.state_dict())
    one, two, other = found
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["last.weight"], other["last.weight"])


def test_the_loss_of_latents_is_least_at_their_quantiles():
    normals = torch.from_numpy(ndtri((np.arange(20_000) + 0.5) / 20_000))[:, None]
    true = 0.3, math.log(2.0), 0.1, 0.15
    zero, one = torch.zeros(1, 1, 1, dtype=torch.float64), normals.new_ones(1, 1)
    latent = 0.3 + 2.0 * Recalibration.bent(normals, 0.1 * one, 0.15 * one)

    def loss(which, off):
        shift, log_scale, skew, log_tail = (
            (value + (off if i == which else 0.0)) * one for i, value in enumerate(true)
        )
        return module._miss(latent, Recalibration, (shift, log_scale, zero, skew, log_tail))

    for which in range(4):
        losses = [loss(which, off) for off in np.linspace(-0.1, 0.1, 11)]
        assert np.argmin(losses) == 5


def test_the_loss_of_ranks_is_least_where_the_shares_are_right():
    normals = torch.from_numpy(ndtri((np.arange(20_000) + 0.5) / 20_000))
    shifts, scales = torch.linspace(-0.1, 0.1, 21), torch.linspace(-0.1, 0.1, 21)
    of_shift = [
        module._within(0.3 + 2 * normals - s, torch.tensor(math.log(2))).mean()
        for s in 0.3 + shifts
    ]
    of_scale = [module._within(2 * normals, math.log(2) + s).mean() for s in scales]
    assert np.argmin(of_shift) == np.argmin(of_scale) == 10


def test_the_score_is_least_for_what_the_truths_are_drawn_from():
    generator = torch.Generator().manual_seed(3)
    truth = torch.randn(40_000, 1, 1, generator=generator)
    drawn = torch.randn(40_000, 1, 8, generator=generator)
    scores = [
        [float(module._score(shift + scale * drawn, truth).mean()) for scale in (0.85, 1.0, 1.15)]
        for shift in (-0.1, 0.0, 0.1)
    ]
    assert np.argmin(scores) == 4
    # The same for any number of draws: 1 / sqrt(pi), that of a standard normal.
    for count in (2, 8):
        found = module._score(drawn[:, :, :count], truth).mean()
        assert found == pytest.approx(1 / math.sqrt(math.pi), abs=0.01)


def mixed(seed=0):
    """A network whose recalibration is far from the identity."""
    net = network(seed)
    for name in ("last", "mixing", "tails"):
        layer = getattr(net.recalibration, name)
        torch.nn.init.normal_(layer.weight, std=0.3)
        torch.nn.init.normal_(layer.bias, std=0.2)
    return net


def test_density_of_draws():
    """log_prob of what was drawn is that of its normals less log|det|, by autograd."""
    net, n = mixed().double(), 6
    seen = [v.double() for v in pixels(n, np.random.default_rng(1))]
    base = torch.randn(n, DIM, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def drawn(base):
        return net.draw(*seen, base.unsqueeze(1))[0][:, 0]

    jacobian = torch.autograd.functional.jacobian(lambda b: drawn(b).sum(dim=0), base)
    matrix = jacobian.permute(1, 0, 2)
    normal = -0.5 * (base**2).sum(dim=1) - 0.5 * DIM * math.log(2 * math.pi)
    with torch.no_grad():
        found = net.log_prob(drawn(base), *seen).sum(dim=1)
    assert torch.abs(found - (normal - torch.linalg.slogdet(matrix)[1])).max() < 1e-6
    assert torch.abs(torch.triu(matrix, diagonal=1)).max() < 1e-12
    assert torch.abs(torch.tril(matrix, diagonal=-1)).max() > 0.01


def test_what_is_applied_is_undone():
    net = mixed()
    base = torch.randn(50, 4, DIM, generator=torch.Generator().manual_seed(2))
    seen = net.seen(net.encode(*pixels(50, np.random.default_rng(1))))
    with torch.no_grad():
        latent = net.recalibration.apply_to(base, seen)
        parts = net.recalibration(seen)
        back = [net.recalibration.undo(latent[:, s], parts)[0] for s in range(4)]
    assert torch.abs(latent - base).max() > 0.5
    assert torch.allclose(torch.stack(back, dim=1), base, atol=1e-5)


def test_skew_and_tails():
    """Undone, with the derivative of autograd; they leave the median and the 68 % width."""
    generator = torch.Generator().manual_seed(4)
    base, skew, tail = torch.rand(3, 500, generator=generator, dtype=torch.float64) - 0.5
    base = (10.0 * base).requires_grad_()
    bent = Recalibration.bent(base, skew, tail)
    back, log_slope = Recalibration.straight(bent, skew, tail)
    (slope,) = torch.autograd.grad(bent.sum(), base)
    assert torch.abs(bent - base).max() > 1.0
    assert torch.abs(back - base).max() < 1e-12
    assert torch.abs(torch.log(slope) - log_slope).max() < 1e-12
    one, none = torch.ones_like(skew), torch.zeros_like(skew)
    assert torch.abs(Recalibration.bent(none, skew, tail)).max() < 1e-15
    width = Recalibration.bent(one, skew, tail) - Recalibration.bent(-one, skew, tail)
    assert torch.abs(width - 2.0).max() < 1e-14
    assert torch.abs(Recalibration.bent(base, none, none) - base).max() < 1e-14


def test_the_identity_until_it_is_fitted():
    net = network()
    base = 1.5 * torch.randn(50, 40, DIM, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        seen = net.seen(net.encode(*pixels(50, np.random.default_rng(1))))
        found = net.recalibration.apply_to(base, seen)
    assert torch.abs(found - base).max() < 2e-6


def test_it_runs_the_same_in_onnxruntime(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript", reason="torch exports with it")
    net = mixed().recalibration

    class Applied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, base, seen):
            return self.net.apply_to(base, seen)

    generator = torch.Generator().manual_seed(6)
    base = 2.0 * torch.randn(30, 20, DIM, generator=generator)
    seen = torch.randn(30, net.first.in_features, generator=generator)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        torch.onnx.export(
            Applied(),
            (base, seen),
            dynamo=True,
            verbose=False,
            opset_version=18,
            input_names=["base", "seen"],
        ).save(tmp_path / "r.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "r.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"base": base.numpy(), "seen": seen.numpy()})
    with torch.no_grad():
        expected = net.apply_to(base, seen).numpy()
        assert torch.abs(net(seen)[4]).max() > 0.4
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("missing", [("tails",), ("mixing", "tails")])
def test_checkpoints_of_before_there_were_mixing_and_tails_load(missing):
    net = mixed()
    old = {k: v for k, v in net.state_dict().items() if not any(f".{m}." in k for m in missing)}
    other = mixed(seed=1)
    other.load_state_dict(old)
    assert torch.equal(other.recalibration.last.weight, net.recalibration.last.weight)
    assert not any(getattr(other.recalibration, name).weight.any() for name in missing)
    assert len(old) == len(net.state_dict()) - 2 * len(missing)  # what was given is as it was
