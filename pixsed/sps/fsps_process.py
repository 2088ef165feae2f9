"""Start of the child process that runs FSPS (`pixsed.sps.fsps_worker`), and its errors."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

import pixsed
from pixsed.errors import PixsedError
from pixsed.extras import install_advice
from pixsed.sps import fsps_worker
from pixsed.sps.fsps_data import missing_files
from pixsed.temporary import new_folder

#: FSPS's names of isochrones that have a choice of IMF and nebular emission.
ISOCHRONES = {"mist": "MIST", "pdva": "Padova 2007", "prsc": "PARSEC"}


def _explain(printed, errors, status, home, libraries):
    """Return one line that says why FSPS ended early."""
    lacking = missing_files(home, *libraries) if libraries else []
    if lacking:
        more = f" (and {len(lacking) - 1} more files)" if len(lacking) > 1 else ""
        return (
            f"{home / lacking[0]} is missing{more}, but FSPS needs it; complete the SPS_HOME folder"
        )
    own = [line.strip() for line in printed if line.strip() and not line.startswith("pixsed-")]
    if unread := re.search(r"file = '([^']*)'", "\n".join(errors)):
        return f"FSPS could not read {unread[1]}; it may be incomplete: download it again"
    last = (errors and errors[-1].strip()) or (own and own[-1]) or f"status {status}"
    fault = next((line for line in own if "ERROR" in line), last)
    return f"FSPS stopped early with {home}: {fault}; check that the folder is complete"


def check_isochrones(name):
    """Raise `PixsedError` unless `name` is a key of `ISOCHRONES`."""
    if name not in ISOCHRONES:
        raise PixsedError(
            f"this fsps is compiled with the {name} isochrones, for which FSPS has no choice of "
            f"IMF or no nebular emission; pixsed reads {', '.join(ISOCHRONES.values())}"
        )


def run_fsps(home, options, progress=None):
    """Run FSPS in a child process.

    Parameters
    ----------
    home : path-like
        FSPS's data folder.
    options : dict
        Options of `pixsed.sps.fsps_worker`.
    progress : callable, optional
        Called with the number of steps done and the number of all steps.

    Returns
    -------
    result : dict of `~numpy.ndarray`
        The arrays that the worker saved.
    libraries : tuple of str
        FSPS's names of its isochrones, stellar spectra and dust emission.

    Raises
    ------
    PixsedError
        If fsps is not installed, its data are not complete, or its isochrones are not
        supported.
    """
    if importlib.util.find_spec("fsps") is None:
        raise PixsedError(
            f"FSPS is not installed; try: {install_advice('fsps')} (or --library bc03)"
        )
    root = str(Path(pixsed.__file__).parents[1])
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    env = dict(os.environ, SPS_HOME=str(home), PYTHONPATH=os.pathsep.join([*path, root]))
    printed, errors, libraries = [], [], ()
    with new_folder() as folder:
        output = Path(folder) / "ssp.npz"
        child = subprocess.Popen(
            [sys.executable, "-m", fsps_worker.__name__, str(output), json.dumps(options)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=env,
            cwd=folder,
        )
        drain = threading.Thread(target=lambda: errors.extend(child.stderr), daemon=True)
        try:
            drain.start()
            for line in child.stdout:
                printed.append(line)
                word, *rest = line.split() or [""]
                if word == fsps_worker.LIBRARIES:
                    libraries = tuple(rest)
                    check_isochrones(libraries[0])
                elif word == fsps_worker.PROGRESS and progress is not None:
                    progress(*map(int, rest))
            status = child.wait()
            drain.join()
        finally:
            child.kill()
            child.wait()
            drain.join()
            child.stdout.close()
            child.stderr.close()
        # If a data file is missing, FSPS ends the process with status 0. Only the last line shows
        # whether it succeeded.
        complete = printed and printed[-1].strip() == fsps_worker.DONE and output.is_file()
        if not complete:
            raise PixsedError(_explain(printed, errors, status, home, libraries))
        with np.load(output) as saved:
            return {name: saved[name] for name in saved.files}, libraries
