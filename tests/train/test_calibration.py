"""On a posterior known exactly: a mean seen through Gaussian noise."""

import subprocess
import sys

import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.simulate.noise import NoiseModel
from pixsed.simulate.table import Simulations
from pixsed.train.calibration import (
    CASES,
    Observed,
    assess,
    band_set,
    observe_test_set,
    r_squared,
    ranks_of,
    summarise,
)

N, SIGMA = 3000, 0.7


@pytest.fixture(scope="module")
def observed():
    """theta ~ N(0, 1), seen once with noise SIGMA."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(N)
    seen = theta + SIGMA * rng.standard_normal(N)
    return Observed(seen[:, None], np.full((N, 1), SIGMA), np.ones(N), np.ones(N), {"T": theta})


def posterior(stretch=1.0, shift=0.0):
    width = SIGMA / np.hypot(1, SIGMA)

    def sampler(flux, flux_err, z, z_err, base):
        assert base.shape[2] == 1 and flux.shape[0] == len(z) == len(base)
        mean = flux[:, 0] / (1 + SIGMA**2)
        return {"T": mean[:, None] + shift + stretch * width * base[..., 0]}

    return sampler


def report(observed, sampler):
    return summarise(assess(observed, sampler, ["T"], samples=300, dim=1))[0]


def test_an_exact_posterior_passes(observed):
    row = report(observed, posterior())
    for level in (50, 68, 95):
        share = level / 100
        error = np.sqrt(share * (1 - share) / N)
        assert abs(row[f"COV{level}"] - share) < 3.5 * error, level
    assert row["SBC_P"] > 1e-3 and row["N"] == N
    assert abs(row["BIAS"]) < 0.05
    # What is explained of a unit variance, and the width of the posterior over the prior's.
    assert row["R2"] == pytest.approx(1 / (1 + SIGMA**2), abs=0.03)
    assert row["WIDTH"] == pytest.approx(SIGMA / np.hypot(1, SIGMA), rel=0.04)


@pytest.mark.parametrize("stretch, sign", [(0.7, -1), (1.4, 1)])
def test_wrong_widths_are_caught(observed, stretch, sign):
    row = report(observed, posterior(stretch))
    from scipy.stats import norm

    for level in (50, 68, 95):
        expected = 2 * norm.cdf(stretch * norm.ppf(0.5 + level / 200)) - 1
        assert row[f"COV{level}"] == pytest.approx(expected, abs=0.035)
        assert sign * (row[f"COV{level}"] - level / 100) > 0
    assert row["SBC_P"] < 1e-4


def test_a_shift_is_caught(observed):
    row = report(observed, posterior(shift=0.2))
    assert row["BIAS"] == pytest.approx(0.2, abs=0.05) and row["SBC_P"] < 1e-6


@pytest.mark.parametrize("count", [0, 1])
def test_a_bin_without_rows_is_nan(observed, count):
    result = assess(observed, posterior(), ["T"], samples=50, dim=1)
    empty, whole = summarise(result, np.arange(N) < count)[0], summarise(result)[0]
    assert list(empty) == list(whole) and empty["N"] == count
    assert all(np.isnan(v) for key, v in empty.items() if key not in ("PARAMETER", "N"))


def test_same_seed_same_numbers(observed):
    assert report(observed, posterior()) == report(observed, posterior())


def test_progress_counts_all(observed):
    counted = []
    assess(observed, posterior(), ["T"], samples=50, dim=1, progress=counted.append)
    assert sum(counted) == N


def test_r_squared():
    truth, median = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.5, 2.0, 2.0, 5.0])
    # 1 - (0.25 + 0 + 1 + 1) / (4 + 1 + 0 + 9)
    assert r_squared(truth, median) == pytest.approx(1 - 2.25 / 14)
    assert r_squared(truth, truth) == 1 and r_squared(truth, np.full(4, 3.0)) == 0


def test_ranks():
    rng = np.random.default_rng(0)
    samples = np.tile(np.arange(10.0), (4, 1))
    ranks = ranks_of(np.array([-1.0, 4.5, 20.0, 4.5]), samples, rng)
    assert 0 <= ranks[0] < 1 / 11 and 10 / 11 <= ranks[2] <= 1
    assert np.all((ranks[[1, 3]] >= 5 / 11) & (ranks[[1, 3]] < 6 / 11))


def test_ties_do_not_pile_up():
    """A floor of sSFR makes truth and all samples equal: ranks must still be uniform."""
    from scipy.stats import kstest

    ranks = ranks_of(np.zeros(3000), np.zeros((3000, 40)), np.random.default_rng(1))
    assert kstest(ranks, "uniform").pvalue > 1e-3


BANDS = ["F606W", "F150W", "F277W", "F356W", "F444W", "F070W"]


def simulations(n=400):
    rng = np.random.default_rng(3)
    flux = np.tile(10 ** rng.uniform(-2, 3, (n, 1)), (1, len(BANDS))).astype(np.float32)
    columns = {"REDSHIFT": rng.random(n), "AV": np.arange(n, dtype=float)}
    return Simulations("tau", BANDS, columns, rng.random((n, 5)), flux, {})


def test_band_sets():
    assert band_set("all", BANDS).all()
    assert band_set("paper", BANDS).tolist() == [True] * 5 + [False]  # F070W is not in it
    assert band_set("F444W, F150W", BANDS).sum() == 2
    with pytest.raises(PixsedError, match="not among the simulations': F999W"):
        band_set("F444W,F999W", BANDS)


def test_test_set():
    sims = simulations()
    found = observe_test_set(sims, NoiseModel("plain"), bands="paper", drop=(1, 2), snr_min=5,
                             number=150)  # fmt: skip
    assert found.flux.shape == (150, 6) and found.snr.min() > 5
    assert np.isnan(found.flux[:, 5]).all()
    count = (~np.isnan(found.flux)).sum(axis=1)
    assert set(count) == {3, 4}
    np.testing.assert_array_equal(np.isnan(found.flux), np.isnan(found.flux_err))
    rows = found.truth["AV"].astype(int)
    assert np.all(np.diff(rows) > 0)
    np.testing.assert_array_equal(found.redshift, sims.columns["REDSHIFT"][rows])
    pull = (found.flux - sims.flux[rows]) / found.flux_err
    assert np.nanstd(pull) == pytest.approx(1, abs=0.1)


def test_too_few_simulations():
    with pytest.raises(PixsedError, match="only .* of 400 simulations have a mean S/N above 1"):
        observe_test_set(simulations(), NoiseModel("plain"), number=400)


def test_bands_of_the_cut_are_needed():
    sims = simulations()
    sims.bands = [*BANDS[:4], "F410M", "F070W"]
    with pytest.raises(PixsedError, match="lack F444W, over which the mean S/N is taken"):
        observe_test_set(sims, NoiseModel("plain"), number=10)


def test_cases():
    assert [case[0] for case in CASES] == ["paper", "paper-drop", "all", "all-drop"]


def test_needs_no_torch():
    code = "import pixsed.train.calibration, sys; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
