"""Locks of files that are read and replaced."""

import os
import threading

import pytest

from pixsed.errors import PixsedError
from pixsed.io.writers.file_lock import is_there, locked, take_lock
from pixsed.io.writers.journal import check_plain_file

pytest.importorskip("fcntl", reason="files are locked on POSIX systems alone")
WRITERS, TIMES = 4, 25


def test_no_step_of_interleaved_writers_is_lost(tmp_path):
    """Each reads a number and replaces the file by one with the next number."""
    path = tmp_path / "n.txt"
    path.write_text("0")
    ready = threading.Barrier(WRITERS)

    def count():
        ready.wait()
        for _ in range(TIMES):
            with locked(path):
                number = int(path.read_text())
                new = tmp_path / f"{threading.get_ident()}.new"
                new.write_text(str(number + 1))
                os.replace(new, path)

    threads = [threading.Thread(target=count) for _ in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_text() == str(WRITERS * TIMES)
    assert os.listdir(tmp_path) == ["n.txt"]


def test_a_file_that_comes_and_goes_is_plain(tmp_path):
    """Another process removes its lock at any moment, also between two looks at it."""
    path, over = tmp_path / ".n.txt.lock", threading.Event()

    def come_and_go():
        while not over.is_set():
            path.touch()
            path.unlink()

    other = threading.Thread(target=come_and_go)
    other.start()
    try:
        for _ in range(5000):  # two looks fail in one of twenty
            check_plain_file(path)
    finally:
        over.set()
        other.join()


def test_the_lock_is_given_back_after_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError):
        with locked(tmp_path / "n.txt"):
            raise ZeroDivisionError
    assert os.listdir(tmp_path) == []
    (tmp_path / ".n.txt.lock").touch()  # of a process that was killed
    with locked(tmp_path / "n.txt"):
        pass
    assert os.listdir(tmp_path) == []


def test_without_waiting(tmp_path):
    path = tmp_path / "a"
    with open(path, "wb") as one, open(path, "rb") as two:
        take_lock(one)
        with pytest.raises(BlockingIOError):
            take_lock(two)
        assert is_there(one, path)
        path.unlink()
        assert not is_there(one, path)
        path.touch()
        assert not is_there(one, path)


def test_links_are_not_followed(tmp_path):
    (tmp_path / ".n.txt.lock").symlink_to(tmp_path / "other")
    with pytest.raises(PixsedError, match="lock is a link, and is not followed; delete it"):
        with locked(tmp_path / "n.txt"):
            pass
    assert not (tmp_path / "other").exists()
