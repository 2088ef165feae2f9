"""Cards of FITS headers: conversion of values, input file names, and copies of headers."""

import math
import numbers
import re
import unicodedata
import warnings

from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from pixsed.checks import is_finite

_INPUT = "INFILE"
_INPUT_KEYWORD = re.compile(r"(INFILE\d{1,2}|INFIL\d{3}|INFI\d{4}|INF\d{5}|IN\d{6})")
# Cards that describe how the data of an HDU are stored.
_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|TFIELDS|THEAP|END"
    r"|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|EXTNAME|EXTVER|EXTLEVEL|INHERIT"
    r"|Z(IMAGE|SIMPLE|TENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|CMPTYPE|TILE\d+|NAME\d+|VAL\d+"
    r"|QUANTIZ|DITHER0|BLANK|SCALE|ZERO)|T(TYPE|FORM|UNIT|SCAL|ZERO|NULL|DIM|DISP)\d+"
    r"|LONGSTRN|NEXTEND|DATAMIN|DATAMAX"
)
#: Columns of a card after ``KEYWORD = `` and before ``/ ``.
_ROOM = 67
_LETTERS = str.maketrans(
    {
        "ß": "ss",
        "æ": "ae",
        "Æ": "AE",
        "ø": "o",
        "Ø": "O",
        "œ": "oe",
        "Œ": "OE",
        "đ": "d",
        "Đ": "D",
        "ł": "l",
        "Ł": "L",
        "ð": "d",
        "Ð": "D",
        "þ": "th",
        "Þ": "Th",
        "ı": "i",
        "‘": "'",
        "’": "'",
        "“": '"',
        "”": '"',
        "µ": "u",
        "μ": "u",
        "–": "-",
        "—": "-",
        "−": "-",
        "\u00a0": " ",
        "\t": "\\t",
        "\n": "\\n",
        "\r": "\\r",
    }
)


def plain_text(text):
    r"""Return a text in printable ASCII, as HISTORY and COMMENT need it.

    Letters lose their accents (``é`` becomes ``e``). Other characters become Python's escapes
    (``\u94f6``, ``\n``), and bytes that are not text become ``\xff``.
    """
    text = str(text).translate(_LETTERS)
    plain = []
    for letter in unicodedata.normalize("NFKD", text):
        if 32 <= ord(letter) < 127:
            plain.append(letter)
        elif 0xDC80 <= ord(letter) <= 0xDCFF:  # the mark of a byte that is not text
            plain.append(f"\\x{ord(letter) - 0xDC00:02x}")
        elif not unicodedata.combining(letter):
            plain.append(
                letter.encode("ascii", "backslashreplace").decode()
                if ord(letter) >= 128
                else f"\\x{ord(letter):02x}"
            )
    return "".join(plain)


def fits_text(text):
    """Return a text as the value of a FITS card: a `plain_text` that reads back as it was written.

    A single quote becomes a double quote where readers would mistake it for the end of the text.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    text = plain_text(text)
    if _reads_back(text):
        return text
    text = text.replace("'", '"')
    # An ampersand at the end of a long text means that the text continues.
    return text if _reads_back(text) else re.sub(r"&(?=\s*$)", "%26", text)


def _reads_back(text):
    """Return whether astropy reads a text back as written, except for blanks at its end."""
    if "'" not in text and not text.rstrip().endswith("&"):
        return True
    image = fits.Card("TEXT", text).image
    try:
        return fits.Header.fromstring(image)["TEXT"] == text.rstrip()
    except (ValueError, fits.VerifyError):
        return False


def fits_card(value, comment=""):
    """Return (value, comment) as a FITS card can hold them.

    Parameters
    ----------
    value : object
        A text goes through `fits_text`. A float that is not finite becomes None, a card without a
        value.
    comment : str, optional
        Comment of the card. It is left out if a text value leaves no room, and truncated after a
        number.
    """
    comment = plain_text(comment)
    if isinstance(value, str):
        value = fits_text(value)
        taken = len(value.replace("'", "''")) + 2
        return value, comment if max(taken, 20) + len(comment) <= _ROOM else ""
    if isinstance(value, numbers.Real) and not math.isfinite(value):
        value = None
    taken = max(20, len(str(value)))
    return value, comment[: max(0, _ROOM - taken)]


def safe_cards(cards):
    """Return a dict of keyword -> (value, comment), each from `fits_card`.

    Parameters
    ----------
    cards : dict
        Keyword -> value or (value, comment).
    """
    return {
        key: fits_card(*card) if isinstance(card, tuple) else fits_card(card)
        for key, card in cards.items()
    }


def positive_number(value):
    """Return the value of a card as a float; NaN unless it is a finite number above 0."""
    return float(value) if is_finite(value) and value > 0 else math.nan


def input_keyword(number):
    """Return the keyword of the n-th input file, counted from 1.

    INFILE1 to INFILE99, then, since a keyword has eight characters, INFIL100 to INFIL999, INFI1000
    and so on.
    """
    digits = str(number)
    return _INPUT[: 8 - len(digits)] + digits


def is_input_keyword(keyword):
    """Return whether a keyword is one of `input_keyword`."""
    return _INPUT_KEYWORD.fullmatch(keyword) is not None


def name_last_extension(header, name):
    """Add LASTEXT, the name of the last extension, to a primary header, in place.

    `pixsed.io.verify` looks for this extension, since a file that was cut off between two HDUs
    looks complete.
    """
    if name:
        header["LASTEXT"] = (name, "last extension of the complete file")


def input_cards(names):
    """Return the cards of input files: keyword -> name from `fits_text`.

    Parameters
    ----------
    names : iterable of str
        File names without folders.
    """
    return {input_keyword(number): fits_text(name) for number, name in enumerate(names, 1)}


def copied_header(header):
    """Return a copy of a header for an HDU with newly written data.

    Cards of structure, scaling and checksums are left out, as are INFILEn of an earlier command and
    the second card of a keyword. A card that breaks the standard is repaired, or left out if it
    cannot be.
    """
    result = fits.Header()
    for card in header.cards:
        keyword = card.keyword
        if _STRUCTURAL.fullmatch(keyword) or is_input_keyword(keyword):
            continue
        if keyword in ("COMMENT", "HISTORY", ""):
            # Appended at the end to keep the order; astropy would otherwise move it.
            result.append((keyword, str(card.value)), useblanks=False, bottom=True)
            continue
        if keyword in result:
            continue
        try:
            with warnings.catch_warnings():
                # Cutting a comment that is too long for its card needs no warning.
                warnings.simplefilter("ignore", VerifyWarning)
                card.verify("silentfix")
                # A new card, since the text of the old one may break the standard.
                fresh = fits.Card(keyword, card.value, card.comment)
                fresh.verify("exception")
                str(fresh)
        except (fits.VerifyError, ValueError):
            continue
        result.append(fresh, useblanks=False, bottom=True)
    return result
