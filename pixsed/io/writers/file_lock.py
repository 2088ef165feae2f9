"""Locks of files against other processes, where the system and the file system have them."""

import contextlib
import os
from pathlib import Path

from pixsed.io.outputs import stat_or_none
from pixsed.io.writers.journal import open_kept


def take_lock(handle, *, wait=False):
    """Lock an open file until it is closed; no-op where files cannot be locked.

    Parameters
    ----------
    handle : file
    wait : bool, optional
        Wait while another process has the lock.

    Raises
    ------
    BlockingIOError
        If another process has the lock, without `wait`.
    """
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # a file system without locks
        pass


def is_there(handle, path):
    """Return whether an open file still has a name, which another process may have changed."""
    mine = os.fstat(handle.fileno())
    found = stat_or_none(path, follow_symlinks=False)
    if found is None:
        return False
    return (found.st_dev, found.st_ino) == (mine.st_dev, mine.st_ino)


@contextlib.contextmanager
def locked(path):
    """Hold the lock of a file that is read and replaced; other processes wait.

    The lock is that of ``.NAME.lock`` beside the file, since the file itself is replaced. It is
    removed at the end.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    PixsedError
        If ``.NAME.lock`` is a link, or no file.
    """
    beside = Path(path).with_name(f".{Path(path).name}.lock")
    handle = _lock_of(beside)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # some systems keep files that are open
            beside.unlink(missing_ok=True)
        handle.close()


def _lock_of(path):
    """Return the open file of a lock; another one if it was removed while this process waited."""
    while True:
        handle = open_kept(path, create=True)
        try:
            take_lock(handle, wait=True)
            if is_there(handle, path):
                return handle
        except BaseException:
            handle.close()
            raise
        handle.close()
