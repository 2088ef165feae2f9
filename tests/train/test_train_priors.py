# ruff: noqa: E402
import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch")

from pixsed.errors import PixsedError
from pixsed.simulate.noise import DEPTH
from pixsed.simulate.priors import PRIORS
from pixsed.simulate.table import Simulations
from pixsed.train.network.spaces import SPACES
from pixsed.train.train import train


@pytest.mark.parametrize("name", sorted(set(PRIORS) - set(SPACES)))
def test_prior_without_a_network_is_an_error_first(name, tmp_path):
    """The error precedes any use of the grid or the bands, and nothing is written."""
    simulations = Simulations(name, [], {}, np.empty((0, 7)), np.empty((0, 0)), {})
    with pytest.raises(PixsedError, match=f"prior '{name}' yet; train on .* --prior tau"):
        train(simulations, None, DEPTH, tmp_path / "no.ckpt")
    assert not list(tmp_path.iterdir())
