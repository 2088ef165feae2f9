"""Hashes of files and options, to tell whether two outputs have the same origin."""

import hashlib
import json

from pixsed.errors import PixsedError


def file_digest(path):
    """Return the SHA-256 of a file as hexadecimal text. The file is read in pieces.

    Raises
    ------
    PixsedError
        If it cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PixsedError(f"{path} cannot be read ({error.strerror}); check the name") from None


def fingerprint(key):
    """Return the SHA-256 of a dict of JSON types as hexadecimal text, independent of its order."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
