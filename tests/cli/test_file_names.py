"""Names of files, objects and folders that FITS cards cannot hold as they are."""

import os
import warnings

import fakes
import pytest
from astropy.io import fits

from pixsed.io.cards import fits_text
from pixsed.io.formats.cube import read_cube, write_cube

pytestmark = pytest.mark.machine

NAMES = [
    "galáxia",
    "cubo_é",
    "銀河",
    "Straße",
    "с кириллицей",
    "💥",
    "e\u0301",
    "it's",
    'a "b" & c',
    "end&",
    "new\nline",
    "tab\there",
    "%s {0} $HOME",
    "-dash",
    " blank ",
    "x" * 200,
    "a,b;c",
    "back\\slash",
    "#1",
    "\u202eright to left",
    "\u200b",
    "a]b",
    "~",
    "=",
]
if os.name == "posix":
    NAMES.append(os.fsdecode(b"bytes\xff\xfe"))


@pytest.fixture(scope="module")
def model_path(tmp_path_factory):
    return fakes.fake_model(tmp_path_factory.mktemp("model") / "fake.onnx")


def checked(path, name):
    """Return the PRIMARY of a file that astropy reads without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path, checksum=True) as hdulist:
            for hdu in hdulist:
                hdu.verify("exception")
                assert hdu.header.tostring().isascii()
            header = hdulist[0].header.copy()
    assert header["INFILE1"] == fits_text(f"{name}.fits").rstrip()
    return header


@pytest.mark.few(8)
@pytest.mark.parametrize("name", NAMES)
def test_commands(tmp_path, run_cli, monkeypatch, model_path, name):
    """Run commands on files and folders with this name: cubes, noise, maps and masses."""
    folder = tmp_path / name
    folder.mkdir()
    cube = folder / f"{name}.fits"
    write_cube(fakes.make_cube(), cube)
    fast = ["--model", model_path, "--samples", 4, "--jobs", 1]
    for command, *options in (["bin"], ["noise", "--bins", 1], ["fit", *fast], ["sum-mass", *fast]):
        output = folder / f"{command} of {name}"[:200]
        output = output.with_name(output.name + ".fits")
        words = [command, cube, *options, "-o", output]
        monkeypatch.setattr("sys.argv", ["pixsed", *map(str, words)])
        result = run_cli(*words)
        assert result.exit_code == 0, result.exception
        assert fits_text(command) in checked(output, name)["PIXSCMD"]


@pytest.mark.parametrize("name", NAMES)
def test_objects(tmp_path, name):
    """The name of a galaxy, as a program may give it."""
    write_cube(
        fakes.make_cube(object_id=name),
        tmp_path / "a.fits",
        inputs=[f"{name}.fits"],
        history=[f"made of {name}"],
    )
    header = checked(tmp_path / "a.fits", name)
    assert header["OBJECT"] == fits_text(name).rstrip()
    assert read_cube(tmp_path / "a.fits").object_id.strip() == fits_text(name).strip()


@pytest.mark.parametrize("count", [99, 100, 105, 1200])
def test_many_inputs(tmp_path, run_cli, count):
    write_cube(fakes.make_cube(), tmp_path / "0.fits")
    names = [tmp_path / f"{i}.fits" for i in range(count)]
    for name in names[1:]:
        os.link(names[0], name)
    result = run_cli("noise", *names[:1], "--bins", 1, "-o", tmp_path / "one.fits")
    assert result.exit_code == 0
    write_cube(fakes.make_cube(), tmp_path / "o.fits", inputs=names)
    header = checked(tmp_path / "o.fits", "0")
    if count > 99:
        assert header["INFIL100"] == "99.fits" and "INFILE100" not in header


def test_a_hundred_cubes(tmp_path, run_cli, model_path):
    cube = fakes.make_cube()
    names = [tmp_path / f"{i}.fits" for i in range(105)]
    for name in names:
        write_cube(cube, name)
    fast = ["--model", model_path, "--samples", 2, "--snr-min", 60, "--jobs", 1]
    for command in (["noise", "--bins", 1], ["sum-mass", *fast]):
        output = tmp_path / "o" / "out.fits"
        output.parent.mkdir(exist_ok=True)
        result = run_cli(*command, *names, "-q", "--overwrite", "-o", output)
        assert result.exit_code == 0 and not result.warned, result.exception
        header = checked(output, "0")
        assert header["INFIL105"] == "104.fits"
