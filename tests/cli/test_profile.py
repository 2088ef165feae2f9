"""`pixsed profile`: tables, pictures, and wrong usage."""

import fakes
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.io.formats.cube import write_cube


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("profile")
    fakes.fake_model(folder / "m.onnx")
    write_cube(fakes.make_cube(redshift_err=0.05), folder / "cube.fits")
    return folder


@pytest.fixture
def run(folder, run_cli, monkeypatch):
    monkeypatch.chdir(folder)

    def run(*args):
        options = "--model", "m.onnx", "--samples", 32
        return run_cli("profile", "cube.fits", *args, *options)

    return run


def test_table_and_picture(run, folder):
    pytest.importorskip("matplotlib", reason="matplotlib, of the extra plot, is not installed")
    args = "--psf-fwhm", 0.15, "--property", "logsigma,AGE", "--normalise", "--dpi", 30
    result = run(*args, "-o", "p.fits", "--plot", "p.png")
    assert result.exit_code == 0, result.output
    assert "p.fits: 4 annuli to 0.24 arcsec; centre: most massive pixel" in result.stderr
    assert "half-light radius 0.1" in result.stderr and "PSF 0.15 arcsec" in result.stderr
    table = Table.read(folder / "p.fits")
    assert [name for name in table.colnames if name.endswith("_P50")] == [
        "LOGSIGMA_P50",
        "AGE_P50",
        "REL_LOGSIGMA_P50",
        "REL_AGE_P50",
    ]
    assert fits.getheader(folder / "p.fits")["ZERR"] == 0.05
    assert (folder / "p.png").read_bytes().startswith(b"\x89PNG")
    again = run("-o", "q.fits", "--plot", "p.png")
    assert again.exit_code == 1 and not (folder / "q.fits").exists()


def test_options(run, folder):
    args = "--centre", "3:32:29.625,-27:48:00.0", "--axis-ratio", 0.8, "--pa", 20, "--reff", 0.2
    result = run(
        *args, "--radius-unit", "reff", "--radii", "0,0.5,1", "--draws", "common", "-o", "r.ecsv"
    )
    assert result.exit_code == 0, result.output
    table = Table.read(folder / "r.ecsv")
    assert table["R_OUT"].tolist() == pytest.approx([0.1, 0.2])
    assert table.meta["CENTRE"] == "given" and table.meta["NOISECOR"] == "common"
    assert (table.meta["AXRATIO"], table.meta["PA"]) == pytest.approx((0.8, 20), abs=1e-3)
    assert "PSFFWHM" not in table.meta and "PSF unknown (--psf-fwhm)" in result.stderr


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (("--centre", "middle"), "'middle' must be mass, light, or RA,DEC"),
        (("--centre", "91,200"), "they must be within 0 to 360 and"),
        (("--reff", "big"), "'big' must be light, mass, or a radius in arcsec"),
        (("--radii", "0,x"), "'0,x' must be numbers separated by commas"),
        (("--radii", "0,1", "--width", 1), "--radii and --width cannot both be given"),
        (("--plot", "p.gif"), "'p.gif' must end in .png, .pdf or .svg"),
        (("--plot", "x.fits"), "--plot and -o are both x.fits"),
        (("--axis-ratio", 0), "axis-ratio"),
        (("--plot", "p.png", "--property", "A,B,C,D,E,F,G,H,I"), "--property: a picture has 8"),
    ],
)
def test_wrong_usage(run, args, match):
    result = run(*args, "-o", "x.fits")
    assert result.exit_code == 2
    assert match in result.output + result.stderr
