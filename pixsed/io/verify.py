"""Checks of FITS files on reading: their checksums, and bytes that belong to no HDU."""

import os
import re
import warnings

from pixsed.environment import verifying
from pixsed.errors import PixsedError
from pixsed.io.checksum import is_zero, ones_sum
from pixsed.io.hdu_size import BLOCK, data_size, padded
from pixsed.io.header_check import check_header
from pixsed.io.tile_check import check_tiles

_READ = 1 << 24
_LONGEST = 1 << 25  # bytes of a header
# A card END, at the beginning of a card of a block.
_END = re.compile(rb"(?s)\A(?:.{80})*?END {77}")
# Files of this process that have been checked: path, size, time, inode, and whether by their sums.
_checked = set()


def verify_fits(plain, name):
    """Check the headers of a FITS file, its checksums, and that its last HDU ends it.

    A file that has not changed since is not read again. With ``--no-verify``, only what astropy
    could not read is checked: headers, and the tiles of compressed images. No-op for a file that
    does not begin with a header.

    Parameters
    ----------
    plain : str or path-like
        The file, not gzipped.
    name : str or path-like
        Its name for messages.

    Raises
    ------
    PixsedError
        If a header cannot be used, a sum does not verify, or bytes are left over.
    """
    status = os.stat(plain)
    verify = verifying()
    key = os.path.realpath(plain), status.st_size, status.st_mtime_ns, status.st_ino, verify
    if key in _checked:
        return
    with open(plain, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of cards, which the reader gives
        headers = []
        while (start := file.tell()) < status.st_size:
            header = _read_header(file, f"{name}, HDU {len(headers)}")
            if header is None or headers and "XTENSION" not in header:
                if headers and verify:
                    raise _left_over(name, len(headers), status.st_size - start)
                return
            data, size = file.tell(), data_size(header)
            end = data + padded(size)
            if verify and data + size > status.st_size:
                raise PixsedError(
                    f"{name} is truncated: HDU {len(headers)} has fewer bytes than its header "
                    "says; check that it is a complete FITS file"
                )
            if verify:
                _verify_sums(file, header, len(headers), (start, data, end), name)
            check_tiles(file, header, data, f"{name}, HDU {len(headers)}")
            headers.append(header)
            file.seek(end)
    if verify:
        _verify_both_sums(headers, name)
        _verify_last(headers, name)
    _checked.add(key)


def _left_over(name, number, left):
    return PixsedError(
        f"{name}: {left} bytes after its first {number} HDUs are not an HDU: it was cut off inside "
        "a header, or something was appended; copy it again, or read what is there with --no-verify"
    )


def header_bytes(file):
    """Return the bytes of the header at the position of a file, and move behind it.

    None if there is none, or it does not end.
    """
    text = block = file.read(BLOCK)
    if not text.startswith((b"SIMPLE  =", b"XTENSION")):
        return None
    while not _END.search(block):
        if len(block) < BLOCK or len(text) > _LONGEST:
            return None
        block = file.read(BLOCK)
        text += block
    return text


def _read_header(file, label):
    """Return the header at the position of a file, and move behind it; None if there is none."""
    text = header_bytes(file)
    if text is None:
        return None
    cards = text.decode("latin-1")
    return check_header(cards[: cards.rindex("END" + 77 * " ")], label)


def _verify_sums(file, header, number, places, name):
    """Check the sums of an HDU, with the places of its header, its data and its end."""
    start, data, end = places
    expected = {key: str(header.get(key, "")).strip() for key in ("DATASUM", "CHECKSUM")}
    if any(expected.values()):
        total = _sum(file, data, end)
        wrong = ["DATASUM"] if expected["DATASUM"] not in ("", str(total)) else []
        if expected["CHECKSUM"] and not is_zero(_sum(file, start, data, total)):
            wrong.append("CHECKSUM")
        if wrong:
            label = f"HDU {number}" + (f" ({header['EXTNAME']})" if "EXTNAME" in header else "")
            raise PixsedError(
                f"{name}: {' and '.join(wrong)} of {label} does not verify: the file is damaged, "
                "or was changed by a program that does not update the sum (astropy does with "
                "checksum=True); copy it again, or read it all the same with --no-verify"
            )


def _verify_both_sums(headers, name):
    """Check that no HDU lacks the sum of its header, if others of the file have both sums."""
    if not any("CHECKSUM" in header for header in headers):
        return
    for number, header in enumerate(headers):
        if "DATASUM" in header and "CHECKSUM" not in header:
            raise PixsedError(
                f"{name}: HDU {number} has a DATASUM and no CHECKSUM, which other HDUs have: the "
                "file is damaged, or was changed by a program that does not update the sums; copy "
                "it again, or read it all the same with --no-verify"
            )


def _verify_last(headers, name):
    """Check that a file that pixsed wrote has its last extension."""
    if not str(headers[0].get("CREATOR")).startswith("pixsed"):
        return
    last = headers[0].get("LASTEXT")
    if last is not None and last not in [header.get("EXTNAME") for header in headers]:
        raise PixsedError(
            f"{name} lacks its last extension, {last}: it was cut off, or the extension was "
            "removed; copy it again, or read what is there with --no-verify"
        )


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
