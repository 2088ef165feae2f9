"""Reading of files that torch has saved: data only, checked for damage and for their content."""

import os
import struct
import zipfile
import zlib

import torch

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.io.reading import reading

# The last part of a zip file without a comment.
_END = b"PK\x05\x06" + bytes(18)
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError)


def read_saved(path, number, types, made_by):
    """Return the dict of a file of torch, on the CPU.

    Parameters
    ----------
    path : path-like
    number : int or str
        The ``format`` that the dict must have.
    types : dict of str to type
        Keys that the dict must have, and the types of their values.
    made_by : str
        The command that writes such files.

    Raises
    ------
    PixsedError
        If the file is damaged, of another format, or lacks something.
    """
    check_input(path, "a checkpoint", f"make one with '{made_by}'")
    if _is_damaged(path):
        raise PixsedError(f"{path} is damaged: its sums do not verify; copy it again")
    try:
        saved = torch.load(path, weights_only=True, map_location="cpu")
    except Exception as error:  # torch raises many kinds of errors for other formats
        raise PixsedError(
            f"{path} is not a checkpoint of '{made_by}' ({type(error).__name__})"
        ) from None
    if not isinstance(saved, dict) or saved.get("format") != number:
        raise PixsedError(f"{path} is not a checkpoint of this version of '{made_by}'")
    for key, kind in types.items():
        if not isinstance(saved.get(key), kind):
            raise PixsedError(
                f"{path} cannot be read as a checkpoint ({key} is not there, or of another type); "
                "train again"
            )
    return saved


def reading_checkpoint(path):
    """Context manager: raise a `PixsedError` that names a checkpoint if its content is wrong."""
    return reading(path, "a checkpoint", "train again")


def _is_damaged(path):
    """Return whether a zip file, as torch writes them, fails its sums, which torch does not check.

    A file of another kind is not damaged.
    """
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as parts, open(path, "rb") as file:
            file.seek(-len(_END), os.SEEK_END)
            return file.read(4) != _END[:4] or parts.testzip() is not None
    except (OSError, ValueError, LookupError, NotImplementedError, *_ZIP_ERRORS):
        return True
