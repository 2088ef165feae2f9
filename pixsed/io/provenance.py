"""Provenance: the keywords that every pixsed output has in its primary header."""

import contextlib
import datetime
import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version

from pixsed import __version__
from pixsed.io.cards import fits_text, input_cards, plain_text, safe_cards

_PACKAGES = {"VASTROPY": "astropy", "VNUMPY": "numpy", "VONNXRT": "onnxruntime"}


_command = None


def command_line():
    """Return the command line, as FITS can hold it: that of this process, or of `command_is`."""
    return fits_text(_command or shlex.join(["pixsed", *sys.argv[1:]]))


@contextlib.contextmanager
def command_is(line):
    """Record another command line than that of this process in what the block writes."""
    global _command
    before, _command = _command, line
    try:
        yield
    finally:
        _command = before


def stamp(header, *, inputs=(), history=(), command=None, **cards):
    """Add provenance to a primary header, in place.

    The keywords are CREATOR, DATE, PIXSCMD (the command line; long ones as CONTINUE cards), INFILE1
    to INFILEn (`~pixsed.io.cards.input_keyword`), versions, and one HISTORY line per step. Texts go
    through `~pixsed.io.cards.fits_text`.

    Parameters
    ----------
    header : `~astropy.io.fits.Header`
        Changed in place, and returned.
    inputs : sequence of path-like, optional
        Files read; their names are written without folders.
    history : sequence of str, optional
        HISTORY lines.
    command : str, optional
        Command line, in place of this process's.
    **cards
        Further keywords, in upper case: a value or a (value, comment) pair.
    """
    header["CREATOR"] = (f"pixsed {__version__}", "program that made this file")
    now = datetime.datetime.now(datetime.UTC)
    header["DATE"] = (now.strftime("%Y-%m-%dT%H:%M:%S"), "UTC when the file was made")
    header["PIXSCMD"] = fits_text(command or command_line())
    header.update(input_cards(os.path.basename(str(name)) for name in inputs))
    header.update(safe_cards(cards))
    header["VPYTHON"] = platform.python_version()
    for key, package in _PACKAGES.items():
        try:
            header[key] = version(package)
        except PackageNotFoundError:  # a package of another extra
            continue
    for line in history:
        header.add_history(plain_text(line))
    return header
