"""Checksums, against the FITS standard."""

import numpy as np

from pixsed.io.checksum import encode_checksum, ones_sum


def test_ones_sum_word_by_word():
    data = np.random.default_rng(1).bytes(4000)
    total = 0
    for at in range(0, len(data), 4):
        total += int.from_bytes(data[at : at + 4], "big")
        total = (total & 0xFFFFFFFF) + (total >> 32)
    assert ones_sum(data) == total
    assert ones_sum(data[1000:], ones_sum(data[:1000])) == total
    assert ones_sum(b"\xff" * 8) == 0xFFFFFFFF


def test_checksum_of_every_kind_of_byte():
    """The 16 characters obey the standard: letters and digits, and a sum of -0."""
    values = np.random.default_rng(2).integers(0, 2**32, 3000)
    for value in (0, 1, 0xFFFFFFFF, 0x3A3B3C40, *values.tolist()):
        text = encode_checksum(value)
        assert text.isascii() and text.isalnum() and len(text) == 16
        # In its card the string begins at byte 12 of 80, but rotated: undo that.
        bare = (text[1:] + text[0]).encode()
        zeros = ones_sum(b"0" * 16)
        change = ones_sum(bare) + (~zeros & 0xFFFFFFFF)
        total = value + change
        while total >> 32:
            total = (total & 0xFFFFFFFF) + (total >> 32)
        assert total in (0, 0xFFFFFFFF)
