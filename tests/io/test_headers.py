import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.io.cards import copied_header
from pixsed.io.headers import (
    celestial_header,
    celestial_wcs,
    grid_offset,
    pixel_area_arcsec2,
    shifted_header,
)


def test_celestial_header_is_exact(wcs_header):
    header = wcs_header(BUNIT="nJy", CRPIX1A=3.0, CTYPE1A="RA---TAN", WCSNAME="TWEAK", PIXAR_A2=9.0)
    cards = celestial_header(header)
    assert not {"BUNIT", "CRPIX1A", "CTYPE1A", "PIXAR_A2"} & set(cards)
    sky = WCS(header).pixel_to_world([0.0, 64.0, 30.5], [0.0, 64.0, 7.2])
    again = WCS(fits.Header.fromstring(cards.tostring()))
    np.testing.assert_allclose(
        again.world_to_pixel(sky), WCS(header).world_to_pixel(sky), atol=1e-10, rtol=0
    )
    for key in cards:
        assert cards[key] == header[key]


def test_cd_matrix_and_sip_are_kept():
    header = fits.Header()
    header.update(
        CTYPE1="RA---TAN-SIP",
        CTYPE2="DEC--TAN-SIP",
        CRPIX1=10.0,
        CRPIX2=20.0,
        CRVAL1=1.0,
        CRVAL2=2.0,
        CD1_1=-1e-5,
        CD1_2=1e-7,
        CD2_1=2e-7,
        CD2_2=1e-5,
        A_ORDER=2,
        A_2_0=1e-6,
        B_ORDER=2,
        B_0_2=2e-6,
    )
    cards = celestial_header(header)
    sky = celestial_wcs(header, "x").pixel_to_world(30, 40)
    again = celestial_wcs(cards, "x").pixel_to_world(30, 40)
    assert sky.separation(again).arcsec < 1e-9


def test_shift_is_astropys_cutout(wcs_header):
    from astropy.nddata import Cutout2D

    header = wcs_header()
    data = np.zeros((50, 60))
    cut = Cutout2D(data, (31, 21), (11, 9), wcs=WCS(header))
    x0, y0 = cut.origin_original
    mine = WCS(shifted_header(celestial_header(header), x0, y0))
    theirs = cut.wcs.pixel_to_world(3, 4)
    assert mine.pixel_to_world(3, 4).separation(theirs).arcsec < 1e-8


def test_pixel_area(wcs_header):
    # Not a card's word for it.
    wcs = celestial_wcs(wcs_header(scale=0.04, PIXAR_A2=1.0), "x")
    assert pixel_area_arcsec2(wcs) == pytest.approx(0.04**2, rel=1e-9)


def test_grid_offset(wcs_header):
    first, shifted = (celestial_wcs(wcs_header(crpix=(c, 20.0)), "x") for c in (10.0, 10.3))
    assert grid_offset(first, first, (50, 50)) < 1e-6
    assert grid_offset(first, shifted, (50, 50)) == pytest.approx(0.3, abs=1e-6)


def test_no_wcs():
    with pytest.raises(PixsedError, match="im.fits has no celestial WCS"):
        celestial_wcs(fits.Header(), "im.fits")


def test_copied_header_mends_what_breaks_the_standard():
    text = [
        "SIMPLE  =                    T",
        "BITPIX  =                    8",
        "NAXIS   =                    0",
        "BZERO   =                  1.0",
        "CHECKSUM= 'abc     '",
        "OBJECT  = 'one     '",
        "OBJECT  = 'two     '",
        "BAD     = 12 34 x",
        "GOOD    =            1.5D-03 / with a D",
        "COMMENT between",
        "LAST    =                    7",
    ]
    header = fits.Header.fromstring("".join(line.ljust(80) for line in text))
    copy = copied_header(header)
    assert [card.keyword for card in copy.cards] == [
        "OBJECT",
        "BAD",
        "GOOD",
        "COMMENT",
        "LAST",
    ]
    copy.tostring()
    assert copy["BAD"].strip() == "12 34 x"
    assert copy["OBJECT"] == "one"
    assert copy["GOOD"] == pytest.approx(1.5e-3)
