"""Tests with an exactly known posterior: a mean observed with Gaussian noise."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import norm

from pixsed.validate.cases import Observed
from pixsed.validate.sampling import ModelSampler, assess
from pixsed.validate.statistics import summarise
from pixsed.validate.tarp import UnitCube

N, SIGMA = 3000, 0.7
WIDTH = SIGMA / np.hypot(1, SIGMA)


@pytest.fixture(scope="module")
def observed():
    """T ~ N(0, 1), observed once with noise SIGMA; U is always 0."""
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(N)
    seen = (theta + SIGMA * rng.standard_normal(N)).astype(np.float32)
    err = np.full((N, 1), SIGMA, dtype=np.float32)
    truth = {"T": theta, "U": np.zeros(N)}
    return Observed(seen[:, None], err, np.linspace(0, 6, N), np.zeros(N), np.ones(N), truth)


class Posterior:
    """Sampler of the exact posterior, stretched or shifted."""

    dim = 2

    def __init__(self, stretch=1.0, shift=0.0):
        self.stretch, self.shift = stretch, shift

    def __call__(self, flux, flux_err, z, z_err, base):
        assert base.shape[2] == 2 and flux.shape[0] == len(z) == len(base)
        mean = flux[:, 0] / (1 + SIGMA**2)
        drawn = mean[:, None] + self.shift + self.stretch * WIDTH * base[..., 0]
        return {"T": drawn, "U": 0 * drawn}, z[:, None], np.full(len(z), 0.5)


def run(observed, sampler, **options):
    cube = UnitCube({"T": np.random.default_rng(5).standard_normal(20_000)})
    return assess(observed, sampler, ["T", "U"], cube, **{"samples": 300} | options)


def report(observed, sampler, **options):
    prior = {
        "T": np.random.default_rng(6).standard_normal(20_000),
        "U": np.zeros(20_000),
        "REDSHIFT": np.linspace(0, 6, 20_000),
    }
    rows = summarise(run(observed, sampler, **options), "c", prior)
    return {r["PARAMETER"]: r for r in rows if r["BY"] == "ALL"}


def test_an_exact_posterior_passes(observed):
    found = report(observed, Posterior())
    for row in (found["T"], found["JOINT"]):
        for level in (50, 68, 95):
            fraction = level / 100
            error = np.sqrt(fraction * (1 - fraction) / N)
            assert row[f"COV{level}_SE"] == pytest.approx(error)
            assert abs(row[f"COV{level}"] - fraction) < 3.5 * error, level
        assert row["KS_P"] > 1e-3 and row["CHI2_P"] > 1e-3 and row["N"] == N
    row = found["T"]
    assert abs(row["OFFSET"]) < 4 * row["OFFSET_SE"] and abs(row["MEAN"]) < 0.05
    # Explained fraction of a unit variance, and ratio of posterior to prior width.
    assert row["R2"] == pytest.approx(1 / (1 + SIGMA**2), abs=4 * row["R2_SE"])
    assert row["WIDTH"] == pytest.approx(WIDTH, rel=0.03)
    assert row["STD"] == pytest.approx(WIDTH, rel=0.01)
    assert row["SCATTER"] == pytest.approx(WIDTH, rel=0.04)


@pytest.mark.parametrize("stretch, sign", [(0.7, -1), (1.4, 1)])
def test_wrong_widths_are_caught(observed, stretch, sign):
    found = report(observed, Posterior(stretch))
    row = found["T"]
    for level in (50, 68, 95):
        expected = 2 * norm.cdf(stretch * norm.ppf(0.5 + level / 200)) - 1
        assert row[f"COV{level}"] == pytest.approx(expected, abs=0.035)
        assert sign * (row[f"COV{level}"] - level / 100) > 0
    assert row["KS_P"] < 1e-4 and row["CHI2_P"] < 1e-6
    assert found["JOINT"]["KS_P"] < 1e-6


def test_a_shift_is_caught(observed):
    row = report(observed, Posterior(shift=0.2))["T"]
    assert row["OFFSET"] == pytest.approx(0.2, abs=0.05) and row["KS_P"] < 1e-6


def test_a_constant_has_uniform_ranks_and_no_r2(observed):
    """Truth and all draws may be equal, like a star-formation rate at its floor."""
    row = report(observed, Posterior())["U"]
    assert np.isnan(row["R2"]) and np.isnan(row["WIDTH"]) and row["KS_P"] > 1e-3


def test_neither_jobs_nor_order_change_a_bit(observed):
    one, four = run(observed, Posterior()), run(observed, Posterior(), jobs=4)
    for name in ("T", "U"):
        for key, values in one.values[name].items():
            np.testing.assert_array_equal(values, four.values[name][key])
    np.testing.assert_array_equal(one.joint, four.joint)
    np.testing.assert_array_equal(one.ood, four.ood)
    assert not np.array_equal(one.joint, run(observed, Posterior(), seed=1).joint)


def test_progress_counts_all(observed):
    counted = []
    run(observed, Posterior(), samples=50, progress=counted.append)
    assert sum(counted) == N


class Fake:
    parameters = "LOGMSTAR LOGMFORM LOGSFR METAL AV TAU TSTART REDSHIFT".split()
    sfh, base_dim, infers_redshift = "tau", 6, False
    metadata = {
        "prior": {"coordinates": [{"name": n} for n in "LOGMFORM AV METAL TAU TSTART".split()]}
    }


def test_which_properties_are_compared():
    sampler = ModelSampler(Fake())
    truth = dict.fromkeys([*Fake.parameters, "AGE", "T50LB", "T25"])
    names = sampler.names(truth)
    assert names == [*Fake.parameters[:7], "AGE", "T50LB"]
    assert sampler.joint_names(names) == ["LOGMFORM", "METAL", "AV", "TAU", "TSTART"]
    assert "REDSHIFT" in sampler.joint_names(sampler.names(truth, photo_z=True))
    other = dict.fromkeys("LOGMSTAR LOGMFORM LOGSFR METAL AV AGE T50LB GROWTH".split())
    shared = sampler.names(other, same_prior=False)
    assert shared == ["LOGMSTAR", "LOGMFORM", "LOGSFR", "METAL", "AV", "AGE", "T50LB"]
    assert sampler.joint_names(shared) == ["LOGMFORM", "LOGSFR", "METAL", "AV"]
    assert "T50LB" not in sampler.names(dict.fromkeys(Fake.parameters))
    blind = Fake()
    blind.infers_redshift = True
    assert "REDSHIFT" in ModelSampler(blind).names(truth)


def test_needs_no_torch():
    code = (
        "import pixsed.validate, pixsed.train.card, importlib, pkgutil, sys\n"
        "for m in pkgutil.iter_modules(pixsed.validate.__path__):\n"
        "    importlib.import_module('pixsed.validate.' + m.name)\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_few_draws_do_not_bend_the_ranks():
    """With evenly spread draws 95 % intervals would contain 1 % too many truths."""
    rng = np.random.default_rng(3)
    n = 40_000
    seen = (SIGMA * rng.standard_normal(n)).astype(np.float32)
    theta = seen / (1 + SIGMA**2) + WIDTH * rng.standard_normal(n)
    many = Observed(
        seen[:, None],
        np.full((n, 1), SIGMA, dtype=np.float32),
        np.ones(n),
        np.zeros(n),
        np.ones(n),
        {"T": theta, "U": np.zeros(n)},
    )
    row = report(many, Posterior(), samples=100)["T"]
    for level in (50, 68, 95):
        assert abs(row[f"COV{level}"] - level / 100) < 3.5 * row[f"COV{level}_SE"], level
