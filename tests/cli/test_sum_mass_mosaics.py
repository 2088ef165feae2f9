"""`pixsed sum-mass` of mosaics with a segmentation map: the rows of cubes cut out of them."""

import os
import pickle
import warnings
from pathlib import Path

import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table, join

from pixsed.fit import many_galaxies
from pixsed.io.formats.cube import write_cube


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


@pytest.fixture
def sum_mass(run_cli, model_path):
    """Run the command with few draws."""

    def run(*args, out="m.fits", status=0):
        result = run_cli("sum-mass", *args, "--model", model_path, "--samples", 8, "-o", out)
        assert result.exit_code == status, result.output or result.exception
        return result

    return run


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
    fakes.same_table("m.fits", "cubes.fits", without=["FILE"])
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


def elsewhere(function, tasks, *, setup, scheduler):
    """Do tasks as a worker in another folder does."""
    here, (setup, tasks) = os.getcwd(), pickle.loads(pickle.dumps((setup, tasks)))
    os.chdir("/")
    try:
        state = setup()
        yield from [function(state, task) for task in tasks]
        state[-1].close()
    finally:
        os.chdir(here)


def test_mosaics_in_parts_resumed_and_at_one_redshift(sum_mass, scene, monkeypatch):
    made, real = [], many_galaxies.galaxy_row

    def noted(cube, *args, **options):
        made.append(cube.object_id)
        return real(cube, *args, **options)

    monkeypatch.setattr(many_galaxies, "galaxy_row", noted)
    sum_mass(*scene, "--redshift", 2, "--part", "1/2", out="1.ecsv")
    scheduler = "--scheduler", "tcp://host:1"
    monkeypatch.setattr(many_galaxies, "run_tasks", elsewhere)
    sum_mass(*scene, "--redshift", 2, "--part", "2/2", *scheduler, out="2.ecsv")
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
def test_wrong_command_lines(sum_mass, tmp_path, monkeypatch, args, message):
    monkeypatch.chdir(tmp_path)
    write_cube(fakes.make_cube(), "c.fits")
    mosaics = ["F*W=F*W.fits", "--segmap", "seg.fits"]
    args = [word for arg in args for word in (mosaics if arg == "MOSAICS" else [arg])]
    assert message in sum_mass(*args, status=2).stderr
