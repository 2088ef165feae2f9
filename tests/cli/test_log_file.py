"""The file of --log."""

import re
from pathlib import Path

import fakes
import pytest

from pixsed.io.formats.cube import write_cube

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d ")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_cube(fakes.make_cube(), tmp_path / "cube.fits")
    fakes.fake_model(tmp_path / "model.onnx")
    monkeypatch.chdir(tmp_path)
    return tmp_path


FIT = ("fit", "cube.fits", "--model", "model.onnx", "--samples", "8", "-o", "maps.fits")


@pytest.mark.parametrize("more", [["-q"], [], ["-v"]])
def test_a_fit(folder, run_pixsed, more):
    done = run_pixsed(*FIT, *more, "--log", "run.log")
    assert done.returncode == 0, done.stderr
    lines = Path("run.log").read_text().splitlines()
    assert all(STAMP.match(line) for line in lines)
    text = "\n".join(lines)
    for part in ("pixsed 0.1", "fit --samples = 8 [commandline]", "reading cube.fits"):
        assert text.count(part) == 1, text
    assert "maps.fits" in lines[-1]
    assert ("reading" in done.stderr) == (more == ["-v"])
    assert not (more == ["-q"] and done.stderr)


def test_errors_and_warnings_are_appended(folder, run_pixsed):
    assert run_pixsed(*FIT, "-q", "--log", "run.log").returncode == 0
    before = Path("run.log").read_text()
    assert run_pixsed(*FIT, "-q", "--log", "run.log").returncode == 1  # the output exists
    after = Path("run.log").read_text()
    assert after.startswith(before)
    assert re.search(r"Z?\d error: maps.fits exists", after) or "error: maps.fits" in after


def test_another_file_is_not_touched(folder, run_pixsed):
    before = Path("cube.fits").read_bytes()
    done = run_pixsed(*FIT, "--log", "cube.fits")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "pixsed: error: cube.fits exists and is not a log of pixsed; choose another --log"
    ]
    assert Path("cube.fits").read_bytes() == before


def test_a_folder_that_is_absent(folder, run_pixsed):
    done = run_pixsed(*FIT, "--log", "none/run.log")
    assert done.returncode == 1 and "none/run.log: No such file" in done.stderr
    assert not Path("maps.fits").exists()


def test_one_command_after_another(folder, run_cli):
    """In one process, the second command does not write to the file of the first."""
    assert run_cli(*FIT, "--log", "run.log").exit_code == 0
    before = Path("run.log").read_text()
    assert run_cli("models").exit_code == 0
    assert run_cli(*FIT, "--overwrite").exit_code == 0
    assert Path("run.log").read_text() == before
