"""Files that cannot be read."""

import os

import pytest

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.formats.kinds import is_fits
from pixsed.io.inputs import check_input, once
from pixsed.io.locate import open_fits
from pixsed.io.tables import read_table
from pixsed.models import resolve


@pytest.fixture
def bad(tmp_path):
    """Make a path of each kind that is no file to read; return its name and the message."""

    def make(kind):
        path = tmp_path / f"{kind}.fits"
        if kind == "empty":
            path.touch()
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to("nowhere.fits")
        elif kind == "loop":
            path.symlink_to(path.name)
        elif kind == "in a file":
            (tmp_path / "file").write_text("x")
            path = tmp_path / "file" / "x.fits"
        elif kind == "device":
            path = "/dev/null"
        elif kind == "endless device":
            path = "/dev/zero"
        elif kind == "long":
            path = tmp_path / ("x" * 300)
        return str(path)

    return make


KINDS = {
    "empty": "is empty",
    "folder": "is a folder",
    "pipe": "is a pipe or a device",
    "link": "is a link to nowhere.fits, which is not there|no such",
    "missing": "no such file",
    "loop": "[Ss]ymbolic links|no such",
    "in a file": "no such file",
    "long": "too long",
    "device": "is a pipe or a device",
    "endless device": "is a pipe or a device",
}
READERS = {
    "check": check_input,
    "is_fits": is_fits,
    "table": read_table,
    "model": resolve,
    "fits": lambda path: open_fits(path).__enter__(),
}


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices")
@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read(bad, kind, reader):
    path = bad(kind)
    with pytest.raises((PixsedError, OSError), match=KINDS[kind]) as found:
        READERS[reader](path)
    if kind != "long":
        assert isinstance(found.value, PixsedError) and path in str(found.value)


def test_a_file_that_is_well(tmp_path):
    (tmp_path / "a").write_text("x")
    check_input(tmp_path / "a")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_no_permission(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "a").chmod(0)
    with pytest.raises(PixsedError, match="permission denied"):
        check_input(tmp_path / "a")


def test_once(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    paths[0].write_text("x")
    paths[1].symlink_to(paths[0])
    paths[2].write_text("x")
    a, b, c = map(str, paths)
    with pytest.warns(PixsedWarning, match="b is given twice, also as .*a; it counts once"):
        assert once([a, b, c]) == [a, c]
    with pytest.warns(PixsedWarning, match="c is given twice; it counts once"):
        assert once([c, c, "missing"]) == [c, "missing"]
