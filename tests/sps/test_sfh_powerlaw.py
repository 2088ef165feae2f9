import numpy as np
import pytest
from scipy.integrate import quad

from pixsed.sps.sfh import DoublePowerLaw, PowerLaw

EDGES = np.array([0.0, 0.003, 0.01, 0.05, 0.1, 0.4, 1.0, 3.0, 6.0, 13.5])
FRACTIONS = np.array([0.25, 0.5, 0.75])
POWER = [(-0.9, 0.3, 5.0), (0.0, 1.0, 13.0), (1.0, 0.0, 0.7), (9.0, 2.0, 6.0)]  # p, t_i, age
DOUBLE = [  # alpha, beta, tau, age
    (1.0, 0.1, 0.3, 3.0),
    (1.0, 1000.0, 0.3, 3.0),
    (0.1, 0.1, 0.2, 13.4),
    (0.1, 0.1, 13.0, 13.4),
    (1000.0, 1000.0, 0.1, 13.4),
    (0.1, 1000.0, 5.0, 6.0),
    (1000.0, 0.1, 5.0, 6.0),
    (0.4, 0.2, 0.2, 13.0),
    (2.0, 3.0, 0.7, 0.7),
    (3.0, 0.5, 1.5, 5.0),
    (0.999999, 40.0, 2.0, 9.0),
]


def integral(rate, low, high, knots):
    """Return the integral of rate(t), split where it bends or is narrow."""
    parts = sorted({low, high, *(k for k in knots if low < k < high)})
    return sum(
        quad(rate, a, b, epsabs=1e-14, epsrel=1e-9, limit=400)[0]
        for a, b in zip(parts[:-1], parts[1:], strict=True)
    )


@pytest.mark.parametrize("p, start, age", POWER)
def test_power_law_by_quadrature(p, start, age):
    history = PowerLaw([p], [start], [age])

    def formed(low, high, moment=0):
        # In u = log(t - t_i), where a p near -1 is no singularity; the beginning by hand.
        first = 1e-14 ** (p + 1) / (p + 1) * (age - start) ** moment if low <= start else 0.0
        low, high = (np.log(max(x - start, 1e-14)) for x in (low, high))
        if high <= low:
            return 0.0
        return (
            first
            + quad(
                lambda u: np.exp((p + 1) * u) * (age - start - np.exp(u)) ** moment,
                low,
                high,
                epsabs=0,
                epsrel=1e-10,
                limit=400,
            )[0]
        )

    whole = formed(start, age)
    expected = [
        formed(age - b, age - a) / whole for a, b in zip(EDGES[:-1], EDGES[1:], strict=True)
    ]
    assert history.weights(EDGES)[0] == pytest.approx(expected, abs=1e-8)
    mean = formed(start, age, moment=1) / whole
    assert history.mass_weighted_age()[0] == pytest.approx(mean, rel=1e-6)
    time = history.formation_time(FRACTIONS)[0] * age
    assert ((time - start) / (age - start)) ** (p + 1) == pytest.approx(FRACTIONS, abs=1e-9)


@pytest.mark.parametrize("alpha, beta, tau, age", DOUBLE)
def test_double_power_law_by_quadrature(alpha, beta, tau, age):
    history = DoublePowerLaw([alpha], [beta], [tau], [age])

    def rate(t):
        x = np.log(t / tau)
        return np.exp(-np.logaddexp(alpha * x, -beta * x))

    steps = np.concatenate([[0.001, 0.01, 0.1, 0.5, 1], np.linspace(2, 40, 20)])
    knots = [tau, *(tau * np.exp(-steps / (beta + 1))), *(tau * np.exp(steps / alpha))]
    whole = integral(rate, 1e-12, age, knots)
    expected = [
        integral(rate, max(age - b, 1e-12), age - a, knots) / whole if a < age else 0.0
        for a, b in zip(EDGES[:-1], EDGES[1:], strict=True)
    ]
    weights = history.weights(EDGES)[0]
    # 2e-8 where (1 - alpha) / (alpha + beta) is a whole number, as in the eighth case.
    assert weights == pytest.approx(expected, abs=5e-8)
    mean = integral(lambda t: rate(t) * (age - t), 1e-12, age, knots) / whole
    assert history.mass_weighted_age()[0] == pytest.approx(mean, abs=2e-7 * age)
    times = history.formation_time(FRACTIONS)[0] * age
    found = [integral(rate, 1e-12, t, knots) / whole for t in times]
    assert found == pytest.approx(FRACTIONS, abs=5e-6)  # alpha = 1000: 1e-9 of the age matters


def test_double_power_law_falls_to_the_floor():
    assert DoublePowerLaw([1000.0], [1.0], [1.0], [10.0]).log_sfr()[0] == -14


def test_limits_for_all_and_for_each():
    rng = np.random.default_rng(1)
    n = 70
    age = rng.uniform(1, 13, n)
    limits = rng.uniform(0, 14, (n, 3))
    for history in (
        PowerLaw(rng.uniform(-0.9, 5, n), rng.random(n) * age, age),
        DoublePowerLaw(10 ** rng.uniform(-1, 3, n), 10 ** rng.uniform(-1, 3, n), 0.5 * age, age),
    ):
        each = history.mass_younger(limits)
        assert each.shape == (n, 3)
        for i in range(n):
            np.testing.assert_array_equal(history.mass_younger(limits[i])[i], each[i])
        np.testing.assert_array_equal(history.mass_younger(0.1), history.mass_younger([0.1])[:, 0])


def test_double_power_law_in_parts(monkeypatch):
    rng = np.random.default_rng(2)
    n = 50
    slopes = 10 ** rng.uniform(-1, 3, (2, n))
    history = DoublePowerLaw(*slopes, np.full(n, 2.0), np.full(n, 6.0))
    whole = history.weights(EDGES), history.formation_time(FRACTIONS), history.log_sfr()
    monkeypatch.setattr("pixsed.sps.sfh.powerlaw._CHUNK", 64)
    parts = history.weights(EDGES), history.formation_time(FRACTIONS), history.log_sfr()
    for a, b in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(a, b)
