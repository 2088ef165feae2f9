"""Dense Basis histories, compared with dense_basis and with a direct implementation."""

import importlib.util
import math
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from pixsed.cosmology import H0, OM0, age
from pixsed.sps.sfh import GPHistory
from pixsed.sps.sfh.gp import training_points

N = 300
FRACTIONS = np.array([0.25, 0.5, 0.75])


def draw(n, seed):
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.001, 7.5, n)
    times = np.cumsum(rng.dirichlet(np.ones(4), n), axis=1)[:, :3]
    return z, rng.uniform(-11.5, -7.5, n), times


@pytest.fixture(scope="module")
def drawn():
    z, log_ssfr, times = draw(N, 5)
    return z, log_ssfr, times, GPHistory(log_ssfr, times, age(z))


@pytest.fixture(scope="module")
def reference():
    """Module `dense_basis.gp_sfh`, loaded without its package, which imports much more."""
    for name in ("george", "sklearn"):
        pytest.importorskip(name, reason="dense_basis' Gaussian processes need it")
    spec = importlib.util.find_spec("dense_basis")
    if spec is None:
        pytest.skip("dense-basis is not installed")
    folder = Path(spec.submodule_search_locations[0])
    package = types.ModuleType("dense_basis")
    package.__path__ = [str(folder)]
    priors = types.ModuleType("dense_basis.priors")
    priors.cosmo = FlatLambdaCDM(H0=H0, Om0=OM0)
    resources = types.ModuleType("pkg_resources")  # gone from setuptools
    opened = []

    def resource_stream(_, path):
        opened.append((folder / path).open("rb"))
        return opened[-1]

    resources.resource_stream = resource_stream
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setitem(sys.modules, "dense_basis", package)
        patch.setitem(sys.modules, "dense_basis.priors", priors)
        patch.setitem(sys.modules, "pkg_resources", resources)
        patch.setattr(np, "trapz", np.trapezoid, raising=False)  # gone from numpy
        yield importlib.import_module("dense_basis.gp_sfh")
        sys.modules.pop("dense_basis.gp_sfh", None)
    for file in opened:
        file.close()


def from_dense_basis(reference, z, log_ssfr, times):
    """SFR on the grid, in fractions of the mass per step: theirs integrates to 10^M within 20 %."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        sfh, _ = reference.tuple_to_sfh(
            [10.0, 10.0 + log_ssfr, 3, *times], z, cosmo=FlatLambdaCDM(H0=H0, Om0=OM0)
        )
    return sfh / np.trapezoid(sfh)


def test_same_rates_as_dense_basis(drawn, reference):
    z, log_ssfr, times, ours = drawn
    worst = 0.0
    for i in range(N):
        theirs = from_dense_basis(reference, z[i], log_ssfr[i], times[i])
        worst = max(worst, np.abs(ours.rates[i] - theirs).max() / theirs.max())
    assert worst < 5e-6  # 1e-7 found here; 1.7e-6 in 30 000 draws, points 2e-5 apart


def test_same_mass_by_the_times_as_dense_basis(drawn, reference):
    z, log_ssfr, times, ours = drawn
    formed = 1 - ours.mass_younger((1 - times) * ours.age[:, None])
    grid = np.linspace(0, 1, 1000)
    for i in range(N):
        rates = from_dense_basis(reference, z[i], log_ssfr[i], times[i])
        steps = np.concatenate([[0], np.cumsum(0.5 * (rates[1:] + rates[:-1]))])
        # Straight interpolation of the sums: off by an eighth of the change of rate in a step.
        allowed = np.abs(np.diff(rates)).max() / 8 + 1e-5
        assert np.interp(times[i], grid, steps) == pytest.approx(formed[i], abs=allowed)


def written_out(log_ssfr, times, at_z):
    """Return the history of one object by a dense solve with a direct kernel."""
    points = [(0.0, 0.0), (0.01, 0.0), *zip(times, FRACTIONS, strict=True)]
    rate = 10**log_ssfr * at_z * 1e9
    for fraction in (0.97, 0.98, 0.99):
        when = 1 - (1 - fraction) / rate
        if when > points[-1][0] and when > 0.9:
            points.append((when, fraction))
        else:
            points.append((fraction, 1 - (1 - fraction) * rate))
    points.append((1.0, 1.0))
    x, y = np.array(points).T
    middle = np.median(y)

    def kernel(p, q):
        r = math.sqrt(3 * (p - q) ** 2 / middle)
        return np.var(y) * ((1 + r) * math.exp(-r) + (p * q) ** 2 * math.exp(-middle))

    matrix = np.array([[kernel(p, q) for q in x] for p in x])
    error = np.zeros(9)
    error[2:5] = 0.001 / math.sqrt(3)
    matrix += np.diag(error**2 + 1.25e-12)
    alpha = np.linalg.solve(matrix, y)
    grid = np.linspace(0, 1, 1000)
    mass = np.array([sum(a * kernel(g, p) for a, p in zip(alpha, x, strict=True)) for g in grid])
    sfr = np.insert(np.maximum(np.diff(mass) * 1000 / at_z, 0), 0, 0)  # per Gyr
    n = int(np.argmin(np.abs(grid * at_z - 0.01)))
    time = grid * at_z
    left = max(0, 1 - np.trapezoid(sfr[-n:], time[-n:]))
    sfr[: 1000 - n] *= left / np.trapezoid(sfr[: 1000 - n], time[: 1000 - n])
    if sfr[-1] == 0 or abs(math.log10(sfr[-1]) - (log_ssfr + 9)) > 0.05:
        sfr[-n:] = 10 ** (log_ssfr + 9)
    return sfr / np.trapezoid(sfr, grid * 999)


@pytest.mark.parametrize("i", range(8))
def test_rates_by_the_recipe(drawn, i):
    z, log_ssfr, times, ours = drawn
    expected = written_out(log_ssfr[i], times[i], float(age(z[i])))
    np.testing.assert_allclose(ours.rates[i], expected, atol=1e-5 * expected.max())


def test_points_for_a_low_present_rate():
    """The points are then at fixed times, and unsorted if t75 is later."""
    x, y = training_points(
        np.array([-11.0, -11.0]),
        np.array([[0.2, 0.4, 0.6], [0.2, 0.4, 0.98]]),
        np.array([10.0, 10.0]),
    )
    np.testing.assert_allclose(x[:, 5:8], [[0.97, 0.98, 0.99]] * 2)
    np.testing.assert_allclose(y[:, 5:8], [[0.997, 0.998, 0.999]] * 2)
    history = GPHistory([-11.0], [[0.2, 0.4, 0.98]], [10.0])
    expected = written_out(-11.0, [0.2, 0.4, 0.98], 10.0)
    np.testing.assert_allclose(history.rates[0], expected, atol=1e-5 * expected.max())


def test_weights_are_integrals_of_the_rates(drawn):
    *_, history = drawn
    edges = np.array([0, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 1.3, 4.0, 20.0])
    weights = history.weights(edges)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    assert weights.min() >= 0
    for i in range(0, N, 30):
        lookback = np.linspace(history.age[i], 0, 1000)[::-1]
        rates = history.rates[i][::-1].astype(float)
        fine = np.unique(np.concatenate([lookback, edges[edges < history.age[i]]]))
        values = np.interp(fine, lookback, rates) * 999 / history.age[i]
        for j, (a, b) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            inside = (fine >= a) & (fine <= b)
            expected = np.trapezoid(values[inside], fine[inside])
            assert weights[i, j] == pytest.approx(expected, abs=2e-6)


def test_mean_age_and_times_from_the_rates(drawn):
    *_, history = drawn
    times, mean = history.formation_time(FRACTIONS), history.mass_weighted_age()
    for i in range(0, N, 30):
        # Ten points in each step, the rate straight between the steps.
        time = np.linspace(0, 1, 9991)
        rate = np.interp(time, np.linspace(0, 1, 1000), history.rates[i])
        total = np.trapezoid(rate, time)
        assert mean[i] / history.age[i] == pytest.approx(
            1 - np.trapezoid(rate * time, time) / total, abs=1e-5
        )
        formed = np.concatenate([[0], np.cumsum(0.5 * (rate[1:] + rate[:-1]))])
        assert times[i] == pytest.approx(np.interp(FRACTIONS * formed[-1], formed, time), abs=1e-4)
    np.testing.assert_array_equal(history.formation_time(0.5), times[:, 1])


def test_star_formation_rate_is_the_mean_of_the_history(drawn):
    z, log_ssfr, _, history = drawn
    expected = np.log10(history.mass_younger(0.1) / 1e8)
    np.testing.assert_allclose(history.log_sfr(), np.maximum(expected, -14))
    # The last point has the present rate asked for, to the tolerance of Dense Basis, but for the
    # mass: theirs does not add up to what it should, by the fraction of mass of a step or two.
    last = np.log10(history.rates[:, -1] * 999 / (history.age * 1e9))
    off = last - log_ssfr
    assert np.median(np.abs(off)) < 0.02 and np.abs(off).max() < 0.15


def test_times_are_exact_if_the_gaussian_process_never_falls():
    history = GPHistory([-9.8], [[0.27, 0.51, 0.755]], [6.0])
    np.testing.assert_allclose(history.formation_time(FRACTIONS)[0], [0.27, 0.51, 0.755], atol=2e-3)


def test_extremes_stay_finite():
    tiny = 1e-9
    times = [
        [tiny, 2 * tiny, 3 * tiny],
        [1 - 3 * tiny, 1 - 2 * tiny, 1.0],
        [tiny, 0.5, 1.0],
        [0.01, 0.97, 0.98],
        [1 / 3, 1 / 3, 1 / 3],
    ]
    for log_ssfr in (-11.5, -9.0, -7.5):
        for at_z in (0.6, 13.4):
            n = len(times)
            history = GPHistory(np.full(n, log_ssfr), times, np.full(n, at_z))
            assert np.isfinite(history.rates).all() and history.rates.min() >= 0
            weights = history.weights(np.array([0, 0.01, 0.1, 1, 14.0]))
            np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
            found = history.formation_time(FRACTIONS)
            assert np.all(np.diff(found, axis=1) >= 0) and found.min() >= 0 and found.max() <= 1
            mean = history.mass_weighted_age()
            assert np.all(mean > 0) and np.all(mean < at_z)


def test_rows_do_not_depend_on_their_neighbours():
    z, log_ssfr, times = draw(1200, 6)
    whole = GPHistory(log_ssfr, times, age(z))
    some = slice(300, 310)
    part = GPHistory(log_ssfr[some], times[some], age(z[some]))
    np.testing.assert_array_equal(part.rates, whole.rates[some])
    np.testing.assert_array_equal(part.mass_weighted_age(), whole.mass_weighted_age()[some])
    np.testing.assert_array_equal(part.weights([0, 0.1, 9.0]), whole.weights([0, 0.1, 9.0])[some])
