# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.simulate.noise import WIDE
from pixsed.simulate.table import read_simulations
from pixsed.train.batches import Observer
from pixsed.train.step import Trainer
from pixsed.train.train import build

SIZES = dict(width=32, blocks=1, context=16, hidden=12, bins=4, flow_width=16, flow_blocks=1)


@pytest.fixture(scope="module")
def made(simulations_file, ssp_grid):
    """A network with its weights, and a batch of 300."""
    simulations = read_simulations(simulations_file)
    torch.manual_seed(1)
    network = build(simulations, ssp_grid, SIZES)
    rows = np.arange(len(simulations))
    observer = Observer(simulations, WIDE, rows)
    seen = observer.batch(rows[:600], np.random.default_rng(2), keep_faint=1.0)
    return network, {key: values[:300] for key, values in seen.items()}


def trained(made, device, steps, spoiled=()):
    network, seen = made
    weights = {key: values.clone() for key, values in network.state_dict().items()}
    trainer = Trainer(network.to(device), False, device)
    seen = {key: values.to(device) for key, values in seen.items()}
    losses = []
    for number in range(steps):
        trainer.set_rates(1e-3, 2e-3)
        shown = dict(seen)
        if number in spoiled:
            shown["coordinates"] = shown["coordinates"] * torch.inf
        losses.append(float(trainer.step(shown, number >= steps // 3, number)))
    found = [
        {key: values.cpu().clone() for key, values in one.state_dict().items()}
        for one in (network, trainer.average)
    ]
    network.to("cpu").load_state_dict(weights)
    return losses, *found


def test_a_loss_that_is_not_finite_teaches_nothing(made):
    losses, network, _ = trained(made, "cpu", 9)
    spoiled, other, _ = trained(made, "cpu", 10, spoiled=[9])
    assert np.isfinite(losses).all() and losses[8] < losses[3]
    assert not np.isfinite(spoiled[9])
    assert all(torch.equal(network[key], other[key]) for key in network)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no device cuda")
@pytest.mark.parametrize("spoiled", [(), (2, 10)])
def test_steps_recorded_on_a_card_are_those_of_the_processor(made, spoiled):
    """Spoiled once before the graph is recorded, and once in it."""
    here = trained(made, "cpu", 15, spoiled)
    there = trained(made, "cuda", 15, spoiled)
    np.testing.assert_allclose(there[0], here[0], rtol=1e-3)
    for a, b in zip(there[1:], here[1:], strict=True):
        assert all(torch.allclose(a[key], b[key], rtol=0.02, atol=2e-3) for key in a)
