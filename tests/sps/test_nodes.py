import numpy as np
import pytest

from pixsed.sps.nodes import SLOPE, TOLERANCE, choose_nodes, distribute, lagrange


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_lagrange_polynomials(k):
    x = np.linspace(-1, 1, 50)
    values, nodes = lagrange(x, k)
    np.testing.assert_allclose(values.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(lagrange(nodes, k)[0], np.eye(k), atol=1e-12)
    for power in range(k):
        np.testing.assert_allclose(values @ nodes**power, x**power, atol=1e-12)


def test_wider_bands_have_more_nodes():
    assert choose_nodes(0.0) == (1, 1)
    nodes = [np.prod(choose_nodes(width)) for width in (0.002, 0.02, 0.1, 0.2, 0.4, 0.8, 1.6)]
    assert np.all(np.diff(nodes) >= 0) and nodes[0] < nodes[-1] < 50


@pytest.mark.parametrize("width", [0.01, 0.1, 0.3, 0.9])
def test_attenuation_by_a_power_law(width):
    rng = np.random.default_rng(0)
    position = np.linspace(-0.1, 1.1, 60)
    light = rng.random(60) * (position >= 0) * (position <= 1)
    counts = choose_nodes(width)
    fractions, nodes = distribute(position, *counts)
    assert fractions.shape == (60, np.prod(counts)) and nodes.shape == (np.prod(counts),)
    np.testing.assert_allclose(fractions.sum(axis=1), 1, atol=1e-12)
    for slope in (-SLOPE, 0.0, 0.5 * SLOPE, SLOPE):
        found = light @ fractions @ np.exp(slope * width * nodes)
        expected = (light * np.exp(slope * width * position)).sum()
        np.testing.assert_allclose(found, expected, rtol=TOLERANCE)
