"""Statistics of a comparison, against numpy and astropy."""

import numpy as np
import pytest
from astropy.stats import mad_std

from pixsed.validate.compare import compare, lines
from pixsed.validate.pairs import Pairs


def pairs(n=400, seed=0, offset=0.2, error=0.3, unit="dex(solMass)", **changes):
    rng = np.random.default_rng(seed)
    a = rng.uniform(8, 11, n)
    b = a + offset + error * rng.standard_normal(n)
    values = dict(
        name="LOGMSTAR",
        prop="LOGMSTAR",
        unit=unit,
        a=a,
        b=b,
        a_err=np.full(n, error * 0.6),
        b_err=np.full(n, error * 0.8),
        redshift=rng.uniform(1, 6, n),
        a_name="a",
        b_name="b",
    )
    return Pairs(**{**values, **changes})


def row(table, name):
    return table[table["BIN"] == name][0]


def test_the_formulas():
    pair = pairs()
    table = compare([pair])
    assert list(table["BIN"]) == ["all", "z < 3", "z >= 3"]
    difference = pair.b - pair.a
    for name, inside in {
        "all": np.ones(400, bool),
        "z < 3": pair.redshift < 3,
        "z >= 3": pair.redshift >= 3,
    }.items():
        found, some = row(table, name), difference[inside]
        assert found["N"] == inside.sum()
        assert found["OFFSET"] == pytest.approx(np.median(some))
        assert found["SCATTER"] == pytest.approx(np.std(some))
        assert found["MAD"] == pytest.approx(mad_std(some), rel=1e-4)
        assert found["N_OUT"] == (np.abs(some) > 1).sum()
        assert found["FRAC_OUT"] == pytest.approx((np.abs(some) > 1).mean())
        assert found["ERROR"] == pytest.approx(0.3)
        assert found["PULL"] == pytest.approx(mad_std(some / 0.3), rel=1e-4)
        assert found["UNIT"] == "dex"


def test_the_standard_error_is_the_scatter_of_medians():
    offsets = [row(compare([pairs(seed=seed)]), "all") for seed in range(150)]
    said = np.mean([found["OFFSET_SE"] for found in offsets])
    assert said == pytest.approx(np.std([found["OFFSET"] for found in offsets]), rel=0.2)


def test_the_sign_is_b_minus_a():
    assert row(compare([pairs(offset=0.5, error=0.01)]), "all")["OFFSET"] > 0.4


def test_another_split_and_outlier():
    pair = pairs()
    table = compare([pair], split=2, outlier=0.5)
    assert row(table, "z >= 2")["N"] == (pair.redshift >= 2).sum()
    assert row(table, "all")["N_OUT"] == (np.abs(pair.b - pair.a) > 0.5).sum()


def test_without_redshifts_or_errors():
    nothing = np.full(400, np.nan)
    zero = np.zeros(400)
    table = compare([pairs(redshift=nothing, a_err=zero, b_err=zero, unit="Gyr")])
    assert list(table["N"]) == [400, 0, 0]
    assert np.isnan(row(table, "z < 3")["OFFSET"])
    assert np.isnan(row(table, "all")["PULL"]) and row(table, "all")["UNIT"] == "Gyr"
    assert len(lines(table, "a", "b")) == 2  # bins without galaxies are not said


def test_one_galaxy():
    table = compare([pairs(n=1)])
    found = row(table, "all")
    assert np.isfinite(found["OFFSET"]) and np.isnan(found["OFFSET_SE"])
    assert "N 1 " in lines(table, "a", "b")[1]


def test_the_lines_say_the_sign():
    said = lines(compare([pairs()]), "tau.ecsv", "dirichlet.ecsv")
    assert said[0] == "A = tau.ecsv, B = dirichlet.ecsv; offset = median of B - A"
    assert "z >= 3" in said[3] and "offset +0.195 +- 0.020 dex" in said[1]
