"""Write a file whole or not at all, and never over another one unasked.

Every output goes through here. A device, a pipe or an open descriptor is written to, never
replaced; a link keeps pointing at the file that is written; a file that is read by the same
command is not overwritten.
"""

import contextlib
import errno
import logging
import os
import re
import stat
import sys
import tempfile
from pathlib import Path

from pixsed.errors import PixsedError

_BLOCK = 1 << 20
_log = logging.getLogger("pixsed")
_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|thread-self|\d+)/fd/(\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
#: Endings of FITS files, each also with .gz.
FITS_ENDINGS = (".fits", ".fit", ".fts")
#: Endings that no folder is given by mistake.
_FILE_ENDINGS = (*FITS_ENDINGS, ".gz", ".fz", ".bz2", ".zip", ".ecsv", ".csv", ".tsv", ".txt",
                 ".dat", ".vot", ".xml", ".asdf", ".h5", ".hdf5", ".parquet", ".png", ".pdf",
                 ".svg", ".reg")  # fmt: skip
#: Files that are read, by device and inode; None where a program, and no command, writes.
_inputs = None


# Files that are read.


@contextlib.contextmanager
def protected_inputs(paths=()):
    """Refuse, while the block runs, to write over `paths` and what `protect_input` names."""
    global _inputs
    before = _inputs
    _inputs = dict(before or {})
    try:
        for path in paths:
            protect_input(path)
        yield
    finally:
        _inputs = before


def protect_input(path):
    """Refuse to write over a file, by any of its names, until the command ends.

    A program that calls pixsed may: nothing is done outside `protected_inputs`.
    """
    if _inputs is None:
        return
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            _inputs[found.st_dev, found.st_ino] = str(path)


def _check_no_input(path, found):
    if name := (_inputs or {}).get((found.st_dev, found.st_ino)):
        also = "" if name == str(path) else f" ({name})"
        raise PixsedError(f"{path} is an input too{also}; choose another -o")


# Where an output goes.


def resolve_output(path):
    """Return the file that an output's name means: where it is a link, what that points to."""
    path = Path(path)
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise PixsedError(f"{path} is a link that leads nowhere; remove it, or choose another -o")
    return target


def _descriptor(path):
    """Return the number of the open descriptor that `path` names, by links too; else None."""
    if os.name != "posix":
        return None
    name = os.path.abspath(path)
    for _ in range(40):
        if name in _STANDARD:
            return _STANDARD[name]
        if match := _DESCRIPTOR.fullmatch(name):
            return int(match[1] or match[2])
        if not os.path.islink(name):
            return None
        name = os.path.abspath(os.path.join(os.path.dirname(name), os.readlink(name)))
    return None


def is_stream(path):
    """Return whether an output is written to as it is, rather than made and given its name.

    Standard output (``"-"``), a descriptor as /dev/stdout, a device, a pipe or a socket.
    """
    if str(path) == "-" or _descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _check_stream(path):
    """Raise `PixsedError` if a stream cannot be written to."""
    number = 1 if str(path) == "-" else _descriptor(path)
    name = _stream_name(path)
    if number is None:
        mode = os.stat(path).st_mode
        if stat.S_ISBLK(mode):
            raise PixsedError(f"{path} is a disk; choose a file for -o")
        if stat.S_ISSOCK(mode):
            raise PixsedError(f"{path} is a socket; choose a file or a pipe for -o")
        if not os.access(path, os.W_OK):
            raise PixsedError(f"{path} cannot be written to; choose another -o")
        terminal = stat.S_ISCHR(mode) and _is_terminal_file(path)
    else:
        terminal = _check_descriptor(path, number, name)
    if terminal:
        raise PixsedError(
            f"{name} is a terminal, and the output is binary; give a file with -o, or pipe it on"
        )


def _stream_name(path):
    return "standard output" if str(path) == "-" else str(path)


def _check_descriptor(path, number, name):
    """Return whether an open descriptor is a terminal; raise if it is not open to write."""
    if str(path) == "-":
        try:
            number = sys.stdout.fileno()
        except (OSError, ValueError):  # a stand-in for it
            return False
    try:
        import fcntl

        if fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR) == 0:
            raise PixsedError(f"{name} is not open for writing; choose another -o")
    except ImportError:
        pass
    except OSError:
        raise PixsedError(f"{name} is not open; choose another -o") from None
    return os.isatty(number)


def _is_terminal_file(path):
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOCTTY | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        return False
    try:
        return os.isatty(handle)
    finally:
        os.close(handle)


def check_output(path, overwrite=False):
    """Raise `PixsedError` if `path` cannot be written: call it before the work.

    Parameters
    ----------
    path : str or path-like
        The output; ``"-"`` is standard output, which must not be a terminal.
    overwrite : bool, optional
        Whether a file that is there may be replaced.
    """
    if is_stream(path):
        _check_stream(path)
        return
    if str(path).endswith(("/", os.sep)) or Path(path).is_dir():
        raise PixsedError(f"{path} is a folder; give a file name")
    target = resolve_output(path)
    folder = target.absolute().parent
    if not folder.is_dir():
        raise PixsedError(f"{path}: no such folder; make it first with mkdir -p")
    if target.exists():
        found = os.stat(target)
        _check_no_input(path, found)
        if not overwrite:
            raise PixsedError(f"{path} exists already; add --overwrite, or choose another -o")
        # A user who may write everywhere has set it read-only for a reason too.
        if not found.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise PixsedError(f"{path} is read-only; change that with chmod u+w, or choose "
                              "another -o")  # fmt: skip
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PixsedError(f"{path}: its folder cannot be written to; choose another -o")


def _ends(path, endings):
    return Path(path).name.lower().endswith(tuple(endings))


def check_ending(path, endings, what):
    """Raise `PixsedError` if the name of an output has none of the endings of its format.

    Parameters
    ----------
    path : str or path-like
        Streams have no ending, and pass.
    endings : sequence of str
        As ``".fits"``, in lower case; the case of the name does not matter.
    what : str
        What is written, for the message, as ``"maps are"``.
    """
    # check_output tells of folders.
    if is_stream(path) or Path(path).is_dir() or _ends(path, endings):
        return
    ending = Path(path).suffix
    found = f"not {ending}" if ending else "and the name has no ending"
    raise PixsedError(f"{path}: {what} written as {', '.join(endings)}, {found}; choose another "
                      "name")  # fmt: skip


def check_fits_output(path, overwrite=False, *, gzip=True):
    """Raise `PixsedError` if `path` cannot be written as FITS: call it before the work.

    Parameters
    ----------
    path, overwrite
        As for `check_output`.
    gzip : bool, optional
        Whether .fits.gz can be written.
    """
    name = Path(path).name.lower()
    if not is_stream(path):
        if name.endswith(".fz"):
            raise PixsedError(
                f"{path}: no tile-compressed FITS is written; choose .fits, and compress it "
                "afterwards with fpack"
            )
        if name.endswith(".gz") and not gzip:
            raise PixsedError(f"{path}: the table is written uncompressed; choose a name without "
                              ".gz, and compress it afterwards")  # fmt: skip
        if not (gzip and _ends(path, [f"{ending}.gz" for ending in FITS_ENDINGS])):
            check_ending(path, FITS_ENDINGS, "FITS is")
    check_output(path, overwrite)


def check_folder(path, several):
    """Raise `PixsedError` if several files cannot go into the folder `path`.

    Parameters
    ----------
    path : str
        The output.
    several : str
        What the files are of, for the message, as ``"cubes"``.
    """
    if is_stream(path):
        raise PixsedError(
            f"several {several} cannot go to {_stream_name(path)}; give a folder with -o"
        )
    folder = Path(path)
    if folder.is_dir():
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PixsedError(f"{path}: the folder cannot be written to; choose another -o")
        return
    if folder.exists():
        raise PixsedError(f"{path} is a file; give a folder for several {several}")
    if folder.suffix.lower() in _FILE_ENDINGS and not str(path).endswith(("/", os.sep)):
        raise PixsedError(
            f"{path} has the name of a file, and several {several} need a folder; give its name "
            "with -o"
        )


# Writing.


def is_gzip_name(path):
    """Return whether a name asks for a compressed file."""
    return not is_stream(path) and Path(path).suffix.lower() == ".gz"


def send(file, path):
    """Copy an open file, from its beginning, to a stream (`is_stream`).

    Raises
    ------
    PixsedError
        If the stream takes no more.
    """
    file.seek(0)
    try:
        with _open_stream(path) as stream:
            while block := file.read(_BLOCK):
                left = memoryview(block)
                while left:  # a pipe may take part of it
                    left = left[stream.write(left) :]
            stream.flush()
    except BrokenPipeError:
        raise PixsedError(f"{_stream_name(path)}: the reader closed it before the end") from None
    except OSError as error:
        raise PixsedError(f"{_stream_name(path)}: {error.strerror or error}") from error


@contextlib.contextmanager
def _open_stream(path):
    number = None if str(path) == "-" else _descriptor(path)
    if str(path) == "-" or number == 1:
        sys.stdout.flush()
        with contextlib.suppress(OSError, ValueError, AttributeError):
            os.set_blocking(sys.stdout.fileno(), True)
    if str(path) == "-":
        yield sys.stdout.buffer
        return
    target = path if number is None else os.dup(number)
    with open(target, "wb", buffering=0) as stream:
        yield stream


def temporary_file(suffix=""):
    """Return a new temporary file, open to read and write bytes, and its path."""
    handle, name = tempfile.mkstemp(prefix=".pixsed-", suffix=suffix)
    return open(handle, "r+b"), Path(name)


def place(temporary, path, overwrite=False):
    """Give a finished file its name, and the mode and owner of the file that it replaces.

    Parameters
    ----------
    temporary : path-like
        On the same disk.
    path : str or path-like
        No stream.
    overwrite : bool, optional

    Raises
    ------
    PixsedError
        If there is a file by now that may not be replaced.
    """
    target = resolve_output(path)
    if is_stream(target):
        raise PixsedError(f"{path} is no file any more; nothing was written")
    if target.exists():
        before = os.stat(target)
        if not overwrite:
            raise PixsedError(f"{path} appeared while it was being made; nothing was replaced")
        _check_no_input(path, before)
        with contextlib.suppress(OSError, AttributeError):
            os.chown(temporary, before.st_uid, before.st_gid)
        mode = stat.S_IMODE(before.st_mode)
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    os.chmod(temporary, mode)
    os.replace(temporary, target)
    _log.info("wrote %s", target)


@contextlib.contextmanager
def atomic_path(path, overwrite=False):
    """Yield a temporary path beside `path` that takes its name when the block ends well.

    To a stream (`is_stream`) the temporary file is copied at the end. After an error, or a
    signal, nothing stands under the final name.

    Yields
    ------
    `~pathlib.Path`

    Raises
    ------
    PixsedError
        If `path` exists and `overwrite` is false, its folder does not exist, or the disk is
        full.
    """
    check_output(path, overwrite)
    stream = is_stream(path)
    suffix = "" if str(path) == "-" else "".join(Path(path).suffixes[-2:]).lower()
    folder = None if stream else resolve_output(path).absolute().parent
    handle, name = tempfile.mkstemp(prefix=".pixsed-", suffix=suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    try:
        with disk_errors(path):
            yield temporary
        if stream:
            with open(temporary, "rb") as source:
                send(source, path)
        else:
            place(temporary, path, overwrite)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path):
    """Name the output in the error of a disk that is full (`named_error`)."""
    try:
        yield
    except OSError as error:
        named = named_error(error, path)
        if named is error:
            raise
        raise named from error


def named_error(error, path):
    """Return a `PixsedError` that names the output if its disk is full, else `error`."""
    if not isinstance(error, OSError):
        return error
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG)
    # numpy and astropy say it without a number.
    short = re.search(r"not enough space|requested and \d+ written", str(error), re.IGNORECASE)
    if not (full or short):
        return error
    return PixsedError(f"{_stream_name(path)}: no room left on the disk; make some, or choose "
                       "another -o")  # fmt: skip


def name_long_strings(header):
    """Name the convention in a header where a string goes on in CONTINUE cards, in place.

    fitsverify wants it.
    """
    if "LONGSTRN" not in header and any(len(card.image) > 80 for card in header.cards):
        header["LONGSTRN"] = ("OGIP 1.0", "the OGIP long string convention may be used")


def write_hdulist(hdulist, path, overwrite=False):
    """Write an `~astropy.io.fits.HDUList` atomically, with CHECKSUM and DATASUM.

    Raises
    ------
    PixsedError
        As `check_fits_output`.
    """
    check_fits_output(path, overwrite)
    for hdu in hdulist:
        name_long_strings(hdu.header)
    with atomic_path(path, overwrite) as temporary:
        hdulist.writeto(temporary, overwrite=True, checksum=True, output_verify="exception")
