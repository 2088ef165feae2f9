"""Names of the HDUs of a FITS file, read without astropy, for shell completion.

The import of astropy takes longer than a press of the Tab key should. Data are skipped, not read.
"""

import gzip
import re

from pixsed.io.hdu_size import BLOCK, data_size, padded

_CARD = 80
#: The largest number of HDUs and of header blocks per HDU to read, and of bytes of a gzipped file.
_MOST_HDUS, _MOST_BLOCKS, _LARGEST = 2000, 1000, 1 << 24
_VALUE = re.compile(rb"= *(?:'((?:[^']|'')*)'|([^ /]*))")


def hdu_names(path):
    """Return the EXTNAMEs of a FITS file in order; an empty list if it cannot be read.

    Parameters
    ----------
    path : str

    Returns
    -------
    list of str
        Names that occur several times are given once.
    """
    try:
        with open(path, "rb") as file:
            if file.read(2) == b"\x1f\x8b":
                with gzip.open(path) as packed:
                    return _names(packed, _LARGEST)
            return _names(file, None)
    except (OSError, EOFError, KeyError, ValueError):  # whatever a damaged file raises
        return []


def _names(file, most):
    file.seek(0)
    found = {}
    for number in range(_MOST_HDUS):
        cards = _header(file)
        if cards is None or (number == 0 and "SIMPLE" not in cards):
            break
        if name := cards.get("EXTNAME", b"").decode("ascii", "replace").strip():
            found[name] = None
        place = file.tell() + padded(data_size(cards))
        if most is not None and place > most:
            break
        file.seek(place)
    return list(found)


def _header(file):
    """Return keyword -> value, as bytes, of the next header; None at the end of the file."""
    cards = {}
    for _ in range(_MOST_BLOCKS):
        block = file.read(BLOCK)
        if len(block) < BLOCK:
            return None
        for start in range(0, BLOCK, _CARD):
            card = block[start : start + _CARD]
            key = card[:8].rstrip().decode("latin-1")
            if key == "END":
                return cards
            if match := _VALUE.match(card, 8):
                cards.setdefault(key, match[2] if match[1] is None else match[1])
    return None
