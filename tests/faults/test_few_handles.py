"""Many inputs with few file handles: each file is closed when it is done."""

import contextlib
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
#: File handles of a run, and number of its inputs; with --run-slow, and without.
LARGE, SMALL = (64, 110), (32, 40)
#: File handles for images in many bands, each with its errors.
HANDLES_OF_BANDS = 64
MODEL = "--model fake.onnx --samples 4 --jobs 1"
BANDS = (
    "F435W F606W F775W F814W F850LP F070W F090W F115W F140M F150W F162M F182M F200W F210M F250M "
    "F277W F300M F335M F356W F360M F410M F430M F444W F460M F480M"
).split()


@pytest.fixture(scope="module")
def count(request):
    """Number of file handles, and number of inputs."""
    return LARGE if request.config.getoption("--run-slow") else SMALL


@pytest.fixture(scope="module")
def folder(fault_inputs, tmp_path_factory, count):
    """Folder of many cubes, of many tables, of many parts of maps, and of images in many bands."""
    from pixsed.io.formats.cube import write_cube

    import_all()
    many = count[1]
    folder = tmp_path_factory.mktemp("many")
    shutil.copy(fault_inputs / "fake.onnx", folder)
    write_cube(make_cube(ny=many, nx=24), folder / "tall.fits")
    with fits.open(fault_inputs / "im.fits") as hdulist:
        for band in BANDS:
            hdulist[1].header["FILTER"] = band
            camera = ("ACS", "WFC") if band in BANDS[:5] else ("NIRCAM", "")
            hdulist[1].header["INSTRUME"], hdulist[1].header["DETECTOR"] = camera
            hdulist.writeto(folder / f"im_{band}.fits", checksum=True)
    shutil.copy(fault_inputs / "seg.fits", folder)
    shutil.copy(fault_inputs / "cat.fits", folder)
    with fits.open(fault_inputs / "t1.fits") as hdulist:
        for i in range(many):
            write_cube(make_cube(redshift=1 + i / 100), folder / f"cube{i}.fits")
            hdulist[1].data["ID"] = i
            hdulist.writeto(folder / f"table{i}.fits", checksum=True)
    return folder


def limit_for(handles):
    """Return the limit that leaves this process so many handles, the three standard ones included.

    The system limits the numbers of handles, so those that are open count beside them.
    """
    number, left = 3, handles - 3
    while left:
        try:
            os.fstat(number)
        except OSError:  # not open
            left -= 1
        number += 1
    return number


def test_limit_of_handles(tmp_path):
    limit = limit_for(40)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            stack.enter_context(open(tmp_path / "x", "w"))
        assert limit_for(35) == limit and limit_for(40) > limit


def finish(folder, words, handles, before=lambda: None):
    """Run a command with few file handles."""

    def few_handles():
        # What the tests have open stays open: objects that still have it would close the file that
        # got its number.
        limit = limit_for(handles)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        before()

    status, said = run(folder, [*map(str, words), "-q"], before=few_handles, seconds=600)
    assert (bad_end(status, said), status) == ("", 0), said


@pytest.mark.parametrize(
    ("command", "beginning"),
    [
        (f"fit {MODEL}", "cube"),
        (f"sum-mass {MODEL}", "cube"),
        ("noise --bins 1", "cube"),
        ("merge", "table"),
    ],
)
def test_many_files(folder, tmp_path, count, command, beginning):
    handles, many = count
    name, *options = command.split()
    output = tmp_path / ("maps" if name == "fit" else "o.fits")
    files = [f"{beginning}{i}.fits" for i in range(many)]
    finish(folder, [name, *files, *options, "-o", output], handles)
    if name == "fit":
        assert len(list(output.iterdir())) == many
    elif name != "noise":
        assert len(Table.read(output)) == many


def test_merge_of_many_parts(folder, tmp_path, count):
    """The parts are made in one process."""
    handles, many = count

    def parts():
        from pixsed.cli.main import cli

        for i in range(many):
            words = ["fit", "tall.fits", *MODEL.split(), "--part", f"{i + 1}/{many}"]
            cli.main([*words, "-o", f"part{i}.fits", "-q"], standalone_mode=False)

    files = [f"part{i}.fits" for i in range(many)]
    finish(folder, ["merge", *files, "-o", tmp_path / "o.fits"], handles, before=parts)
    with fits.open(tmp_path / "o.fits", checksum=True) as hdulist:
        assert hdulist[1].shape == (many, 24)


@pytest.mark.parametrize(
    "command",
    [
        f"fit {MODEL} --redshift 1",
        f"sum-mass {MODEL} --segmap seg.fits --catalog cat.fits",
        "cutout --segmap seg.fits --id 531 --catalog cat.fits",
    ],
)
def test_images_in_many_bands(folder, tmp_path, command):
    files = [f"im_{band}.fits" for band in BANDS]
    name, *options = command.split()
    finish(folder, [name, *files, *options, "-o", tmp_path / "o.fits"], HANDLES_OF_BANDS)
