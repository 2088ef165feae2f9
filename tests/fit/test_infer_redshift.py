"""Models that infer the redshift."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

import pixsed.models
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.cube import fit_cube
from pixsed.fit.galaxy_row import check_sums
from pixsed.fit.model import Model, load_model
from pixsed.fit.options import FitOptions
from pixsed.fit.table import fit_table
from pixsed.io.formats.cube import write_cube


@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "blind.onnx"
    return Model(fakes.fake_model(path, infer_redshift=True, redshift_range=[3.5, 4.0]))


def test_every_pixel_has_its_own_redshift(blind, model):
    # A redshift far out of range is ignored: no warning, no bit of DQ.
    cube = fakes.make_cube()
    cube.redshift = 11.0
    maps = fit_cube(cube, blind, FitOptions(samples=50))
    assert "REDSHIFT" in maps.properties and maps.nfit > 50
    assert not (maps.planes["DQ"] & 32).any()
    fitted = np.isfinite(maps.planes["REDSHIFT_P50"])
    assert fitted.sum() == maps.nfit
    # The fake model returns its input redshift, here the middle of its range.
    middle = maps.planes["REDSHIFT_P50"][fitted]
    np.testing.assert_allclose(middle, 3.75, atol=0.3)
    assert "REDSHIFT" not in fit_cube(fakes.make_cube(), model, FitOptions(samples=50)).properties


def test_cube_of_unknown_redshift(blind, model, tmp_path):
    """It is fitted by a model that infers the redshift, and refused by the others."""
    cube = fakes.make_cube(redshift=np.nan)
    write_cube(cube, tmp_path / "cube.fits")
    maps = fit_cube(tmp_path / "cube.fits", blind, FitOptions(samples=50))
    assert maps.nfit > 50 and np.isfinite(maps.planes["LOGSIGMA_P50"]).sum() == maps.nfit
    same = fit_cube(fakes.make_cube(), blind, FitOptions(samples=50))
    np.testing.assert_array_equal(maps.planes["LOGMSTAR_P50"], same.planes["LOGMSTAR_P50"])
    with pytest.raises(PixsedError, match="cube.fits: redshift nan gives no distance: "):
        fit_cube(tmp_path / "cube.fits", model, FitOptions(samples=50))
    known = fit_cube(tmp_path / "cube.fits", model, FitOptions(samples=50, redshift=2.0))
    assert known.nfit > 50


def test_a_table_needs_no_redshift(blind, model):
    table = Table({"ID": ["a", "b"]})
    for band in ("F115W", "F277W", "F444W"):
        table[band] = [10.0, 20.0] * u.nJy
        table[f"{band}_ERR"] = [1.0, 1.0] * u.nJy
    found = fit_table(table, blind, FitOptions(samples=50))
    assert len(found) == 2 and np.isfinite(found["REDSHIFT_P50"]).all()
    with pytest.raises(PixsedError, match="no column REDSHIFT; add one, or give --redshift"):
        fit_table(table, model, FitOptions(samples=50))


def test_masses_are_not_summed_over_redshifts(blind):
    with pytest.raises(PixsedError, match="infers a redshift for each pixel.*such as tau"):
        check_sums(blind)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Replace the shipped models by two: broad, and broad-z, which infers the redshift."""
    fakes.fake_model(tmp_path / "broad.onnx", name="broad")
    inferring = dict(infer_redshift=True, redshift_range=[3.5, 4.0])
    fakes.fake_model(tmp_path / "broad-z.onnx", name="broad-z", **inferring)
    monkeypatch.setattr(pixsed.models, "_folder", lambda: tmp_path)


def photometry(**columns):
    table = Table({"ID": ["a", "b"], **columns})
    for band in ("F115W", "F277W", "F444W"):
        table[band] = [10.0, 20.0] * u.nJy
        table[f"{band}_ERR"] = [1.0, 1.0] * u.nJy
    return table


def test_messages_name_a_shipped_model_that_infers_the_redshift(shipped):
    options, advice = FitOptions(samples=50), "--model broad-z, which infers it"
    with pytest.raises(PixsedError, match=f"no column REDSHIFT; .* or --z-col, or {advice}"):
        fit_table(photometry(), "broad", options)
    with pytest.warns(PixsedWarning, match=f"1 of 2 rows are not fitted.*: ID b; try {advice}"):
        fit_table(photometry(REDSHIFT=[1.0, np.nan]), "broad", options)
    cube = fakes.make_cube(redshift=0.0)
    with pytest.raises(PixsedError, match=f"give another with --redshift, or use {advice}"):
        fit_cube(cube, "broad", options)
    assert load_model("broad-z").infers_redshift
    assert np.isfinite(fit_table(photometry(), "broad-z", options)["REDSHIFT_P50"]).all()
    assert "REDSHIFT_P50" in fit_cube(cube, "broad-z", options).planes


def test_messages_without_such_a_model(shipped, tmp_path):
    (tmp_path / "broad-z.onnx").unlink()
    with pytest.raises(PixsedError, match=r"or give --redshift or --z-col; it has ID"):
        fit_table(photometry(), "broad", FitOptions(samples=50))


def test_the_model_is_read_once(shipped, run_cli, tmp_path, monkeypatch):
    photometry().write(tmp_path / "t.ecsv")
    read = []
    monkeypatch.setattr(Model, "_read_content", _counted(Model._read_content, read))
    arguments = ["fit", tmp_path / "t.ecsv", "--samples", 50, "-o", tmp_path / "o.ecsv"]
    result = run_cli(*arguments, "--model", "broad", "--redshift", 1)
    assert result.exit_code == 0 and len(read) == 1
    result = run_cli(*arguments, "--model", "broad-z", "--redshift", 1, "--overwrite")
    assert result.exit_code == 2
    assert "--redshift goes with models that take a redshift; broad-z infers it" in result.stderr


def _counted(function, calls):
    def counted(*args):
        calls.append(args)
        return function(*args)

    return counted
