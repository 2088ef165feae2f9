import subprocess
import sys

import click.testing
import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.cli.fit import command
from pixsed.errors import PixsedError
from pixsed.io.formats.cube import write_cube


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture(scope="module")
def cube_path(tmp_path_factory):
    path = tmp_path_factory.mktemp("cube") / "531.fits"
    write_cube(fakes.make_cube(), path)
    return path


def run(*args):
    """Run the command; return its result, errors raised."""
    runner = click.testing.CliRunner()
    return runner.invoke(command, [str(a) for a in args], catch_exceptions=False)


def test_maps_of_a_cube(cube_path, model_path, tmp_path):
    out = tmp_path / "maps.fits"
    result = run(cube_path, "--model", model_path, "-o", out, "--samples", 50, "--jobs", 2)
    assert result.exit_code == 0, result.output
    assert "193 pixels fitted" in result.stderr
    with fits.open(out) as hdulist:
        header = hdulist[0].header
        assert hdulist[1].name == "LOGMSTAR_P50"
        assert [h.name for h in hdulist[-6:]] == ["SNR", "NBANDS", "OOD", "CHI2", "DQ", "MAPS"]
        cards = dict(
            OBJECT="531",
            REDSHIFT=2.0,
            ZERR=0.0,
            MODEL="tau",
            SEED=42,
            NSAMP=50,
            SNRMIN=5.0,
            IMF="Kroupa",
            SPSLIB="BC03",
            INFILE1="531.fits",
            SNRBANDS="F277W,F356W,F444W",
        )
        assert {key: header[key] for key in cards} == cards
        assert len(header["MODELSHA"]) == 64
        assert header["PIXAR_A2"] == pytest.approx(0.0009)


def _data(path):
    with fits.open(path) as hdulist:
        return [hdu.data.tobytes() for hdu in hdulist[1:]]


def test_the_same_bytes_whatever_tiles_and_jobs(cube_path, model_path, tmp_path):
    common = (cube_path, "--model", model_path, "--samples", 30, "-q")
    run(*common, "-o", tmp_path / "a.fits", "--jobs", 1)
    run(*common, "-o", tmp_path / "b.fits", "--jobs", 3, "--tile", "5,9")
    run(*common, "-o", tmp_path / "c.fits", "--seed", 1)
    assert _data(tmp_path / "a.fits") == _data(tmp_path / "b.fits")
    assert _data(tmp_path / "a.fits") != _data(tmp_path / "c.fits")


def test_other_quantiles_and_redshift(cube_path, model_path, tmp_path):
    out = tmp_path / "maps.fits"
    run(
        cube_path,
        "--model",
        model_path,
        "-o",
        out,
        "--samples",
        20,
        "--quantiles",
        "0.025,0.975",
        "--redshift",
        3,
        "--redshift-err",
        0.1,
        "--all-pixels",
        "--snr-min",
        1,
    )
    with fits.open(out) as hdulist:
        assert [h.name for h in hdulist[1:5]] == [
            f"LOGMSTAR_{s}" for s in ("P50", "P025", "P975", "STD")
        ]
        assert hdulist[0].header["REDSHIFT"] == 3
        assert hdulist[0].header["ZERR"] == 0.1
        assert "REDSHIFT_P50" in hdulist
        assert np.isfinite(hdulist["LOGMSTAR_P50"].data[:3]).any()  # outside the segment


def test_a_table(model_path, tmp_path):
    table = Table({"ID": [1, 2], "REDSHIFT": [1.0, 2.0]})
    for band in ("F115W", "F277W", "F444W"):
        for suffix, value in (("", 10.0), ("_ERR", 1.0)):
            table[band + suffix] = [value] * 2
            table[band + suffix].unit = "nJy"
    path, out = tmp_path / "t.ecsv", tmp_path / "out.ecsv"
    table.write(path)
    result = run(path, "--model", model_path, "-o", out, "--samples", 200)
    assert "2 of 2 rows fitted" in result.stderr
    found = Table.read(out)
    np.testing.assert_allclose(found["LOGMFORM_P50"], 9, atol=0.01)
    assert found.meta["MODEL"] == "tau"


def test_failures(cube_path, model_path, tmp_path):
    out = tmp_path / "o.fits"
    with pytest.raises(PixsedError, match="no such shipped model"):
        run(cube_path, "--model", "nothing", "-o", out)
    with pytest.raises(PixsedError, match="no such file"):
        run(tmp_path / "none.fits", "--model", model_path, "-o", out)
    out.write_text("")
    with pytest.raises(PixsedError, match="exists already; add --overwrite"):
        run(cube_path, "--model", model_path, "-o", out)


@pytest.mark.parametrize(
    "args, message",
    [
        (("--quantiles", "16,50"), "between 0 and 1"),
        (("--quantiles", "a"), "numbers and commas"),
        (("--tile", "0"), "pixels per side"),
        (("--tile", "1,2,3"), "pixels per side"),
    ],
)
def test_usage(args, message):
    result = run("cube.fits", "-o", "maps.fits", *args)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())


def test_help_is_light():
    code = (
        "import sys\nfrom pixsed.cli.main import cli\n"
        "try: cli(['fit', '--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('numpy', 'astropy', 'onnxruntime') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.rstrip().endswith("[]")
    assert "Examples:" in found.stdout
