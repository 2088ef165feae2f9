import os
import pickle
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import click.testing
import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, join

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


def same(found, expected):
    """Compare two tables, except for the names of files."""
    found, expected = (Table.read(path) for path in (found, expected))
    assert found.colnames == expected.colnames
    for name in set(found.colnames) - {"FILE"}:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, err_msg=name)
        assert found[name].unit == expected[name].unit
        assert found[name].description == expected[name].description


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
    same("m.fits", "whole.fits")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.fits", "whole.fits"]
    # A run that is finished is not repeated, unless its galaxies differ.
    del made[:]
    sum_mass(*cubes, "--resume")
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
    same("workers.ecsv", "here.ecsv")
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


# Mosaics.


@pytest.fixture
def scene(tmp_path, monkeypatch):
    """Write mosaics of three galaxies, segmentation map and catalogue; return the options."""
    monkeypatch.chdir(tmp_path)
    wcs = fakes.make_cube().header
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:60, :70]
    segmap, light = np.zeros(y.shape, np.int32), np.zeros(y.shape)
    for number, (cy, cx) in {3: (20, 18), 4: (38, 50), 9: (10, 55)}.items():
        r2 = (y - cy) ** 2 + (x - cx) ** 2
        segmap[r2 < 12] = number
        light += 20 * np.exp(-r2 / 30)
    for number, band in enumerate(("F115W", "F200W", "F277W", "F356W", "F444W")):
        flux = light * (1 + 0.2 * number) + rng.normal(0, 0.5, y.shape)
        header = wcs.copy()
        header["BUNIT"], header["FILTER"] = "nJy", band
        hdus = [fits.ImageHDU(flux.astype("f4"), header, name="SCI")]
        hdus.append(fits.ImageHDU(np.full(y.shape, 0.5, "f4"), wcs, name="ERR"))
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(f"{band}.fits")
    fits.PrimaryHDU(segmap, wcs).writeto("seg.fits")
    table = Table({"ID": [4, 9, 3], "z_spec": [3.5, 1.0, 2.0], "MAG": [20.0, 21.0, 22.0]})
    table.write("z.fits")
    table["ID"] = [f"{number:03d}" for number in table["ID"]]
    table.write("texts.fits")
    return ["F*W=F*W.fits", "--segmap", "seg.fits"]


def test_mosaics_give_the_rows_of_cubes(sum_mass, run_cli, scene):
    catalog = "--catalog", "z.fits"
    result = run_cli("cutout", *scene, *catalog, "--all", "-o", "cubes")
    assert result.exit_code == 0, result.exception
    result = sum_mass(*scene, *catalog)
    assert "seg.fits, galaxy 3: " in result.stderr and not Path("m.fits.part").exists()
    found = Table.read("m.fits")
    sum_mass(*(f"cubes/{number}.fits" for number in found["ID"]), out="cubes.fits")
    same("m.fits", "cubes.fits")
    assert set(found["FILE"]) == {"seg.fits"}
    assert fits.getval("m.fits", "INFILE7") == "z.fits"
    # Astropy, without a warning, and joined with the catalogue; ids keep their type.
    sum_mass(*scene, "--catalog", "texts.fits", out="texts_m.fits")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, ids in (("z.fits", [3, 4, 9]), ("texts.fits", ["003", "004", "009"])):
            masses = Table.read("m.fits" if name == "z.fits" else "texts_m.fits")
            both = join(Table.read(name), masses, keys="ID")
            assert list(both["ID"]) == ids
            np.testing.assert_array_equal(both["z_spec"], both["REDSHIFT"])


def test_mosaics_in_parts_resumed_and_at_one_redshift(sum_mass, scene, monkeypatch):
    made = []
    monkeypatch.setattr(many_galaxies, "galaxy_row", spy(many_galaxies.galaxy_row, made))
    for part in ("1/2", "2/2"):
        sum_mass(*scene, "--redshift", 2, "--part", part, out=f"{part[0]}.ecsv")
    assert sorted(made) == ["3", "4", "9"] and len(Table.read("1.ecsv")) == 1
    sum_mass(*scene, "--redshift", 2, "--part", "1/2", "--resume", out="1.ecsv")
    assert len(made) == 3
    result = sum_mass(*scene, "--redshift", 3, "--part", "1/2", "--resume", out="1.ecsv", status=1)
    assert "1.ecsv exists, made from other galaxies or with other opt" in str(result.exception)
    assert set(Table.read("2.ecsv")["REDSHIFT"]) == {2.0}


def test_galaxies_of_mosaics_without_data_are_left_out(sum_mass, scene):
    for name in Path().glob("F*.fits"):
        with fits.open(name, mode="update") as hdulist:
            hdulist["SCI"].data[:35, 35:] = np.nan  # where 9 is, with the pixels around it
    result = sum_mass(*scene, "--redshift", 2)
    [said] = [text for text in result.warned if "left out" in text]
    assert said.startswith(
        "1 of 3 galaxies have no data in any band and are left out: seg.fits, ga"
    )
    assert sorted(Table.read("m.fits")["ID"]) == [3, 4]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["F*W=F*W.fits"], "mosaics need --segmap"),
        (["MOSAICS"], "mosaics need redshifts: --catalog, or --redshift"),
        (["MOSAICS", "--catalog", "z.fits", "--redshift", "2"], "mosaics need redshifts"),
        (["MOSAICS", "--catalog", "z.fits", "--redshift-err", "1"], "goes with --redshift"),
        (["MOSAICS", "--redshift", "2", "--id-col", "X"], "--id-col of mosaics goes with --cat"),
        (["MOSAICS", "--redshift", "2", "--all-pixels"], "--all-pixels goes with cubes"),
        (["c.fits", "--catalog", "z.fits"], "--catalog goes with mosaics, not with cubes"),
        (["c.fits", "--part", "3/2"], "'3/2' must be I/N"),
    ],
)
def test_wrong_command_lines(sum_mass, tmp_path, args, message):
    write_cube(fakes.make_cube(), tmp_path / "c.fits")
    mosaics = ["F*W=F*W.fits", "--segmap", "seg.fits"]
    args = [word for arg in args for word in (mosaics if arg == "MOSAICS" else [arg])]
    assert message in sum_mass(*args, status=2).stderr
