"""`pixsed corner` and `pixsed sfh`: places, pictures, tables, and wrong usage."""

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.io.formats.cube import write_cube
from pixsed.properties import quantile_name

PIXEL = "--pixel", 13, 11


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("posteriors")
    fakes.fake_model(folder / "m.onnx")
    write_cube(fakes.make_cube(redshift_err=0.05), folder / "cube.fits")
    table = Table({"ID": [5, 17], "Z": [1.0, 2.0]})
    for band in ("F115W", "F277W", "F444W"):
        for suffix, value in (("", [10.0, 20.0]), ("_ERR", [1.0, 1.0])):
            table[band + suffix] = value
    table.write(folder / "t.ecsv")
    (folder / "a.reg").write_text("image\ncircle(13,11,2)\n")
    fits.PrimaryHDU(np.ones((5, 5))).writeto(folder / "image.fits")
    return folder


@pytest.fixture
def run(folder, run_cli, monkeypatch):
    monkeypatch.chdir(folder)

    def run(command, file, *args):
        return run_cli(command, file, *args, "--model", "m.onnx", "--samples", 64, "--overwrite")

    return run


class TestTables:
    def test_draws_have_the_quantiles_of_fit(self, run, run_cli, folder):
        result = run("corner", "cube.fits", *PIXEL, "-o", "draws.fits")
        assert result.exit_code == 0, result.output
        assert "draws.fits: 1 posterior, 64 draws each" in result.stderr
        args = "--model", "m.onnx", "--samples", 64, "--overwrite", "-o", "maps.fits"
        assert run_cli("fit", "cube.fits", *args).exit_code == 0
        draws = Table.read(folder / "draws.fits")
        assert set(draws["PLACE"]) == {"pixel 13 11"} and len(draws) == 64
        with fits.open(folder / "maps.fits") as maps:
            for name in draws.colnames[1:]:
                median = np.median(draws[name].astype(float))
                low, high = (maps[f"{name}_{quantile_name(q)}"].data[10, 12] for q in (0.16, 0.84))
                assert low < median < high
                assert abs(median - maps[f"{name}_P50"].data[10, 12]) < 0.1 * (high - low)
        header = fits.getheader(folder / "draws.fits")
        assert (header["MODEL"], header["NSAMP"], header["INFILE1"]) == ("tau", 64, "cube.fits")
        assert "corner: 64 draws each" in str(header["HISTORY"])

    def test_chosen_properties_of_rows(self, run, folder):
        args = "--id", 17, "--z-col", "Z", "--unit", "nJy", "--property", "av,AGE"
        result = run("corner", "t.ecsv", *args, "-o", "draws.ecsv")
        assert result.exit_code == 0, result.output
        draws = Table.read(folder / "draws.ecsv")
        assert draws.colnames == ["PLACE", "AV", "AGE"]
        assert draws["PLACE"][0] == "ID 17" and str(draws["AGE"].unit) == "Gyr"

    def test_history_of_a_region(self, run, folder):
        pytest.importorskip("regions", reason="region files need the package regions")
        result = run("sfh", "cube.fits", "--region", "a.reg", "--segment", "-o", "sfh.fits")
        assert result.exit_code == 0, result.output
        assert "sfh.fits: 2 star-formation histories, 64 draws each" in result.stderr
        table = Table.read(folder / "sfh.fits")
        assert set(table["PLACE"]) == {"region 1, 9 pixels", "galaxy 531, 193 pixels"}
        assert (table["SFR_P16"] <= table["SFR_P84"]).all()
        assert str(table["SFR_P50"].unit) == "solMass / yr"

    def test_no_such_property(self, run):
        result = run("corner", "cube.fits", *PIXEL, "--property", "T25", "-o", "a.fits")
        assert result.exit_code == 1
        assert "there are no draws of T25; there are of LOGMSTAR" in str(result.exception)


class TestPictures:
    @pytest.fixture(autouse=True)
    def matplotlib(self):
        pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")

    @pytest.mark.parametrize("suffix, start", [("png", b"\x89PNG"), ("pdf", b"%PDF")])
    def test_corner(self, run, folder, suffix, start):
        args = (*PIXEL, "--segment", "--truth", "AV=0.5", "--dpi", 30, "-o", f"a.{suffix}")
        result = run("corner", "cube.fits", *args)
        assert result.exit_code == 0, result.output
        assert "2 posteriors, 64 draws each, of LOGMSTAR, LOGSFR, METAL, AV" in result.stderr
        assert (folder / f"a.{suffix}").read_bytes().startswith(start)

    def test_sfh(self, run, folder):
        sky = fakes.make_cube().wcs.pixel_to_world(12, 10)
        where = "--position", f"{sky.ra.deg:.7f}", f"{sky.dec.deg:.7f}"
        args = (*where, "--log-time", "--log-sfr", "--dpi", 30, "-o", "sfh.svg")
        result = run("sfh", "cube.fits", *args)
        assert result.exit_code == 0, result.output
        assert "sfh.svg: 1 star-formation history, 64 draws" in result.stderr
        assert b"<svg" in (folder / "sfh.svg").read_bytes()


@pytest.mark.parametrize("command", ["corner", "sfh"])
@pytest.mark.parametrize(
    "args, status, message",
    [
        (["cube.fits", "-o", "a.png"], 2, "give --pixel, --position, --region or --segment"),
        (["cube.fits", "--id", "5", "-o", "a.png"], 2, "--id goes with a table, and cube.fits is"),
        (["t.ecsv", "-o", "a.png"], 2, "give --id, the row of the table"),
        (["t.ecsv", "--segment", "-o", "a.png"], 2, "--segment goes with a cube"),
        (["image.fits", *PIXEL, "-o", "a.png"], 2, "image.fits is an image; give a cube"),
        (
            ["cube.fits", "--position", "10", "x", "-o", "a.png"],
            2,
            "must be two numbers in degrees",
        ),
        (["cube.fits", *PIXEL, "-o", "a.gif"], 1, "a picture or table is written as .png"),
        (["cube.fits", *PIXEL, "-o", "cube.fits"], 1, "cube.fits"),
        (["gone.fits", *PIXEL, "-o", "a.png"], 1, "gone.fits"),
    ],
)
def test_wrong_usage(run, command, args, status, message):
    result = run(command, *args)
    assert result.exit_code == status
    assert message in result.stderr + str(result.exception)


@pytest.mark.parametrize("text, message", [("AV", "must be NAME=VALUE"), ("AV=x", "a number")])
def test_wrong_truths(run, text, message):
    result = run("corner", "cube.fits", *PIXEL, "--truth", text, "-o", "a.png")
    assert result.exit_code == 2 and message in result.stderr
