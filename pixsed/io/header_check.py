"""Checks of FITS headers on reading: cards that cannot be parsed, or break the structure."""

import re

from astropy.io import fits

from pixsed.checks import is_finite, is_whole
from pixsed.errors import PixsedError

# Cards that astropy parses without trouble; all others are tried.
_VALUE = r"(?:'(?:[^']|'')*'|[-+]?(?:\d+\.?\d*|\.\d+)(?:[ED][-+]?\d+)?|[TF]|) *(?:/.*)?"
_GOOD = re.compile(rf"(?:COMMENT|HISTORY|CONTINUE|        ).*|[A-Z0-9_-]{{1,8}} *(?:= +{_VALUE})?")


# Keywords -> what their value must be, and a function that tells.
_STRUCTURE = {
    r"Z?BITPIX": ("8, 16, 32, 64, -32 or -64", lambda v: v in (8, 16, 32, 64, -32, -64)),
    r"Z?NAXIS|TFIELDS": ("0 to 999", lambda v: is_whole(v) and 0 <= v <= 999),
    r"Z?NAXIS\d+|Z?PCOUNT|THEAP": ("0 or more", lambda v: is_whole(v) and v >= 0),
    r"Z?GCOUNT|ZTILE\d+": ("1 or more", lambda v: is_whole(v) and v >= 1),
    r"EXTVER|EXTLEVEL|Z?BLANK|TNULL\d+|TBCOL\d+|ZDITHER0": ("a whole number", is_whole),
    r"BZERO|TZERO\d+": ("a number", is_finite),
    r"BSCALE|TSCAL\d+": ("a number other than 0", lambda v: is_finite(v) and v != 0),
    r"XTENSION|EXTNAME|BUNIT|T(TYPE|FORM|DIM|UNIT)\d+|ZCMPTYPE|ZQUANTIZ": (
        "a text",
        lambda v: isinstance(v, str),
    ),
    r"SIMPLE": ("T", lambda v: v is True),
    r"EXTEND|GROUPS|ZIMAGE|INHERIT": ("T or F", lambda v: isinstance(v, bool)),
}
_RULES = [(re.compile(pattern), *rule) for pattern, rule in _STRUCTURE.items()]
_ANY = re.compile("|".join(_STRUCTURE))


def check_header(text, label):
    """Return a header after a check of its cards; call it with warnings suppressed.

    Parameters
    ----------
    text : str
        Cards of 80 characters, without END.
    label : str
        The file and the HDU, for messages.

    Returns
    -------
    `~astropy.io.fits.Header`

    Raises
    ------
    PixsedError
        If a card cannot be parsed, or a card of the structure (FITS 4.0, section 4.4) is missing
        or has a value that it cannot have.
    """
    for at in range(0, len(text), 80):
        card = text[at : at + 80]
        if _GOOD.fullmatch(card) is None:
            _check_card(card, label)
    header = fits.Header.fromstring(text)
    _check_structure([card for card in header.cards if _ANY.fullmatch(card.keyword)], label)
    return header


def _check_card(card, label):
    """Raise `PixsedError` if a card cannot be parsed, or its keyword is not ASCII."""
    try:
        if not (card[:8].isascii() and card[:8].isprintable()):
            raise ValueError
        fits.Card.fromstring(card).value  # noqa: B018  parsed when it is asked for
    except (fits.VerifyError, ValueError, TypeError, OverflowError):
        shown = card.rstrip().encode("ascii", "backslashreplace").decode()
        raise PixsedError(
            f"{label}: the card {shown[:60]!r} cannot be parsed; correct it, or delete it "
            "(fitsverify names such cards)"
        ) from None


def _check_structure(cards, label):
    """Check the cards of the structure."""
    values = {}
    for card in cards:
        key, value = card.keyword, card.value
        values.setdefault(key, value)  # astropy takes the first of a keyword
        if isinstance(value, fits.card.Undefined):
            if key in ("BUNIT", "EXTNAME") or key.startswith(("TUNIT", "TTYPE")):
                continue
            value = None
        for pattern, wanted, good in _RULES:
            if pattern.fullmatch(key) and not good(value):
                raise PixsedError(
                    f"{label}: {key} must be {wanted}, got {value!r}; correct the header, or make "
                    "the file again"
                )
    needed = ["BITPIX", "NAXIS"]
    needed += [f"NAXIS{i}" for i in range(1, values.get("NAXIS", 0) + 1)]
    if values.get("XTENSION", "").strip() in ("BINTABLE", "TABLE"):
        needed += ["TFIELDS", *(f"TFORM{i}" for i in range(1, values.get("TFIELDS", 0) + 1))]
    if missing := [key for key in needed if key not in values]:
        raise PixsedError(
            f"{label}: its header lacks {missing[0]}; correct it, or make the file again"
        )
