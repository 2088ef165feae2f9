"""Checks of output paths, made by every command before it starts its work.

A device, a pipe or an open descriptor is written to, never replaced. A link keeps pointing to the
file that is written. A file that the same command reads is not overwritten.
"""

import contextlib
import os
import re
import stat
import sys
from pathlib import Path

from pixsed.errors import PixsedError
from pixsed.io.locate import expand_locations

_DESCRIPTOR = re.compile(r"/dev/fd/(\d+)|/proc/(?:self|thread-self|\d+)/fd/(\d+)")
_STANDARD = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
#: Endings of FITS files, each also with .gz.
FITS_ENDINGS = (".fits", ".fit", ".fts")
# Endings of a file's name, which an output that must be a folder cannot have.
_FILE_ENDINGS = (
    *FITS_ENDINGS,
    ".gz",
    ".fz",
    ".bz2",
    ".zip",
    ".ecsv",
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".vot",
    ".xml",
    ".asdf",
    ".h5",
    ".hdf5",
    ".parquet",
    ".png",
    ".pdf",
    ".svg",
    ".reg",
)
#: Files that are read, by device and inode; None outside a command.
_inputs = None


# Files that are read.


@contextlib.contextmanager
def protected_inputs(paths=()):
    """Refuse to overwrite `paths`, and files given to `protect_input`, while the block runs."""
    global _inputs
    before = _inputs
    _inputs = dict(before or {})
    try:
        for path in paths:
            protect_input(path)
        yield
    finally:
        _inputs = before


def protected_arguments(*values):
    """Return `protected_inputs` for the files that some arguments may name.

    These are paths, ``[BAND=]path[EXT]`` and patterns; other arguments are left out.
    """
    paths = []
    for value in values:
        if isinstance(value, str | os.PathLike):
            paths.append(os.fspath(value))
            with contextlib.suppress(PixsedError):
                paths += [place.path for place in expand_locations([os.fspath(value)])]
    return protected_inputs(paths)


def protect_input(path):
    """Refuse to overwrite a file, under any of its names, until the command ends.

    Outside a block of `protected_inputs` it does nothing. Commands, and public functions that
    write a file, run in such a block.
    """
    if _inputs is None:
        return
    with contextlib.suppress(OSError, ValueError):
        found = os.stat(path)
        if stat.S_ISREG(found.st_mode):
            _inputs[found.st_dev, found.st_ino] = str(path)


def check_no_input(path, found):
    """Raise `PixsedError` if a file, whose `os.stat_result` is `found`, is an input."""
    if name := (_inputs or {}).get((found.st_dev, found.st_ino)):
        also = "" if name == str(path) else f" ({name})"
        raise PixsedError(f"{path} is an input too{also}; choose another -o")


# Where an output goes.


def resolve_output(path):
    """Return the file of an output's name: the target of a link, else the path itself."""
    path = Path(path)
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise PixsedError(f"{path} is a broken link; remove it, or choose another -o")
    return target


def descriptor(path):
    """Return the open descriptor that `path` names, directly or through links; else None."""
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
    """Return whether an output is a stream, which is written to and never replaced.

    Streams are standard output (``"-"``), descriptors such as /dev/stdout, devices, pipes and
    sockets.
    """
    if str(path) == "-" or descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _check_stream(path):
    """Raise `PixsedError` if a stream cannot be written to."""
    number = 1 if str(path) == "-" else descriptor(path)
    name = stream_name(path)
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


def stream_name(path):
    """Return the name of a stream, for messages."""
    return "standard output" if str(path) == "-" else str(path)


def _check_descriptor(path, number, name):
    """Return whether an open descriptor is a terminal; raise if it is not open for writing."""
    if str(path) == "-":
        try:
            number = sys.stdout.fileno()
        except (OSError, ValueError):  # replaced, as tests do
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


def stat_or_none(path, *, follow_symlinks=True):
    """Return the status of a path, or None if nothing is there.

    One look at the file, because another process may make or remove it between two.

    Parameters
    ----------
    path : path-like
    follow_symlinks : bool, optional
        Whether the status of a link is that of the file it points to.

    Returns
    -------
    status : `os.stat_result` or None
    """
    try:
        return os.stat(path, follow_symlinks=follow_symlinks)
    except (FileNotFoundError, NotADirectoryError):
        return None


def check_output(path, overwrite=False):
    """Raise `PixsedError` if `path` cannot be written; call it before the work.

    Parameters
    ----------
    path : str or path-like
        Output; ``"-"`` is standard output, which must not be a terminal.
    overwrite : bool, optional
        Whether an existing file may be replaced.
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
    found = stat_or_none(target)
    if found is not None:
        check_no_input(path, found)
        if not overwrite:
            raise PixsedError(f"{path} exists already; add --overwrite, or choose another -o")
        # Root could write to it, but somebody made it read-only for a reason.
        if not found.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise PixsedError(
                f"{path} is read-only; change that with chmod u+w, or choose another -o"
            )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PixsedError(f"{path}: its folder cannot be written to; choose another -o")


def _ends(path, endings):
    return Path(path).name.lower().endswith(tuple(endings))


def check_ending(path, endings, what):
    """Raise `PixsedError` if the name of an output has none of the endings of its format.

    Parameters
    ----------
    path : str or path-like
        Output. Streams have no ending, and pass.
    endings : sequence of str
        Endings in lower case, such as ``".fits"``; the case of the name does not matter.
    what : str
        Start of the message, such as ``"maps are"``.
    """
    # check_output refuses folders.
    if not (is_stream(path) or Path(path).is_dir() or _ends(path, endings)):
        raise wrong_ending(path, endings, what)


def wrong_ending(path, endings, what):
    """Return the `PixsedError` of a wrong ending; parameters as for `check_ending`."""
    ending = Path(path).suffix
    found = f"not {ending}" if ending else "and the name has no ending"
    *others, last = endings
    shown = f"{', '.join(others)} or {last}" if others else last
    return PixsedError(f"{path}: {what} written as {shown}, {found}; choose another name")


def check_fits_output(path, overwrite=False, *, gzip=True):
    """Raise `PixsedError` if `path` cannot be written as FITS; call it before the work.

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
            raise PixsedError(
                f"{path}: the table is written uncompressed; choose a name without "
                ".gz, and compress it afterwards"
            )
        if not (gzip and _ends(path, [f"{ending}.gz" for ending in FITS_ENDINGS])):
            check_ending(path, FITS_ENDINGS, "FITS is")
    check_output(path, overwrite)


def check_folder(path, several):
    """Raise `PixsedError` if `path` cannot be the folder of several files.

    Parameters
    ----------
    path : str
        Output.
    several : str
        Name of the files, for the message, such as ``"cubes"``.
    """
    if is_stream(path):
        raise PixsedError(
            f"several {several} cannot go to {stream_name(path)}; give a folder with -o"
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


def is_gzip_name(path):
    """Return whether a file name ends in .gz."""
    return not is_stream(path) and Path(path).suffix.lower() == ".gz"
