"""Fast check that a FITS file of pixsed is complete, without reading its data."""

import os
import re

from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.inputs import check_input
from pixsed.io.reading import reading
from pixsed.io.verify import header_bytes

_BLOCK = 2880
_CARD = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT|EXTNAME|LASTEXT) *= *('[^']*'|[^/ ]+)")


def whole_primary(path):
    """Return the primary header of a FITS file that pixsed wrote, after a check that it is whole.

    The file must have the bytes that its headers say, and no others, and its last extension
    (LASTEXT). Data are not read, so that a damaged pixel is not found: `pixsed.io.verify` does.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    `~astropy.io.fits.Header`

    Raises
    ------
    PixsedError
        If the file cannot be read, or is not whole.
    """
    check_input(path)
    with reading(path):
        return fits.Header.fromstring(_whole(path).decode("latin-1"))


def _whole(path):
    """Return the bytes of the primary header of a file that is whole."""
    size, position, primary, names = os.path.getsize(path), 0, None, []
    with open(path, "rb") as file:
        while position < size:
            text = header_bytes(file)
            if text is None:
                raise PixsedError(f"{path}: HDU {len(names)} has no complete header")
            cards = _cards(text)
            primary = primary or text
            names.append(cards.get(b"EXTNAME"))
            position = file.tell() + _data_blocks(cards) * _BLOCK
            file.seek(position)
    if position > size:
        raise PixsedError(f"{path} is truncated: HDU {len(names) - 1} has fewer bytes than it says")
    last = _cards(primary).get(b"LASTEXT")
    if last is not None and names[-1] != last:
        raise PixsedError(f"{path} lacks its last extension, {last.decode('latin-1')}")
    return primary


def _cards(text):
    """Return the cards that tell the size and the name of an HDU: keyword -> value, as bytes."""
    cards = [text[at : at + 80] for at in range(0, len(text), 80)]
    found = [match for card in cards if (match := _CARD.match(card))]
    return {match[1]: match[2].strip(b"' ") for match in found}


def _data_blocks(cards):
    """Return the number of blocks of the data of an HDU (FITS 4.0, section 4.4)."""
    number = int(cards[b"NAXIS"])
    pixels = 1 if number else 0
    for axis in range(1, number + 1):
        pixels *= int(cards[b"NAXIS%d" % axis])
    pixels = int(cards.get(b"GCOUNT", 1)) * (int(cards.get(b"PCOUNT", 0)) + pixels)
    return -(-abs(int(cards[b"BITPIX"])) // 8 * pixels // _BLOCK)
