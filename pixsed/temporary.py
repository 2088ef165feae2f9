"""Names of temporary files and folders, and removal of those that a killed run has left.

A name has the machine and the process that made it, so that another run knows whether that process
still lives.
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from pathlib import Path

#: Seconds for which a leftover is kept, in case that its process is seen by another name.
_AGE = 60
# Folders in which this process has looked: a look at each of many outputs would take a time that
# grows with the square of their number.
_seen = set()


def _machine():
    name = os.uname().nodename if hasattr(os, "uname") else ""
    return re.sub(r"[^A-Za-z0-9]", "", name)[:24] or "here"


def prefix(hidden=False):
    """Return the beginning of the name of a temporary file or folder of this process."""
    return f"{'.' if hidden else ''}pixsed-{_machine()}-{os.getpid()}-"


def new_file(suffix="", folder=None):
    """Make a hidden temporary file, after the leftovers in its folder are removed.

    Parameters
    ----------
    suffix : str, optional
    folder : path-like, optional
        Default: that of TMPDIR.

    Returns
    -------
    handle : int
    path : `~pathlib.Path`
    """
    folder = folder or tempfile.gettempdir()
    remove_leftovers(folder, hidden=True)
    handle, name = tempfile.mkstemp(prefix=prefix(hidden=True), suffix=suffix, dir=folder)
    return handle, Path(name)


def new_folder():
    """Return a `tempfile.TemporaryDirectory`, after the leftovers beside it are removed."""
    remove_leftovers(tempfile.gettempdir())
    return tempfile.TemporaryDirectory(prefix=prefix())


def remove_leftovers(folder, hidden=False):
    """Remove what killed runs on this machine have left in a folder, once per process and folder.

    No-op if that is not possible.

    Parameters
    ----------
    folder : path-like
    hidden : bool, optional
        As for `prefix`.
    """
    key = os.path.abspath(folder), hidden
    # On Windows, whether a process lives cannot be asked like this.
    if key in _seen or not hasattr(os, "getuid"):
        return
    _seen.add(key)
    pattern = re.compile(rf"{'[.]' if hidden else ''}pixsed-{_machine()}-(\d+)-")
    with contextlib.suppress(OSError):
        for entry in os.scandir(folder):
            match = pattern.match(entry.name)
            if match and not _is_alive(int(match[1])) and _is_ours(entry):
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        Path(entry.path).unlink()


def _is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # of another user
        return True
    return True


def _is_ours(entry):
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return status.st_uid == os.getuid() and time.time() - status.st_mtime > _AGE
