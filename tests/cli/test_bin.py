import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.errors import PixsedError
from pixsed.io.formats.cube import read_cube, write_cube


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture
def cube_path(tmp_path):
    path = tmp_path / "531.fits"
    write_cube(fakes.make_cube(), path)
    return path


@pytest.mark.parametrize("method", ["voronoi", "sed"])
def test_from_cube_to_maps_and_masses(run_cli, cube_path, model_path, tmp_path, fitsverify, method):
    bins, maps, mass, picture = (tmp_path / n for n in ("b.fits", "m.fits", "t.ecsv", "m.png"))
    result = run_cli("bin", cube_path, "--method", method, "--snr", 60, "-o", bins)
    assert result.exit_code == 0, result.output
    binning = read_cube(bins).binning
    count = len(binning.table)
    assert f"{count} bins of {(binning.binmap > 0).sum()} pixels, S/N " in result.stderr
    with fits.open(bins) as hdulist:
        assert hdulist[0].header["INFILE1"] == "531.fits"
        assert f"bin: {method}, {count} bins" in str(hdulist[0].header["HISTORY"])
    result = run_cli(
        "fit", bins, "--model", model_path, "--samples", 40, "--snr-min", 0, "-o", maps
    )
    assert result.exit_code == 0, result.output
    assert f"pixels in {count} bins fitted" in result.stderr
    fitsverify(maps)
    with fits.open(maps) as hdulist:
        header = hdulist[0].header
        assert (header["BINNED"], header["BINMETH"], header["BINSNR"]) == (True, method, 60.0)
        assert (header["NBINS"], header["NFIT"]) == (count, (binning.binmap > 0).sum())
        np.testing.assert_array_equal(hdulist["BINMAP"].data, binning.binmap)
        sigma = hdulist["LOGSIGMA_P50"].data
        assert len(np.unique(sigma[binning.binmap > 0])) == count
    result = run_cli(
        "sum-mass",
        bins,
        cube_path,
        "--model",
        model_path,
        "--samples",
        40,
        "--snr-min",
        0,
        "-o",
        mass,
    )
    assert result.exit_code == 0, result.output
    rows = Table.read(mass)
    np.testing.assert_allclose(*rows["INT_LOGMSTAR_P50"], atol=0.02)
    np.testing.assert_allclose(*rows["RES_LOGMSTAR_P50"], atol=0.1)
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    assert run_cli("plot", maps, "--property", "AV", "-o", picture).exit_code == 0
    assert picture.stat().st_size > 1000


def test_options(run_cli, cube_path, tmp_path):
    out = tmp_path / "b.fits"
    result = run_cli(
        "bin",
        cube_path,
        "--snr",
        20,
        "--bands",
        "f115w, F200W",
        "--min-size",
        4,
        "--method",
        "sed",
        "--max-chi2",
        2,
        "-q",
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    binning = read_cube(out).binning
    assert binning.snr_bands == ("F115W", "F200W")
    assert np.asarray(binning.table["npix"]).min() >= 12


def test_failures(run_cli, cube_path, tmp_path):
    out = tmp_path / "b.fits"
    result = run_cli("bin", cube_path, "--bands", "F090W", "-o", out)
    assert isinstance(result.exception, PixsedError)
    assert "531.fits has no band F090W" in str(result.exception)
    assert run_cli("bin", cube_path, "--snr", 0, "-o", out).exit_code == 2
    assert run_cli("bin", cube_path, "--snr", 30, "-o", out).exit_code == 0
    assert "exists already" in str(run_cli("bin", cube_path, "-o", out).exception)
    result = run_cli("bin", out, "-o", tmp_path / "again.fits")
    assert "b.fits is binned already" in str(result.exception)
    assert not (tmp_path / "again.fits").exists()
