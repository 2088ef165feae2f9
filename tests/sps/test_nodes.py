import numpy as np
import pytest

from pixsed.sps.nodes import TOLERANCE, choose_nodes, distribute, lagrange


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_lagrange_polynomials(k):
    x = np.linspace(-1, 1, 50)
    values, nodes = lagrange(x, k)
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(lagrange(nodes, k)[0], np.eye(k), atol=1e-12)
    for power in range(k):
        np.testing.assert_allclose(values @ nodes**power, x**power, atol=1e-12)


def test_more_range_asks_for_more_nodes():
    assert choose_nodes(0.0) == (1, 1)
    nodes = [np.prod(choose_nodes(half)) for half in (0.01, 0.1, 0.5, 1.0, 2.0, 4.0, 8.0)]
    assert np.all(np.diff(nodes) >= 0) and nodes[0] < nodes[-1] < 50


@pytest.mark.parametrize("av_max, spread", [(4.0, 0.0), (6.0, 0.01), (6.0, 0.8), (20.0, 1.2)])
def test_dimming_at_any_depth(av_max, spread):
    rng = np.random.default_rng(0)
    curve = 1.3 + spread * rng.random((3, 60))
    light = rng.random((3, 60))
    counts = choose_nodes(0.5 * av_max * np.ptp(curve, axis=1).max())
    fractions, nodes = distribute(curve, *counts)
    assert fractions.shape == (3, 60, np.prod(counts)) and nodes.shape == (3, np.prod(counts))
    np.testing.assert_allclose(fractions.sum(axis=2), 1, atol=1e-12)
    for av in (0.0, 0.03, 0.5 * av_max, av_max):
        found = np.einsum("sw,swk,sk->s", light, fractions, np.exp(-av * nodes))
        expected = (light * np.exp(-av * curve)).sum(axis=1)
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
