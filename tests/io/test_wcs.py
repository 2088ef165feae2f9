"""WCS of real headers: read correctly, or named in an error."""

import warnings

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.headers import celestial_header, celestial_wcs, pixel_area_arcsec2, shifted_header
from pixsed.io.image import ImageFile

SCALE = 0.03 / 3600
CD = dict(CD1_1=-SCALE, CD1_2=0.0, CD2_1=0.0, CD2_2=SCALE)
CDELT = dict(CDELT1=-SCALE, CDELT2=SCALE)
UNIT_PC = dict(PC1_1=1.0, PC1_2=0.0, PC2_1=0.0, PC2_2=1.0)
SIP = dict(
    A_ORDER=2, A_2_0=1e-4, B_ORDER=2, B_0_2=1e-4, AP_ORDER=2, AP_2_0=-1e-4, BP_ORDER=2, BP_0_2=-1e-4
)
IS_SIP = dict(CTYPE1="RA---TAN-SIP", CTYPE2="DEC--TAN-SIP")
# SCAMP's polynomial, the identity.
PV = {f"PV{i}_{m}": float(m == 1) for i in (1, 2) for m in range(11) if m != 3}
TURNED = dict(PC1_1=0.8, PC1_2=0.6, PC2_1=-0.6, PC2_2=0.8)


def header(**cards):
    result = fits.Header()
    result.update(
        CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=30.5, CRPIX2=40.5, CRVAL1=53.1, CRVAL2=-27.8
    )
    for key, value in cards.items():
        if value is None:
            del result[key]
        else:
            result[key] = value
    return result


def raw(**cards):
    """A header with cards as text, which astropy would not write."""
    lines = [f"{key:8}= {value}".ljust(80) for key, value in cards.items()]
    result = header(**CD)
    for key in cards:
        result.remove(key, ignore_missing=True)
    return fits.Header.fromstring(result.tostring(endcard=False, padding=False) + "".join(lines))


PLAIN = {
    "CD": header(**CD),
    "CDELT": header(**CDELT),
    "CDELT and PC": header(**CDELT, **UNIT_PC),
    "CD and the same PC": header(**CD, **CDELT, **UNIT_PC),
    "CD and the same old PC": header(**CD, **CDELT, PC001001=1.0, PC002002=1.0),
    "CD and CDELT of 1": header(**CD, CDELT1=1.0, CDELT2=1.0),
    "CD and CROTA": header(**CD, CROTA2=30.0),
    "CDELT and CROTA of 0": header(**CDELT, CROTA2=0.0),
    "CD of two elements": header(CD1_1=-SCALE, CD2_2=SCALE),
    "units": header(**CD, CUNIT1="deg", CUNIT2="deg"),
    "degree": header(**CD, CUNIT1="degree", CUNIT2="degree"),
    "DEG": header(**CD, CUNIT1="DEG", CUNIT2="Degrees"),
    "no unit": header(**CD, CUNIT1="", CUNIT2=" "),
    "arcsec": header(
        CDELT1=-0.03,
        CDELT2=0.03,
        CUNIT1="arcsec",
        CUNIT2="ARCSEC",
        CRVAL1=53.1 * 3600,
        CRVAL2=-27.8 * 3600,
    ),
    "text of CRPIX": header(**CD, CRPIX1="30.5", CRPIX2="40.5 "),
    "text of CD": header(**{key: str(value) for key, value in CD.items()}),
    "text of EQUINOX": header(**CD, RADESYS="ICRS", EQUINOX="J2000"),
    "small letters": header(**CD, CTYPE1="ra---tan", CTYPE2="dec--tan", RADESYS="icrs"),
    "padded": header(**CD, CTYPE1="RA---TAN  "),
    "RADECSYS": header(**CD, RADECSYS="ICRS"),
    "both names": header(**CD, RADECSYS="FK4", RADESYS="ICRS"),
    "an epoch": header(**CD, EPOCH=2015.5),
    "three axes": header(**CD, WCSAXES=3, CTYPE3="FREQ", CRVAL3=1e14, CRPIX3=1.0, CD3_3=1.0),
    "alternate too": header(**CD, CTYPE1A="RA---TAN", CTYPE2A="DEC--TAN", CRVAL1A=1.0),
    "SIP of nothing": header(**CD, **IS_SIP),
    "SCAMP": header(**CD, **PV),
    "TPV": header(**CD, **PV, CTYPE1="RA---TPV", CTYPE2="DEC--TPV"),
    "LONPOLE": header(**CD, LONPOLE=180.0, LATPOLE=-27.8),
    "CRVAL of more than a turn": header(**CD, CRVAL1=413.1),
    "dates": header(**CD, **{"DATE-OBS": "2022-13-45", "MJD-OBS": 5e4}),
    "D exponents": raw(CD1_1="-8.333333333333333D-06", CD2_2="8.333333333333333D-06"),
}


@pytest.mark.parametrize("what", PLAIN)
def test_the_same_wcs(what, capfd):
    """All spellings of a WCS give the same result as the simplest one in astropy."""
    given = PLAIN[what]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        wcs = celestial_wcs(given, "a.fits")
        copy = celestial_wcs(shifted_header(celestial_header(given), 7, 9), "cut")
    expected = WCS(header(**CD)).pixel_to_world([0, 55, 30], [0, 70, 12])
    assert wcs.pixel_to_world([0, 55, 30], [0, 70, 12]).separation(expected).arcsec.max() < 1e-6
    found = copy.pixel_to_world([-7, 48, 23], [-9, 61, 3])
    assert found.separation(expected).arcsec.max() < 1e-6
    assert pixel_area_arcsec2(wcs) == pytest.approx(0.0009)
    assert capfd.readouterr() == ("", "")


OTHERS = {
    "turned": header(**CDELT, **TURNED),
    "CROTA": header(**CDELT, CROTA2=33.0),
    "CROTA and the same PC": header(**CDELT, **TURNED, CROTA2=36.87),
    "CROTA of 0 and PC": header(**CDELT, **TURNED, CROTA2=0.0),
    "old PC": header(**CDELT, PC001001=0.8, PC001002=0.6, PC002001=-0.6, PC002002=0.8),
    "SIP": header(**CD, **SIP, **IS_SIP),
    "swapped": header(**CD, CTYPE1="DEC--TAN", CTYPE2="RA---TAN", CRVAL1=-27.8, CRVAL2=53.1),
    "Galactic": header(**CD, CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN"),
    "FK5": header(**CD, RADESYS="FK5", EQUINOX=2000.0),
    "FK4": header(**CD, RADESYS="FK4", EQUINOX=1950.0),
    "SIN": header(**CD, CTYPE1="RA---SIN", CTYPE2="DEC--SIN"),
    "ZEA": header(**CD, CTYPE1="RA---ZEA", CTYPE2="DEC--ZEA"),
    "LONPOLE": header(**CD, LONPOLE=90.0),
}


@pytest.mark.parametrize("what", OTHERS)
def test_as_astropy_has_it(what, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = WCS(OTHERS[what]).pixel_to_world([0, 55], [0, 70]).icrs
    wcs = celestial_wcs(OTHERS[what], "a.fits")
    copy = celestial_wcs(celestial_header(OTHERS[what]), "copy")
    for one in (wcs, copy):
        found = one.pixel_to_world([0, 55], [0, 70]).icrs
        assert found.separation(expected).arcsec.max() < 1e-6
    assert capfd.readouterr() == ("", "")


def test_epoch_is_the_old_name_of_equinox():
    wcs = celestial_wcs(header(**CD, EPOCH=1950.0), "a.fits")
    expected = SkyCoord(53.1, -27.8, unit="deg", frame="fk4")
    assert wcs.pixel_to_world(29.5, 39.5).separation(expected).arcsec < 1e-6


@pytest.mark.parametrize("types", [{}, {"CTYPE1": "RA---SIN", "CTYPE2": "DEC--SIN"}])
@pytest.mark.parametrize("sip", [SIP, {"A_ORDER": 2, "A_2_0": 1e-4}, {"A_2_0": 1.0}])
def test_sip_left_over_is_not_applied(types, sip, capfd):
    given = header(**CD, **sip, **types)
    with pytest.warns(PixsedWarning, match="a.fits: its WCS has SIP .*not applied"):
        wcs = celestial_wcs(given, "a.fits")
    expected = WCS(header(**CD, **types)).pixel_to_world(0, 0)
    assert wcs.pixel_to_world(0, 0).separation(expected).arcsec < 1e-6
    assert not any(key in celestial_header(given) for key in sip)
    assert capfd.readouterr() == ("", "")


TROUBLE = {
    "PC of 1 degree": (header(**CD, **UNIT_PC), "CD matrix and a PC matrix.* differ"),
    "PC of another scale": (
        header(**CD, **UNIT_PC, CDELT1=-2 * SCALE, CDELT2=2 * SCALE),
        "CD matrix and a PC matrix.* differ",
    ),
    "PC turned": (header(**CD, **CDELT, **TURNED), "CD matrix and a PC matrix.* differ"),
    "old PC": (header(**CD, **CDELT, PC001001=0.5), "CD matrix and a PC matrix.* differ"),
    "no scale": (header(), "no pixel scale"),
    "PC alone": (header(**TURNED), "no pixel scale"),
    "one CDELT": (header(CDELT1=SCALE), "no pixel scale"),
    "CDELT of 1": (header(CDELT1=-1.0, CDELT2=1.0), "pixel of 3.6e.03 x 3.6e.03 arcsec"),
    "arcsec as deg": (header(CDELT1=-0.03, CDELT2=0.03), "pixel of 108 x 108 arcsec"),
    "deg as arcsec": (header(**CDELT, CUNIT1="arcsec", CUNIT2="arcsec"), "cannot be right"),
    "one side": (header(CDELT1=-1.0, CDELT2=SCALE), "cannot be right"),
    "CDELT of 0": (header(CDELT1=0.0, CDELT2=0.0), "WCS"),
    "singular": (header(CD1_1=SCALE, CD1_2=SCALE, CD2_1=SCALE, CD2_2=SCALE), "of no area"),
    "CD of one element": (header(CD1_1=SCALE), "cannot be read"),
    "unit of length": (header(**CD, CUNIT1="m", CUNIT2="m"), "CUNIT1 'm' is none of deg"),
    "no unit at all": (header(**CD, CUNIT1="grad^", CUNIT2="deg"), "CUNIT1 'grad.' is none of"),
    "hours": (header(**CD, CUNIT1="hourangle", CUNIT2="deg"), "CUNIT1 'hourangle' is none"),
    "A_ORDER alone": (header(**CD, **IS_SIP, A_ORDER=2, A_2_0=1e-6), "A_ORDER without B_ORDER"),
    "B_ORDER alone": (header(**CD, **IS_SIP, B_ORDER=2, B_2_0=1e-6), "B_ORDER without A_ORDER"),
    "-SIP once": (header(**CD, **SIP, CTYPE1="RA---TAN-SIP"), "-SIP in one alone"),
    "no CRVAL1": (header(**CD, CRVAL1=None), "CRVAL1 is missing"),
    "no CRVAL2": (header(**CD, CRVAL2=None), "CRVAL2 is missing"),
    "no CRPIX": (header(**CD, CRPIX1=None, CRPIX2=None), "CRPIX1 is missing"),
    "CROTA and PC": (header(**CDELT, **UNIT_PC, CROTA2=30.0), "PC matrix and CROTA2.*differ"),
    "CROTA and another": (header(**CDELT, **TURNED, CROTA2=12.0), "PC matrix and CROTA2.*differ"),
    "far CRPIX": (header(**CD, CRPIX2=-1e300), r"CRPIX2 = -1e\+300 is too far from the image"),
    "one CTYPE": (header(**CD, CTYPE2=None), "CTYPE2 is missing"),
    "two projections": (header(**CD, CTYPE2="DEC--SIN"), "cannot be read"),
    "two systems": (header(**CD, CTYPE2="GLAT-TAN"), "cannot be read"),
    "no projection": (header(**CD, CTYPE1="RA", CTYPE2="DEC"), "no celestial WCS"),
    "pixels": (header(**CD, CTYPE1="X", CTYPE2="Y"), "no celestial WCS"),
    "the Sun": (header(**CD, CTYPE1="HPLN-TAN", CTYPE2="HPLT-TAN"), "celestial"),
    "by table": (header(**CD, CTYPE1="RA---TAB", CTYPE2="DEC--TAB"), "WCS"),
    "lookup": (header(**CD, CPDIS1="LOOKUP"), "distortion by table .CPDIS1., which is not read"),
    "unknown frame": (header(**CD, RADESYS="J2000"), "RADESYS 'J2000' is not one of FITS"),
    "words": (header(**CD, CRPIX1="middle"), "CRPIX1 = 'middle' is not a number"),
    "NaN in quotes": (header(**CD, CRVAL1="nan"), "CRVAL1 = 'nan' is not a number"),
    "NaN": (raw(CRVAL1="NaN"), "cannot be read"),
    "infinite": (raw(CRPIX1="1.0E999"), "cannot be read"),
    "two numbers": (raw(CD1_1="1.0 2.0"), "cannot be read"),
    "logical": (header(**CD, CRPIX1=True), "CRPIX1 = True is not a number"),
    "Dec of 100": (header(**CD, CRVAL2=100.0), "cannot be read"),
    "none": (fits.Header(), "has no celestial WCS; add one"),
    "alternate alone": (
        fits.Header({"CTYPE1A": "RA---TAN", "CTYPE2A": "DEC--TAN"}),
        "only an alternate one",
    ),
}


@pytest.mark.parametrize("what", TROUBLE)
def test_trouble_is_told(what, capfd):
    given, match = TROUBLE[what]
    with pytest.raises(PixsedError, match=f"a.fits.*{match}") as info:
        celestial_wcs(given, "a.fits")
    assert "\n" not in str(info.value) and "WCS" in str(info.value)
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("what", ["no scale", "unit of length", "PC of 1 degree", "A_ORDER alone"])
def test_surface_brightness_blames_the_wcs(what, write_fits):
    given, match = TROUBLE[what]
    given = given.copy()
    given.update(BUNIT="MJy/sr", FILTER="F444W")
    plane = np.random.default_rng(1).normal(size=(9, 9))
    path = write_fits("a.fits", SCI=(plane, given), ERR=(np.ones((9, 9)), None))
    with ImageFile(path) as image, pytest.raises(PixsedError, match=f"its WCS .*{match}"):
        _ = image.factor


@pytest.mark.parametrize(("off", "same"), [(0.6e-6, True), (-0.6e-6, True), (1.8e-6, False)])
def test_two_matrices_agree_to_a_millionth(off, same):
    # A third of the limit would refuse rounding to seven digits; three times would accept others.
    given = header(**CD, **CDELT, **UNIT_PC | {"PC1_2": off})
    if same:
        assert "PC1_2" not in celestial_header(given)
        return
    with pytest.raises(PixsedError, match="CD matrix and a PC matrix.* differ"):
        celestial_header(given)


@pytest.mark.parametrize(("off", "same"), [(0.05, True), (0.1, False)])
def test_crota_beside_a_pc_matrix_has_few_digits(off, same):
    angle = np.radians(30.0)
    matrix = dict(PC1_1=np.cos(angle), PC2_2=np.cos(angle))
    # CDELT1 and CDELT2 have opposite signs, so the off-diagonal elements have the same.
    matrix |= dict(PC1_2=np.sin(angle), PC2_1=-np.sin(angle))
    given = header(**CDELT, **matrix, CROTA2=30.0 + off)
    if same:
        assert celestial_header(given)["CROTA2"] == 30.0 + off
        return
    with pytest.raises(PixsedError, match="PC matrix and CROTA2.*differ"):
        celestial_header(given)


def test_area_in_arcsec_units():
    wcs = celestial_wcs(PLAIN["arcsec"], "a.fits")
    assert (pixel_area_arcsec2(wcs) * u.arcsec**2).to_value(u.sr) == pytest.approx(
        (0.03 * u.arcsec).to_value(u.rad) ** 2
    )
