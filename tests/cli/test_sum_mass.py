import click.testing
import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.cli.sum_mass import command
from pixsed.io.formats.cube import write_cube


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


def test_a_table_of_galaxies(model_path, tmp_path):
    paths = []
    for name, changes in dict(a={}, b=dict(redshift_err=0.1, redshift=3.0)).items():
        paths.append(tmp_path / f"{name}.fits")
        write_cube(fakes.make_cube(**changes), paths[-1])
    common = [*map(str, paths), "--model", str(model_path), "--samples", "50"]
    runner = click.testing.CliRunner()
    for suffix in ("fits", "ecsv"):
        out = tmp_path / f"mass.{suffix}"
        result = runner.invoke(command, [*common, "-o", str(out)], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        assert "193 pixels, log10 M* resolved" in result.stderr
    table = Table.read(tmp_path / "mass.ecsv")
    assert list(table["REDSHIFT"]) == [2.0, 3.0]
    assert list(table["NPIX"]) == [193, 193]
    assert (table["RES_LOGMSTAR_P16"] < table["RES_LOGMSTAR_P84"]).all()
    np.testing.assert_allclose(
        table["OFFSET"], table["RES_LOGMSTAR_P50"] - table["INT_LOGMSTAR_P50"]
    )
    with fits.open(tmp_path / "mass.fits") as hdulist:
        header = hdulist[0].header
        assert header["FLAGBIT0"].startswith("1: no pixel")
        assert header["INFILE2"] == "b.fits"
        assert header["SNRMIN"] == 5.0
        column = hdulist["MASS"].columns["RES_LOGMSTAR_P50"]
        assert column.unit is None  # astropy warns of dex() there
        assert (
            "median: log10 of the resolved stellar mass / solMass"
            in hdulist["MASS"].header.values()
        )
        np.testing.assert_array_equal(hdulist["MASS"].data["NPIX"], 193)


def test_nothing_above_the_cut(model_path, tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "a.fits")
    out = tmp_path / "m.ecsv"
    args = [tmp_path / "a.fits", "--model", model_path, "--snr-min", 1e9, "-o", out]
    result = click.testing.CliRunner().invoke(command, list(map(str, args)))
    assert result.exit_code == 0
    row = Table.read(out)[0]
    assert row["FLAG"] == 1
    assert np.isnan(row["RES_LOGMSTAR_P50"])


def test_one_cube_that_cannot_be_read(run_cli, model_path, tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "a.fits")
    (tmp_path / "bad.fits").write_bytes(b"no FITS")
    out = tmp_path / "m.ecsv"
    args = ("--model", model_path, "--samples", 20, "-o", out)
    result = run_cli("sum-mass", tmp_path / "bad.fits", tmp_path / "a.fits", *args)
    assert result.exit_code == 1
    assert "1 of 2 cubes could not be read" in str(result.exception)
    assert "bad.fits cannot be read as FITS" in result.stderr
    assert list(Table.read(out)["ID"]) == [531]
    (tmp_path / "bad2.fits").write_bytes(b"no FITS")
    bad = tmp_path / "bad.fits", tmp_path / "bad2.fits"
    result = run_cli("sum-mass", *bad, *args, "--overwrite")
    assert "none of the 2 cubes could be read" in str(result.exception)
    result = run_cli("sum-mass", tmp_path / "bad.fits", *args, "--overwrite")
    assert "bad.fits cannot be read as FITS" in str(result.exception)


def test_a_cube_that_comes_twice_has_one_row(run_cli, model_path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_cube(fakes.make_cube(), "a.fits")
    write_cube(fakes.make_cube(redshift=3.0), "b.fits")  # of the same OBJECT
    (tmp_path / "link.fits").symlink_to("a.fits")
    result = run_cli(
        "sum-mass",
        "a.fits",
        "b.fits",
        "./a.fits",
        "link.fits",
        "--model",
        model_path,
        "--samples",
        50,
        "-o",
        "m.ecsv",
    )
    assert result.exit_code == 0
    assert list(Table.read("m.ecsv")["REDSHIFT"]) == [2.0, 3.0]
    assert result.warned == [
        f"{name} is given twice, also as a.fits; it counts once"
        for name in ("./a.fits", "link.fits")
    ]
