"""Headers that cannot be used give one clear line, before astropy reads them."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.environment import NO_VERIFY
from pixsed.errors import PixsedError
from pixsed.io.locate import open_fits


@pytest.fixture
def path(tmp_path):
    header = fits.Header({"FILTER": "F444W", "CRPIX1": 3.5, "EXPTIME": 9.5})
    hdus = [
        fits.PrimaryHDU(),
        fits.ImageHDU(np.ones((4, 5), "f4"), header, name="SCI"),
        fits.table_to_hdu(Table({"ID": [1, 2], "Z": [1.0, 2.0]})),
    ]
    hdus[1].header["EXTVER"] = 1
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


def change(path, old, new):
    """Replace the beginning of the first card that begins with `old`."""
    content = path.read_bytes()
    at = content.index(old.encode())
    card = new.ljust(80)[:80].encode("latin-1")
    path.write_bytes(content[:at] + card + content[at + 80 :])


def refused(path, match):
    with pytest.raises(PixsedError, match=match) as caught, open_fits(path):
        pass
    message = str(caught.value)
    assert message.startswith(str(path)) and "\n" not in message and message.isprintable()


@pytest.mark.parametrize("verify", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("NAXIS1  =", "NAXIS1  =                 -4", r"HDU 1: NAXIS1 must be 0 or more, got -4"),
        ("NAXIS1  =", "NAXIS1  =                4.5", "NAXIS1 must be 0 or more, got 4.5"),
        ("NAXIS1  =", "NAXIS1  = 'four'", "NAXIS1 must be 0 or more, got 'four'"),
        ("NAXIS1  =", "NAXIS1  =", "NAXIS1 must be 0 or more, got None"),
        ("NAXIS1  =", "        ", "HDU 1: its header lacks NAXIS1"),
        (
            "NAXIS   =                    2",
            "NAXIS   =  99999999999999999",
            "NAXIS must be 0 to 999",
        ),
        ("BITPIX  =                  -32", "BITPIX  =                  7", "BITPIX must be 8, 16"),
        ("BITPIX  =                  -32", "COMMENT", "lacks BITPIX"),
        ("GCOUNT  =", "GCOUNT  =                  0", "GCOUNT must be 1 or more, got 0"),
        ("PCOUNT  =", "PCOUNT  =                  T", "PCOUNT must be 0 or more, got True"),
        ("EXPTIME =", "BSCALE  =                0.0", "BSCALE must be a number other than 0"),
        ("EXPTIME =", "BZERO   =                NaN", "BZERO must be a number|cannot be parsed"),
        ("EXTNAME =", "EXTNAME =                  5", "EXTNAME must be a text, got 5"),
        ("EXTVER  =", "EXTVER  = 'one'", "EXTVER must be a whole number, got 'one'"),
        ("TFORM1  =", "TFORM1  =                  1", "HDU 2: TFORM1 must be a text, got 1"),
        ("TFORM2  =", "        ", "HDU 2: its header lacks TFORM2"),
        ("TFIELDS =", "TFIELDS =                2.0", "TFIELDS must be 0 to 999, got 2.0"),
        ("SIMPLE  =", "SIMPLE  =                  F", "HDU 0: SIMPLE must be T, got False"),
        ("FILTER  =", "FILTER  = 'never ends", "the card .*FILTER.* cannot be parsed; correct it"),
        ("EXPTIME =", "EXPTIME = = 7", "EXPTIME.* cannot be parsed"),
        ("EXPTIME =", "EXPTIME = \xff\xfe\x00", "EXPTIME.* cannot be parsed"),
        ("EXPTIME =", "EXPT\xc9ME = 9.5", r"EXPT\\+xc9ME .* cannot be parsed"),
        ("EXPTIME =", "EXP\x00IME = 9.5", r"EXP\\+x00IME .* cannot be parsed"),
    ],
)
def test_cards_that_cannot_be_used(path, old, new, match, verify, monkeypatch):
    if not verify:
        monkeypatch.setenv(NO_VERIFY, "1")
    change(path, old, new)
    refused(path, match)


@pytest.mark.parametrize(
    "card",
    [
        "EXPTIME = 9.5",
        "exptime =                  9.5",
        "EXPTIME =               1.5D+3 / exponents of Fortran",
        "EXPTIME =         (1.0, -2.0)",
        "EXPTIME = 'a ''quoted'' text' / and more",
        "EXPTIME =",
        "HIERARCH ESO DET X = 5 / of another convention",
        "COMMENT = 'not a value",
    ],
)
def test_cards_that_are_read_all_the_same(path, card):
    change(path, "EXPTIME =", card)
    with open_fits(path) as hdulist:
        assert hdulist["SCI"].data.shape == (4, 5)


def test_a_content_that_its_reader_does_not_expect(path):
    with (
        pytest.raises(PixsedError, match=r"a.fits cannot be read \(KeyError: .*NONE.*; check it"),
        open_fits(path) as hdulist,
    ):
        hdulist["NONE"]
