"""Tables of galaxies, for a model of a known posterior: log mass ~ N(log flux + 8, 0.1)."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.model import Model
from pixsed.simulate.noise import DEPTH
from pixsed.validate.bins import BINS
from pixsed.validate.options import ValidateOptions
from pixsed.validate.outside import observe_outside, read_outside
from pixsed.validate.validate import validate_model

BANDS = ["F115W", "F277W", "F356W", "F444W"]
N = 2000


def galaxies(noisy=True, shift=0.0):
    """Return a table of flat spectra; the truths are drawn from the posterior, then shifted."""
    rng = np.random.default_rng(2)
    flux = 10 ** rng.uniform(0, 3, N)
    table = Table({"ID": np.arange(N), "REDSHIFT": rng.uniform(0.5, 7, N)})
    for band in BANDS:
        table[band] = flux * u.nJy
        if noisy:
            table[f"{band}_ERR"] = 0.05 * flux * u.nJy
    table["LOGMFORM_TRUE"] = np.log10(flux) + 8 + 0.1 * rng.standard_normal(N) - shift
    table["AGE_TRUE"] = rng.uniform(100, 500, N) * u.Myr
    table["FAMILY"] = np.where(np.arange(N) % 4 == 0, "BURST", "SMOOTH")
    table["SLOPE_TRUE"] = rng.uniform(-1, 0, N)
    return table


def write(table, path):
    table.write(path, overwrite=True)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return Model(fakes.fake_model(tmp_path_factory.mktemp("m") / "m.onnx"), threads=1)


def observe(found, model, **options):
    options = {"snr_min": 1, "snr_max": np.inf, "number": 10_000, "seed": 1} | options
    return observe_outside(found, model.bands, DEPTH, BINS, **options)


@pytest.mark.parametrize("form", ["fits", "ecsv"])
def test_photometry_with_errors_is_used_as_it_is(tmp_path, model, form):
    table = galaxies()
    path = write(table, tmp_path / f"t.{form}")
    found = read_outside(path, model)
    assert found.noisy and not found.photo_z and len(found) == N
    seen = observe(found, model)
    index = model.bands.index("F277W")
    np.testing.assert_allclose(seen.flux[:, index], table["F277W"], rtol=1e-6)
    np.testing.assert_allclose(seen.flux_err[:, index], 0.05 * table["F277W"], rtol=1e-6)
    assert np.isfinite(seen.flux).sum(axis=1).tolist() == [4] * N
    np.testing.assert_allclose(seen.snr, 20, rtol=1e-5)
    np.testing.assert_allclose(seen.truth["AGE"], table["AGE_TRUE"].value / 1e3)  # Gyr
    assert set(found.columns) >= {"FAMILY", "SLOPE", "REDSHIFT", "F277W"}


def test_photometry_without_noise_is_observed(tmp_path, model):
    table = galaxies(noisy=False)
    table["F356W"][:10] = np.nan
    found = read_outside(write(table, tmp_path / "t.ecsv"), model)
    assert not found.noisy
    seen, again, other = (observe(found, model, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(seen.flux, again.flux)
    assert not np.array_equal(seen.flux, other.flux)
    index = model.bands.index("F444W")
    pull = (seen.flux[:, index] - np.asarray(table["F444W"])[-len(seen) :]) / seen.flux_err[
        :, index
    ]
    assert len(seen) < N or np.std(pull) == pytest.approx(1, abs=0.06)
    missing = np.isnan(seen.flux[:, model.bands.index("F356W")])
    assert missing.sum() == 10
    assert np.isnan(seen.flux_err[missing, model.bands.index("F356W")]).all()


def test_a_range_of_snr_and_a_number(tmp_path, model):
    found = read_outside(write(galaxies(), tmp_path / "t.fits"), model)
    assert len(observe(found, model, number=300)) == 300
    with pytest.raises(PixsedError, match="only 0 of 2000 galaxies have a mean S/N above 30; give"):
        observe(found, model, snr_min=30)


def test_galaxies_beyond_the_model_are_left_out(tmp_path, model):
    table = galaxies()
    table["REDSHIFT"][:7] = 9.0
    with pytest.warns(PixsedWarning, match="7 of 2000 galaxies are left out, with redshifts out"):
        assert len(read_outside(write(table, tmp_path / "t.fits"), model)) == N - 7


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda t: t.remove_columns(["LOGMFORM_TRUE", "AGE_TRUE", "SLOPE_TRUE"]),
            "no column <PROP",
        ),
        (
            lambda t: t.remove_columns([c for c in t.colnames if c[0] == "F" and c[1] < "9"]),
            "of a ba",
        ),
        (
            lambda t: t.replace_column("AGE_TRUE", np.ones(N) * u.m),
            "AGE_TRUE must be in Gyr, got m",
        ),
        (lambda t: t.remove_column("REDSHIFT"), "no column REDSHIFT"),
    ],
)
def test_errors(tmp_path, model, change, message):
    table = galaxies()
    change(table)
    with pytest.raises(PixsedError, match=message):
        read_outside(write(table, tmp_path / "t.ecsv"), model)


def score(path, model, **options):
    lines = []
    options = {"samples": 100, "by": ("FAMILY", "SLOPE:-0.7")} | options
    report = validate_model(str(model), path, ValidateOptions(**options), echo=lines.append)
    return report, lines


def test_a_report_of_a_table(tmp_path, model):
    path = write(galaxies(), tmp_path / "t.fits")
    report, lines = score(path, model.path)
    rows = {(r["BY"], r["LOW"], r["PARAMETER"]): r for r in report.tables["TESTS"]}
    whole = rows["ALL", -np.inf, "LOGMFORM"]
    assert whole["N"] == N and abs(whole["OFFSET"]) < 0.01
    assert whole["MAD"] == pytest.approx(0.1, rel=0.1) and whole["PULL"] == pytest.approx(
        1, abs=0.1
    )
    assert whole["HALF"] == pytest.approx(0.1, rel=0.05)
    for level in (50, 68, 95):
        assert abs(whole[f"COV{level}"] - level / 100) < 4 * whole[f"COV{level}_SE"]
    assert rows["FAMILY=BURST", -np.inf, "LOGMFORM"]["N"] == N // 4
    steep = rows["SLOPE", -np.inf, "LOGMFORM"]["N"]
    assert steep == (galaxies()["SLOPE_TRUE"] < -0.7).sum()
    text = "\n".join(lines)
    assert lines[0].startswith("tau has masses on the IMF Kroupa") and "FAMILY=SMOOTH" in text
    assert "table: 2000 galaxies, mean S/N > 1, noise of the table" in text
    hdus = report.hdulist()
    assert hdus[0].header["SIMPRIOR"] == "table" and "POINTS" in hdus and "WIDTHS" not in hdus
    report.check_limits()


def test_limits_of_a_table(tmp_path, model):
    path = write(galaxies(shift=0.2), tmp_path / "t.fits")
    limits = {"max_bias": {"LOGMFORM": 0.05}, "coverage": (0.6, 0.76), "limit_for": ["LOGMFORM"]}
    report, _ = score(path, model.path, **limits)
    with pytest.raises(
        PixsedError, match=r"the bias of LOGMFORM in table, .* \+0[.](19|20).*more than 0.05"
    ):
        report.check_limits()


def test_truths_that_are_not_known_are_not_counted(tmp_path, model):
    table = galaxies()
    table["LOGMFORM_TRUE"][:500] = np.nan
    report, _ = score(write(table, tmp_path / "t.fits"), model.path)
    rows = {r["PARAMETER"]: r for r in report.tables["TESTS"] if r["BY"] == "ALL"}
    assert rows["LOGMFORM"]["N"] == N - 500 and rows["AGE"]["N"] == N
    assert abs(rows["LOGMFORM"]["COV68"] - 0.68) < 0.05


def test_truths_of_other_properties_only(tmp_path, model):
    table = galaxies()
    table.remove_columns(["LOGMFORM_TRUE", "AGE_TRUE"])
    with pytest.raises(PixsedError, match="has truths of none of the properties of tau; name them"):
        score(write(table, tmp_path / "t.fits"), model.path)


@pytest.mark.parametrize("option", [{"cases": ("paper",)}, {"per_bin": 100}])
def test_options_of_simulations(tmp_path, model, option):
    path = write(galaxies(), tmp_path / "t.fits")
    with pytest.raises(PixsedError, match="is for simulations, and this is a table; leave it out"):
        score(path, model.path, **option)
