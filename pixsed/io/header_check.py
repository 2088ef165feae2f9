"""Checks of FITS headers on reading: cards that cannot be parsed, or break the structure."""

import math
import re
import warnings

from astropy.io import fits

from pixsed.errors import PixsedError

# Cards that astropy parses without trouble; all others are tried.
_VALUE = r"(?:'(?:[^']|'')*'|[-+]?(?:\d+\.?\d*|\.\d+)(?:[ED][-+]?\d+)?|[TF]|) *(?:/.*)?"
_GOOD = re.compile(rf"(?:COMMENT|HISTORY|CONTINUE|        ).*|[A-Z0-9_-]{{1,8}} *(?:= +{_VALUE})?")


def _whole(value):
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value):
    real = isinstance(value, int | float) and not isinstance(value, bool)
    return real and math.isfinite(value)


# Keywords -> what their value must be, and a function that tells.
_STRUCTURE = {
    r"Z?BITPIX": ("8, 16, 32, 64, -32 or -64", lambda v: v in (8, 16, 32, 64, -32, -64)),
    r"Z?NAXIS|TFIELDS": ("0 to 999", lambda v: _whole(v) and 0 <= v <= 999),
    r"Z?NAXIS\d+|Z?PCOUNT|THEAP": ("0 or more", lambda v: _whole(v) and v >= 0),
    r"Z?GCOUNT|ZTILE\d+": ("1 or more", lambda v: _whole(v) and v >= 1),
    r"EXTVER|EXTLEVEL|Z?BLANK|TNULL\d+|TBCOL\d+|ZDITHER0": ("a whole number", _whole),
    r"BZERO|TZERO\d+": ("a number", _number),
    r"BSCALE|TSCAL\d+": ("a number other than 0", lambda v: _number(v) and v != 0),
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
    """Check the cards of a header before astropy reads it.

    Parameters
    ----------
    text : str
        Cards of 80 characters, up to END.
    label : str
        The file and the HDU, for messages.

    Raises
    ------
    PixsedError
        If a card cannot be parsed, or a card of the structure (FITS 4.0, section 4.4) is missing
        or has a value that it cannot have.
    """
    values = {}
    for at in range(0, len(text), 80):
        card = text[at : at + 80]
        key = card[:8].rstrip()
        if key == "END":
            break
        structural = _ANY.fullmatch(key) is not None
        if structural or _GOOD.fullmatch(card) is None:
            value = _value(card, label)
            if structural:
                values[key] = value
    _check_structure(values, label)


def _value(card, label):
    """Return the value of a card; raise `PixsedError` if it cannot be parsed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return fits.Card.fromstring(card).value
    except (fits.VerifyError, ValueError, TypeError, OverflowError):
        shown = card.rstrip().encode("ascii", "backslashreplace").decode()
        raise PixsedError(
            f"{label}: the card {shown[:60]!r} cannot be parsed; correct it, or delete it "
            "(fitsverify names such cards)"
        ) from None


def _check_structure(values, label):
    """Check the values of the cards of the structure, a dict of keyword to value."""
    for key, value in values.items():
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
