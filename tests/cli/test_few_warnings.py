"""The same fault many times is a few lines on stderr, not a line for each cube, row or galaxy."""

import warnings

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from pixsed.cli.main import _filter_warnings, cli
from pixsed.io.formats.cube import write_cube

CUBES, ROWS, GALAXIES = 8, 1000, 40
MODEL = "--model fake.onnx --samples 4 --jobs 1"


def with_nan_band(cube):
    cube.flux[1] = np.nan


def with_negative_errors(cube):
    cube.err[2] = -1.0


def with_bad_pixels(cube):
    cube.flux[:, ::2] = np.nan


def with_sentinels(cube):
    cube.flux[:, 3] = -99.0


def bright(cube):
    cube.flux *= 1e6


#: Defects of a cube, by name -> a function that changes it, and what `fakes.make_cube` takes.
DEFECTS = {
    "nothing": (lambda cube: None, {}),
    "a band without data": (with_nan_band, {}),
    "negative errors": (with_negative_errors, {}),
    "rows without data": (with_bad_pixels, {}),
    "values of -99": (with_sentinels, {}),
    "far too bright": (bright, {}),
    "a redshift that is too uncertain": (lambda cube: None, {"redshift_err": 0.9}),
    "a redshift beyond the model": (lambda cube: None, {"redshift": 12.0}),
    "no segment": (lambda cube: None, {"segmap": None}),
}
TABLES = {
    "redshifts of -99": lambda table: table["REDSHIFT"].__setitem__(slice(None, -5), -99.0),
    "redshifts beyond the model": lambda t: t["REDSHIFT"].__setitem__(slice(None, -5), 30.0),
    "redshifts of NaN": lambda table: table["REDSHIFT"].__setitem__(slice(None, -5), np.nan),
    "no fluxes": lambda table: table["F444W"].__setitem__(slice(None, -5), np.nan),
    "negative errors": lambda table: table["F444W_ERR"].__setitem__(slice(None, -5), -1.0),
    "errors of 0": lambda table: table["F444W_ERR"].__setitem__(slice(None, -5), 0.0),
    "fluxes of -99": lambda table: table["F277W"].__setitem__(slice(None, -5), -99.0),
    "infinite fluxes": lambda table: table["F277W"].__setitem__(slice(None, -5), np.inf),
    "ids that repeat": lambda table: table["ID"].__setitem__(slice(None), 7),
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    fakes.fake_model(tmp_path / "fake.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def stderr_of(*words):
    """Run a command; return the lines of its stderr, and those of them that are warnings."""
    with warnings.catch_warnings():
        _filter_warnings()
        result = CliRunner().invoke(cli, [str(word) for word in words])
    said = result.stderr
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        said += f"pixsed: error: {result.exception}\n"
    lines = said.splitlines()
    return lines, [line for line in lines if "warning" in line.lower()]


@pytest.mark.few(9)
@pytest.mark.parametrize(
    "command", [f"fit {MODEL} -o maps", f"sum-mass {MODEL} -o o.fits", "noise"]
)
@pytest.mark.parametrize("defect", DEFECTS)
def test_cubes(folder, command, defect):
    change, options = DEFECTS[defect]
    cube = fakes.make_cube(**options)
    change(cube)
    for i in range(CUBES):
        write_cube(cube, folder / f"c{i}.fits")
    name, *words = f"{command} -o o.fits".split() if command == "noise" else command.split()
    lines, warned = stderr_of(name, *[f"c{i}.fits" for i in range(CUBES)], *words)
    assert len(warned) <= 2, warned
    assert not any(len(line) > 600 for line in lines), lines
    # A result, or an error, of each cube, and lines about all of them.
    assert len(lines) <= CUBES + 4, lines


@pytest.mark.parametrize("defect", TABLES)
def test_rows(folder, defect):
    table = Table({"ID": np.arange(ROWS), "REDSHIFT": np.full(ROWS, 1.0)})
    for band in ("F115W", "F277W", "F444W"):
        table[band], table[f"{band}_ERR"] = np.full(ROWS, 50.0), np.full(ROWS, 5.0)
        table[band].unit = table[f"{band}_ERR"].unit = "nJy"
    TABLES[defect](table)
    table.write(folder / "t.fits")
    for words in (["-o", "o.fits"], ["-o", "o.ecsv"]):
        lines, _ = stderr_of("fit", "t.fits", *MODEL.split(), *words)
        assert lines and len(lines) <= 4 and max(map(len, lines)) < 600, lines


CATALOGUES = {
    "redshifts of -99": {"z": -99.0},
    "no redshift": {"z": np.nan},
    "redshifts beyond the model": {"z": 30.0},
    "errors that are negative": {"z_err": -1.0},
}


@pytest.mark.few(4)
@pytest.mark.parametrize("defect", CATALOGUES)
@pytest.mark.parametrize(
    "command",
    [
        "cutout --all -o cubes",
        f"sum-mass {MODEL} -o o.fits",
        f"fit {MODEL} -o o.fits",
    ],
)
def test_galaxies(folder, command, defect):
    """Many galaxies of a mosaic with the same fault of their redshift."""
    cube = fakes.make_cube(ny=40, nx=200)
    for band in ("F277W", "F444W"):
        header = cube.header.copy()
        header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", band, "NIRCAM"
        i = cube.bands.index(band)
        planes = {"SCI": cube.flux[i].astype("f4"), "ERR": cube.err[i].astype("f4")}
        hdus = [fits.ImageHDU(data, header, name=key) for key, data in planes.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / f"{band}.fits")
    segmap = np.zeros((40, 200), np.int32)
    for i in range(GALAXIES):
        y, x = divmod(i, 20)
        segmap[20 * y + 5 : 20 * y + 9, 10 * x + 2 : 10 * x + 6] = i + 1
    fits.PrimaryHDU(segmap, cube.header).writeto(folder / "seg.fits")
    catalogue = Table({"id": np.arange(1, GALAXIES + 1), "z": np.ones(GALAXIES)})
    catalogue["z_err"] = 0.01
    for name, value in CATALOGUES[defect].items():
        catalogue[name][:-2] = value
    catalogue.write(folder / "cat.fits")
    name, *words = command.split()
    words += ["--segmap", "seg.fits", "--catalog", "cat.fits"]
    lines, warned = stderr_of(name, "F277W.fits", "F444W.fits", *words)
    assert lines and len(warned) <= 2, lines
    assert len(lines) <= GALAXIES + 4 and max(map(len, lines)) < 600, lines
