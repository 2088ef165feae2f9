import numpy as np
import pytest
from scipy.integrate import quad

from pixsed.sps.sfh import LOG_SSFR_FLOOR, History, TauDelayed, delayed_formed

EDGES = np.array([0.0, 0.003, 0.01, 0.05, 0.1, 0.4, 1.0, 3.0, 6.0, 13.5])
CASES = [  # tau, t_i, age of the Universe
    (0.01, 1.0, 5.0),
    (0.01, 4.97, 5.0),
    (100.0, 0.0, 13.4),
    (100.0, 4.999, 5.0),
    (1.0, 2.0, 9.0),
    (0.3, 0.1, 0.7),
    (3.0, 0.65, 0.7),
    (0.05, 0.4, 0.75),
]


def formed(tau, span, young, old, power=0):
    """Return the integral of SFR x lookback^power over lookback times young to old."""
    young, old = min(young, span), min(old, span)
    peak = span - tau
    knots = sorted(
        {young, old, *[k for k in (peak, span - 5 * tau, span - 20 * tau) if young < k < old]}
    )

    def rate(a):
        return (span - a) * np.exp(-(span - a) / tau) * a**power

    return sum(
        quad(rate, a, b, epsabs=0, epsrel=1e-11, limit=200)[0]
        for a, b in zip(knots[:-1], knots[1:], strict=True)
    )


@pytest.mark.parametrize("tau, start, age", CASES)
def test_weights_by_quadrature(tau, start, age):
    weights = TauDelayed([tau], [start], [age]).weights(EDGES)[0]
    span = age - start
    whole = formed(tau, span, 0, span)
    expected = [formed(tau, span, a, b) / whole for a, b in zip(EDGES[:-1], EDGES[1:], strict=True)]
    assert weights == pytest.approx(expected, rel=1e-6, abs=1e-10)
    assert weights.sum() == pytest.approx(1, abs=1e-12) and weights.min() >= 0


@pytest.mark.parametrize("tau, start, age", CASES)
def test_star_formation_rate_over_100_myr(tau, start, age):
    span = age - start
    fraction = formed(tau, span, 0, 0.1) / formed(tau, span, 0, span)
    expected = max(np.log10(fraction / 1e8), LOG_SSFR_FLOOR) if fraction > 0 else LOG_SSFR_FLOOR
    assert TauDelayed([tau], [start], [age]).log_sfr()[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("tau, start, age", CASES)
def test_mass_weighted_age(tau, start, age):
    span = age - start
    expected = formed(tau, span, 0, span, power=1) / formed(tau, span, 0, span)
    assert TauDelayed([tau], [start], [age]).mass_weighted_age()[0] == pytest.approx(
        expected, rel=1e-6
    )


def test_no_star_formation_left_is_floored():
    assert LOG_SSFR_FLOOR == -14
    assert TauDelayed([0.01], [0.5], [10.0]).log_sfr()[0] == -14


def test_all_formed_within_100_myr():
    assert TauDelayed([1.0], [4.95], [5.0]).log_sfr()[0] == pytest.approx(-8, abs=1e-12)


def test_weights_add_up_to_one_over_the_prior():
    rng = np.random.default_rng(1)
    age = rng.uniform(0.6, 13.4, 5000)
    history = TauDelayed(10 ** rng.uniform(-2, 2, 5000), rng.random(5000) * age, age)
    weights = history.weights(EDGES)
    assert np.isfinite(weights).all() and weights.min() >= -1e-12
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    mean = history.mass_weighted_age()
    assert np.all(mean > 0) and np.all(mean <= history.span)


def test_start_at_the_age_of_the_universe():
    history = TauDelayed([0.5], [5.0], [5.0])
    assert history.weights(EDGES)[0, 0] == pytest.approx(1)
    assert history.mass_weighted_age()[0] == pytest.approx(0, abs=1e-8)


def test_formed_has_no_jump_where_the_series_ends():
    x = np.geomspace(1e-6, 1, 2000)
    expected = np.array([quad(lambda t: t * np.exp(-t), 0, b, epsrel=1e-12)[0] for b in x])
    np.testing.assert_allclose(delayed_formed(x), expected, rtol=1e-8)


@pytest.mark.parametrize("tau, start, age", CASES)
def test_formation_times(tau, start, age):
    """The formation times enclose the right fractions of the mass."""
    fractions = np.array([0.25, 0.5, 0.75])
    history = TauDelayed([tau], [start], [age])
    times = history.formation_time(fractions)[0] * age
    span = age - start
    whole = formed(tau, span, 0, span)
    assert [formed(tau, span, age - t, span) / whole for t in times] == pytest.approx(
        fractions, abs=1e-9
    )
    assert history.formation_time(0.5) == pytest.approx(times[1] / age)


def test_formation_times_are_those_of_the_general_search():
    rng = np.random.default_rng(2)
    age = rng.uniform(0.6, 13.4, 3000)
    history = TauDelayed(10 ** rng.uniform(-2, 2, 3000), rng.random(3000) * age, age)
    fractions = np.array([0.25, 0.5, 0.75])
    exact = history.formation_time(fractions)
    assert np.all(np.diff(exact, axis=1) > 0) and exact.min() > 0 and exact.max() <= 1
    np.testing.assert_allclose(exact, History.formation_time(history, fractions), atol=1e-8)


def test_formation_time_at_the_age_of_the_universe():
    times = TauDelayed([100.0, 0.01], [5.0, 0.0], [5.0, 5.0]).formation_time(0.5)
    assert times == pytest.approx([1.0, 0.01 * 1.6783469900166610 / 5.0])
