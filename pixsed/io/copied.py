"""Copies of headers, fit for an HDU whose data are stored anew."""

import re
import warnings

from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from pixsed.io.cards import is_input_keyword

# Cards that say how the data of this one HDU are stored: never copied to another.
_STRUCTURAL = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|TFIELDS|THEAP|END"
    r"|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|ZHECKSUM|ZDATASUM|EXTNAME|EXTVER|EXTLEVEL|INHERIT"
    r"|Z(IMAGE|SIMPLE|TENSION|EXTEND|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|CMPTYPE|TILE\d+|NAME\d+|VAL\d+"
    r"|QUANTIZ|DITHER0|BLANK|SCALE|ZERO)|T(TYPE|FORM|UNIT|SCAL|ZERO|NULL|DIM|DISP)\d+"
    r"|LONGSTRN|NEXTEND|DATAMIN|DATAMAX"
)


def copied_header(header):
    """Return a copy of a header's cards for an HDU whose data are stored anew.

    Cards of structure, scaling and checksums are left out, as are an earlier
    INFILEn and the second card of a keyword. One that breaks the standard is mended,
    or beyond mending left out too.
    """
    result = fits.Header()
    for card in header.cards:
        keyword = card.keyword
        if _STRUCTURAL.fullmatch(keyword) or is_input_keyword(keyword):
            continue
        if keyword in ("COMMENT", "HISTORY", ""):
            # At the bottom, as every card is: astropy else moves it out of its place.
            result.append((keyword, str(card.value)), useblanks=False, bottom=True)
            continue
        if keyword in result:
            continue
        try:
            with warnings.catch_warnings():
                # A comment too long for its card is cut: no loss worth a warning.
                warnings.simplefilter("ignore", VerifyWarning)
                card.verify("silentfix")
                # Made anew: the card's text as read may not be as the standard wants it.
                fresh = fits.Card(keyword, card.value, card.comment)
                fresh.verify("exception")
                str(fresh)
        except (fits.VerifyError, ValueError):
            continue
        result.append(fresh, useblanks=False, bottom=True)
    return result
