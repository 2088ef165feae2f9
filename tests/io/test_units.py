import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.image import ImageFile
from pixsed.io.units import njy_per_unit

AREA_SR = (0.03 * u.arcsec).to_value(u.rad) ** 2


def header(**cards):
    result = fits.Header()
    result.update(cards)
    return result


@pytest.mark.parametrize(
    ("bunit", "factor"),
    [
        ("nJy", 1),
        ("uJy", 1e3),
        ("mJy", 1e6),
        ("Jy", 1e9),
        ("10 nJy", 10),
        ("10nJy", 10),
        ("10.0*nanoJansky", 10),
        ("nanoJansky", 1),
        ("microJy", 1e3),
        ("NJY", 1),
        ("nJy/pix", 1),
        ("uJy / pixel", 1e3),
        ("1e-29 erg/s/cm2/Hz", 1e3),
    ],
)
def test_flux_units(bunit, factor):
    assert njy_per_unit(header(BUNIT=bunit)) == pytest.approx(factor, rel=1e-12)
    assert njy_per_unit(header(BUNIT="rubbish"), unit=bunit) == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize("bunit", ["MJy/sr", "MJy / sr", "MJy.sr-1"])
def test_surface_brightness(bunit):
    # 1 MJy/sr is 23.5045 uJy/arcsec2.
    expected = 23504.4305 * 0.03**2
    assert njy_per_unit(header(BUNIT=bunit), pixel_area_sr=AREA_SR) == pytest.approx(expected)
    assert njy_per_unit(header(BUNIT=bunit, PIXAR_SR=AREA_SR)) == pytest.approx(expected)
    assert njy_per_unit(header(BUNIT="uJy/arcsec2"), pixel_area_sr=AREA_SR) == pytest.approx(0.9)


def test_pixar_sr_of_other_pixels_gives_way_to_the_wcs():
    stale = header(BUNIT="MJy/sr", PIXAR_SR=AREA_SR * 4)
    with pytest.warns(PixsedWarning, match="PIXAR_SR .* the WCS's was used"):
        factor = njy_per_unit(stale, pixel_area_sr=AREA_SR)
    assert factor == pytest.approx(23504.4305 * 0.03**2)


@pytest.mark.parametrize("bunit", ["electron/s", "ELECTRONS/S", "electrons / s", "COUNTS/S", "cps"])
def test_rate_with_photflam(bunit):
    # ACS F606W: the AB zero point by the instrument's own formula.
    photflam, photplam = 7.862481e-20, 5921.1
    zero_point = -2.5 * np.log10(photflam) - 21.10 - 5 * np.log10(photplam) + 18.6921
    factor = njy_per_unit(header(BUNIT=bunit, PHOTFLAM=photflam, PHOTPLAM=photplam))
    assert factor == pytest.approx(10 ** (-0.4 * (zero_point - 31.4)), rel=1e-4)


@pytest.mark.parametrize("text", ["zp=25.94", "ZP = 25.94", "zp=2594e-2"])
def test_zero_point(text):
    expected = 10 ** (-0.4 * (25.94 - 31.4))
    assert njy_per_unit(header(), unit=text) == pytest.approx(expected, rel=1e-4)
    assert njy_per_unit(header(BUNIT="electron/s", ZPAB=25.94)) == pytest.approx(expected, rel=1e-4)


def test_zeropnt_counts_where_its_comment_says_ab():
    ab = header(BUNIT="ELECTRONS/S")
    ab["ZEROPNT"] = (26.51, "zeropoint AB magnitude")
    assert njy_per_unit(ab) == pytest.approx(10 ** (-0.4 * (26.51 - 31.4)), rel=1e-4)
    ab["ZEROPNT"] = (26.51, "zeropoint")
    with pytest.raises(PixsedError, match="needs PHOTFLAM"):
        njy_per_unit(ab)


def test_jwst_rate():
    factor = njy_per_unit(header(BUNIT="DN/s", PHOTMJSR=0.39), pixel_area_sr=AREA_SR)
    assert factor == pytest.approx(0.39 * 23504.4305 * 0.03**2)


def test_calibrations_that_disagree():
    with pytest.raises(PixsedError, match="PHOTFLAM and ZPAB differ by more than 2 %"):
        njy_per_unit(header(BUNIT="electron/s", PHOTFLAM=7.86e-20, PHOTPLAM=5921.1, ZPAB=25.0))


@pytest.mark.parametrize("off", [0.987, 1.013])
def test_calibrations_agree_within_two_percent(off):
    photflam = (off * u.nJy).to(
        u.erg / u.s / u.cm**2 / u.AA, equivalencies=u.spectral_density(5921.1 * u.AA)
    )
    cards = dict(BUNIT="electron/s", PHOTPLAM=5921.1, ZPAB=float((1 * u.nJy).to_value(u.ABmag)))
    found = njy_per_unit(header(PHOTFLAM=photflam.value, **cards))
    assert found == pytest.approx(off)
    further = 1 + 2.4 * (off - 1)  # 3.1 %
    with pytest.raises(PixsedError, match="PHOTFLAM and ZPAB differ by more than 2 %"):
        njy_per_unit(header(PHOTFLAM=photflam.value / off * further, **cards))


@pytest.mark.parametrize("off", [0.987, 1.013])
def test_pixar_sr_agrees_with_the_wcs_within_two_percent(off):
    one = njy_per_unit(header(BUNIT="MJy/sr"), pixel_area_sr=AREA_SR)
    near = header(BUNIT="MJy/sr", PIXAR_SR=AREA_SR * off)
    assert njy_per_unit(near, pixel_area_sr=AREA_SR) == pytest.approx(off * one, rel=1e-9)
    far = header(BUNIT="MJy/sr", PIXAR_SR=AREA_SR * (1 + 2.4 * (off - 1)))
    with pytest.warns(PixsedWarning, match="the WCS's was used"):
        assert njy_per_unit(far, pixel_area_sr=AREA_SR) == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize(
    ("cards", "unit", "match"),
    [
        ({}, None, "im.fits has no BUNIT; give its unit, as --unit"),
        ({"BUNIT": " "}, None, "im.fits has no BUNIT"),
        ({"BUNIT": "furlong^"}, None, "im.fits: BUNIT 'furlong\\^' is not known; .*--unit"),
        ({"BUNIT": "MJY"}, None, "BUNIT 'MJY' is not known"),
        ({"BUNIT": "Jy/beam"}, None, "BUNIT 'Jy/beam' cannot be turned into nJy .*--unit"),
        ({"BUNIT": "ELECTRONS"}, None, "'ELECTRONS' cannot be turned"),
        ({"BUNIT": "mag"}, None, "'mag' is a unit of magnitudes or logarithms"),
        ({"BUNIT": "MJy/sr"}, None, "needs PIXAR_SR or a WCS"),
        ({"BUNIT": "electron/s"}, None, "needs PHOTFLAM with PHOTPLAM, or ZPAB.*--unit"),
        ({"BUNIT": "electron/s", "PHOTFLAM": 0.0, "PHOTPLAM": 5e3}, None, "needs PHOTFLAM"),
        ({"BUNIT": "nJy"}, "kg", "unit 'kg' cannot be turned"),
    ],
)
def test_what_cannot_be_known_is_an_error(cards, unit, match):
    with pytest.raises(PixsedError, match=match):
        njy_per_unit(header(**cards), unit, name="im.fits")


@pytest.mark.parametrize(
    ("bunit", "factor"),
    [
        ("'nJy'", 1),
        ('"uJy"', 1e3),
        ("UJY", 1e3),
        ("ujy", 1e3),
        ("njy", 1),
        ("jy", 1e9),
        ("10 NJY", 10),
        ("10*nJy", 10),
        ("10 * njy", 10),
        ("1e-9 Jy", 1),
        ("1E-9 JY", 1),
        ("1.e-9 Jy", 1),
        ("0.001 uJy", 1),
        ("uJy/pixel", 1e3),
        ("uJy.pix-1", 1e3),
        ("uJy pixel**-1", 1e3),
        ("uJy pix^-1", 1e3),
        ("uJy/pixels", 1e3),
        ("Jansky", 1e9),
        ("microjansky", 1e3),
        ("erg/s/cm2/Hz", 1e32),
        ("erg s-1 cm-2 Hz-1", 1e32),
        ("erg/s/cm^2/Hz", 1e32),
        ("10**(-29) erg/s/cm2/Hz", 1e3),
        ("W/m2/Hz", 1e35),
        ("nmgy", 3630.78),
        ("nanomaggies", 3630.78),
        ("nanomaggy", 3630.78),
        ("mJy", 1e6),
        ("MJy", 1e15),
    ],
)
def test_more_flux_units(bunit, factor):
    for cards, unit in (({"BUNIT": bunit}, None), ({"BUNIT": "K"}, bunit)):
        assert njy_per_unit(header(**cards), unit) == pytest.approx(factor, rel=1e-5)


def test_nanomaggies_have_a_zero_point_of_22_5():
    assert njy_per_unit(header(BUNIT="nmgy")) == pytest.approx(10 ** (-0.4 * (22.5 - 31.4)))


@pytest.mark.parametrize("bunit", ["erg/s/cm2/AA", "erg s-1 cm-2 AA-1", "erg/s/cm^2/Angstrom"])
def test_per_wavelength_at_the_pivot(bunit):
    # f_nu = f_lambda lambda^2 / c
    expected = (5921.1**2 / 2.99792458e18) / 1e-32
    found = njy_per_unit(header(BUNIT=bunit, PHOTPLAM=5921.1))
    assert found == pytest.approx(expected, rel=1e-6)
    for cards in ({}, {"PHOTPLAM": 0.0}, {"PHOTPLAM": "5921"}):
        with pytest.raises(PixsedError, match="needs PHOTPLAM"):
            njy_per_unit(header(BUNIT=bunit, **cards))


@pytest.mark.parametrize(
    ("bunit", "njy"),
    [("MJy/arcsec2", 1e15), ("mJy/arcsec2", 1e6), ("uJy arcsec-2", 1e3), ("Jy/arcsec^2", 1e9)],
)
def test_surface_brightness_by_arcsec2(bunit, njy):
    found = njy_per_unit(header(BUNIT=bunit), pixel_area_sr=AREA_SR)
    assert found == pytest.approx(njy * 0.03**2, rel=1e-9)


@pytest.mark.parametrize(
    "text",
    [
        "mag",
        "mag(AB)",
        "mag (AB)",
        "ABmag",
        "ABMAG",
        "AB mag",
        "AB",
        "'AB'",
        "magAB",
        "mag_AB",
        "m_AB",
        "STmag",
        "mag(ST)",
        "ST",
        "Vega",
        "vegamag",
        "mag(nJy)",
        "mag(Jy)",
        "mag(ct/s)",
        "dex(nJy)",
        "dex(Jy)",
        "dex",
        "dB(uJy)",
        "dB",
        "dex(erg/s/cm2/Hz)",
        "mag/arcsec2",
        "mag arcsec-2",
        "mag(AB)/arcsec2",
        "ABmag/arcsec2",
        "mmag",
        "AB magnitudes",
    ],
)
def test_magnitudes_and_logarithms_are_refused(text, write_fits, wcs_header):
    for cards, unit in (({"BUNIT": text}, None), ({"BUNIT": "nJy"}, text)):
        with pytest.raises(PixsedError, match="a.fits: .* of magnitudes or logarithms"):
            njy_per_unit(header(**cards), unit, name="a.fits", pixel_area_sr=AREA_SR)
    plane = np.random.default_rng(1).normal(25, 1, (9, 9))
    path = write_fits("a.fits", SCI=(plane, wcs_header(BUNIT=text)), ERR=(plane, None))
    with pytest.raises(PixsedError, match="of magnitudes or logarithms"):
        ImageFile(path)


@pytest.mark.parametrize("text", ["0 nJy", "-1 nJy", "nan nJy", "zp=1e5", "zp=-1e5", "1e400 nJy"])
def test_values_of_nothing_are_refused(text):
    with pytest.raises(PixsedError, match="--unit"):
        njy_per_unit(header(BUNIT="nJy"), text)


@pytest.mark.parametrize(
    "text",
    [
        "MJY/SR",
        "log(nJy)",
        "1.0",
        "nJy2",
        "1/nJy2",
        "Jy/beam",
        "K",
        "adu",
        "DN",
        "photon/s",
        "millijansky.",
        "%",
        "Jy km/s",
    ],
)
def test_more_units_that_are_not_known(text):
    with pytest.raises(PixsedError, match="im: BUNIT .*--unit"):
        njy_per_unit(header(BUNIT=text), name="im", pixel_area_sr=AREA_SR)
