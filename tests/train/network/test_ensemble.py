# ruff: noqa: E402
import copy

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the flow is made with torch")

from pixsed.errors import PixsedError
from pixsed.train.checkpoint import load_network
from pixsed.train.network.ensemble import Ensemble, check_members


@pytest.fixture(scope="module")
def checkpoint(checkpoint_file):
    return torch.load(checkpoint_file, weights_only=True)


def test_samples_and_photometry_of_the_members(checkpoint, few_bands):
    one, two = load_network(checkpoint), load_network(checkpoint)
    with torch.no_grad():
        two.conditioners[1].from_known.bias += 0.5
    rng = np.random.default_rng(0)
    flux = torch.as_tensor(rng.uniform(1, 9, (5, len(few_bands))), dtype=torch.float32)
    seen = flux, 0.1 * flux, torch.full((5,), 2.0), torch.zeros(5)
    base = torch.as_tensor(rng.standard_normal((5, 7, 6)), dtype=torch.float32)
    with torch.no_grad():
        samples, predicted = Ensemble([one, two])(*seen, base)
        first, second = one(*seen, base), two(*seen, base)
    assert torch.allclose(samples[:, :3], first[0][:, :3])
    assert torch.allclose(samples[:, 3:], second[0][:, 3:])
    assert not torch.allclose(first[0], second[0])
    # The photometry is that of the best draw of all members.
    fluxes = torch.stack([one(*seen, base[:, :3])[1], two(*seen, base[:, 3:])[1]])
    chi2 = (((flux - fluxes) / seen[1]) ** 2).sum(dim=2)
    assert torch.allclose(predicted, fluxes[chi2.argmin(dim=0), torch.arange(5)])


def test_different_members_are_an_error(checkpoint):
    other = copy.copy(checkpoint) | {"noise": {"name": "other"}}
    with pytest.raises(PixsedError, match="the checkpoints differ in noise; the members"):
        check_members([checkpoint, other])
    check_members([checkpoint, checkpoint])
