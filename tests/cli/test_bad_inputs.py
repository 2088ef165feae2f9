"""Unreadable inputs of every command give one clear line."""

import gzip
import os

import fakes
import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, failure_text
from pixsed.io.formats.cube import write_cube

COMMANDS = {
    "bkg": "bkg @ -o o.fits",
    "bkg --segmap": "bkg im.fits --segmap @ -o o.fits",
    "bkg --coverage": "bkg im.fits --coverage @ -o o.fits",
    "psf": "psf @ --stars z.csv -o o.fits",
    "psf --stars": "psf im.fits --stars @ -o o.fits",
    "psfmatch": "psfmatch @ --kernel im.fits -o o.fits",
    "psfmatch --kernel": "psfmatch im.fits --kernel @ -o o.fits",
    "psfmatch --psf": "psfmatch im.fits --psf @ --target im.fits -o o.fits",
    "cutout": "cutout @ --segmap seg.fits --id 1 --redshift 1 -o o.fits",
    "cutout --segmap": "cutout im.fits --segmap @ --id 1 --redshift 1 -o o.fits",
    "cutout --catalog": "cutout im.fits --segmap seg.fits --id 1 --catalog @ -o o.fits",
    "cutout --all": "cutout im.fits --segmap @ --all --catalog z.csv -o cubes",
    "noise": "noise @ -o o.fits",
    "bin": "bin @ -o o.fits",
    "fit": "fit @ --redshift 1 -o o.fits",
    "fit --segmap": "fit im.fits --segmap @ --catalog z.csv -o o.fits",
    "fit --redshift-map": "fit im.fits --redshift-map @ -o o.fits",
    "fit --model": "fit cube.fits --model @ -o o.fits",
    "sum-mass": "sum-mass @ -o o.fits",
    "merge": "merge @ -o o.fits",
    "rgb": "rgb @ -o o.png",
    "rgb --red": "rgb --red @ --green im.fits --blue im.fits -o o.png",
    "plot": "plot @ -o o.png",
    "simulate": "simulate --ssp @ --prior tau -n 10 --jobs 1 -o o.fits",
    "validate": "validate tau @ -o o.fits",
    "validate --noise": "validate tau @ --noise @ -o o.fits",
}
INPUTS = [
    "missing",
    "empty",
    "text",
    "folder",
    "pipe",
    "cut short",
    "cut gzip",
    "link",
    "no image",
    "cube of planes",
    "/dev/null",
    "/dev/zero",
    "-",
    "extension",
    "number",
    "bracket",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with the inputs that the commands need, and with the bad inputs."""
    folder = tmp_path_factory.mktemp("bad")
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
    fits.PrimaryHDU(cube.segmap, cube.header).writeto(folder / "seg.fits")
    (folder / "z.csv").write_text("id,z\n1,1\n")
    fakes.fake_model(folder / "fake.onnx")
    (folder / "empty").touch()
    (folder / "text").write_text("this is no FITS file\nat all\n")
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    whole = (folder / "im.fits").read_bytes()
    (folder / "cut short").write_bytes(whole[:4000])
    (folder / "cut gzip").write_bytes(gzip.compress(whole)[:700])
    (folder / "link").symlink_to("nowhere.fits")
    fits.PrimaryHDU().writeto(folder / "no image")
    fits.PrimaryHDU(np.zeros((2, 3, 4))).writeto(folder / "cube of planes")
    return folder


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("command", COMMANDS)
def test_one_clear_line(folder, run_cli, monkeypatch, command, kind):
    monkeypatch.chdir(folder)
    name = {"extension": "im.fits[NOPE]", "number": "im.fits[9]", "bracket": "im.fits["}.get(
        kind, kind
    )
    result = run_cli(*[name if word == "@" else word for word in COMMANDS[command].split()])
    assert result.exit_code == 1
    error = result.exception
    assert isinstance(error, PixsedError | OSError), (type(error), error)
    text = " ".join(str(error).split())
    # Of an extension that is missing, a message may name the file alone.
    assert name.partition("[")[0] in text and len(text) < 600
    if kind in ("pipe", "/dev/null", "/dev/zero"):
        assert "is a pipe or a device" in text
    assert not [left for left in os.listdir(folder) if left.startswith(("o.", ".pixsed"))]


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("kind", INPUTS)
@pytest.mark.parametrize("command", [name for name in COMMANDS if name.startswith("fit")])
def test_check_gives_the_message_of_fit(folder, run_cli, monkeypatch, command, kind):
    monkeypatch.chdir(folder)
    name = {"extension": "im.fits[NOPE]", "number": "im.fits[9]", "bracket": "im.fits["}.get(
        kind, kind
    )
    words = [name if word == "@" else word for word in COMMANDS[command].split()[1:-2]]
    model = [] if "--model" in words else ["--model", "fake.onnx"]
    refused = run_cli("fit", *words, *model, "-o", "o.fits")
    result = run_cli("check", *words, *model)
    assert refused.exit_code == result.exit_code == 1
    error = refused.exception
    message = failure_text(error)
    assert message in " ".join(result.stdout.split())
