import fakes
import numpy as np
import pytest

from pixsed.fit.model import Model
from pixsed.validate.cases import Observed
from pixsed.validate.engines import card_lines, compare_engines, engine_lines


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
    rows = {row["PARAMETER"]: row for row in compare_engines(model, observed, samples=256)}
    assert "REDSHIFT" not in rows and "AGE" in rows
    formed = rows["LOGMFORM"]
    assert formed["N"] == 600 and formed["OFF95"] < 0.1
    assert formed["WIDTH"] == pytest.approx(1, abs=0.05)
    for level in (50, 68, 95):
        assert formed[f"COV{level}"] == pytest.approx(level / 100, abs=0.05)
    star = rows["LOGMSTAR"]
    assert star["OFF50"] == pytest.approx(2.0, abs=0.1) and np.isnan(star["COV68"])
    assert any(line.startswith("LOGMFORM") for line in engine_lines(list(rows.values())))
    assert any("| LOGMFORM |" in line for line in card_lines(list(rows.values())))


def test_a_model_without_it_has_no_rows(tmp_path, observed):
    model = Model(fakes.fake_model(tmp_path / "m.onnx"))
    assert compare_engines(model, observed) == engine_lines([]) == card_lines([]) == []
