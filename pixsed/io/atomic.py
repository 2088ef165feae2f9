"""Write a file whole or not at all, and never over another one unasked."""

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from pixsed.errors import PixsedError


def check_output(path, overwrite=False):
    """Raise `PixsedError` if `path` cannot be written: call it before the work.

    Parameters
    ----------
    path : str or path-like
        The output; ``"-"`` is standard output and always passes.
    overwrite : bool, optional
        Whether a file that is there may be replaced.
    """
    if str(path) == "-":
        return
    path = Path(path)
    if path.is_dir():
        raise PixsedError(f"{path} is a folder; give a file name")
    if path.exists() and not overwrite:
        raise PixsedError(f"{path} exists already; add --overwrite, or choose another -o")
    if not path.absolute().parent.is_dir():
        raise PixsedError(f"{path}: no such folder; make it first with mkdir -p")


@contextlib.contextmanager
def atomic_path(path, overwrite=False):
    """Yield a temporary path beside `path` that takes its name when the block ends well.

    With ``"-"`` the temporary file is copied to standard output at the end. After an
    error, or a kill, nothing stands under the final name.

    Yields
    ------
    `~pathlib.Path`

    Raises
    ------
    PixsedError
        If `path` exists and `overwrite` is false, or its folder does not exist.
    """
    check_output(path, overwrite)
    to_stdout = str(path) == "-"
    folder = None if to_stdout else Path(path).absolute().parent
    suffix = "" if to_stdout else "".join(Path(path).suffixes[-2:])
    handle, name = tempfile.mkstemp(prefix=".pixsed-", suffix=suffix, dir=folder)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        if to_stdout:
            with open(temporary, "rb") as source:
                while block := source.read(1 << 20):
                    sys.stdout.buffer.write(block)
            sys.stdout.buffer.flush()
        else:
            # mkstemp makes the file private; give it the mode of an ordinary one.
            umask = os.umask(0)
            os.umask(umask)
            os.chmod(temporary, 0o666 & ~umask)
            if not overwrite and Path(path).exists():
                raise PixsedError(f"{path} appeared while it was being made; nothing was replaced")
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def name_long_strings(header):
    """Name the convention in a header where a string goes on in CONTINUE cards, in place.

    fitsverify wants it.
    """
    if "LONGSTRN" not in header and any(len(card.image) > 80 for card in header.cards):
        header["LONGSTRN"] = ("OGIP 1.0", "the OGIP long string convention may be used")


def write_hdulist(hdulist, path, overwrite=False):
    """Write an `~astropy.io.fits.HDUList` atomically, with CHECKSUM and DATASUM."""
    for hdu in hdulist:
        name_long_strings(hdu.header)
    with atomic_path(path, overwrite) as temporary:
        hdulist.writeto(temporary, overwrite=True, checksum=True, output_verify="exception")
