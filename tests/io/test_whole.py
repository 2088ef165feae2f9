import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError
from pixsed.io.atomic import write_hdulist
from pixsed.io.whole import whole_primary


@pytest.fixture
def made(tmp_path):
    """A file as pixsed writes it, with images, an empty HDU and a table with a heap."""
    path = tmp_path / "a.fits"
    primary = fits.PrimaryHDU()
    primary.header["PIXSCMD"] = "pixsed bkg " + "a_long_name.fits " * 9
    column = fits.Column("N", "PJ()", array=np.array([[1, 2, 3], [4]], dtype=object))
    hdus = [
        primary,
        fits.ImageHDU(np.zeros((31, 17), "f4"), name="SCI"),
        fits.ImageHDU(name="NONE"),
        fits.ImageHDU(np.zeros((2, 3, 4), ">i2"), name="CUBE"),
        fits.BinTableHDU.from_columns([column], name="TABLE"),
    ]
    write_hdulist(fits.HDUList(hdus), path)
    return path


def test_the_header_is_that_of_astropy(made):
    header = whole_primary(made)
    assert header == fits.getheader(made)
    assert header["PIXSCMD"].count("a_long_name") == 9


@pytest.mark.parametrize("kept", [-1, -2880, -2880 * 2, -2880 * 3, -2880 * 5, 2880, 100])
def test_every_cut_is_found(made, kept):
    made.write_bytes(made.read_bytes()[:kept])
    with pytest.raises(PixsedError, match="truncated|no complete header|lacks its last extension"):
        whole_primary(made)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", "is empty"),
        (b"text", "no complete header"),
        (b"SIMPLE  =" + b" " * 3000, "no complete header"),
    ],
)
def test_other_files(tmp_path, content, message):
    path = tmp_path / "a.fits"
    path.write_bytes(content)
    with pytest.raises(PixsedError, match=message):
        whole_primary(path)


def test_bytes_at_the_end(made):
    made.write_bytes(made.read_bytes() + b"more")
    with pytest.raises(PixsedError, match="HDU 5 has no complete header"):
        whole_primary(made)


def test_a_broken_card_of_structure(made):
    content, card = made.read_bytes(), b"NAXIS1  =                   17"
    assert content.count(card) == 1
    made.write_bytes(content.replace(card, card.replace(b"17", b"xy")))
    with pytest.raises(PixsedError, match="cannot be read"):
        whole_primary(made)
