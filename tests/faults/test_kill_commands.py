"""A few kills of cheap commands, and the judgement of the campaign; see kill_commands.py."""

import itertools
import os

import kill_commands
import numpy as np
import pytest
from astropy.io import fits
from kill_commands import WRITERS, campaign, check_whole, content

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(os.name != "posix", reason="signals of POSIX"),
]
FEW = ("fit", "sum-mass", "cutout", "simulate")
#: Inputs that need training are left to the script.
MANY = [name for name in WRITERS if name not in ("train", "export", "validate")]


def copy(folder, place):
    """Link the inputs into a new folder, and return it."""
    place.mkdir()
    for path in folder.iterdir():
        os.link(path, place / path.name)
    return place


@pytest.mark.parametrize("name", FEW)
def test_a_few_kills_lose_nothing(fault_inputs, tmp_path, name):
    place = copy(fault_inputs, tmp_path / "in")
    assert campaign(place, name, 1, np.random.default_rng(1))[0] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", MANY)
def test_kills_lose_nothing(fault_inputs, tmp_path, name):
    place = copy(fault_inputs, tmp_path / "in")
    assert campaign(place, name, 50, np.random.default_rng(2))[0] == []


# What the campaign reports, with runs that are played.


def cube(value=1.0):
    """Return the bytes of a FITS file, with a card that may differ and data that may not."""
    import io

    file = io.BytesIO()
    primary = fits.PrimaryHDU()
    primary.header["DATE"], primary.header["LASTEXT"] = "2026-01-01T00:00:00", "A"
    image = fits.ImageHDU(np.full((40, 40), value, np.float32), name="A")
    fits.HDUList([primary, image]).writeto(file, checksum=True)
    return file.getvalue()


@pytest.fixture
def play(monkeypatch, tmp_path):
    """Return a function that plays runs: each of them writes files, and ends with a status.

    The first run is the undisturbed one; the last one, which is repeated, is a run after the kills.
    """

    def play(*runs):
        script = itertools.chain(runs, itertools.repeat(runs[-1]))

        def run(command, folder, kill_after=None):
            status, files = next(script)
            output = next(word for word in command.split() if word.endswith(".fits"))
            for name, data in files.items():
                (folder / name.replace("OUT", output)).write_bytes(data)
            return status, "what it said"

        monkeypatch.setattr(kill_commands, "run", run)
        monkeypatch.setitem(WRITERS, "played", "played -o OUT.fits")
        return campaign(tmp_path, "played", 1, np.random.default_rng(0))[0]

    return play


WHOLE = 0, {"OUT": cube()}
KILLED = None, {}


def test_nothing_lost(play):
    assert play(WHOLE, KILLED, WHOLE) == []


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([(1, {})], "failed undisturbed: what it said"),
        ([WHOLE, (None, {"OUT": cube()[:4000]}), WHOLE], "after a kill: PixsedError"),
        ([WHOLE, (None, {"OUT": b""}), WHOLE], "after a kill: PixsedError"),
        ([WHOLE, KILLED, (1, {}), WHOLE], "status 1: what it said"),
        ([WHOLE, KILLED, (0, {}), WHOLE], "no output"),
        ([WHOLE, KILLED, (0, {"OUT": cube(2.0)}), WHOLE], "another content than undisturbed"),
        ([WHOLE, KILLED, (0, {"OUT": cube(), ".pixsed-a-1-x": b""})], "left over"),
        ([WHOLE, KILLED, (0, {"OUT": cube(), "OUT.part": b""})], "left over"),
    ],
)
def test_what_is_reported(play, runs, said):
    problems = play(*runs)
    assert said in problems[0], problems


def test_content_is_without_dates(tmp_path):
    paths = [tmp_path / f"{i}.fits" for i in range(3)]
    paths[0].write_bytes(cube())
    paths[1].write_bytes(cube().replace(b"2026-01-01", b"2027-02-02"))
    paths[2].write_bytes(cube(3.0))
    assert content(paths[0]) == content(paths[1]) != content(paths[2])


@pytest.mark.parametrize("name", ["o.fits", "o.fits.gz", "o.onnx", "o.ckpt", "o.png"])
def test_half_a_file_is_not_whole(tmp_path, name):
    if name.endswith("ckpt"):
        pytest.importorskip("torch")
    if name.endswith("png"):
        pytest.importorskip("PIL")
    path = tmp_path / name
    path.write_bytes(cube()[:3000])
    with pytest.raises(Exception):  # noqa: B017
        check_whole(path)
