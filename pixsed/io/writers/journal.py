"""Lines of JSON in a file that grows, each with a checksum, for work that another run continues.

A line is the JSON, a space and the CRC-32 of the JSON in eight hexadecimal digits.
"""

import json
import os
import stat
import warnings
import zlib

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.outputs import stat_or_none


class UnusableError(PixsedError):
    """Error of an unfinished file that --resume cannot go on with."""

    why = "is that of another run"


class DamagedError(UnusableError):
    """Error of an unfinished file, or its journal, that is damaged."""

    why = "is damaged"


def journal_line(content):
    """Return a line, bytes, of a dict in JSON types."""
    text = json.dumps(content).encode()
    return text + b" %08x\n" % zlib.crc32(text)


def read_journal(file, path):
    """Return the lines of a journal, and the position of its end, without a line that is cut short.

    Parameters
    ----------
    file : file
        Open for reading bytes, at its beginning.
    path : path-like
        Its name, for the message.

    Returns
    -------
    lines : list of dict
    end : int

    Raises
    ------
    DamagedError
        If a whole line fails its checksum, or is not the JSON of a dict.
    """
    lines, end = [], 0
    for line in file.read().split(b"\n")[:-1]:  # no newline: cut short by a kill
        text, _, crc = line.rpartition(b" ")
        if crc != b"%08x" % zlib.crc32(text):
            raise damaged(path)
        try:
            content = json.loads(text)
        except ValueError:
            raise damaged(path) from None
        if not isinstance(content, dict):
            raise damaged(path)
        lines.append(content)
        end += len(line) + 1
    return lines, end


def is_begun(part, journal, number):
    """Return whether an unfinished file has something to go on with.

    It has nothing if its journal has fewer than `number` complete lines: the run was killed before
    the first step was done. A file without a journal is not ours to replace, unless it is empty.

    Parameters
    ----------
    part, journal : `~pathlib.Path`
    number : int
    """
    found = _status(part)
    if not (_is_plain(found) and _is_plain(_status(journal))):
        return True  # it is refused later; a pipe would be waited for
    try:
        return journal.read_bytes().count(b"\n") >= number
    except OSError:
        return found is not None and found.st_size > 0


def damaged(path):
    """Return the `DamagedError` of an unfinished file or its journal."""
    return DamagedError(
        f"{path} is damaged, so --resume cannot go on with it; start anew with --overwrite"
    )


def begin_anew(error, path, overwrite):
    """Warn that an unfinished file is begun anew, or raise its error if it may not be replaced.

    Parameters
    ----------
    error : `UnusableError`
    path : path-like
        The unfinished file.
    overwrite : bool
        Whether it may be replaced.
    """
    if not overwrite:
        raise error
    warnings.warn(f"{path} {error.why}, and is begun anew", PixsedWarning, stacklevel=4)


def _status(path):
    """Return the status of a path, of a link itself; None if nothing is there."""
    return stat_or_none(path, follow_symlinks=False)


def _is_plain(status):
    """Return whether a status is that of a file, or of nothing."""
    return status is None or stat.S_ISREG(status.st_mode)


def check_plain_file(path):
    """Raise `PixsedError` if a file beside an output is a link, a folder, a pipe or a device."""
    status = _status(path)
    if status is not None and stat.S_ISLNK(status.st_mode):
        raise PixsedError(f"{path} is a link, and is not followed; delete it")
    if not _is_plain(status):
        raise PixsedError(f"{path} is not a file; delete it")


def open_kept(path, *, create=False):
    """Open a file beside an output for reading and writing bytes, without following a link.

    Parameters
    ----------
    path : `~pathlib.Path`
    create : bool, optional
        Make the file if it does not exist.

    Raises
    ------
    PixsedError
        If `path` is a link, which could lead to a file that is not ours, or no file.
    """
    check_plain_file(path)
    flags = os.O_RDWR | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return open(os.open(path, flags | (os.O_CREAT if create else 0), 0o666), "r+b")
