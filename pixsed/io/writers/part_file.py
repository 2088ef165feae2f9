"""Unfinished output files: opening, locking, checks for conflicts, and support of `--resume`."""

import json
import os
import warnings

from pixsed.errors import PixsedError, Stopped
from pixsed.io.atomic import temporary_file
from pixsed.io.checksum import is_zero, ones_sum
from pixsed.io.outputs import check_fits_output, is_stream
from pixsed.io.reading import FAULTS
from pixsed.io.writers.file_lock import is_there, take_lock
from pixsed.io.writers.journal import UnusableError, damaged, open_kept


def lock(handle, part):
    """Lock a file against other processes until it is closed, if the system can.

    Raises
    ------
    PixsedError
        If another process writes it, or has renamed or removed it before it was locked.
    """
    try:
        take_lock(handle)
    except BlockingIOError:
        raise PixsedError(f"{part} is being written by another run; wait until it ends") from None
    if not is_there(handle, part):
        raise PixsedError(f"another run has just ended the work on {part}; look at its output")


def open_part(path):
    """Open an unfinished file for reading and writing, or a temporary one if `path` is None.

    Returns
    -------
    file : file
        Not truncated yet, since another process may be writing it.
    path : `~pathlib.Path`
    """
    if path is None:
        return temporary_file(".fits")
    return open_kept(path, create=True), path


def read_primary(file, path):
    """Return the primary header of an unfinished FITS file, whose primary HDU has no data.

    Parameters
    ----------
    file : file
        At its end, the position is that behind the header.
    path : path-like
        Its name, for messages.

    Raises
    ------
    DamagedError
        If the file does not begin with a header whose checksum verifies.
    """
    from astropy.io import fits

    try:
        file.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            header = fits.Header.fromfile(file)
        size = file.tell()
        file.seek(0)
        if not is_zero(ones_sum(file.read(size))):
            raise ValueError
        if len(header.tostring()) != size or "CHECKSUM" not in header:
            raise ValueError
    except (OSError, *FAULTS):
        raise damaged(path) from None
    return header


def check_unfinished(path, find, *, overwrite=False, resume=False, gzip=True):
    """Raise `PixsedError` if an output, or an unfinished file of an earlier run, already exists.

    Parameters
    ----------
    path : path-like
        Output. A stream (`~pixsed.io.outputs.is_stream`) has no unfinished file.
    find : callable
        ``find(path)`` returns the paths of the unfinished output; messages name the first.
    overwrite, resume : bool, optional
        Whether existing files may be replaced, or continued.
    gzip : bool, optional
        Whether the output may be compressed.
    """
    check_fits_output(path, overwrite, gzip=gzip)
    check_left(path, find, overwrite=overwrite, resume=resume)


def check_left(path, find, *, overwrite=False, resume=False):
    """Raise `PixsedError` if an unfinished file of an earlier run is there.

    The parameters are those of `check_unfinished`.
    """
    if is_stream(path):
        if resume:
            raise PixsedError("--resume needs a file; give its name with -o")
        return
    left = find(path)
    if any(os.path.lexists(part) for part in left) and not (overwrite or resume):
        raise PixsedError(
            f"{left[0]} is there, from a run that was stopped; go on with it by --resume, or "
            "start anew with --overwrite"
        )


def raise_kept(error, kept):
    """Re-raise the error that ended a run, with a text on what is kept for `--resume`.

    Other kinds of errors are bugs, and are not re-raised.
    """
    if isinstance(error, KeyboardInterrupt):
        raise PixsedError(f"stopped; {kept}") from None
    if isinstance(error, Stopped):
        raise Stopped(error.signal, kept) from None
    if isinstance(error, PixsedError | OSError | MemoryError):
        raise PixsedError(f"{error or type(error).__name__}; {kept}") from error


def check_same(there, asked, what):
    """Raise `UnusableError` if two runs differ; the message names the difference.

    Parameters
    ----------
    there, asked : dict
        Name of an option or input -> its value, or hash, in the earlier run and in this one.
    what : str
        Name of the earlier run, for the message.
    """
    for name in dict.fromkeys([*asked, *there]):
        a, b = (json.loads(json.dumps(found.get(name))) for found in (there, asked))
        if a == b:
            continue
        how = {
            "inputs": f"{what} was made from other inputs",
            "model": f"{what} was made with another model",
        }.get(name, f"{what} was made with {name} = {_brief(a)}, now it is {_brief(b)}")
        raise UnusableError(f"{how}; give the same as then, or start anew with --overwrite")


def _brief(value):
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
