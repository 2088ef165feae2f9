"""Fast check that a FITS file of pixsed is complete, without reading its data."""

import os
import re

from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.hdu_size import data_size, padded
from pixsed.io.inputs import check_input
from pixsed.io.reading import reading
from pixsed.io.verify import header_bytes

_CARD = re.compile(rb"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTNAME|LASTEXT) *= *('[^']*'|[^/ ]+)")


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
            names.append(cards.get("EXTNAME"))
            position = file.tell() + padded(data_size(cards))
            file.seek(position)
    if position > size:
        raise PixsedError(f"{path} is truncated: HDU {len(names) - 1} has fewer bytes than it says")
    last = _cards(primary).get("LASTEXT")
    if last is not None and names[-1] != last:
        raise PixsedError(f"{path} lacks its last extension, {last.decode('latin-1')}")
    return primary


def _cards(text):
    """Return the cards that tell the size and the name of an HDU: keyword -> value as bytes."""
    cards = [text[at : at + 80] for at in range(0, len(text), 80)]
    found = [match for card in cards if (match := _CARD.match(card))]
    return {match[1].decode(): match[2].strip(b"' ") for match in found}
