"""Files that one of the test processes makes and the others use."""

import fcntl
import os
import shutil


def made_once(tmp_path_factory, name, make):
    """Return a folder that holds what `make` writes into it.

    The processes of pytest-xdist share the folder: the first one calls `make`, and the others
    wait for it. A failed `make` leaves no folder.

    Parameters
    ----------
    tmp_path_factory : fixture of pytest
    name : str
        Name of the folder.
    make : callable
        Called with an empty folder.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / name
    with open(base / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            begun = base / f"{name}.begun"
            shutil.rmtree(begun, ignore_errors=True)
            begun.mkdir()
            make(begun)
            begun.rename(folder)
    return folder
