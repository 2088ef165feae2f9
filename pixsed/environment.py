"""Environment variables for other packages, set before these are imported.

With them a command writes nothing outside its output and the temporary folder, opens no
connection, and needs no HOME. Processes that it starts inherit the settings.
"""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

_SETTINGS = Path(__file__).parent / "settings"
_command = False
_folder = None


@contextlib.contextmanager
def variables(**values):
    """Set environment variables within a block; processes started inside inherit them.

    Parameters
    ----------
    **values : str
        Afterwards the variables are what they were before, unset ones included.
    """
    before = {name: os.environ[name] for name in values if name in os.environ}
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name, None)
        os.environ.update(before)


def no_telemetry():
    """Turn the telemetry of onnxruntime off, unless ORT_DISABLE_TELEMETRY is set.

    Call it before the import of onnxruntime. The telemetry keeps a database in HOME and looks
    up a host.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def prepare_command():
    """Set the variables that the command line needs; call it before the import of astropy.

    astropy then reads the settings inside pixsed, not those of a user, and looks for nothing in
    HOME, which may be unset, unreadable or full.
    """
    global _command
    _command = True
    no_telemetry()
    os.environ["XDG_CONFIG_HOME"] = str(_SETTINGS)
    os.environ["ASTROPY_CONFIG_DIR"] = str(_SETTINGS / "astropy")  # astropy 8; first if both
    # Dask reads it after a user's own settings, and writes no sample to ~/.config/dask.
    os.environ.setdefault("DASK_CONFIG", str(_SETTINGS / "dask.yaml"))


def prepare_matplotlib():
    """Give matplotlib a temporary folder for its cache of fonts; call it before its import.

    No-op outside the command line, and if MPLCONFIGDIR is a folder that can be written.
    """
    global _folder
    if not _command or "matplotlib" in sys.modules or _writable(os.environ.get("MPLCONFIGDIR")):
        return
    _folder = tempfile.TemporaryDirectory(prefix="pixsed-matplotlib-")  # removed at exit
    os.environ["MPLCONFIGDIR"] = os.environ["XDG_CACHE_HOME"] = _folder.name


def _writable(folder):
    return bool(folder) and os.path.isdir(folder) and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
