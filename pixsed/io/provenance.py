"""What made a file: the keywords that every pixsed output carries in its PRIMARY."""

import datetime
import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version

from pixsed import __version__

_PACKAGES = {"VASTROPY": "astropy", "VNUMPY": "numpy", "VONNXRT": "onnxruntime"}


def command_line():
    """Return the command line of this process, as FITS can hold it."""
    words = ["pixsed", *sys.argv[1:]] if sys.argv else ["pixsed"]
    text = shlex.join(words)
    # A FITS card holds printable ASCII only.
    return "".join(c if 32 <= ord(c) < 127 else "?" for c in text)


def stamp(header, *, inputs=(), history=(), command=None, **cards):
    """Add provenance to a primary header, in place.

    CREATOR, DATE, PIXSCMD (the command line; long ones as CONTINUE cards),
    INFILE1 to INFILEn, the versions, and a HISTORY line a step.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Changed in place, and returned.
    inputs : sequence of path-like, optional
        Files read; their names without folders.
    history : sequence of str, optional
        One HISTORY line each.
    command : str, optional
        In place of this process's command line.
    **cards
        Further keywords, upper case: a value or a (value, comment) pair.
    """
    header["CREATOR"] = (f"pixsed {__version__}", "program that made this file")
    now = datetime.datetime.now(datetime.UTC)
    header["DATE"] = (now.strftime("%Y-%m-%dT%H:%M:%S"), "UTC when the file was made")
    header["PIXSCMD"] = command or command_line()
    for number, name in enumerate(inputs, 1):
        header[f"INFILE{number}"] = os.path.basename(str(name))
    for key, value in cards.items():
        header[key] = value
    header["VPYTHON"] = platform.python_version()
    for key, package in _PACKAGES.items():
        try:
            header[key] = version(package)
        except PackageNotFoundError:  # a package of another extra
            continue
    for line in history:
        header.add_history(line)
    return header
