"""Fluxes and errors in any unit, against hand values and astropy's own conversions."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Column, MaskedColumn, QTable, Table

from pixsed.errors import PixsedError
from pixsed.io.fluxes import flux_unit, fluxes_njy, known_unit
from pixsed.io.formats.photometry import band_njy

# 100 nJy with an error of 5 nJy; a magnitude of 5 % error is 0.05 * 2.5 / ln(10).
_AB = 31.4 - 5.0
_AB_EXACT = float((100 * u.nJy).to_value(u.ABmag))
_DMAG = 0.05 * 2.5 / np.log(10)
LINEAR = {
    "nJy": 100,
    "NJY": 100,
    " nJy ": 100,
    "nanoJansky": 100,
    "nanojansky": 100,
    "nanoJy": 100,
    "uJy": 0.1,
    "µJy": 0.1,
    "μJy": 0.1,
    "microJy": 0.1,
    "muJy": 0.1,
    "mJy": 1e-4,
    "Jy": 1e-7,
    "JY": 1e-7,
    "10 nJy": 10,
    "10**1 nJy": 10,
    "1e-3 uJy": 100,
    "3631 Jy": 1e-7 / 3631,
    "W/Hz/m2": 1e-33,
    "W m-2 Hz-1": 1e-33,
    "erg/s/cm2/Hz": 1e-30,
    "erg s-1 cm-2 Hz-1": 1e-30,
    "nmgy": 100 / 3630.7805,
    "nanomaggy": 100 / 3630.7805,
    "mgy": 1e-7 / 3630.7805,
    "zp=31.4": None,
    "zp = 23.9": None,
}
LOGARITHMIC = {
    "mag(AB)": (_AB_EXACT, _DMAG),
    "ABmag": (_AB_EXACT, _DMAG),
    "AB mag": (_AB_EXACT, _DMAG),
    "abmag": (_AB_EXACT, _DMAG),
    "mag_AB": (_AB_EXACT, _DMAG),
    "mag AB": (_AB_EXACT, _DMAG),
    "mag(nJy)": (-5.0, _DMAG),
    "mag(uJy)": (2.5, _DMAG),
    "dex(nJy)": (2.0, 0.05 / np.log(10)),
    "dex(Jy)": (-7.0, 0.05 / np.log(10)),
    "dB(nJy)": (20.0, 0.5 / np.log(10)),
}


@pytest.mark.parametrize("text", LINEAR)
def test_linear(text):
    value = LINEAR[text]
    if value is None:  # counts of a zero point
        value = 10 ** (-0.4 * (_AB_EXACT - float(text.partition("=")[2])))
    unit = flux_unit(text, "it")
    flux, err = fluxes_njy(np.array([value]), np.array([value / 20]), unit, unit)
    np.testing.assert_allclose([flux[0], err[0]], [100, 5], rtol=1e-6)


@pytest.mark.parametrize("text", LOGARITHMIC)
def test_logarithmic(text):
    value, error = LOGARITHMIC[text]
    unit = flux_unit(text, "it")
    flux, err = fluxes_njy(np.array([value]), np.array([error]), unit, unit)
    np.testing.assert_allclose([flux[0], err[0]], [100, 5], rtol=1e-6)


def test_magnitudes_are_those_of_astropy():
    values = np.linspace(20, 31, 12)
    unit = flux_unit("mag(AB)", "it")
    flux, _ = fluxes_njy(values, np.full(12, 0.1), unit, unit)
    np.testing.assert_allclose(flux, (values * u.ABmag).to_value(u.nJy), rtol=1e-12)
    np.testing.assert_allclose(flux[5], 10 ** (-0.4 * (25 - 31.4)), rtol=1e-4)  # by hand


def test_a_magnitude_fainter_than_one_njy_has_an_error():
    unit = flux_unit("mag(AB)", "it")
    flux, err = fluxes_njy(np.array([33.0]), np.array([_DMAG]), unit, unit)
    assert 0 < flux[0] < 1
    np.testing.assert_allclose(err / flux, 0.05, rtol=1e-6)


@pytest.mark.parametrize(
    ("flux", "err", "units"),
    [
        (100.0, _DMAG, ("nJy", "mag")),
        (100.0, _DMAG, ("nJy", "mag(AB)")),
        (_AB_EXACT, 5.0, ("mag(AB)", "nJy")),
        (_AB_EXACT, 0.005, ("mag(AB)", "uJy")),
        (_AB_EXACT, _DMAG, ("mag(AB)", "mag")),
        (0.1, 5.0, ("uJy", "nJy")),
        (2.0, _DMAG, ("dex(nJy)", "mag")),
        (100.0, 0.05 / np.log(10), ("nJy", "dex")),
    ],
)
def test_an_error_in_another_unit(flux, err, units):
    found = fluxes_njy(np.array([flux]), np.array([err]), *(flux_unit(t, "it") for t in units))
    np.testing.assert_allclose(np.ravel(found), [100, 5], rtol=1e-6)


@pytest.mark.parametrize(
    ("flux", "err"),
    [
        (99.0, 0.1),
        (-99.0, 0.1),
        (99.99, 99.0),
        (999.0, 0.1),
        (-999.0, 0.1),
        (np.nan, 0.1),
        (np.inf, 0.1),
        (-np.inf, 0.1),
        (90.0, 0.1),
        (-1.0, 0.1),
        (0.0, 0.1),
        (25.0, 99.0),
        (25.0, -1.0),
        (25.0, -99.0),
        (25.0, 0.0),
        (25.0, np.nan),
        (25.0, np.inf),
    ],
)
def test_codes_for_no_magnitude(flux, err):
    unit = flux_unit("mag(AB)", "it")
    found = fluxes_njy(np.array([flux, 25.0]), np.array([err, 0.1]), unit, unit)
    assert np.isnan(np.ravel(found)).reshape(2, 2)[:, 0].any()
    assert np.isfinite([found[0][1], found[1][1]]).all()


def test_a_flux_that_is_negative_has_no_error_in_magnitudes():
    units = flux_unit("nJy", "it"), flux_unit("mag", "it")
    assert np.isnan(fluxes_njy(np.array([-3.0]), np.array([0.1]), *units)[1][0])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("AB", "may be a magnitude or a flux"),
        ("ST", "may be a magnitude or a flux"),
        ("STmag", "not a known unit"),
        ("Vegamag", "not a known unit"),
        ("banana", "not a known unit"),
        ("mag(Vega)", "not a known unit"),
        ("log(nJy)", "not a known unit"),
        ("MJY", "not a known"),
        ("mJY", "not a known unit"),
        ("", "not a known unit"),
        ("mag(ST)", "by frequency"),
        ("erg/s/cm2/AA", "by frequency"),
        ("W/m2/um", "by frequency"),
        ("W/m2", "flux over a band"),
        ("erg s-1 cm-2", "flux over a band"),
        ("MJy/sr", "surface brightness"),
        ("Jy/beam", "surface brightness"),
        ("uJy/arcsec2", "surface brightness"),
        ("ct", "--unit .zp=25.94"),
        ("electron/s", "zero point"),
        ("DN/s", "zero point"),
        ("adu", "zero point"),
        ("km", "not a flux density"),
        ("nJy2", "not a flux density"),
        ("%", "not a flux density"),
        ("-1 nJy", "must be above 0"),
        ("dex(solMass)", "not a flux density"),
    ],
)
def test_units_that_are_refused(text, match):
    with pytest.raises(PixsedError, match=f"t.fits: column F444W is in .*{match}"):
        flux_unit(text, "t.fits: column F444W")


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("mag(AB)", u.ABmag),
        ("ABmag", u.ABmag),
        ("uJy", u.uJy),
        ("microJy", u.uJy),
        ("", None),
        ("banana", None),
        ("kpc", u.kpc),
    ],
)
def test_spellings_in_other_files(text, unit):
    assert known_unit(text) == unit


# Columns of a table.


def columns(unit, value=100.0, error=5.0, err_unit="as flux"):
    err_unit = unit if err_unit == "as flux" else err_unit
    return Table({"A": Column([value], unit=unit), "A_ERR": Column([error], unit=err_unit)})


@pytest.mark.parametrize(
    ("unit", "err_unit", "said", "expected"),
    [
        ("uJy", "uJy", {}, (1e5, 5e3)),
        (None, None, {None: "uJy"}, (1e5, 5e3)),
        ("uJy", "uJy", {None: "nJy"}, (1e5, 5e3)),
        ("uJy", "uJy", {"A": "nJy"}, (100, 5)),
        ("uJy", None, {None: "nJy"}, (1e5, 5)),
        ("uJy", "nJy", {}, (1e5, 5)),
        ("mag", "mag", {None: "mag(nJy)"}, (1e-40, 1e-40)),
        ("ct", "ct", {None: "nJy"}, (100, 5)),
        (None, None, {"A": "uJy", None: "nJy"}, (1e5, 5e3)),
    ],
)
def test_what_unit_a_column_has(unit, err_unit, said, expected):
    if unit == "mag":  # 100 of them are a code for none
        assert np.isnan(band_njy(columns("mag"), "A", said, "t")[0][0])
        return
    flux, err, used = band_njy(columns(unit, err_unit=err_unit), "A", said, "t")
    np.testing.assert_allclose([flux[0], err[0]], expected)
    assert used == (bool(said) and said != {None: "nJy"} or unit != "uJy" or err_unit is None)


@pytest.mark.parametrize(
    ("unit", "err_unit", "said", "match"),
    [
        (None, None, {}, "t: column A has no unit; .*--unit nJy"),
        ("uJy", None, {}, "column A_ERR has no unit"),
        ("mag", "mag", {}, "column A is in mag without a system; .*--unit .mag\\(AB\\)"),
        ("dex", "dex", {}, "in dex without a system"),
        (None, None, {None: "mag"}, "in mag without a system"),
        ("MJy/sr", "MJy/sr", {None: "nJy"}, "surface brightness"),
        ("km", "km", {None: "nJy"}, "not a flux density"),
        (None, None, {None: "banana"}, "by --unit, is in .banana., which is not a known unit"),
    ],
)
def test_columns_that_are_refused(unit, err_unit, said, match):
    with pytest.raises(PixsedError, match=match):
        band_njy(columns(unit, err_unit=err_unit), "A", said, "t")


def test_quantities_and_masks():
    quantities = QTable({"A": [26.4, 99] * u.ABmag, "A_ERR": [0.1, 0.1] * u.mag})
    flux, err, _ = band_njy(quantities, "A", {}, "t")
    np.testing.assert_allclose(flux[0], 10 ** (-0.4 * (26.4 - 31.4)), rtol=1e-4)
    np.testing.assert_allclose(err[0], flux[0] * 0.1 * np.log(10) / 2.5)
    assert np.isnan(flux[1])
    masked = Table(
        {
            "A": MaskedColumn([1.0, 2.0], mask=[False, True], unit="nJy"),
            "A_ERR": Column([1, 1], unit="nJy"),
        }
    )
    flux, err, _ = band_njy(masked, "A", {}, "t")
    assert flux[0] == 1 and np.isnan(flux[1]) and err[1] == 1
