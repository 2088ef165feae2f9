# ruff: noqa: E402
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")

from pixsed.train.loss import pinball
from pixsed.train.minimise import cosine_rate, minimise


def test_the_rate_falls_as_half_a_cosine():
    assert cosine_rate(0.1, 0.0) == pytest.approx(0.1, rel=1e-4)
    assert cosine_rate(0.1, 0.5) == pytest.approx(0.05, rel=1e-4)
    assert cosine_rate(0.1, 0.5, 0.2) == pytest.approx(0.01, rel=1e-3)
    assert cosine_rate(0.1, 1.0) == cosine_rate(0.1, 1.7) == 1e-6


def test_minimise_ends_at_the_minimum():
    place, losses = torch.nn.Parameter(torch.zeros(3)), []
    target = torch.tensor([1.0, -2.0, 0.5])

    def loss():
        losses.append(((place - target) ** 2).sum())
        return losses[-1]

    minimise([place], loss, 400, 0.05, warm=10, clip=1.0)
    assert len(losses) == 400
    assert torch.abs(place.detach() - target).max() < 1e-3


def test_pinball_loss_is_smallest_at_the_quantile():
    level = torch.tensor([0.1, 0.5, 0.9])
    targets = torch.linspace(0.0, 1.0, 1001)
    places = torch.linspace(0.0, 1.0, 101)
    loss = [pinball(place.expand(1001, 3), targets, level).mean(dim=0) for place in places]
    assert np.argmin(torch.stack(loss).numpy(), axis=0).tolist() == [10, 50, 90]
