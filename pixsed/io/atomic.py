"""Atomic writing of files: an output is written completely or not at all.

Every output goes through this module. `pixsed.io.outputs` checks where an output may go.
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
from pixsed.io.cards import name_last_extension
from pixsed.io.outputs import (
    check_fits_output,
    check_no_input,
    check_output,
    descriptor,
    is_stream,
    resolve_output,
    stat_or_none,
    stream_name,
)
from pixsed.temporary import new_file

_BLOCK = 1 << 20
_log = logging.getLogger("pixsed")


def send(file, path):
    """Copy an open file, from its beginning, to a stream (`~pixsed.io.outputs.is_stream`).

    Raises
    ------
    PixsedError
        If the stream cannot be written to.
    """
    file.seek(0)
    try:
        with _open_stream(path) as stream:
            while block := file.read(_BLOCK):
                left = memoryview(block)
                while left:  # a pipe may accept only part of it
                    left = left[stream.write(left) :]
            stream.flush()
    except BrokenPipeError:
        raise PixsedError(f"{stream_name(path)}: the reader closed it before the end") from None
    except OSError as error:
        raise PixsedError(f"{stream_name(path)}: {error.strerror or error}") from error


@contextlib.contextmanager
def _open_stream(path):
    number = None if str(path) == "-" else descriptor(path)
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
    """Return a new temporary file, open for reading and writing bytes, and its path."""
    handle, path = new_file(suffix)
    return open(handle, "r+b"), path


def place(temporary, path, overwrite=False, *, exclusive=False):
    """Move a finished file to its final name.

    If it replaces a file, it takes over the mode and owner of that file.

    Parameters
    ----------
    temporary : path-like
        The finished file, on the same disk.
    path : str or path-like
        The final name; not a stream.
    overwrite : bool, optional
        Replace a file of that name.
    exclusive : bool, optional
        Without `overwrite`: take the name by a hard link, which fails if another process has taken
        it since. The caller removes the temporary name.

    Raises
    ------
    PixsedError
        If a file of that name has appeared in the meantime and `overwrite` is false.
    """
    target = resolve_output(path)
    if is_stream(target):
        raise PixsedError(f"{path} is no longer a file; nothing was written")
    before = stat_or_none(target)
    if before is not None:
        if not overwrite:
            raise appeared(path)
        check_no_input(path, before)
        with contextlib.suppress(OSError, AttributeError):
            os.chown(temporary, before.st_uid, before.st_gid)
        mode = stat.S_IMODE(before.st_mode)
    else:
        umask = os.umask(0)
        os.umask(umask)
        mode = 0o666 & ~umask
    os.chmod(temporary, mode)
    _sync(temporary)
    if exclusive and not overwrite:
        _link(temporary, target, path)
    else:
        os.replace(temporary, target)
    with contextlib.suppress(OSError):  # not all file systems can do this for folders
        _sync(target.absolute().parent)
    _log.info("wrote %s", target)


def _link(temporary, target, path):
    """Give a file the name `target` by a hard link; rename it where there are no such links.

    Raises `PixsedError` if there is a file of that name.
    """
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise appeared(path) from None
    except (OSError, AttributeError):  # a file system without hard links
        os.replace(temporary, target)


def appeared(path):
    """Return the error of an output that another run has finished meanwhile."""
    return PixsedError(f"{path} appeared while it was being made; nothing was replaced")


def _sync(path):
    """Have the content of a file or folder written to the disk, so that no power cut loses it."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


@contextlib.contextmanager
def atomic_path(path, overwrite=False):
    """Yield a temporary path next to `path`, which takes the name `path` when the block succeeds.

    For a stream (`~pixsed.io.outputs.is_stream`) the temporary file is copied to it at the end.
    After an error or a signal, no file is left under the final name.

    Yields
    ------
    `~pathlib.Path`

    Raises
    ------
    PixsedError
        If `path` exists and `overwrite` is false, its folder does not exist, or the disk is full.
    """
    check_output(path, overwrite)
    stream = is_stream(path)
    suffix = "" if str(path) == "-" else "".join(Path(path).suffixes[-2:]).lower()
    folder = None if stream else resolve_output(path).absolute().parent
    with disk_errors(path):
        handle, temporary = new_file(suffix, folder)
    os.close(handle)
    try:
        with disk_errors(path):
            yield temporary
        if stream:
            with open(temporary, "rb") as source:
                send(source, path)
        else:
            with disk_errors(path):
                place(temporary, path, overwrite, exclusive=True)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path):
    """Context manager that names the output in the error of a full disk (`named_error`)."""
    try:
        yield
    except OSError as error:
        named = named_error(error, path)
        if named is error:
            raise
        raise named from error


def named_error(error, path):
    """Return a `PixsedError` that names the output if the disk is full, else `error` unchanged."""
    if not isinstance(error, OSError):
        return error
    full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None), errno.EFBIG)
    # numpy and astropy raise it without an error number.
    short = re.search(r"not enough space|requested and \d+ written", str(error), re.IGNORECASE)
    if not (full or short):
        return error
    if is_stream(path):  # until it is complete, the output is a temporary file
        return no_temporary_room()
    return PixsedError(f"{path}: no room left on the disk; make some, or choose another -o")


def no_temporary_room():
    """Return the `PixsedError` of a full disk of temporary files."""
    return PixsedError(
        f"{tempfile.gettempdir()}: no room left on the disk for temporary files; make some, or "
        "set TMPDIR to another folder"
    )


def name_long_strings(header):
    """Add LONGSTRN, in place, to a header with strings that continue in CONTINUE cards.

    `fitsverify` asks for it.
    """
    if "LONGSTRN" not in header and any(len(card.image) > 80 for card in header.cards):
        header["LONGSTRN"] = ("OGIP 1.0", "the OGIP long string convention may be used")


def write_hdulist(hdulist, path, overwrite=False):
    """Write an `~astropy.io.fits.HDUList` atomically, with LASTEXT, CHECKSUM and DATASUM.

    Raises
    ------
    PixsedError
        As for `~pixsed.io.outputs.check_fits_output`.
    """
    check_fits_output(path, overwrite)
    name_last_extension(hdulist[0].header, hdulist[-1].name if len(hdulist) > 1 else "")
    for hdu in hdulist:
        name_long_strings(hdu.header)
    with atomic_path(path, overwrite) as temporary:
        hdulist.writeto(temporary, overwrite=True, checksum=True, output_verify="exception")
