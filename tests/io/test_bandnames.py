import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.io.bandnames import band_name, filter_name, instrument_name, pivot_um


@pytest.mark.parametrize(
    ("cards", "band"),
    [
        ({"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "CLEAR"}, "F444W"),
        ({"INSTRUME": "NIRCAM", "FILTER": "F150W2", "PUPIL": "F162M"}, "F162M"),
        ({"INSTRUME": "NIRCAM", "FILTER": "F322W2", "PUPIL": "F323N"}, "F323N"),
        ({"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "F470N"}, "F470N"),
        ({"INSTRUME": "NIRISS", "FILTER": "CLEAR", "PUPIL": "F200W"}, "NIRISS_F200W"),
        ({"INSTRUME": "NIRISS", "FILTER": "F444W", "PUPIL": "CLEARP"}, "NIRISS_F444W"),
        ({"INSTRUME": "MIRI", "FILTER": "F770W"}, "MIRI_F770W"),
        ({"INSTRUME": "NIRCAM", "FILTER": "f444w-clear"}, "F444W"),
        ({"INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER": "F850LP"}, "F850LP"),
        ({"INSTRUME": "ACS", "FILTER1": "CLEAR1L", "FILTER2": "F814W"}, "F814W"),
        ({"INSTRUME": "ACS", "FILTER1": "F606W", "FILTER2": "CLEAR2L"}, "F606W"),
        ({"INSTRUME": "ACS", "DETECTOR": "HRC", "FILTER1": "F435W"}, "HRC_F435W"),
        ({"INSTRUME": "WFC3", "DETECTOR": "IR", "FILTER": "F160W"}, "F160W"),
        ({"INSTRUME": "WFC3", "DETECTOR": "UVIS", "FILTER": "F814W"}, "UVIS_F814W"),
        ({"INSTRUME": "WFC3/UVIS", "FILTER": "F814W"}, "UVIS_F814W"),
        ({"INSTRUME": "WFC3", "FILTER": "F275W"}, "UVIS_F275W"),
        ({"INSTRUME": "WFC3", "FILTER": "F125W"}, "F125W"),
        ({"INSTRUME": "WFPC2", "FILTER": "F606W"}, "WFPC2_F606W"),
        ({"BAND": "F444W   "}, "F444W"),
        ({"BAND": "NIRISS_F200W"}, "NIRISS_F200W"),
        ({"BAND": "HSC_G"}, "HSC_G"),
        ({"FILTER": "CLEAR", "BAND": "F606W"}, "F606W"),
        ({"FILTER": "F606W", "BAND": "F814W"}, "F606W"),
    ],
)
def test_from_header(cards, band):
    assert band_name(cards) == band


def test_explicit_wins_in_upper_case():
    assert band_name({"FILTER": "F606W"}, "f444w") == "F444W"


@pytest.mark.parametrize("cards", [{}, {"FILTER": "CLEAR"}, {"FILTER": "GR150R"}])
def test_untold(cards):
    with pytest.raises(PixsedError, match=r"im\.fits: no FILTER.* name it in front, as F444W=im"):
        band_name(cards, name="im.fits")


@pytest.mark.parametrize("name", ["F444W ERR", "F444W_ERR", "é", "A" * 50])
def test_illegal_names(name):
    with pytest.raises(PixsedError, match="must be letters, digits"):
        band_name({}, name)


def test_of_a_band():
    assert filter_name("UVIS_F814W") == "F814W"
    assert filter_name("HSC_G") == "HSC_G"
    assert instrument_name("F606W") == "ACS"
    assert instrument_name("F160W") == "WFC3/IR"
    assert instrument_name("NIRISS_F200W") == "NIRISS"
    assert instrument_name("F110W", {"INSTRUME": "WFC3"}) == "WFC3/IR"
    assert instrument_name("HSC_G") == ""
    assert pivot_um("F444W") == pytest.approx(4.4017)
    assert pivot_um("F110W", {"PHOTPLAM": 11534.46}) == pytest.approx(1.153446)
    assert np.isnan(pivot_um("HSC_G"))


@pytest.mark.parametrize("band", ["F444W", "UVIS_F814W", "NIRISS_F200W", "F160W", "HRC_F435W"])
def test_a_cubes_cards_name_the_band_again(band):
    cards = {"FILTER": filter_name(band), "INSTRUME": instrument_name(band)}
    assert band_name(cards) == band
