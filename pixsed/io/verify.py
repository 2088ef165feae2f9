"""Checks of FITS files on reading: their checksums, and bytes that belong to no HDU."""

import math
import os
import warnings

from astropy.io import fits

from pixsed.environment import verifying
from pixsed.errors import PixsedError
from pixsed.io.checksum import ones_sum

_BLOCK, _READ = 2880, 1 << 24
# Files of this process that have been checked: path, size, time and inode.
_checked = set()


def verify_fits(plain, name):
    """Check the checksums of a FITS file, where it has any, and that its last HDU ends it.

    A file that has not changed since is not read again. No-op with ``--no-verify``.

    Parameters
    ----------
    plain : str or path-like
        The file, not gzipped.
    name : str or path-like
        Its name for messages.

    Raises
    ------
    PixsedError
        If a sum does not verify, or bytes are left over.
    """
    if not verifying():
        return
    status = os.stat(plain)
    key = os.path.realpath(plain), status.st_size, status.st_mtime_ns, status.st_ino
    if key in _checked:
        return
    with open(plain, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cards, which the reader gives
        number = 0
        while (start := file.tell()) < status.st_size:
            _verify_hdu(file, number, status.st_size - start, name)
            number += 1
    _checked.add(key)


def _verify_hdu(file, number, left, name):
    """Check the HDU that begins at the position of a file, and move behind it."""
    start = file.tell()
    try:
        header = fits.Header.fromfile(file, padding=False)
        size = _data_size(header)
    except (OSError, EOFError, ValueError, KeyError, TypeError, fits.VerifyError):
        header = None
    if header is None or number and "XTENSION" not in header:
        raise PixsedError(
            f"{name}: {left} bytes after its first {number} HDUs are not an HDU: it was cut off "
            "inside a header, or something was appended; copy it again, or read what is there "
            "with --no-verify"
        )
    data = -(-file.tell() // _BLOCK) * _BLOCK
    end = data + -(-size // _BLOCK) * _BLOCK
    expected = {key: str(header.get(key, "")).strip() for key in ("DATASUM", "CHECKSUM")}
    if any(expected.values()):
        total = _sum(file, data, end)
        wrong = ["DATASUM"] if expected["DATASUM"] not in ("", str(total)) else []
        if expected["CHECKSUM"] and _sum(file, start, data, total) not in (0, 0xFFFFFFFF):
            wrong.append("CHECKSUM")
        if wrong:
            label = f"HDU {number}" + (f" ({header['EXTNAME']})" if "EXTNAME" in header else "")
            raise PixsedError(
                f"{name}: {' and '.join(wrong)} of {label} does not verify: the file is damaged, "
                "or was changed by a program that does not update the sum (astropy does with "
                "checksum=True); copy it again, or read it all the same with --no-verify"
            )
    file.seek(end)


def _data_size(header):
    """Return the size in bytes of the data of an HDU, without padding (FITS 4.0, section 4.4).

    `astropy.io.fits.Header.data_size` is wrong for random groups. Raises `ValueError` if the size
    is negative, with which the reading would never end.
    """
    axes = [int(header[f"NAXIS{i}"]) for i in range(1, int(header["NAXIS"]) + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and header.get("GROUPS", False):  # random groups
        axes = axes[1:]
    count = int(header.get("PCOUNT", 0)) + math.prod(axes)
    size = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * count
    if size < 0:
        raise ValueError(f"the size of the data must be 0 or more, got {size}")
    return size


def _sum(file, start, end, total=0):
    """Return the FITS checksum of a part of a file, added to `total`."""
    file.seek(start)
    while start < end:
        data = file.read(min(_READ, end - start))
        if not data:
            break
        total = ones_sum(data + b"\0" * (-len(data) % 4), total)
        start += len(data)
    return total
