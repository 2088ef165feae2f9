import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import click.testing
import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.cli.sum_mass import command
from pixsed.fit import many_galaxies
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


@pytest.fixture(scope="module")
def galaxies(tmp_path_factory):
    """Write cubes of three galaxies; return their folder."""
    folder = tmp_path_factory.mktemp("cubes")
    for number in (3, 4, 9):
        segmap = np.where(fakes.make_cube().flux[3] > 20, number, 0)  # some 30 pixels
        cube = fakes.make_cube(object_id=str(number), segmap=segmap, redshift=number / 2)
        write_cube(cube, folder / f"{number}.fits")
    return folder


@pytest.fixture
def sum_mass(run_cli, model_path, tmp_path, monkeypatch):
    """Run the command in a folder, with few draws."""
    monkeypatch.chdir(tmp_path)

    def run(*args, out="m.fits", status=0):
        result = run_cli("sum-mass", *args, "--model", model_path, "--samples", 8, "-o", out)
        assert result.exit_code == status, result.output or result.exception
        return result

    return run


KILLED = """
import os, signal, sys
from pixsed.cli.main import main
from pixsed.fit import many_galaxies
real, count = many_galaxies.galaxy_row, 0
def row(*args, **options):
    global count
    count += 1
    if count == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)
many_galaxies.galaxy_row = row
main(sys.argv[1:])
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_kill_loses_no_row(sum_mass, galaxies, model_path, tmp_path, monkeypatch):
    cubes = [galaxies / f"{number}.fits" for number in (3, 4, 9)]
    command = ["sum-mass", *cubes, "--model", model_path, "--samples", 8, "-o", "m.fits"]
    run = subprocess.run([sys.executable, "-c", KILLED, *map(str, command)], capture_output=True)
    assert run.returncode == -9, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.fits.part"]
    result = sum_mass(*cubes, status=1)
    assert "m.fits.part is there, from a run that was stopped" in str(result.exception)
    result = sum_mass(*cubes, "--seed", 1, "--resume", status=1)
    assert "made with --seed = 42, now it is 1" in str(result.exception)
    made = []
    monkeypatch.setattr(many_galaxies, "galaxy_row", spy(many_galaxies.galaxy_row, made))
    result = sum_mass(*cubes, "--resume")
    assert made == ["9"] and "2 rows of an earlier run kept" in result.stderr
    sum_mass(*cubes, out="whole.fits")
    fakes.same_table("m.fits", "whole.fits")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.fits", "whole.fits"]
    # A run that is finished is not repeated, unless its galaxies differ.
    del made[:]
    assert "m.fits: done already" in sum_mass(*cubes, "--resume").stderr
    assert made == []
    result = sum_mass(*cubes[:2], "--resume", status=1)
    assert "m.fits exists, made from other galaxies" in str(result.exception)


def spy(function, made):
    """Return a function that notes the ids of the cubes that it is called with."""

    def spied(cube, *args, **options):
        made.append(cube.object_id)
        return function(cube, *args, **options)

    return spied


def test_galaxies_that_are_mended_are_added(sum_mass, galaxies, tmp_path, monkeypatch):
    for name in ("3.fits", "4.fits"):
        shutil.copy(galaxies / name, name)
    Path("bad.fits").write_bytes(b"no FITS")
    result = sum_mass("3.fits", "bad.fits", "4.fits", status=1)
    assert "add them with --resume" in str(result.exception)
    assert list(Table.read("m.fits")["ID"]) == [3, 4]
    shutil.copy(galaxies / "9.fits", "bad.fits")
    write_cube(fakes.make_cube(object_id="4", redshift=5.0), "4.fits", overwrite=True)
    made = []
    monkeypatch.setattr(many_galaxies, "galaxy_row", spy(many_galaxies.galaxy_row, made))
    sum_mass("3.fits", "bad.fits", "4.fits", "--resume")
    assert made == ["9", "4"]  # 4 has changed
    assert list(Table.read("m.fits")["REDSHIFT"]) == [1.5, 4.5, 5.0]
    assert not Path("m.fits.part").exists()


def test_parts_are_merged(sum_mass, run_cli, galaxies):
    cubes = [galaxies / f"{number}.fits" for number in (3, 4, 9)]
    sum_mass(*cubes, out="whole.fits")
    for part in (1, 2):
        sum_mass(*cubes, "--part", f"{part}/2", out=f"{part}.fits")
    assert list(Table.read("1.fits")["ID"]) == [3, 9]
    assert run_cli("merge", "1.fits", "2.fits", "-o", "m.fits").exit_code == 0
    order = [0, 2, 1]
    found, whole = Table.read("m.fits"), Table.read("whole.fits")[order]
    for name in whole.colnames:
        np.testing.assert_array_equal(found[name], whole[name], err_msg=name)
        assert found[name].description == whole[name].description
    result = sum_mass(*cubes, "--part", "4/4", out="4.fits", status=1)
    assert "--part 4/4: no galaxy is left for it" in str(result.exception)


def test_the_workers_of_a_scheduler(sum_mass, galaxies, monkeypatch):
    def in_this_process(function, tasks, *, setup, scheduler):
        assert scheduler == "tcp://host:1" and all(map(os.path.isabs, tasks))
        state = pickle.loads(pickle.dumps(setup))()
        return (function(state, task) for task in pickle.loads(pickle.dumps(tasks)))

    monkeypatch.setattr(many_galaxies, "run_tasks", in_this_process)
    monkeypatch.chdir(galaxies)
    cubes = "3.fits", "4.fits"
    sum_mass(*cubes, "--scheduler", "tcp://host:1", out="workers.ecsv")
    sum_mass(*cubes, out="here.ecsv")
    fakes.same_table("workers.ecsv", "here.ecsv")
    assert list(Table.read("workers.ecsv")["FILE"]) == ["3.fits", "4.fits"]


def test_the_redshift_of_the_options(sum_mass, galaxies):
    sum_mass(galaxies / "3.fits", "--redshift", 2.5, "--redshift-err", 0.1)
    row = Table.read("m.fits")[0]
    assert (row["REDSHIFT"], row["REDSHIFT_ERR"]) == (2.5, 0.1)
    assert abs(row["INT_REDSHIFT_P50"] - 2.5) < 0.1
    assert fits.getval("m.fits", "ZERR") == 0.1


def test_maps_cannot_be_summed(sum_mass, run_cli, galaxies, model_path, tmp_path):
    maps = tmp_path / "maps.fits"
    fast = "--model", model_path, "--samples", 8
    assert run_cli("fit", galaxies / "3.fits", *fast, "-o", maps).exit_code == 0
    result = sum_mass(maps, status=1)
    said = str(result.exception)
    assert "has maps: quantiles of pixels do not add up" in said and said.endswith("give 3.fits")


def test_whatever_fails_in_one_galaxy_leaves_the_others(sum_mass, galaxies, tmp_path, monkeypatch):
    from pixsed.fit import many_galaxies

    calls = []

    def broken(*args, **kwargs):
        calls.append(args)
        if len(calls) == 1:
            raise KeyError("BINMAP")
        return row(*args, **kwargs)

    row = many_galaxies.galaxy_row
    monkeypatch.setattr(many_galaxies, "galaxy_row", broken)
    cubes = [galaxies / f"{number}.fits" for number in (3, 4, 9)]
    result = sum_mass(*cubes, out="o.ecsv", status=1)
    assert "internal error: KeyError: 'BINMAP'" in result.stderr
    assert list(Table.read(tmp_path / "o.ecsv")["ID"]) == [4, 9]
