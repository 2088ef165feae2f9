import numpy as np
import pytest
from scipy.stats import norm

from pixsed.validate import bins, statistics
from pixsed.validate.sampling import Result


def result(n=4000, seed=0, spread=1.0, values=("AV", "TAU")):
    """Return posteriors of width 0.5 whose medians have errors of 0.5 x spread."""
    rng = np.random.default_rng(seed)
    found = {}
    for name in values:
        truth = rng.uniform(0, 4, n)
        median = truth + 0.5 * spread * rng.standard_normal(n)
        found[name] = {
            "truth": truth,
            "median": median,
            "std": np.full(n, 0.5),
            "iqr": np.full(n, 0.5 * 1.349),
            "half": np.full(n, 0.5),
            "rank": norm.cdf((truth - median) / 0.5),
            "leak": np.zeros(n),
        }
    return Result(
        found, rng.random(n), rng.random(n), np.exp(rng.uniform(0, 4, n)), rng.uniform(0, 7.5, n)
    )


def prior(n=50_000):
    rng = np.random.default_rng(9)
    return {
        "AV": rng.uniform(0, 4, n),
        "TAU": rng.uniform(0, 4, n),
        "REDSHIFT": rng.uniform(0, 7.5, n),
    }


def test_r_squared():
    truth, median = np.array([1.0, 2.0, 3.0, 6.0]), np.array([1.5, 2.0, 2.0, 5.0])
    # 1 - (0.25 + 0 + 1 + 1) / (4 + 1 + 0 + 9)
    assert statistics.r_squared(truth, median)[0] == pytest.approx(1 - 2.25 / 14)
    assert statistics.r_squared(truth, truth) == (1, 0)
    assert statistics.r_squared(truth, np.full(4, 3.0))[0] == 0
    assert np.isnan(statistics.r_squared(np.ones(4), median)).all()


def test_standard_errors_are_those_of_repeated_samples():
    found, errors, offsets = [], [], []
    for seed in range(200):
        v = result(500, seed, values=("AV",)).values["AV"]
        value, error = statistics.r_squared(v["truth"], v["median"])
        found.append(value)
        errors.append(error)
        row = statistics._accuracy(v, "AV", None)
        offsets.append((row["OFFSET"], row["OFFSET_SE"]))
    assert np.mean(errors) == pytest.approx(np.std(found), rel=0.2)
    offsets = np.array(offsets)
    assert offsets[:, 1].mean() == pytest.approx(offsets[:, 0].std(), rel=0.2)


def test_bins_are_disjoint_and_complete():
    r = result()
    rows = statistics.summarise(r, "c", prior())
    for by in ("SNR", "REDSHIFT"):
        some = [row for row in rows if row["BY"] == by and row["PARAMETER"] == "AV"]
        assert len(some) == 3 and sum(row["N"] for row in some) == len(r)
    middle = next(
        row for row in rows if (row["BY"], row["LOW"], row["PARAMETER"]) == ("SNR", 5, "AV")
    )
    inside = (r.snr >= 5) & (r.snr < 10)
    assert middle["N"] == inside.sum()
    rank = r.values["AV"]["rank"][inside]
    assert middle["COV68"] == np.mean((rank > 0.16) & (rank < 0.84))
    names = [bins.bin_name(*b) for b in bins.BINS]
    assert names == ["all", "S/N < 5", "S/N 5-10", "S/N > 10", "z < 2", "z 2-4", "z > 4"]


def test_coverage_of_a_joint_test_is_one_sided():
    fraction = np.concatenate([np.full(60, 0.3), np.full(40, 0.9)])
    found = statistics.coverage(fraction, joint=True)
    assert found["COV50"] == found["COV68"] == 0.6 and found["COV95"] == 1
    assert statistics.coverage(fraction)["COV50"] == 0.6  # |0.3 - 0.5| < 0.25


def test_curves_agree_with_the_table():
    r = result(3000, spread=1.3)
    counts, curves = statistics.ranks(r, "c")
    row = next(row for row in statistics.summarise(r, "c", None) if row["PARAMETER"] == "AV")
    curve = next(c for c in curves if c["PARAMETER"] == "AV")
    for level in (50, 68, 95):
        assert curve["COVERAGE"][level - 1] == pytest.approx(row[f"COV{level}"], abs=1e-3)
    assert counts[0]["COUNTS"].sum() == counts[0]["N"] == 3000
    assert len(counts) == len(curves) == 7 * 3  # bins x two properties and JOINT


def test_widths_over_the_prior():
    table = statistics.widths(result(20_000), "c", prior())
    av = [row for row in table if row["PARAMETER"] == "AV" and row["N"] > 100]
    assert {row["KIND"] for row in av} == {"STD"}
    for row in av:
        assert row["WIDTH"] == pytest.approx(0.5 / (4 / 12**0.5), rel=0.02)
        assert row["SNR_LOW"] <= row["SNR"] < row["SNR_HIGH"] and row["WIDTH_SE"] < 0.01
    tau = [row for row in table if row["PARAMETER"] == "TAU" and row["N"] > 100]
    assert {row["KIND"] for row in tau} == {"IQR"}
    assert tau[0]["WIDTH"] == pytest.approx(0.5 * 1.349 / 2, rel=0.02)


def test_residuals_by_truth():
    table = statistics.residuals(result(20_000), "c")
    some = [r for r in table if r["PARAMETER"] == "AV" and r["SNR_HIGH"] == np.inf and r["N"] > 500]
    assert some
    for row in some:
        assert row["RES_P84"] - row["RES_P16"] == pytest.approx(1.0, abs=0.15)
        assert abs(row["RES_P50"]) < 0.1 and row["STD"] == pytest.approx(0.5)
        assert row["UNIT"] == "mag"


@pytest.mark.parametrize("count", [0, 1])
def test_bins_without_rows_are_nan(count):
    r = result(200)
    snr = np.full(200, 3.0)
    snr[:count] = 7.0
    r = Result(r.values, r.joint, r.ood, snr, r.redshift)
    rows = statistics.summarise(r, "c", prior())
    row = next(row for row in rows if row["BY"] == "SNR" and row["LOW"] == 5)
    assert row["N"] == count and np.isnan(row["R2"]) and np.isnan(row["KS_P"])
    assert list(row) == list(rows[0])


def test_the_papers_numbers_are_of_all():
    rows = statistics.summarise(result(), "c", None, statistics.TABLE3["tau"])
    said = {(r["BY"], r["PARAMETER"]): r["R2_PAPER"] for r in rows}
    assert said["ALL", "AV"] == 0.95 and said["ALL", "TAU"] == 0.07
    assert np.isnan(said["SNR", "AV"]) and np.isnan(said["ALL", "JOINT"])
