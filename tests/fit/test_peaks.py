"""Posteriors with two peaks: the statistic, and the bit of DQ."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.dq import DQ
from pixsed.fit.cube import fit_cube
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.peaks import has_two_peaks, valley_depth
from pixsed.fit.table import fit_table

ROWS = 4000


def flagged(draws):
    """Return the fraction of rows of draws that are said to have two peaks."""
    draws = draws.astype(np.float32)
    return has_two_peaks(draws, np.median(draws, axis=1), draws.std(axis=1)).mean()


@pytest.mark.parametrize("side", [-1, 1])
def test_draws_beyond_the_histogram_do_not_count(side):
    draws = np.random.default_rng(2).normal(size=(20, 500))
    draws[:, :100] = 1e3 * side
    assert not has_two_peaks(draws, np.zeros(20), np.ones(20)).any()


def mixture(count, separation, weight, seed=1):
    """Return draws of two Gaussians of unit width, with `weight` in the second."""
    rng = np.random.default_rng(seed)
    second = rng.random((ROWS, count)) < weight
    return rng.normal(np.where(second, separation, 0.0), 1.0)


ONE_PEAK = {
    "uniform": lambda rng, shape: rng.random(shape),
    "normal": lambda rng, shape: rng.normal(size=shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
    "lognormal": lambda rng, shape: rng.lognormal(size=shape),
    "at the edge": lambda rng, shape: rng.beta(0.5, 1.0, shape),
    "long tails": lambda rng, shape: rng.standard_t(3, shape),
    "spike on a broad one": lambda rng, shape: (
        rng.normal(size=shape) * np.where(rng.random(shape) < 0.3, 0.1, 1.0)
    ),
}


@pytest.mark.parametrize("count", [32, 128, 500, 1000])
@pytest.mark.parametrize("law", ONE_PEAK)
def test_one_peak(law, count):
    assert flagged(ONE_PEAK[law](np.random.default_rng(2), (ROWS, count))) < 0.01


@pytest.mark.parametrize(
    ("count", "separation", "weight", "least", "most"),
    [
        (128, 2, 0.5, 0.0, 0.01),  # the sum of these has one peak
        (128, 4, 0.5, 0.6, 0.9),
        (128, 6, 0.5, 0.999, 1.0),
        (128, 6, 0.2, 0.85, 1.0),
        (128, 8, 0.1, 0.8, 1.0),
        (500, 4, 0.5, 0.999, 1.0),
        (500, 6, 0.1, 0.97, 1.0),
    ],
)
def test_two_peaks(count, separation, weight, least, most):
    assert least <= flagged(mixture(count, separation, weight)) <= most


def test_the_result_depends_neither_on_the_scale_nor_on_other_rows():
    draws = mixture(128, 5, 0.4)[:300].astype(np.float32)
    middle, std = np.median(draws, axis=1), draws.std(axis=1)
    depth = valley_depth(draws, middle, std)
    for rows in (slice(7, 8), slice(5, 22), slice(None, None, -1)):
        np.testing.assert_array_equal(
            valley_depth(draws[rows], middle[rows], std[rows]), depth[rows]
        )
    np.testing.assert_array_equal(valley_depth(4 * draws, 4 * middle, 4 * std), depth)
    assert (valley_depth(-draws, -middle, std) > 2).mean() == pytest.approx(
        (depth > 2).mean(), abs=0.05
    )


def test_draws_without_a_spread_or_too_few():
    draws = np.array([np.full(64, 0.4), np.full(64, np.nan), np.repeat([-2.0, 0.0], 32)], "f4")
    with np.errstate(invalid="ignore"):
        std = draws.std(axis=1)
    assert has_two_peaks(draws, draws[:, 32], std).tolist() == [False, False, True]
    few = np.repeat([[-2.0, 0.0]], 15, axis=1).reshape(1, -1)
    assert not has_two_peaks(few, np.zeros(1), np.ones(1)).any()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "two.onnx"
    return Model(fakes.fake_model(path, two_peaks=True, quantiles=True))


@pytest.mark.parametrize("make", [fakes.make_cube, fakes.binned_cube])
def test_bit_of_maps(model, two, make):
    for used, expected in ((model, False), (two, True)):
        maps = fit_cube(make(), used, FitOptions(snr_min=0))
        fitted = np.isfinite(maps.planes["METAL_P50"])
        bit = (maps.dq & DQ.BIMODAL) > 0
        assert fitted.sum() == maps.nfit and not bit[~fitted].any()
        assert (bit[fitted] == expected).all()
        np.testing.assert_allclose(
            maps.planes["METAL_STD"][fitted], 1.02 if expected else 0.2, rtol=0.05
        )
        assert "BIMODAL" not in maps.planes


def test_bit_of_rows_and_of_the_quantile_engine(model, two):
    table = Table({"ID": ["a", "b", "c"], "REDSHIFT": [1.0, 2.0, 1.0]})
    for band in ("F115W", "F277W", "F444W"):
        table[band] = [10.0, 20.0, np.nan] * u.nJy
        table[f"{band}_ERR"] = [1.0, 1.0, 1.0] * u.nJy
    for used, engine, expected in (
        (model, "flow", 0),
        (two, "flow", DQ.BIMODAL),
        (two, "quantile", 0),
    ):
        found = fit_table(table, used, FitOptions(engine=engine))
        assert list(found["DQ"] & DQ.BIMODAL) == [expected, expected, 0]
        assert "BIMODAL" not in found.colnames
