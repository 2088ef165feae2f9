"""Checks of input files for readability and duplicates."""

import os
import stat
import warnings
from pathlib import Path

from pixsed.errors import PixsedError, PixsedWarning


def check_input(path, what="a FITS file", hint="check the name and the folder"):
    """Raise `PixsedError` if a path is not a file that can be read.

    Pipes and devices are refused, since files are read in parts and more than once.

    Parameters
    ----------
    path : str or path-like
    what : str, optional
        What to give instead of a folder, for the message.
    hint : str, optional
        What to try if there is no such file.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        if Path(path).is_symlink():
            raise PixsedError(
                f"{path} is a link to {os.readlink(path)}, which is not there; {hint}"
            ) from None
        raise PixsedError(f"{path}: no such file; {hint}") from None
    except OSError as error:
        raise PixsedError(f"{path}: {error.strerror}; {hint}") from None
    if stat.S_ISDIR(found.st_mode):
        raise PixsedError(f"{path} is a folder; give {what}")
    if not stat.S_ISREG(found.st_mode):
        raise PixsedError(
            f"{path} is a pipe or a device, which cannot be read; save it to a file, and give that"
        )
    if not found.st_size:
        raise PixsedError(f"{path} is empty; {hint}")
    if not os.access(path, os.R_OK):
        raise PixsedError(f"{path}: permission denied; try chmod u+r")


def once(paths):
    """Return the paths without duplicates, including links and other spellings of the same path.

    Warns
    -----
    PixsedWarning
        For each path that is left out.
    """
    found, kept = {}, []
    for path in paths:
        try:
            status = os.stat(path)
            key = status.st_dev, status.st_ino
        except (OSError, ValueError):  # reported when it is read
            key = path
        if key in found:
            also = "" if found[key] == path else f", also as {found[key]}"
            warnings.warn(
                f"{path} is given twice{also}; it counts once", PixsedWarning, stacklevel=2
            )
        else:
            found[key] = path
            kept.append(path)
    return kept
