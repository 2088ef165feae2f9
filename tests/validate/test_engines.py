import fakes
import numpy as np
import pytest

from pixsed.fit.model import Model
from pixsed.validate.cases import Observed
from pixsed.validate.engines import (
    card_lines,
    colour_bins,
    compare_engines,
    engine_lines,
    worst_bins,
)


@pytest.fixture(scope="module")
def observed():
    n = 600
    rng = np.random.default_rng(1)
    flux = np.full((n, 29), np.nan, dtype=np.float32)
    flux[:, :7] = rng.uniform(1, 100, (n, 1))
    formed = np.log10(flux[:, 0]) + 8 + 0.1 * rng.standard_normal(n)
    return Observed(
        flux=flux,
        flux_err=0.1 * flux,
        redshift=np.full(n, 2.0),
        redshift_err=np.zeros(n),
        snr=np.full(n, 10.0),
        truth={"LOGMFORM": formed},
    )


def test_the_fake_model_agrees_with_itself_where_it_should(tmp_path, observed):
    # Both its engines have formed mass normal, 0.1 wide; surviving mass is 0.2 lower by draws.
    model = Model(fakes.fake_model(tmp_path / "m.onnx", quantiles=True))
    found = compare_engines(model, observed, samples=256)
    rows = {row["PARAMETER"]: row for row in found if row["BIN"] == "all"}
    assert "REDSHIFT" not in rows and "AGE" in rows
    formed = rows["LOGMFORM"]
    assert formed["N"] == 600 and formed["OFF95"] < 0.1
    assert formed["WIDTH"] == pytest.approx(1, abs=0.05)
    for level in (50, 68, 95):
        assert formed[f"COV{level}"] == pytest.approx(level / 100, abs=0.05)
    star = rows["LOGMSTAR"]
    assert star["OFF50"] == pytest.approx(2.0, abs=0.1) and np.isnan(star["COV68"])
    assert star["BIAS"] == pytest.approx(2.0, abs=0.1)
    assert any(line.startswith("LOGMFORM") for line in engine_lines(list(rows.values())))
    assert any("| LOGMFORM |" in line for line in card_lines(list(rows.values())))


def test_a_model_without_it_has_no_rows(tmp_path, observed):
    model = Model(fakes.fake_model(tmp_path / "m.onnx"))
    assert compare_engines(model, observed) == engine_lines([]) == card_lines([]) == []


def test_bins_of_colour_and_snr():
    bands = ["F435W", "F115W", "F444W"]
    ratio = np.linspace(0.1, 2, 1000)
    flux = np.stack([np.full(1000, np.nan), ratio, np.ones(1000)], axis=1)
    flux[0, 2] = -1.0
    snr = np.where(np.arange(1000) % 2, 20.0, 5.0)
    found = colour_bins(flux, snr, bands)
    assert len(found) == 1 + 5 * 3 and found["all"].all()
    reddest, bluest = (found[f"F115W-F444W {i}/5, S/N < 10"] for i in (1, 5))
    assert ratio[reddest].max() < ratio[bluest].min() and not reddest[0]
    assert abs(reddest.sum() - 100) <= 1 and not found["F115W-F444W 1/5, S/N > 30"].any()
    whole = np.sum([mask for name, mask in found.items() if name != "all"], axis=0)
    assert whole.tolist() == [0] + [1] * 999
    assert list(colour_bins(flux[:, :1], snr, bands[:1])) == ["all"]


def test_an_offset_that_the_whole_does_not_show():
    """Blue rows are too dusty and red rows are not: half of them, with opposite signs."""
    rows = [
        {"BIN": "all", "PARAMETER": "AV", "N": 1000, "BIAS": 0.0},
        {"BIN": "F115W-F444W 1/5, S/N > 30", "PARAMETER": "AV", "N": 200, "BIAS": -0.6},
        {"BIN": "F115W-F444W 5/5, S/N > 30", "PARAMETER": "AV", "N": 200, "BIAS": 0.7},
        {"BIN": "F115W-F444W 4/5, S/N > 30", "PARAMETER": "AV", "N": 10, "BIAS": 3.0},
    ]
    assert worst_bins(rows)["AV"]["BIAS"] == 0.7
    whole = dict.fromkeys(("OFF50", "OFF95", "WIDTH", "COV50", "COV68", "COV95"), 0.5)
    rows = [row | whole for row in rows]
    assert "+0.70  F115W-F444W 5/5, S/N > 30" in engine_lines(rows)[-1]
    assert "| +0.70 | F115W-F444W 5/5, S/N > 30 |" in card_lines(rows)[-1]
