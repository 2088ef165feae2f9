"""The public functions of pixsed: the same numbers as the commands, imported when used."""

import inspect
import subprocess
import sys

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

import pixsed
from pixsed.errors import PixsedError
from pixsed.io.formats.cube import write_cube

FUNCTIONS = (
    "read_cube load_model fit_cube fit_table read_maps sum_mass bin_cube match_psf "
    "subtract_background cutout profile"
).split()


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx", quantiles=True)


@pytest.fixture
def cube_path(tmp_path):
    write_cube(fakes.make_cube(), tmp_path / "531.fits")
    return tmp_path / "531.fits"


def make_table():
    table = Table({"ID": [1, 2], "REDSHIFT": [1.0, 2.0]})
    for band in ("F115W", "F277W", "F444W"):
        table[band] = [10.0, 20.0] * u.nJy
        table[f"{band}_ERR"] = [1.0, 1.0] * u.nJy
    return table


@pytest.mark.parametrize("name", FUNCTIONS)
def test_public_functions_are_documented_and_typed(name):
    function = getattr(pixsed, name)
    assert name in pixsed.__all__ and name in dir(pixsed)
    text = inspect.getdoc(function)
    assert "Parameters\n---" in text and "Returns\n---" in text
    assert function.__annotations__.get("return") is not None
    parameters = set(inspect.signature(function).parameters)
    assert parameters <= set(function.__annotations__)


def test_names():
    assert set(FUNCTIONS) < set(pixsed.__all__)
    assert sorted(pixsed.__all__) == pixsed.__all__
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        pixsed.nothing  # noqa: B018


def test_imports_are_lazy():
    code = (
        "import sys, pixsed\n"
        "heavy = ('onnxruntime', 'matplotlib', 'astropy', 'numpy', 'scipy', 'torch')\n"
        "assert not set(heavy) & set(sys.modules)\n"
        "pixsed.FitOptions, pixsed.fit_table, pixsed.sum_mass, pixsed.read_maps\n"
        "print(sorted(name for name in heavy if name in sys.modules))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "['astropy', 'numpy', 'scipy']"


# Five times 0.1 s, for slow machines and coverage; numpy and astropy alone would take longer.
@pytest.mark.parametrize("args", [("--help",), ("fit", "--help")])
def test_help_takes_little_time(args):
    resource = pytest.importorskip("resource", reason="times of processes are of POSIX systems")
    command = [sys.executable, "-c", "from pixsed.__main__ import main; main()", *args]
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5


def test_a_cube_by_its_path_in_memory_and_by_the_command(run_cli, cube_path, model_path, tmp_path):
    out = tmp_path / "maps.fits"
    assert run_cli("fit", cube_path, "--model", model_path, "-o", out).exit_code == 0
    whole = pixsed.read_maps(out)
    cube, model = pixsed.read_cube(cube_path), pixsed.load_model(model_path)
    written = tmp_path / "written.fits"
    for maps in (
        pixsed.fit_cube(cube_path, model_path),
        pixsed.fit_cube(cube, model, jobs=2),
        pixsed.fit_cube(cube, str(model_path), output=written),
    ):
        assert maps.properties == whole.properties and maps.quantiles == whole.quantiles
        assert (maps.nfit, maps.nbins, maps.snr_bands) == (whole.nfit, None, whole.snr_bands)
        assert maps.units == whole.units
        assert maps.header["CRPIX1"] == whole.header["CRPIX1"]
        assert list(maps.planes) == list(whole.planes)
        for name, plane in whole.planes.items():
            assert maps.planes[name].dtype == plane.dtype, name
            np.testing.assert_array_equal(maps.planes[name], plane, err_msg=name)
    with pytest.raises(PixsedError, match="exists already"):
        pixsed.fit_cube(cube, model, output=written)
    with fits.open(written, checksum=True) as hdulist:
        assert hdulist[0].header["FITKEY"] != fits.getheader(out)["FITKEY"]


def test_options_of_a_cube_in_memory(cube_path, model_path):
    options = pixsed.FitOptions(
        redshift=3.0, redshift_err=0.1, all_pixels=True, snr_min=1.0, samples=20
    )
    a, b = (
        pixsed.fit_cube(c, model_path, options) for c in (cube_path, pixsed.read_cube(cube_path))
    )
    assert "REDSHIFT_P50" in a.planes and a.nfit > 193
    for name, plane in a.planes.items():
        np.testing.assert_array_equal(b.planes[name], plane, err_msg=name)


def test_a_table_by_its_path_in_memory_and_by_the_command(run_cli, model_path, tmp_path):
    path, out = tmp_path / "t.ecsv", tmp_path / "out.ecsv"
    make_table().write(path)
    assert run_cli("fit", path, "--model", model_path, "-o", out).exit_code == 0
    whole, written = Table.read(out), tmp_path / "written.ecsv"
    for found in (
        pixsed.fit_table(path, model_path),
        pixsed.fit_table(make_table(), model_path),
        pixsed.fit_table(path, model_path, output=written),
        Table.read(written),
    ):
        assert found.colnames == whole.colnames
        for name in whole.colnames:
            np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
    assert found.meta["INFILE1"] == "t.ecsv" and found.meta["MODEL"] == "tau"


def test_masses_by_path_in_memory_and_by_the_command(run_cli, cube_path, model_path, tmp_path):
    out, written = tmp_path / "mass.ecsv", tmp_path / "written.ecsv"
    args = ("sum-mass", cube_path, "--model", model_path, "--samples", 50, "-o", out)
    assert run_cli(*args).exit_code == 0
    whole, options = Table.read(out), pixsed.FitOptions(samples=50)
    cube = pixsed.read_cube(cube_path)
    for found in (
        pixsed.sum_mass(cube_path, model_path, options),
        pixsed.sum_mass([cube], model_path, options, output=written),
        Table.read(written),
    ):
        assert found.colnames == whole.colnames
        for name in set(whole.colnames) - {"FILE"}:  # a cube in memory has none
            np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
        assert found["RES_LOGMSTAR_P50"].unit == u.dex(u.solMass)
    with pytest.raises(PixsedError, match="engine must be 'flow'"):
        pixsed.sum_mass(cube, model_path, pixsed.FitOptions(engine="quantile"))
    with pytest.raises(PixsedError, match="no such file"):
        pixsed.sum_mass([cube, tmp_path / "none.fits"], model_path, options)
    shifted = pixsed.sum_mass(
        cube, model_path, pixsed.FitOptions(samples=50, redshift=3.0, redshift_err=0.1)
    )
    assert list(shifted["REDSHIFT"]) == [3.0]
