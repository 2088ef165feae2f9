"""Many inputs with few file handles: each file is closed when it is done."""

import os
import resource
import shutil
import sys

import pytest
from astropy.io import fits
from astropy.table import Table
from fakes import make_cube
from forked import bad_end, import_all, run

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have threads"),
]
#: File handles of a run, and number of its inputs.
HANDLES, MANY = 64, 110
MODEL = "--model fake.onnx --samples 4 --jobs 1 -q"
BANDS = (
    "F435W F606W F775W F814W F850LP F070W F090W F115W F140M F150W F162M F182M F200W F210M F250M "
    "F277W F300M F335M F356W F360M F410M F430M F444W F460M F480M"
).split()


@pytest.fixture(scope="module")
def folder(fault_inputs, tmp_path_factory):
    """Folder of many cubes, of many tables, of many parts of maps, and of images in many bands."""
    from pixsed.io.formats.cube import write_cube

    import_all()
    folder = tmp_path_factory.mktemp("many")
    shutil.copy(fault_inputs / "fake.onnx", folder)
    write_cube(make_cube(ny=MANY, nx=24), folder / "tall.fits")
    with fits.open(fault_inputs / "im.fits") as hdulist:
        for band in BANDS:
            hdulist[1].header["FILTER"] = band
            camera = ("ACS", "WFC") if band in BANDS[:5] else ("NIRCAM", "")
            hdulist[1].header["INSTRUME"], hdulist[1].header["DETECTOR"] = camera
            hdulist.writeto(folder / f"im_{band}.fits", checksum=True)
    shutil.copy(fault_inputs / "seg.fits", folder)
    shutil.copy(fault_inputs / "cat.fits", folder)
    with fits.open(fault_inputs / "t1.fits") as hdulist:
        for i in range(MANY):
            os.link(fault_inputs / "cube.fits", folder / f"cube{i}.fits")
            hdulist[1].data["ID"] = i
            hdulist.writeto(folder / f"table{i}.fits", checksum=True)
    return folder


def names(beginning, ending=".fits"):
    return [f"{beginning}{i}{ending}" for i in range(MANY)]


def few_handles():
    """Close what the tests have open, and leave few handles."""
    os.closerange(3, 4096)
    resource.setrlimit(resource.RLIMIT_NOFILE, (HANDLES, HANDLES))


def finish(folder, command, inputs, place):
    """Run a command with few handles, which writes to another folder."""
    name, *words = command.split()
    status, said = run(folder, [name, *inputs, *words, str(place)], before=few_handles, seconds=120)
    assert (bad_end(status, said), status) == ("", 0), said


def test_fit_of_many_cubes(folder, tmp_path):
    finish(folder, f"fit {MODEL} -o", names("cube"), tmp_path / "maps")
    assert len(list((tmp_path / "maps").iterdir())) == MANY


def test_sums_of_many_cubes(folder, tmp_path):
    finish(folder, f"sum-mass {MODEL} -o", names("cube"), tmp_path / "o.fits")
    assert len(Table.read(tmp_path / "o.fits")) == MANY


def test_noise_of_many_cubes(folder, tmp_path):
    finish(folder, "noise --bins 1 -q -o", names("cube"), tmp_path / "o.fits")


def test_merge_of_many_tables(folder, tmp_path):
    finish(folder, "merge -q -o", names("table"), tmp_path / "o.fits")
    assert len(Table.read(tmp_path / "o.fits")) == MANY


def test_merge_of_many_parts(folder, tmp_path):
    """The parts are made in one process."""
    from pixsed.cli import main

    def parts(args):
        for i in range(1, MANY + 1):
            words = ["fit", "tall.fits", *MODEL.split(), "--part", f"{i}/{MANY}"]
            main.cli.main([*words, "-o", f"part{i - 1}.fits"], standalone_mode=False)

    def before():
        few_handles()
        parts(())

    words = ["merge", *names("part"), "-q", "-o", str(tmp_path / "o.fits")]
    status, said = run(folder, words, before=before, seconds=120)
    assert (status, said) == (0, "")
    with fits.open(tmp_path / "o.fits", checksum=True) as hdulist:
        assert hdulist[1].shape == (MANY, 24)


@pytest.mark.parametrize(
    "command",
    [
        f"fit {MODEL} --redshift 1 -o",
        f"sum-mass {MODEL} --segmap seg.fits --catalog cat.fits -o",
        "cutout --segmap seg.fits --id 531 --catalog cat.fits -q -o",
    ],
)
def test_images_in_many_bands(folder, tmp_path, command):
    finish(folder, command, [f"im_{band}.fits" for band in BANDS], tmp_path / "o.fits")
