"""Destinations of outputs: files, links, devices, pipes, inputs."""

import io
import os
import stat
import sys
import threading

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.atomic import atomic_path, named_error, write_hdulist
from pixsed.io.formats.maps import maps_layout
from pixsed.io.outputs import (
    check_ending,
    check_fits_output,
    check_folder,
    check_output,
    is_gzip_name,
    is_stream,
    protect_input,
    protected_arguments,
    protected_inputs,
    resolve_output,
)
from pixsed.io.writers.maps import MapsWriter
from pixsed.io.writers.table_blocks import TableWriter

pytestmark = pytest.mark.skipif(os.name != "posix", reason="links, pipes and devices")
DTYPE = np.dtype([("A", ">f8")])


# Every writer of the project, with a little data.


def by_hdulist(path, wcs, **kwargs):
    write_hdulist(fits.HDUList([fits.PrimaryHDU(np.arange(4.0))]), path, **kwargs)


def by_bytes(path, wcs, **kwargs):
    with atomic_path(path, **kwargs) as temporary:
        temporary.write_bytes(b"SIMPLE  =" + b" " * 3000)


def by_rows(path, wcs, **kwargs):
    table = fits.BinTableHDU(np.empty(0, DTYPE), name="ROWS").header
    table["NAXIS2"] = 3
    with TableWriter(path, fits.PrimaryHDU().header, table, block=3, **kwargs) as writer:
        writer.append(np.zeros(3, DTYPE))


def by_boxes(path, wcs, **kwargs):
    layout = maps_layout(["AV"], [0.5], header=wcs, units={"AV": ("mag", "A_V")})
    with MapsWriter(path, layout, (2, 3), 2, {}, **kwargs) as writer:
        writer.place("AV_P50", np.ones((2, 3)))
        writer.commit({})


WRITERS = {"hdulist": by_hdulist, "bytes": by_bytes, "rows": by_rows, "boxes": by_boxes}


@pytest.fixture(params=WRITERS)
def write(request, wcs_header):
    """One of the writers, called with a path."""
    return lambda path, **kwargs: WRITERS[request.param](path, wcs_header(), **kwargs)


def entries(folder):
    return sorted(os.listdir(folder))


def test_a_file(write, tmp_path):
    write(tmp_path / "a.fits")
    assert entries(tmp_path) == ["a.fits"]
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "a.fits").stat().st_mode) == 0o666 & ~umask
    with pytest.raises(PixsedError, match="exists already; add --overwrite"):
        write(tmp_path / "a.fits")
    write(tmp_path / "a.fits", overwrite=True)


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o200])
def test_the_mode_of_a_file_is_kept(write, tmp_path, mode):
    path = tmp_path / "a.fits"
    path.write_text("before")
    path.chmod(mode)
    write(path, overwrite=True)
    assert stat.S_IMODE(path.stat().st_mode) == mode and path.stat().st_size > 1000


def test_a_file_that_is_read_only(write, tmp_path):
    path = tmp_path / "a.fits"
    path.write_text("before")
    path.chmod(0o444)
    with pytest.raises(PixsedError, match="is read-only"):
        write(path, overwrite=True)
    assert path.read_text() == "before"


@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("links", [1, 2])
def test_a_link_stays(write, tmp_path, there, links):
    other = tmp_path / "other"
    other.mkdir()
    target, link = other / "t.fits", tmp_path / "l.fits"
    link.symlink_to(target if links == 1 else "m.fits")
    if links == 2:
        (tmp_path / "m.fits").symlink_to("other/t.fits")
    if there:
        target.write_text("before")
        with pytest.raises(PixsedError, match="exists already"):
            write(link)
    write(link, overwrite=there)
    assert link.is_symlink() and target.read_bytes()[:9] == b"SIMPLE  ="
    assert entries(other) == ["t.fits"]


def test_a_link_that_leads_nowhere(write, tmp_path):
    (tmp_path / "a.fits").symlink_to("b.fits")
    (tmp_path / "b.fits").symlink_to("a.fits")
    with pytest.raises(PixsedError, match="is a broken link"):
        write(tmp_path / "a.fits", overwrite=True)
    (tmp_path / "c.fits").symlink_to("no/t.fits")
    with pytest.raises(PixsedError, match="no such folder"):
        write(tmp_path / "c.fits")


def test_folders(write, tmp_path):
    (tmp_path / "d.fits").mkdir()
    for path in (tmp_path, tmp_path / "d.fits", f"{tmp_path}/new.fits/"):
        with pytest.raises(PixsedError, match="is a folder"):
            write(path, overwrite=True)
    with pytest.raises(PixsedError, match="no such folder; make it first"):
        write(tmp_path / "no" / "a.fits")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_that_is_not_ours(write, tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(PixsedError, match="folder cannot be written to"):
            write(tmp_path / "a.fits")
    finally:
        tmp_path.chmod(0o755)


def test_a_pipe_is_written_to(write, tmp_path):
    path = tmp_path / "pipe.fits"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    write(path, overwrite=True)
    reader.join(20)
    assert got[0][:9] == b"SIMPLE  =" and len(got[0]) > 2880
    assert path.is_fifo() and entries(tmp_path) == ["pipe.fits"]


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_device_is_written_to(write, overwrite):
    before = os.stat("/dev/null")
    write("/dev/null", overwrite=overwrite)
    after = os.stat("/dev/null")
    assert stat.S_ISCHR(after.st_mode) and after.st_ino == before.st_ino


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_device_that_is_full(write, tmp_path):
    (tmp_path / "full.fits").symlink_to("/dev/full")
    for path in ("/dev/full", tmp_path / "full.fits"):
        with pytest.raises(PixsedError, match=f"{path}: No space left"):
            write(path)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_an_open_descriptor_is_written_to(write, tmp_path):
    with open(tmp_path / "log", "wb") as file:
        file.write(b"before;")
        file.flush()
        for name in (f"/dev/fd/{file.fileno()}", f"/proc/self/fd/{file.fileno()}"):
            write(name)
    text = (tmp_path / "log").read_bytes()
    assert text.startswith(b"before;SIMPLE  =") and text.count(b"SIMPLE  =") == 2
    (tmp_path / "read").write_text("x")
    with open(tmp_path / "read") as file, pytest.raises(PixsedError, match="not open for writing"):
        write(f"/dev/fd/{file.fileno()}")
    with pytest.raises(PixsedError, match="/dev/fd/987 is not open"):
        write("/dev/fd/987")


def test_standard_output(write, monkeypatch):
    class Out(io.StringIO):
        buffer = io.BytesIO()

    monkeypatch.setattr(sys, "stdout", Out())
    write("-")
    assert Out.buffer.getvalue()[:9] == b"SIMPLE  ="


def test_a_socket_is_refused(write, tmp_path):
    import socket

    path = os.path.relpath(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as made:
        try:
            made.bind(path)
        except OSError:
            pytest.skip("the name is too long for a socket")
        with pytest.raises(PixsedError, match="is a socket"):
            write(path)


def test_a_terminal_is_refused(write):
    import pty

    control, terminal = pty.openpty()
    try:
        for name in (os.ttyname(terminal), f"/dev/fd/{terminal}"):
            with pytest.raises(PixsedError, match="is a terminal, and the output is binary"):
                write(name)
    finally:
        os.close(control)
        os.close(terminal)


@pytest.mark.parametrize("how", ["name", "hard link", "link", "folder's link", "relative"])
def test_an_input_is_not_written_over(write, tmp_path, how, monkeypatch):
    path = tmp_path / "in.fits"
    path.write_text("data")
    other = tmp_path / "other.fits"
    if how == "hard link":
        os.link(path, other)
    elif how == "link":
        other.symlink_to(path)
    elif how == "folder's link":
        (tmp_path / "d").symlink_to(tmp_path)
        other = tmp_path / "d" / "in.fits"
    elif how == "relative":
        monkeypatch.chdir(tmp_path)
        other = "./in.fits"
    else:
        other = path
    with protected_inputs([path]), pytest.raises(PixsedError, match="is an input too"):
        write(other, overwrite=True)
    assert path.read_text() == "data"
    with protected_inputs():
        protect_input(path)
        with pytest.raises(PixsedError, match="is an input too"):
            write(other, overwrite=True)
    write(other, overwrite=True)  # a program may


def test_an_input_whose_name_looks_like_a_band(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "F444W=a.fits").write_text("data")
    with protected_arguments("F444W=a.fits"), pytest.raises(PixsedError, match="is an input too"):
        check_output("F444W=a.fits", overwrite=True)


def test_an_error_leaves_nothing(tmp_path):
    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), atomic_path(tmp_path / "a.fits") as temporary:
            temporary.write_text("half")
            raise error
    assert not entries(tmp_path)


def test_one_that_appears_meanwhile(tmp_path):
    with pytest.raises(PixsedError, match="appeared"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("ours")
        (tmp_path / "a").write_text("theirs")
    assert (tmp_path / "a").read_text() == "theirs" and entries(tmp_path) == ["a"]


def test_one_that_appears_at_the_last_moment(tmp_path, monkeypatch):
    """Between the last look at the name and the moment when it is taken."""
    from pixsed.io import atomic

    def sync(path):
        if path.name.startswith(".pixsed"):
            (tmp_path / "a").write_text("theirs")

    monkeypatch.setattr(atomic, "_sync", sync)
    with pytest.raises(PixsedError, match="appeared"), atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "a").read_text() == "theirs" and entries(tmp_path) == ["a"]


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def link(*names):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    with atomic_path(tmp_path / "a") as temporary:
        temporary.write_text("ours")
    assert (tmp_path / "a").read_text() == "ours" and entries(tmp_path) == ["a"]


GOOD = [
    "a.fits",
    "a.FITS",
    "a.fit",
    "a.fts",
    "a.fits.gz",
    "a.Fit.GZ",
    "a.fts.gz",
    "a b.fits",
    "a.vot.fits",
    ".fits",
    "é.fits",
    "a.v1.2.fits",
]
BAD = [
    "a",
    "a.vot",
    "a.dat",
    "a.txt",
    "a.csv",
    "a.ecsv",
    "a.fits.fz",
    "a.fz",
    "a.gz",
    "a.fits.bz2",
    "a.zip",
    "a.fits.zip",
    "a.h5",
    "a.asdf",
    "a.fitz",
    "a.fits.",
    "a.fits~",
    "fits",
    "a.tar.gz",
    "a.onnx",
    "a.png",
    "a.fitsgz",
]


@pytest.mark.parametrize("name", GOOD)
def test_endings_of_fits(tmp_path, name):
    check_fits_output(tmp_path / name)


@pytest.mark.parametrize("name", BAD)
def test_other_endings(tmp_path, name):
    with pytest.raises(
        PixsedError, match=r"FITS is written as .fits, .fit or .fts|tile-compressed"
    ):
        check_fits_output(tmp_path / name)
    with pytest.raises(PixsedError, match=r"written as|tile-compressed"):
        write_hdulist(fits.HDUList([fits.PrimaryHDU()]), tmp_path / name)
    assert not entries(tmp_path)


def test_tables_in_blocks_are_not_compressed(tmp_path):
    with pytest.raises(PixsedError, match="written uncompressed"):
        check_fits_output(tmp_path / "a.fits.gz", gzip=False)
    check_fits_output(tmp_path / "a.fit", gzip=False)


def test_other_formats(tmp_path):
    check_ending(tmp_path / "a.ONNX", (".onnx",), "a model is")
    check_ending("-", (".onnx",), "a model is")
    check_ending("/dev/null", (".onnx",), "a model is")
    with pytest.raises(PixsedError, match="a model is written as .onnx, not .fits; choose"):
        check_ending(tmp_path / "a.fits", (".onnx",), "a model is")


@pytest.mark.parametrize("ending", [".gz", ".GZ"])
def test_compressed_by_its_name(tmp_path, ending, wcs_header):
    assert is_gzip_name(f"a.fits{ending}") and not is_gzip_name("a.fits") and not is_gzip_name("-")
    for name, write in (("a", by_hdulist), ("b", by_boxes)):
        path = tmp_path / f"{name}.fits{ending}"
        write(path, wcs_header())
        assert path.read_bytes()[:2] == b"\x1f\x8b"
        fits.open(path).close()


@pytest.mark.parametrize(
    "name", ["single.fits", "a.FIT", "a.fits.gz", "x.csv", "x.ecsv", "x.png", "a.fz", "a.vot"]
)
def test_no_folder_with_the_name_of_a_file(tmp_path, name):
    with pytest.raises(PixsedError, match="several cubes need a folder"):
        check_folder(str(tmp_path / name), "cubes")
    check_folder(f"{tmp_path / name}/", "cubes")  # requested explicitly
    (tmp_path / name).mkdir()
    check_folder(str(tmp_path / name), "cubes")


@pytest.mark.parametrize("name", ["maps", "z1.5", "maps.d", "a.b/c", "é"])
def test_folders_for_several(tmp_path, name):
    check_folder(str(tmp_path / name), "cubes")


def test_no_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    for path, message in (
        (tmp_path / "file", "is a file; give a folder"),
        ("-", "cannot go to s"),
        ("/dev/null", "cannot go to /dev/null"),
    ):
        with pytest.raises(PixsedError, match=message):
            check_folder(str(path), "cubes")


def test_streams(tmp_path):
    (tmp_path / "a").write_text("x")
    (tmp_path / "l").symlink_to("/dev/stdout")
    for path in (
        "-",
        "/dev/stdout",
        "/dev/stderr",
        "/dev/fd/1",
        "/proc/self/fd/1",
        "/dev/null",
        tmp_path / "l",
    ):
        assert is_stream(path)
    for path in (tmp_path, tmp_path / "a", tmp_path / "none", "", "/dev/fdx", "a\x00b"):
        assert not is_stream(path)
    assert resolve_output(tmp_path / "a") == tmp_path / "a"


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        OSError("720 requested and 90 written"),
        OSError("Not enough space on disk: requested 1, available 0."),
    ],
)
def test_a_full_disk_is_named(tmp_path, error):
    assert "a.fits: no room left on the disk" in str(named_error(error, "a.fits"))
    with pytest.raises(PixsedError, match="a.fits: no room left"), atomic_path(tmp_path / "a.fits"):
        raise error
    assert not entries(tmp_path)
    # Standard output is made in a temporary file.
    with pytest.raises(PixsedError, match="no room left .* for temporary files; .* set TMPDIR"):
        with atomic_path("-"):
            raise error


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), ValueError("720 written")])
def test_other_errors_are_left(error):
    assert named_error(error, "a.fits") is error


def test_what_can_be_told_before_the_work(tmp_path):
    check_output(tmp_path / "a.txt")
    with pytest.raises(OSError, match="too long"):
        check_output(tmp_path / ("x" * 300))


def test_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """File, name, folder: in another order, a power cut could leave an empty file."""
    done = []
    sync, link = os.fsync, os.link

    def fsync(number):
        done.append("folder" if stat.S_ISDIR(os.fstat(number).st_mode) else "file")
        sync(number)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "link", lambda *args: [done.append("name"), link(*args)])
    with atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("x")
    assert done == ["file", "name", "folder"]
    assert (tmp_path / "a.txt").read_text() == "x"
