"""Leftovers of killed runs are removed by the next one, and nothing else is."""

import os
import subprocess
import sys

import pytest

from pixsed import temporary
from pixsed.io.atomic import atomic_path
from pixsed.temporary import prefix, remove_leftovers

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="asks for processes of POSIX")


@pytest.fixture
def dead():
    """Number of a process that has ended."""
    return int(subprocess.check_output([sys.executable, "-c", "import os; print(os.getpid())"]))


def make(folder, name, age=100):
    path = folder / name
    path.write_text("left")
    when = path.stat().st_mtime - age
    os.utime(path, (when, when))
    return path


@pytest.mark.parametrize("hidden", [True, False])
def test_leftovers(tmp_path, dead, hidden):
    mine, machine = prefix(hidden), temporary._machine()
    dot = "." * hidden
    left = make(tmp_path, f"{dot}pixsed-{machine}-{dead}-abc.fits")
    kept = [
        make(tmp_path, f"{mine}abc.fits"),  # of a process that lives
        make(tmp_path, f"{dot}pixsed-{machine}-{dead}-new.fits", age=0),
        make(tmp_path, f"{dot}pixsed-other-{dead}-abc.fits"),  # of another machine
        make(tmp_path, f"{dot}pixsed-abc.fits"),
        make(tmp_path, "maps.fits"),
        make(tmp_path, f"{'' if hidden else '.'}pixsed-{machine}-{dead}-abc.fits"),
    ]
    remove_leftovers(tmp_path, hidden)
    assert not left.exists() and sorted(tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "none", hidden)


def test_folders(tmp_path, dead):
    folder = tmp_path / f"pixsed-{temporary._machine()}-{dead}-abc"
    folder.mkdir()
    make(folder, "plain.fits")
    os.utime(folder, (1, 1))
    remove_leftovers(tmp_path)
    assert not folder.exists()


def test_an_output_removes_them(tmp_path, dead):
    left = make(tmp_path, f".pixsed-{temporary._machine()}-{dead}-abc.fits")
    with atomic_path(tmp_path / "o.fits") as path:
        path.write_text("new")
    assert not left.exists() and os.listdir(tmp_path) == ["o.fits"]
