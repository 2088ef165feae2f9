"""Commands that write to a disk that is full: a real one, small, in memory."""

import functools
import os
import shutil
import subprocess
import sys

import forked
import pytest
from damage_parts import small_batches
from fakes import make_cube
from forked import bad_end, import_all
from kill_commands import content

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs, and forks"),
]
# Plots are slow on a busy machine.
run = functools.partial(forked.run, seconds=300)
#: Bytes of the disk, and kilobytes that are free on it in turn, until a command succeeds.
SIZE, ROOMS = 4 << 20, (0, 8, 150, 800, 4000)
FIT = "fit big.fits --model fake.onnx --samples 4 --jobs 1"
#: Commands, by name; the last word is their output, on the small disk.
COMMANDS = {
    "fit": f"{FIT} --tile 16,64 -o o.fits",
    "fit gz": f"{FIT} --tile 16,64 -o o.fits.gz",
    "fit many": "fit cube.fits cube2.fits --model fake.onnx --samples 4 --jobs 1 -o maps",
    "fit table": "fit truth.fits --model fake.onnx --samples 4 --jobs 1 -o o.fits",
    "fit text": "fit truth.fits --model fake.onnx --samples 4 --jobs 1 -o o.ecsv",
    "cutout": "cutout im.fits F200W=im2.fits --segmap seg.fits --id 531 --redshift 1 -o o.fits",
    "cutout many": "cutout im.fits F200W=im2.fits --segmap seg.fits --all --catalog cat.fits "
    "-o cubes",
    "simulate": "simulate --ssp ssp.fits --prior tau --bands F200W,F444W -n 950 --jobs 1 -o o.fits",
    "sum-mass": "sum-mass cube.fits cube2.fits binned.fits --model fake.onnx --samples 8 --jobs 1 "
    "-o o.fits",
    "merge": "merge part1.fits part2.fits -o o.fits",
    "merge tables": "merge t1.fits t2.fits -o o.fits",
    "plot": "plot maps.fits --property LOGMSTAR --dpi 30 -o o.png",
    "bkg": "bkg im.fits --segmap seg.fits -o o.fits",
    "noise": "noise cube.fits -o o.fits",
}
#: Those that --resume continues.
RESUMED = ("fit", "fit gz", "simulate", "sum-mass")
#: Outputs that are one file of a folder; the other files are written before or after it.
MANY = ("fit many", "cutout many")


class SmallDisk:
    """A disk of `SIZE` bytes, with a file that fills it."""

    def __init__(self, path):
        self.path, self._filler = path, path / "filler"

    def leave(self, room):
        """Fill the disk up to a number of kilobytes."""
        self.free()
        with open(self._filler, "wb") as file:
            file.write(bytes(SIZE - (room << 10)))

    def free(self):
        self._filler.unlink(missing_ok=True)

    def files(self):
        """Return the names of the files on the disk but the filler, sorted."""
        found = [p for p in self.path.rglob("*") if p.is_file() and p != self._filler]
        return sorted(str(p.relative_to(self.path)) for p in found)

    def clear(self):
        for path in self.path.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.fixture
def disk(tmp_path):
    path = tmp_path / "disk"
    path.mkdir()
    try:
        words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "none", str(path)]
        done = subprocess.run(words, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"no small disk: {error}")
    if done.returncode:
        pytest.skip(f"no small disk, mount is not permitted: {done.stderr.strip()}")
    yield SmallDisk(path)
    subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.fixture
def place(fault_inputs, tmp_path):
    """Folder of the inputs, in which the commands run."""
    from pixsed.io.formats.cube import write_cube

    import_all()
    folder = shutil.copytree(fault_inputs, tmp_path / "in")
    # A step writes to a part of the pages of each plane only.
    write_cube(make_cube(ny=64, nx=64), folder / "big.fits")
    return folder


def begun(command, output, temporary=None):
    """Return the words of a command with another output, and the function that runs before it."""
    *words, _ = command.split()

    def before():
        small_batches()
        if temporary is not None:
            os.environ["TMPDIR"] = str(temporary)

    return [*words, str(output), "-q"], before


def check_error(status, said, *parts):
    """Check that a run ended with one line, which has some parts."""
    assert not bad_end(status, said) and status == 1, (status, said)
    assert said.count("\n") == 1 and all(part in said for part in parts), said


@pytest.mark.few(6)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk(disk, place, name):
    if name == "plot":  # its cache of fonts is slow to make, and not for the small disk
        pytest.importorskip("matplotlib.pyplot")
    command = COMMANDS[name]
    output = command.split()[-1]
    words, before = begun(command, output)
    assert run(place, words, before=before) == (0, "")
    words, before = begun(command, disk.path / output)
    kept = False
    for room in ROOMS:
        disk.leave(room)
        status, said = run(place, words, before=before)
        if status == 0:
            break
        if name not in MANY:
            check_error(status, said, output, "no room left on the disk")
            left = [f for f in disk.files() if f.startswith(output)]
            assert not left or left == [f"{output}.part"] and "--resume" in said
        assert not [f for f in disk.files() if "pixsed-" in f]
        if disk.files() and name in RESUMED:
            kept = True
            disk.free()
            assert run(place, [*words, "--resume"], before=before) == (0, "")
            break
        check_many(disk, place, output) if name in MANY else None
        assert name in MANY or not disk.files(), (disk.files(), said)
        disk.clear()
    assert room, "the full disk was not noticed"
    assert kept or name not in RESUMED
    check_many(disk, place, output) if name in MANY else None
    if name not in MANY:
        assert disk.files() == [output]
        assert not output.endswith(("fits", "gz")) or (
            content(disk.path / output) == content(place / output)
        )


def check_many(disk, place, output):
    """Check that each file of a folder is whole, or unfinished under another name."""
    for file in disk.files():
        if not file.rpartition("/")[2].startswith("."):
            assert content(disk.path / file) == content(place / file)


@pytest.mark.parametrize("name", ["fit", "fit table", "simulate", "sum-mass", "bkg", "plot"])
def test_the_folder_of_temporary_files_is_full_too(disk, place, name):
    if name == "plot":
        pytest.importorskip("matplotlib.pyplot")
    command = COMMANDS[name]
    words, before = begun(command, disk.path / command.split()[-1], disk.path)
    disk.leave(0)
    check_error(*run(place, words, before=before), "no room left on the disk")
    assert not disk.files()
    disk.free()
    assert run(place, words, before=before) == (0, "")


@pytest.mark.parametrize("name", ["fit", "fit table", "simulate", "sum-mass", "bkg", "merge"])
def test_standard_output_to_a_full_disk(disk, place, name):
    words, before = begun(COMMANDS[name], "-")

    def to_a_file():
        before()
        os.dup2(os.open(disk.path / "o.fits", os.O_CREAT | os.O_WRONLY), 1)

    disk.leave(4)
    check_error(*run(place, words, before=to_a_file), "standard output: No space left")


@pytest.mark.parametrize("name", ["fit", "fit table", "simulate", "sum-mass", "bkg"])
def test_only_the_folder_of_temporary_files_is_full(disk, place, name):
    """What goes to standard output is made in a temporary file first."""
    words, before = begun(COMMANDS[name], "-", disk.path)
    disk.leave(8)  # Python takes another folder if it can write nothing at all
    check_error(*run(place, words, before=before), str(disk.path), "no room left", "TMPDIR")
    assert not disk.files()
    assert not (place / ".out").stat().st_size


def test_a_compressed_input_on_a_full_disk(disk, place):
    """Images are unpacked into the folder of temporary files."""
    command = "bkg im.fits.gz --segmap seg.fits -o o.fits"
    words, before = begun(command, "o.fits", disk.path)
    disk.leave(4)
    check_error(*run(place, words, before=before), str(disk.path), "no room to unpack it", "TMPDIR")
    assert not (place / "o.fits").exists() and not disk.files()
