"""Outputs of every command that cannot be written, or that are not files."""

import os
import shutil
import stat

import fakes
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.formats.cube import write_cube

COMMANDS = {
    "bkg": "bkg im.fits --box 10",
    "psfmatch": "psfmatch im.fits --kernel kernel.fits",
    "cutout": "cutout im.fits --segmap seg.fits --id 1 --redshift 1",
    "noise": "noise cube.fits",
    "bin": "bin cube.fits",
}
LATER = {
    "psf": "psf im.fits --stars z.csv",
    "fit": "fit cube.fits",
    "fit of a mosaic": "fit im.fits --redshift 1",
    "sum-mass": "sum-mass cube.fits",
    "profile": "profile cube.fits",
    "ssp": "ssp --library bc03",
    "simulate": "simulate --ssp no.fits --prior tau -n 10",
    "validate": "validate tau no.fits",
}
#: Commands whose output is not FITS, with a suffix that they accept.
OTHERS = {
    "rgb": ("rgb cube.fits", ".png"),
    "plot": ("plot maps.fits", ".png"),
    "export": ("export a.ckpt", ".onnx"),
    "train": ("train no.fits --ssp no.fits", ".ckpt"),
}


@pytest.fixture
def folder(tmp_path, monkeypatch, shared_folder):
    """New folder with small inputs, which is the current folder."""
    for path in shared_folder.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shared_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    cube = fakes.make_cube()
    write_cube(cube, folder / "cube.fits")
    header = cube.header.copy()
    header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", "F444W", "NIRCAM"
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(cube.flux[0], header, name="SCI"),
        fits.ImageHDU(cube.err[0], header, name="ERR"),
    ]
    fits.HDUList(hdus).writeto(folder / "im.fits")
    segmap = cube.segmap if cube.segmap is not None else (cube.flux[0] > 0).astype("i4")
    fits.PrimaryHDU((segmap > 0).astype("i4"), cube.header).writeto(folder / "seg.fits")
    kernel = fits.PrimaryHDU(cube.flux[0][:5, :5] * 0)
    kernel.data[2, 2] = 1
    kernel.writeto(folder / "kernel.fits")
    (folder / "z.csv").write_text("id,z\n1,1\n")
    return folder


def refused(run_cli, command, output, message, *more):
    result = run_cli(*command.split(), "-o", output, *more)
    assert result.exit_code in (1, 2)
    text = str(result.exception) if isinstance(result.exception, PixsedError) else result.stderr
    assert message in " ".join(text.split()), text
    assert not [name for name in os.listdir() if name.startswith(".pixsed")]


@pytest.mark.parametrize("name", ["o.vot", "o.dat", "o.txt", "o", "o.fits.fz", "o.gz", "o.h5"])
@pytest.mark.parametrize("command", [*COMMANDS, *LATER, *OTHERS])
def test_unknown_endings(folder, run_cli, command, name):
    words = OTHERS[command][0] if command in OTHERS else (COMMANDS | LATER)[command]
    refused(run_cli, words, name, name)
    assert not os.path.lexists(name)


@pytest.mark.parametrize("command", [*COMMANDS, *LATER, *OTHERS])
def test_folders_and_files(folder, run_cli, command):
    words, ending = OTHERS.get(command, ((COMMANDS | LATER).get(command), ".fits"))
    output = f"o{ending}"
    refused(run_cli, words, f"no/{output}", "no such folder")
    (folder / output).write_text("mine")
    refused(run_cli, words, output, "exists already; add --overwrite")
    (folder / output).chmod(0o400)
    refused(run_cli, words, output, "is read-only", "--overwrite")
    assert (folder / output).read_text() == "mine"


@pytest.mark.parametrize("how", ["itself", "link", "hard link", "path"])
@pytest.mark.parametrize("command", [*COMMANDS, "fit", "sum-mass", "fit of a mosaic", "psf"])
def test_an_input_is_not_written_over(folder, run_cli, command, how):
    words = (COMMANDS | LATER)[command]
    first = words.split()[1]
    before = (folder / first).read_bytes()
    output = {"itself": first, "path": f"./{first}"}.get(how, "other.fits")
    if how == "link":
        os.symlink(first, output)
    elif how == "hard link":
        os.link(first, output)
    refused(run_cli, words, output, "is an input too", "--overwrite")
    assert (folder / first).read_bytes() == before


@pytest.mark.parametrize(
    ("command", "output"),
    [
        ("bkg im.fits --box 10 --segmap seg.fits", "seg.fits"),
        ("bkg BAND=im.fits[SCI] --box 10", "im.fits"),
        ("cutout im.fits --segmap seg.fits --id 1 --redshift 1", "seg.fits"),
        ("cutout im.fits --segmap seg.fits --id 1 --catalog z.csv", "z.fits"),
        ("cutout i*.fits[SCI] --segmap seg.fits --id 1 --redshift 1", "im.fits"),
        ("psfmatch im.fits --kernel kernel.fits", "kernel.fits"),
        ("cutout F444W=1.fits[SCI] --segmap seg.fits --all --catalog z.csv", "."),
        ("bkg a_sci.fits --box 10", "a_err.fits"),
        ("merge cube.fits im.fits", "im.fits"),
    ],
)
def test_nor_any_other_input(folder, run_cli, command, output):
    shutil.copy("im.fits", "1.fits")
    os.symlink("z.csv", "z.fits")
    with fits.open("im.fits") as hdulist:
        fits.PrimaryHDU(hdulist[1].data, hdulist[1].header).writeto("a_sci.fits")
        fits.PrimaryHDU(hdulist[2].data, hdulist[2].header).writeto("a_err.fits")
    before = {name: (folder / name).read_bytes() for name in os.listdir()}
    refused(run_cli, command, output, "is an input too", "--overwrite")
    assert {name: (folder / name).read_bytes() for name in os.listdir()} == before


@pytest.mark.skipif(os.name != "posix", reason="devices")
@pytest.mark.parametrize("how", ["device", "link", "device --overwrite"])
@pytest.mark.parametrize("command", COMMANDS)
def test_devices(folder, run_cli, command, how):
    output, *more = ["/dev/null"] if how == "device" else ["/dev/null", "--overwrite"]
    if how == "link":
        os.symlink("/dev/null", "null.fits")
        output = "null.fits"
    result = run_cli(*COMMANDS[command].split(), "-o", output, *more)
    assert result.exit_code == 0, result.exception
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    if how == "link":
        assert os.readlink("null.fits") == "/dev/null"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_full_device(folder, run_cli, command):
    refused(run_cli, COMMANDS[command], "/dev/full", "/dev/full: No space left on device")


@pytest.mark.parametrize(
    "command", ["fit cube.fits copy.fits", "cutout im.fits --segmap seg.fits --all --catalog z.csv"]
)
def test_several_need_a_folder(folder, run_cli, command):
    shutil.copy("cube.fits", "copy.fits")
    for output, message in (
        ("single.fits", "several cubes need a folder"),
        ("o.fit.gz", "cubes need a folder"),
        ("im.fits", "is a file; give a folder"),
        ("-", "standard output"),
        ("/dev/null", "/dev/null"),
    ):
        if output == "/dev/null" and command.startswith("fit"):
            message = "a device"
        refused(run_cli, command, output, message, "--overwrite")
    assert not os.path.exists("single.fits") and not os.path.exists("o.fit.gz")


def test_a_checkpoint_is_a_file(folder, run_cli):
    for output in ("-", "/dev/null"):
        refused(run_cli, OTHERS["train"][0], output, "give a file")
