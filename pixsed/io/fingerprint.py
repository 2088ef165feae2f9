"""What the data of an output depend on, as hashes: whether two runs are the same."""

import hashlib
import json

from pixsed.errors import PixsedError


def file_digest(path):
    """Return the SHA-256 of a file's bytes, hexadecimal, read in pieces.

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
    """Return the SHA-256 of a dict of JSON's types, hexadecimal, whatever its order."""
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
