"""Checksums of the FITS standard (version 4.0, appendix J)."""

import numpy as np


def ones_sum(data, total=0):
    """Return the FITS checksum of data: the sum of 32-bit words in ones' complement.

    Parameters
    ----------
    data : bytes-like
        A multiple of 4 bytes, less than 16 GB.
    total : int, optional
        Checksum of the data before.

    Returns
    -------
    int
        Below 2**32.
    """
    total += int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def is_zero(total):
    """Return whether a checksum is 0 or -0, as that of an HDU with a right CHECKSUM is."""
    return total in (0, 0xFFFFFFFF)


def encode_checksum(total):
    """Return the 16 characters of CHECKSUM that make an HDU sum up to -0.

    Parameters
    ----------
    total : int
        Checksum of the HDU with sixteen zeros as CHECKSUM.
    """
    forbidden = (*range(0x3A, 0x41), *range(0x5B, 0x61))
    columns = []
    for byte in (~total & 0xFFFFFFFF).to_bytes(4, "big"):
        quotient, rest = divmod(byte, 4)
        four = [0x30 + quotient + rest, *[0x30 + quotient] * 3]
        # Only letters and digits are legal: shift a value, and its neighbour the other way.
        while any(value in forbidden for value in four):
            for i in (0, 2):
                if four[i] in forbidden or four[i + 1] in forbidden:
                    four[i] += 1
                    four[i + 1] -= 1
        columns.append(four)
    text = "".join(chr(columns[i][j]) for j in range(4) for i in range(4))
    return text[-1] + text[:-1]
