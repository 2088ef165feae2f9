"""Files that one of the test processes makes and the others use."""

import fcntl
import os
import pickle
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


def object_once(tmp_path_factory, name, make):
    """Return the object that `make` returns, made in one of the processes as by `made_once`."""
    name_in_folder = "object.pickle"

    def save(folder):
        (folder / name_in_folder).write_bytes(pickle.dumps(make()))

    folder = made_once(tmp_path_factory, name, save)
    return pickle.loads((folder / name_in_folder).read_bytes())
