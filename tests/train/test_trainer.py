# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.simulate.noise import WIDE
from pixsed.simulate.table import read_simulations
from pixsed.train.batches import Observer
from pixsed.train.initialise import build_network
from pixsed.train.options import NetworkSizes
from pixsed.train.trainer import Trainer, parts_of

SIZES = NetworkSizes(
    width=32, blocks=1, context=16, hidden=12, bins=4, flow_width=16, flow_blocks=1
)


@pytest.fixture(scope="module")
def made(simulations_file, ssp_grid):
    """An untrained network and a batch of 300 rows."""
    simulations = read_simulations(simulations_file)
    torch.manual_seed(1)
    network = build_network(simulations, ssp_grid, SIZES)
    rows = np.arange(len(simulations))
    observer = Observer(simulations, WIDE, rows)
    batch = observer.batch(rows[:600], np.random.default_rng(2), keep_faint=1.0)
    return network, {key: values[:300] for key, values in batch.items()}


def trained(made, device, steps, spoiled=(), parts=1):
    network, batch = made
    weights = {key: values.clone() for key, values in network.state_dict().items()}
    trainer = Trainer(network.to(device), False, device, parts)
    batch = {key: values.to(device) for key, values in batch.items()}
    losses = []
    for number in range(steps):
        trainer.set_rates(1e-3, 2e-3)
        spoilt = dict(batch)
        if number in spoiled:
            spoilt["coordinates"] = spoilt["coordinates"] * torch.inf
        losses.append(float(trainer.step(spoilt, number >= steps // 3, number)))
    found = [
        {key: values.cpu().clone() for key, values in one.state_dict().items()}
        for one in (network, trainer.average)
    ]
    network.to("cpu").load_state_dict(weights)
    return losses, *found


def test_step_with_an_infinite_loss_is_skipped(made):
    losses, network, _ = trained(made, "cpu", 9)
    spoiled, other, _ = trained(made, "cpu", 10, spoiled=[9])
    assert np.isfinite(losses).all() and losses[8] < losses[3]
    assert not np.isfinite(spoiled[9])
    assert all(torch.equal(network[key], other[key]) for key in network)


def test_parts_of_a_batch_give_the_same_steps(made):
    whole, divided = (trained(made, "cpu", 9, [8], parts=parts) for parts in (1, 3))
    np.testing.assert_allclose(divided[0][:8], whole[0][:8], rtol=1e-4)
    assert not np.isfinite(divided[0][8])
    for key, values in whole[1].items():
        assert torch.allclose(divided[1][key], values, rtol=1e-2, atol=1e-3), key


@pytest.mark.parametrize(
    ("batch", "threads", "device", "parts"),
    [(1024, 1, "cpu", 1), (1024, 2, "cpu", 2), (1024, 16, "cpu", 2), (64, 4, "cpu", 1)]
    + [(4096, 4, "cuda", 1)],
)
def test_number_of_parts(batch, threads, device, parts):
    assert parts_of(batch, threads, device) == parts


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no device cuda")
@pytest.mark.parametrize("spoiled", [(), (2, 10)])
def test_recorded_steps_on_a_gpu_equal_those_on_the_cpu(made, spoiled):
    """The second case has an infinite loss before and after the graph is recorded."""
    here = trained(made, "cpu", 15, spoiled)
    there = trained(made, "cuda", 15, spoiled)
    np.testing.assert_allclose(there[0], here[0], rtol=1e-3)
    for a, b in zip(there[1:], here[1:], strict=True):
        assert all(torch.allclose(a[key], b[key], rtol=0.02, atol=2e-3) for key in a)
