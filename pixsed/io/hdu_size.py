"""Sizes of the data of an HDU, from the cards of its header (FITS 4.0, section 4.4).

The module imports neither numpy nor astropy, for shell completion, which must be fast.
"""

import math

#: Size of the blocks of FITS files, in bytes.
BLOCK = 2880


def data_size(cards):
    """Return the size of the data of an HDU in bytes, without padding.

    `astropy.io.fits.Header.data_size` is wrong for random groups.

    Parameters
    ----------
    cards : mapping of str
        Keyword -> value: an `~astropy.io.fits.Header`, or the values as bytes or texts.

    Raises
    ------
    KeyError
        If BITPIX, NAXIS or a length of an axis is missing.
    ValueError
        If one of them, PCOUNT or GCOUNT is not a whole number, or a number is negative.
    """
    axes = [int(cards[f"NAXIS{i}"]) for i in range(1, int(cards["NAXIS"]) + 1)]
    parameters, groups = int(cards.get("PCOUNT", 0)), int(cards.get("GCOUNT", 1))
    if min([parameters, groups, *axes]) < 0:
        raise ValueError("sizes of an HDU must not be negative")
    if not axes:
        return 0
    if axes[0] == 0 and cards.get("GROUPS") in (True, b"T", "T"):  # random groups
        axes = axes[1:]
    return abs(int(cards["BITPIX"])) // 8 * groups * (parameters + math.prod(axes))


def padded(size):
    """Return a size in bytes, rounded up to whole blocks."""
    return -(-size // BLOCK) * BLOCK
