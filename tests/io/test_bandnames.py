"""Band names from the headers of real files."""

import numpy as np
import pytest
from astropy import units as u

from pixsed.bands import BANDS, BY_NAME
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


# Cards of real mosaics: STScI's pipelines, grizli, and the Spitzer Science Center.
OF_KNOWN_BANDS = [
    ({"INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "F475W", "FILTER2": "CLEAR2L"}, "F475W"),
    ({"INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "F555W", "FILTER2": "CLEAR2L"}, "F555W"),
    ({"INSTRUME": "ACS", "DETECTOR": "WFC", "FILTER1": "F625W", "FILTER2": "CLEAR2L"}, "F625W"),
    *(
        ({"INSTRUME": "WFC3", "DETECTOR": "UVIS", "FILTER": filter_}, f"UVIS_{filter_}")
        for filter_ in "F275W F336W F390W F438W F475W F555W F606W F625W F775W F814W".split()
    ),
    *(
        ({"INSTRUME": "WFC3", "DETECTOR": "IR", "FILTER": filter_}, filter_)
        for filter_ in "F098M F105W F110W F125W F140W F160W".split()
    ),
    *(
        ({"INSTRUME": "NIRISS", "FILTER": "CLEAR", "PUPIL": filter_}, f"NIRISS_{filter_}")
        for filter_ in "F090W F115W F140M F150W F158M F200W".split()
    ),
    *(
        ({"INSTRUME": "NIRCAM", "FILTER": filter_, "PUPIL": "CLEAR"}, filter_)
        for filter_ in "F150W2 F322W2 F187N F212N F140M F182M F210M F300M F480M".split()
    ),
    ({"INSTRUME": "NIRCAM", "FILTER": "F150W2", "PUPIL": "F164N"}, "F164N"),
    ({"INSTRUME": "NIRCAM", "FILTER": "F322W2", "PUPIL": "F323N"}, "F323N"),
    ({"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "F405N"}, "F405N"),
    ({"INSTRUME": "NIRCAM", "FILTER": "F444W", "PUPIL": "F466N"}, "F466N"),
    ({"INSTRUME": "NIRCAM", "FILTER": "F470N-F444W"}, "F470N"),
    ({"INSTRUME": "MIRI", "FILTER": "F560W"}, "MIRI_F560W"),
    ({"INSTRUME": "MIRI", "DETECTOR": "MIRIMAGE", "FILTER": "F770W"}, "MIRI_F770W"),
    ({"INSTRUME": "IRAC", "CHNLNUM": 1}, "IRAC_CH1"),
    ({"INSTRUME": "IRAC", "CHNLNUM": 2, "TELESCOP": "Spitzer"}, "IRAC_CH2"),
    ({"INSTRUME": "IRAC", "FILTER": "ch2"}, "IRAC_CH2"),
]


@pytest.mark.parametrize(("cards", "band"), OF_KNOWN_BANDS)
def test_known_bands_of_real_mosaics(cards, band):
    assert band_name(cards) == band
    known = BY_NAME[band]
    assert instrument_name(band) == known.instrument
    assert pivot_um(band) == known.pivot_um


def test_the_same_name_of_two_cameras():
    cards = {"INSTRUME": "WFC3", "DETECTOR": "IR", "FILTER": "F164N"}
    assert band_name(cards) == band_name({"INSTRUME": "WFC3", "FILTER": "F164N"}) == "IR_F164N"
    assert band_name({"FILTER": "HST/WFC3_IR.F164N"}) == "IR_F164N"
    assert instrument_name("IR_F164N") == "WFC3/IR" and np.isnan(pivot_um("IR_F164N"))


def test_explicit_wins_in_upper_case():
    assert band_name({"FILTER": "F606W"}, "f444w") == "F444W"


@pytest.mark.parametrize("cards", [{}, {"FILTER": "CLEAR"}, {"FILTER": "GR150R"}])
def test_untold(cards):
    with pytest.raises(
        PixsedError, match=r"im\.fits: no FILTER.* put it before the name, as F444W=im"
    ):
        band_name(cards, name="im.fits")


@pytest.mark.parametrize("name", ["F444W ERR", "F444W_ERR", "é", "A" * 50])
def test_illegal_names(name):
    with pytest.raises(PixsedError, match="must have only letters, digits"):
        band_name({}, name)


def test_of_a_band():
    assert filter_name("UVIS_F814W") == "F814W"
    assert filter_name("HSC_G") == "HSC_G"
    assert instrument_name("F606W") == "ACS"
    assert instrument_name("F160W") == "WFC3/IR"
    assert instrument_name("NIRISS_F200W") == "NIRISS"
    assert instrument_name("F127M", {"INSTRUME": "WFC3"}) == "WFC3/IR"
    assert instrument_name("HSC_G") == ""
    assert pivot_um("F444W") == pytest.approx(4.4017)
    assert pivot_um("UVIS_F850LP", {"PHOTPLAM": 9171.9}) == pytest.approx(0.91719)
    assert np.isnan(pivot_um("HSC_G"))


@pytest.mark.parametrize("band", [*(b.name for b in BANDS), "HRC_F435W", "IR_F164N"])
def test_a_cubes_cards_name_the_band_again(band):
    cards = {"FILTER": filter_name(band), "INSTRUME": instrument_name(band)}
    assert band_name(cards) == band


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("JWST/NIRCam.F444W", "F444W"),
        ("JWST/NIRISS.F200W", "NIRISS_F200W"),
        ("JWST/MIRI.F770W", "MIRI_F770W"),
        ("HST/ACS_WFC.F606W", "F606W"),
        ("HST/ACS_HRC.F435W", "HRC_F435W"),
        ("HST/ACS_SBC.F150LP", "SBC_F150LP"),
        ("HST/WFC3_IR.F160W", "F160W"),
        ("HST/WFC3_UVIS1.F814W", "UVIS_F814W"),
        ("HST/WFC3_UVIS2.F606W", "UVIS_F606W"),
        ("HST/WFC3_UVIS.F336W", "UVIS_F336W"),
        ("HST/WFPC2-WF.F606W", "WFPC2_F606W"),
        ("HST/NICMOS2.F160W", "NICMOS_F160W"),
        ("Spitzer/IRAC.I1", "IRAC_CH1"),
        ("IRAC_CH2", "IRAC_CH2"),
        ("irac1", "IRAC_CH1"),
        ("NIRCAM_F444W", "F444W"),
        ("nircam f444w", "F444W"),
        ("JWST_NIRCAM_F115W", "F115W"),
        ("NIRISS_F200W", "NIRISS_F200W"),
        ("WFC3_F160W", "F160W"),
        ("WFC3_F336W", "UVIS_F336W"),
        ("WFC3/UVIS F606W", "UVIS_F606W"),
        ("ACS_WFC_F814W", "F814W"),
        ("F814W;CLEAR2L", "F814W"),
        ("CLEAR1L;F814W", "F814W"),
        ("CLEAR1L,F606W", "F606W"),
        ("F435W/CLEAR", "F435W"),
        ("F150W2/F162M", "F162M"),
        ("F162M;F150W2", "F162M"),
        ("F444W-F470N", "F470N"),
        ("F444W,F405N", "F405N"),
        ("F322W2/F323N", "F323N"),
        ("F444W;F444W", "F444W"),
        ("f444w-clear", "F444W"),
        ("F444W_CLEAR", "F444W"),
        (" F444W ", "F444W"),
    ],
)
@pytest.mark.parametrize("key", ["FILTER", "BAND"])
def test_words_of_filter_services(text, band, key):
    assert band_name({key: text}) == band


@pytest.mark.parametrize(
    "text",
    [
        "F606W;F814W",
        "F444W+F356W",
        "F606W/F814W",
        "F444W-F356W",
        "F606W,F814W",
        "F606W F814W",
        "F115W+F150W+F200W",
        "CLEAR1L;F606W;F814W",
        "F444W&F405N",
        "F150W2+F162M",
        "F162M;F164N",
        "F606W;POL0V",
        "F606W POL60V",
        "GR150R;F200W",
        "F356W;GRISMR",
        "F200W;WLP8",
        "F814W;G800L",
        "F430M;NRM",
        "F210M;MASKRND",
        "HST/STIS.F28X50LP",
        "Euclid/VIS.F814W",
        "MYCAM_F444W",
        "JWST/NIRCam.F444W JWST/NIRISS.F200W",
    ],
)
def test_more_than_a_filter_is_asked_for(text):
    for cards in ({"FILTER": text}, {"BAND": text}, {"FILTER": text, "INSTRUME": "NIRCAM"}):
        with pytest.raises(PixsedError, match=r"im.fits: .* gives the band \(.*F444W=im.fits"):
            band_name(cards, name="im.fits")


@pytest.mark.parametrize(
    "cards",
    [
        {"INSTRUME": "NIRISS", "FILTER": "GR150R", "PUPIL": "F200W"},
        {"INSTRUME": "NIRCAM", "FILTER": "F356W", "PUPIL": "GRISMC"},
        {"INSTRUME": "ACS", "FILTER1": "F606W", "FILTER2": "POL0V"},
        {"INSTRUME": "ACS", "FILTER1": "F555W", "FILTER2": "F814W"},
        {"INSTRUME": "NIRCAM", "FILTER": "JWST/NIRISS.F200W"},
        {"INSTRUME": "ACS", "FILTER": "HST/WFC3_UVIS1.F814W"},
        {"INSTRUME": "NIRCAM", "BAND": "NIRISS_F200W"},
        {"INSTRUME": "IRAC", "CHNLNUM": 7},
        {"INSTRUME": "IRAC"},
        {"INSTRUME": "MIPS", "CHNLNUM": 1},
        {"FILTER": "ch1"},
        {"FILTER": "NIRISS IR F150W"},
        {"FILTER": "CFHT/MegaCam.g"},
        {"FILTER": "SDSS r"},
        {"FILTER": "CLEAR1L"},
        {"FILTER": "clear"},
        {"FILTER": "MULTI"},
        {"FILTER": "FQ437N"},
        {"FILTER": "FR656N"},
        {"FILTER": 3},
        {"FILTER": "detection"},
        {"BAND": "SDSS r"},
    ],
)
def test_never_another_filter(cards):
    with pytest.raises(PixsedError, match="put it before the name"):
        band_name(cards)


@pytest.mark.parametrize(
    ("cards", "band"),
    [
        ({"INSTRUME": "WFC3", "DETECTOR": "UVIS", "FILTER": "HST/WFC3_UVIS1.F814W"}, "UVIS_F814W"),
        ({"INSTRUME": "NIRISS", "FILTER": "JWST/NIRISS.F200W"}, "NIRISS_F200W"),
        ({"INSTRUME": "WFC3/IR", "FILTER": "WFC3_IR_F160W"}, "F160W"),
        ({"INSTRUME": "NIRCAM", "FILTER": "F150W2", "PUPIL": "F164N"}, "F164N"),
        ({"INSTRUME": "NIRCAM", "MODULE": "A", "FILTER": "F405N", "PUPIL": "F444W"}, "F405N"),
        ({"INSTRUME": "ACS", "FILTER1": "CLEAR1L;F606W"}, "F606W"),
        ({"FILTER": "N/A", "BAND": "F606W"}, "F606W"),
    ],
)
def test_the_camera_twice(cards, band):
    assert band_name(cards) == band


def test_micron_are_exact():
    # By astropy 15000 Angstrom are 1.5000000000000002 micron.
    assert pivot_um("HSC_Y", {"PHOTPLAM": 15000.0}) == 1.5
    assert (15000.0 * u.AA).to_value(u.um) != 1.5
