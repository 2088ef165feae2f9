"""A band without information is treated as missing: in tables, cubes, bins and sums."""

import warnings

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.dq import DQ, NOT_FITTED
from pixsed.errors import PixsedWarning
from pixsed.fit.cube import fit_cube
from pixsed.fit.galaxy_row import galaxy_row
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select
from pixsed.fit.table import fit_table, table_text
from pixsed.models import resolve

BANDS = "F115W F150W F200W F277W F356W F444W".split()
FLUX = np.array([300.0, 400, 500, 800, 900, 1000])
# Flux and error of bands without information.
NOTHING = [
    (np.nan, np.nan),
    (0, 1e4),
    (0, 3e4),
    (300, 1e5),
    (0, 9.9e9),
    (0, 1e30),
    (0, 9.9e99),
    (0, np.inf),
    (0, 0),
    (-99, -99),
    (-1, -1),
    (99, 99),
    (-9999, -9999),
    (-99, 1),
    (300, -99),
    (np.nan, 10),
    (300, np.nan),
    (1e30, 1e30),
]


@pytest.fixture(scope="module", params=["tau", "dirichlet"])
def shipped(request):
    return Model(resolve(request.param))


def make_table(values, bands, unit="nJy"):
    """Return a table with one row per pair of `values`, which replace flux and error of `bands`."""
    table = Table({"ID": np.ones(len(values), int), "REDSHIFT": np.ones(len(values))})
    for band, f in zip(BANDS, FLUX, strict=True):
        flux, err = np.full(len(values), f), np.full(len(values), 0.05 * f)
        if band in bands:
            flux, err = np.array(values, dtype=float).T
        # Codes for missing values are the same numbers in any unit.
        scale = 1.0 if band in bands else (1 * u.nJy).to_value(unit)
        table[band], table[f"{band}_ERR"] = flux * scale * u.Unit(unit), err * scale * u.Unit(unit)
    return table


def rows_fitted(result):
    """Return how many rows of a table were fitted."""
    return int(((result["DQ"] & NOT_FITTED) == 0).sum())


def quiet(function, *args, **kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PixsedWarning)
        return function(*args, **kwargs)


@pytest.mark.parametrize("engine", ["flow", "quantile"])
@pytest.mark.parametrize("bands", [["F115W"], ["F444W"], ["F115W", "F200W"]])
def test_rows_of_a_table(shipped, engine, bands):
    with pytest.warns(PixsedWarning, match=f"taken as missing .*{bands[0]} 7 rows|{bands[0]} 7"):
        found = fit_table(make_table(NOTHING, bands), shipped, FitOptions(engine=engine))
    assert rows_fitted(found) == len(NOTHING)
    assert (found["NBANDS"] == 6 - len(bands)).all()
    for name in ("LOGMSTAR_P50", "AV_P84", "LOGSFR_STD", "SNR", "OOD", "CHI2"):
        np.testing.assert_array_equal(found[name], found[name][0], err_msg=name)
    told = np.array([not np.isnan(f * e) and not np.isinf(e) for f, e in NOTHING])
    np.testing.assert_array_equal((found["DQ"] & DQ.NO_INFORMATION) > 0, told)
    assert ((found["DQ"] & DQ.BAND_MISSING) > 0).all()


@pytest.mark.parametrize("unit", ["uJy", "mJy", "Jy"])
def test_codes_in_other_units(model, unit):
    values = [v for v in NOTHING if v not in [(0, 1e4), (0, 3e4), (300, 1e5), (-99, 1)]]
    found = quiet(fit_table, make_table(values, ["F115W"], unit), model)
    assert (found["NBANDS"] == 5).all()


def test_a_deep_non_detection_is_information(shipped):
    """A dropout: the limit in F115W changes the fit."""
    values = [(np.nan, np.nan), (0, 10), (5, 12), (-8, 15)]
    found = fit_table(make_table(values, ["F115W"]), shipped)
    assert list(found["NBANDS"]) == [5, 6, 6, 6]
    assert not (found["DQ"] & DQ.NO_INFORMATION).any()
    assert (np.abs(found["AV_P50"][1:] - found["AV_P50"][0]) > 0.05).all()


def test_all_bands_of_no_information(model):
    table = make_table([(0, 1e30), (-99, -99), (0, 0), (99, 99), (np.nan, np.nan)], BANDS)
    with pytest.warns(PixsedWarning, match="taken as missing"):
        found = fit_table(table, model)
    assert rows_fitted(found) == 0
    assert np.isnan(found["LOGMSTAR_P50"]).all() and np.isnan(found["SNR"]).all()
    assert (found["DQ"] & (DQ.NO_DATA | DQ.FEW_BANDS) == DQ.NO_DATA | DQ.FEW_BANDS).all()
    assert table_text(found) == "0 of 5 rows fitted; not fitted: 5 without data"


def test_two_bands_are_not_enough(model):
    table = make_table([(0, 1e30), (300, 15)], BANDS[:4])
    found = quiet(fit_table, table, model)
    assert rows_fitted(found) == 1
    assert list(found["DQ"] & ~8) == [DQ.FEW_BANDS | DQ.BAND_MISSING | DQ.NO_INFORMATION, 0]
    assert "not fitted: 1 with data in fewer than 3 bands" in table_text(found)


@pytest.mark.parametrize(("flux", "err"), NOTHING)
@pytest.mark.parametrize("engine", ["flow", "quantile"])
def test_pixels_of_a_cube(tmp_path_factory, flux, err, engine):
    model = Model(fakes.fake_model(tmp_path_factory.mktemp("m") / "m.onnx", quantiles=True))
    cube, missing = fakes.make_cube(), fakes.make_cube()
    where = np.s_[1, 8:12, 10:14]
    with np.errstate(over="ignore"):
        cube.flux[where], cube.err[where] = np.float32(flux), np.float32(err)
    missing.flux[where] = np.nan
    found, expected = (
        quiet(fit_cube, c, model, FitOptions(samples=20, engine=engine)) for c in (cube, missing)
    )
    for name, plane in expected.planes.items():
        other = found.planes[name]
        if name == "DQ":
            other = other & ~DQ.NO_INFORMATION
        np.testing.assert_array_equal(other, plane, err_msg=name)
    (row, wanted) = (
        quiet(lambda c: galaxy_row(c, model, select(c, model), FitOptions(samples=20)), c)
        for c in (cube, missing)
    )
    assert row == wanted


def test_the_reference_bands_of_no_information(model):
    """The mean S/N leaves out a band without information."""
    cube = fakes.make_cube()
    expected = select(cube, model).snr
    cube.flux[4], cube.err[4] = 0.0, 1e30
    with pytest.warns(PixsedWarning, match=r"F444W 193 pixels"):
        found = select(cube, model)
    ratio = cube.flux[2:4] / cube.err[2:4]
    np.testing.assert_allclose(found.snr, ratio.mean(axis=0), rtol=1e-5)
    assert not np.allclose(found.snr, expected)
    assert (found.nbands[found.chosen] <= 4).all()
