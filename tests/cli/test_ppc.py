"""`pixsed ppc` and `--zero-points`: places, residuals by band, proposals, and wrong usage."""

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.io.formats.cube import write_cube

PIXEL = "--pixel", 13, 11
OFFSETS = {"F115W": 0.1, "F356W": -0.1}
BANDS = "F115W F200W F277W F356W F444W".split()


def flat_cube(number, offsets=True):
    """Return a galaxy whose bands have one flux, as the fake model predicts, but for offsets."""
    cube = fakes.make_cube(object_id=str(number), segmap=None)
    rng = np.random.default_rng(number)
    y, x = np.indices(cube.shape)
    light = (5 + number) * np.exp(-((y - 10) ** 2 + (x - 12) ** 2) / 60)
    for i, band in enumerate(cube.bands):
        factor = 10 ** (-0.4 * OFFSETS.get(band, 0.0)) if offsets else 1.0
        cube.flux[i] = factor * (light + rng.normal(0, 0.1, light.shape))
        cube.err[i] = factor * 0.1
    return cube


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ppc")
    fakes.fake_model(folder / "m.onnx")
    write_cube(fakes.make_cube(), folder / "cube.fits")
    for number in range(6):
        write_cube(flat_cube(number), folder / f"g{number}.fits")
    table = Table({"ID": [5, 17, 18], "REDSHIFT": [1.0, 2.0, np.nan]})
    for band in BANDS:
        factor = 10 ** (-0.4 * OFFSETS.get(band, 0.0))
        for suffix, value in (("", [10.0, 20.0, 30.0]), ("_ERR", [0.01, 0.01, 0.01])):
            table[band + suffix] = factor * np.array(value)
            table[band + suffix].unit = "nJy"
    table.write(folder / "t.ecsv")
    fits.PrimaryHDU(np.ones((5, 5))).writeto(folder / "image.fits")
    return folder


@pytest.fixture
def run(folder, run_cli, monkeypatch):
    monkeypatch.chdir(folder)

    def run(command, *args):
        return run_cli(command, *args, "--model", "m.onnx", "--samples", 32, "--overwrite")

    return run


def galaxies():
    return [f"g{number}.fits" for number in range(6)]


class TestPlaces:
    def test_table(self, run, folder):
        result = run("ppc", "cube.fits", *PIXEL, "--segment", "-o", "ppc.fits")
        assert result.exit_code == 0, result.output
        assert "pixel 13 11: chi^2 per band" in result.stderr
        assert "32 draws, photometry from the decoder of the model" in result.stderr
        table = Table.read(folder / "ppc.fits")
        assert list(dict.fromkeys(table["PLACE"])) == ["pixel 13 11", "galaxy 531, 193 pixels"]
        pixel = table[table["PLACE"] == "pixel 13 11"]
        assert list(pixel["BAND"]) == BANDS
        np.testing.assert_allclose(pixel["FLUX"], fakes.make_cube().flux[:, 10, 12], rtol=1e-6)
        assert (table["MODEL_P16"] < table["MODEL_P50"]).all()
        wanted = (table["FLUX"] - table["MODEL_P50"]) / table["ERR"]
        np.testing.assert_allclose(table["RESIDUAL"], wanted, rtol=1e-4, atol=1e-4)
        assert str(table["FLUX"].unit) == "nJy" and set(table["SOURCE"])
        header = fits.getheader(folder / "ppc.fits")
        assert (header["MODEL"], header["NSAMP"]) == ("tau", 32)

    def test_picture_of_rows(self, run, folder):
        pytest.importorskip("matplotlib", reason="pictures need matplotlib")
        result = run("ppc", "t.ecsv", "--id", 5, "--id", 17, "--plot", "a.png", "--dpi", 30)
        assert result.exit_code == 0, result.output
        assert (folder / "a.png").read_bytes().startswith(b"\x89PNG")


class TestBands:
    def test_offsets_are_recovered_and_bring_the_residuals_to_zero(self, run, folder):
        result = run("ppc", *galaxies(), "--propose", "zp.ecsv", "-o", "res.fits")
        assert result.exit_code == 0, result.output
        assert "median of 6 galaxies, mean over bands = 0" in result.output
        table = Table.read(folder / "zp.ecsv")
        assert list(table["BAND"]) == BANDS and (table["NGAL"] == 6).all()
        wanted = np.array([-OFFSETS.get(band, 0.0) for band in BANDS])
        np.testing.assert_allclose(table["OFFSET"], wanted, atol=2e-3)
        np.testing.assert_allclose(table["FACTOR"], 10 ** (-0.4 * table["OFFSET"]), rtol=1e-6)
        assert (np.abs(table["OFFSET"] - wanted) < 5 * table["OFFSET_ERR"] + 5e-4).all()
        rows = Table.read(folder / "res.fits")
        assert len(rows) == 30 and set(rows["GALAXY"]) == set("012345")
        # The table is read by --zero-points, here and in a fit.
        result = run("ppc", *galaxies(), "--zero-points", "zp.ecsv", "--propose", "zp2.ecsv")
        again = Table.read(folder / "zp2.ecsv")
        assert (np.abs(again["RESIDUAL"]) < 1e-3).all()
        np.testing.assert_allclose(again["OFFSET"], table["OFFSET"], atol=1e-3)

    def test_reference_band_of_a_table(self, run, folder):
        args = "--reference", "F115W", "--propose", "zpt.csv"
        result = run("ppc", "t.ecsv", *args)
        assert result.exit_code == 0, result.output
        table = Table.read(folder / "zpt.csv")
        np.testing.assert_allclose(table["OFFSET"], [0, 0.1, 0.1, 0.2, 0.1], atol=1e-3)
        assert (table["NGAL"] == 2).all()  # one has no redshift

    def test_maps_with_predicted_fluxes(self, run, folder):
        pytest.importorskip("matplotlib", reason="pictures need matplotlib")
        for number in (1, 2):
            args = f"g{number}.fits", "--model-fluxes", "-o", f"m{number}.fits"
            assert run("fit", *args).exit_code == 0
        cubes, maps = ("g2.fits", "g1.fits"), ("--maps", "m1.fits", "--maps", "m2.fits")
        args = "--plot", "b.png", "--dpi", 30, "--propose", "zpm.ecsv"
        result = run("ppc", *cubes, *maps, *args)
        assert result.exit_code == 0, result.output
        table = Table.read(folder / "zpm.ecsv")
        wanted = [-OFFSETS.get(band, 0.0) for band in BANDS]
        np.testing.assert_allclose(table["OFFSET"], wanted, atol=5e-3)
        assert (folder / "b.png").stat().st_size > 1000
        result = run("ppc", *cubes, *maps, "--zero-points", "zpm.ecsv", "-o", "c.fits")
        assert "m1.fits was made with zero points none, now they are" in str(result.exception)


class TestFit:
    def test_record_and_resume(self, run, folder):
        (folder / "zp.csv").write_text("BAND,OFFSET,FLOOR\nF444W,0.1,0.03\n")
        (folder / "other.csv").write_text("BAND,OFFSET,FLOOR\nF444W,0.2,0.03\n")
        args = "cube.fits", "-o", "maps.fits", "--zero-points"
        assert run("fit", *args, "zp.csv").exit_code == 0
        header = fits.getheader(folder / "maps.fits")
        assert (header["ZEROPTS"], header["ZPFLOOR"]) == ("F444W=+0.1000", "F444W=0.03")

    def test_another_table_is_another_fit(self, run_cli, run, folder):
        run("fit", "cube.fits", "-o", "r.fits", "--zero-points", "zp.csv")
        args = "fit", "cube.fits", "--model", "m.onnx", "--samples", 32, "--resume", "-o", "r.fits"
        assert run_cli(*args, "--zero-points", "zp.csv").exit_code == 0
        result = run_cli(*args, "--zero-points", "other.csv")
        message = "made with ZEROPTS = F444W=+0.1000, now it is F444W=+0.2000"
        assert message in str(result.exception)

    @pytest.mark.parametrize("command", ["fit", "sum-mass"])
    def test_the_table_is_not_overwritten(self, run, command):
        result = run(command, "cube.fits", "--zero-points", "zp.csv", "-o", "zp.csv")
        assert result.exit_code != 0 and "zp.csv" in result.stderr + str(result.exception)


@pytest.mark.parametrize(
    "args, status, message",
    [
        (["cube.fits", *PIXEL], 2, "give -o, --plot or --propose"),
        (["cube.fits", "g1.fits", *PIXEL, "-o", "x.fits"], 2, "places are those of one cube"),
        (["cube.fits", *PIXEL, "--propose", "x.fits"], 2, "--propose goes with whole galaxies"),
        (["cube.fits", *PIXEL, "--maps", "m.fits", "-o", "x.fits"], 2, "--maps goes with whole"),
        (["cube.fits", "--ssp", "s.fits", "-o", "x.fits"], 2, "--ssp goes with places"),
        (["cube.fits", *PIXEL, "-o", "x.png"], 1, "a table is written as"),
        (["cube.fits", *PIXEL, "--plot", "x.fits"], 1, "--plot x.fits: the name must end in .png"),
        (["image.fits", "-o", "x.fits"], 2, "image.fits is an image; give cubes"),
        (["t.ecsv", "t.ecsv", "-o", "x.fits"], 1, "tables are checked one at a time"),
        (["g1.fits", "--reference", "F090W", "-o", "x.fits"], 1, "reference band F090W is not"),
        (["g1.fits", "--redshift", 9, "-o", "x.fits"], 1, "none of the 1 galaxies can be fitted"),
        (["g1.fits", "g2.fits", "--maps", "cube.fits", "-o", "x.fits"], 1, "holds no maps"),
    ],
)
def test_wrong_usage(run, args, status, message):
    result = run("ppc", *args)
    assert result.exit_code == status
    assert message in result.stderr + str(result.exception)
