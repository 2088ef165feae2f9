"""Environment variables for other packages, set before those packages are imported.

The variables ensure that a command writes only to its output and the temporary folder, opens no
network connection, and does not need HOME. Child processes inherit them.
"""

import contextlib
import logging
import os
import sys
from pathlib import Path

from pixsed.temporary import new_folder

#: If set, files are read although their checksums do not verify. Child processes inherit it.
NO_VERIFY = "PIXSED_NO_VERIFY"
_SETTINGS = Path(__file__).parent / "settings"
_command = False
_folder = None


@contextlib.contextmanager
def variables(**values):
    """Set environment variables within a block; processes started inside inherit them.

    Parameters
    ----------
    **values : str
        Values to set. The previous state, including unset variables, is restored afterwards.
    """
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)


def verifying():
    """Return whether checksums of FITS files, and those of shipped models, are verified."""
    return not os.environ.get(NO_VERIFY)


def no_telemetry():
    """Turn off the telemetry of onnxruntime, unless ORT_DISABLE_TELEMETRY is set.

    Call this before importing onnxruntime. The telemetry keeps a database in HOME and contacts
    a server.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def prepare_command():
    """Set the variables needed by the command line; call this before importing astropy.

    astropy then reads the settings shipped with pixsed instead of the user's, and does not access
    HOME, which may be unset, unreadable or full.
    """
    global _command
    _command = True
    no_telemetry()
    os.environ["XDG_CONFIG_HOME"] = str(_SETTINGS)
    os.environ["ASTROPY_CONFIG_DIR"] = str(_SETTINGS / "astropy")  # astropy 8; first if both
    # Dask reads this after the user's settings, and writes no sample file to ~/.config/dask.
    os.environ.setdefault("DASK_CONFIG", str(_SETTINGS / "dask.yaml"))


def prepare_matplotlib():
    """Use a temporary folder for matplotlib's font cache; call this before importing matplotlib.

    No-op outside the command line, or if MPLCONFIGDIR is a writable folder.
    """
    global _folder
    if not _command or "matplotlib" in sys.modules or _writable(os.environ.get("MPLCONFIGDIR")):
        return
    _folder = new_folder()  # removed at exit
    os.environ["MPLCONFIGDIR"] = os.environ["XDG_CACHE_HOME"] = _folder.name
    # Its advice that the font cache is being built, "this may take a moment", after five seconds:
    # every command builds one.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def _writable(folder):
    return bool(folder) and os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
