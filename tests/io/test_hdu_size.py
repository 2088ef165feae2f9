"""Sizes of the data of HDUs, compared with the files that astropy writes."""

import numpy as np
import pytest
from astropy.io import fits

from pixsed.io.hdu_size import BLOCK, data_size, padded


def groups():
    data = np.arange(24.0, dtype="f4").reshape(4, 1, 1, 2, 3)
    return fits.GroupsHDU(
        fits.GroupData(data, bitpix=-32, parnames=["U"], pardata=[np.arange(4.0)])
    )


def heap():
    column = fits.Column("N", "PJ()", array=np.array([[1, 2, 3], [4]], dtype=object))
    return fits.BinTableHDU.from_columns([column])


#: Kind of HDU -> the HDU, and the size of its data.
HDUS = {
    "empty": (fits.PrimaryHDU(), 0),
    "bytes": (fits.PrimaryHDU(np.zeros((3, 5), "u1")), 15),
    "image": (fits.PrimaryHDU(np.zeros((31, 17), "f4")), 31 * 17 * 4),
    "cube": (fits.PrimaryHDU(np.zeros((2, 3, 4), ">i2")), 48),
    "one block": (fits.PrimaryHDU(np.zeros((36, 80), "u1")), 2880),
    "axis of 0": (fits.ImageHDU(np.zeros((0, 5), "f4")), 0),
    "table with a heap": (heap(), 2 * 8 + 4 * 4),
    "random groups": (groups(), 4 * 4 * (6 + 1)),
}


@pytest.mark.parametrize("kind", HDUS)
@pytest.mark.parametrize("kind_of_card", [None, str, bytes])
def test_as_in_a_file(tmp_path, kind, kind_of_card):
    hdu, size = HDUS[kind]
    hdus = [hdu] if isinstance(hdu, fits.PrimaryHDU | fits.GroupsHDU) else [fits.PrimaryHDU(), hdu]
    path = tmp_path / "a.fits"
    fits.HDUList(hdus).writeto(path)
    with fits.open(path) as hdulist:
        header = hdulist[-1].header
        start = hdulist[-1].fileinfo()["datLoc"]
    cards = texts(header, kind_of_card) if kind_of_card else header
    assert data_size(cards) == size
    assert start + padded(size) == path.stat().st_size


def texts(header, kind):
    """Return the cards of a header as texts or bytes, such as readers without astropy have."""
    values = {key: card_text(value) for key, value in header.items()}
    return values if kind is str else {key: text.encode() for key, text in values.items()}


def card_text(value):
    return "FT"[value] if isinstance(value, bool) else str(value)


def test_random_groups_are_the_reason_for_own_sizes():
    header = groups().header
    assert data_size(header) != header.data_size


@pytest.mark.parametrize(
    "change, error",
    [
        ({"NAXIS2": -5}, ValueError),
        ({"NAXIS1": -5, "NAXIS2": -5}, ValueError),
        ({"PCOUNT": -16}, ValueError),
        ({"GCOUNT": -1}, ValueError),
        ({"NAXIS1": "x"}, ValueError),
        ({"NAXIS": 10**9}, KeyError),
        ({"NAXIS": None}, KeyError),
        ({"BITPIX": None}, KeyError),
    ],
)
def test_faults(change, error):
    cards = {"BITPIX": 8, "NAXIS": 2, "NAXIS1": 4, "NAXIS2": 4} | change
    with pytest.raises(error):
        data_size({key: value for key, value in cards.items() if value is not None})


@pytest.mark.parametrize("size, whole", [(0, 0), (1, BLOCK), (BLOCK, BLOCK), (2881, 5760)])
def test_padded(size, whole):
    assert padded(size) == whole
