import numpy as np
import pytest

from pixsed.sps.sfh import Binned

EDGES = np.array([[0.0, 0.03, 0.1, 1.0, 4.0], [0.0, 0.02, 0.05, 0.3, 0.6]])
FRACTIONS = np.array([[0.1, 0.0, 0.5, 0.4], [0.4, 0.2, 0.2, 0.2]])
AGE = np.array([4.0, 0.6])


@pytest.fixture
def history():
    return Binned(EDGES, 3.0 * FRACTIONS, AGE)  # fractions in any unit


def test_weights(history):
    weights = history.weights(np.array([0.0, 0.01, 0.1, 0.55, 5.0]))
    expected = [
        [0.1 / 3, 0.2 / 3, 0.25, 0.65],
        [
            0.2,
            0.4 - 0.2 + 0.2 + 0.2 * 0.05 / 0.25,
            0.2 * 0.2 / 0.25 + 0.2 * 0.25 / 0.3,
            0.2 * 0.05 / 0.3,
        ],
    ]
    np.testing.assert_allclose(weights, expected, atol=1e-12)


def test_rate_of_the_last_100_myr(history):
    np.testing.assert_allclose(history.log_sfr(), np.log10([0.1 / 1e8, 0.64 / 1e8]))


def test_mean_age(history):
    first = 0.1 * 0.015 + 0.5 * 0.55 + 0.4 * 2.5
    second = 0.4 * 0.01 + 0.2 * 0.035 + 0.2 * 0.175 + 0.2 * 0.45
    np.testing.assert_allclose(history.mass_weighted_age(), [first, second])


def test_times(history):
    # By 4 - 1 Gyr 0.4 had formed, by 4 - 0.1 Gyr 0.9.
    times = history.formation_time(np.array([0.2, 0.4, 0.65, 0.95])) * AGE[:, None]
    np.testing.assert_allclose(times[0], [1.5, 3.0, 3.45, 3.985])
    np.testing.assert_allclose(times[1], [0.3, 0.55, 0.58 + 0.02 / 8, 0.6 - 0.02 / 8])
    np.testing.assert_allclose(history.formation_time(0.4) * AGE, [3.0, 0.55])


def test_exact_times_are_those_of_the_general_search():
    from pixsed.sps.sfh import History

    rng = np.random.default_rng(3)
    edges = np.cumsum(rng.random((200, 8)), axis=1) - 1e-9
    edges = np.pad(edges, ((0, 0), (1, 0)))
    history = Binned(edges, rng.random((200, 8)), edges[:, -1])
    fractions = np.array([0.25, 0.5, 0.75])
    np.testing.assert_allclose(
        history.formation_time(fractions), History.formation_time(history, fractions), atol=1e-8
    )


def test_a_bin_for_each_galaxy_alone():
    """With all mass in one bin, empty bins cause no division by zero."""
    history = Binned([[0.0, 0.1, 1.0]], [[0.0, 1.0]], [1.0])
    assert history.log_sfr()[0] == -14
    assert history.formation_time(0.5)[0] == pytest.approx(0.45)
