"""The row of a galaxy, against numpy formulas and the draws that it summarises."""

from dataclasses import replace

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.cosmology import FlatLambdaCDM

from pixsed.dq import Flag
from pixsed.fit.galaxy_row import LEVELS, empty_row, galaxy_row, total_names
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import draw
from pixsed.fit.select import select
from pixsed.fit.summed import row_of_sum, summed_photometry
from pixsed.fit.total import total_draws

OPTIONS = FitOptions(samples=200)
ENDS = "P025 P16 P50 P84 P975".split()


@pytest.fixture(scope="module")
def cube():
    return fakes.make_cube()


@pytest.fixture(scope="module")
def selection(cube, model):
    return select(cube, model, FitOptions(snr_min=20))


@pytest.fixture(scope="module")
def row(cube, model, selection):
    """The row of the fitted pixels alone."""
    return galaxy_row(cube, model, selection, OPTIONS, faint="leave")


def test_the_columns(row, model):
    names = total_names(model)
    assert names == ["LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSSFR", "AGE", "METAL", "AV"]
    assert list(row) == list(empty_row(model))
    contract = "FILE ID RA DEC REDSHIFT NPIX RES_LOGMSTAR_P50 INT_LOGMSTAR_P50 OFFSET FLAG".split()
    assert [name for name in row if name in contract] == contract
    assert [name for name in row if name.startswith("RES_AGE")] == [f"RES_AGE_{e}" for e in ENDS]
    assert np.isnan(row["INT_REDSHIFT_P50"])  # the redshift is exact


def test_the_place_and_the_size(row, cube, selection):
    chosen, inside = selection.chosen, cube.segmap == 531
    light = np.where(inside, cube.flux[2:].mean(axis=0), 0.0).astype(float)
    weight = np.maximum(light, 0)
    y, x = np.indices(cube.shape)
    centre = [(values * weight).sum() / weight.sum() for values in (x, y)]
    sky = cube.wcs.pixel_to_world(*centre)
    np.testing.assert_allclose((row["RA"], row["DEC"]), (sky.ra.deg, sky.dec.deg), rtol=1e-9)
    np.testing.assert_allclose(centre, (12, 10), atol=0.1)  # where the galaxy is
    assert row["NPIX"] == chosen.sum() < inside.sum()
    np.testing.assert_allclose(row["AREA_ARCSEC2"], chosen.sum() * 0.03**2, rtol=1e-6)
    scale = FlatLambdaCDM(70, 0.3).kpc_proper_per_arcmin(2.0).to_value(u.kpc / u.arcsec)
    np.testing.assert_allclose(row["AREA_KPC2"], row["AREA_ARCSEC2"] * scale**2, rtol=1e-4)
    assert row["FRAC_SEGMENT"] == chosen.sum() / inside.sum()
    np.testing.assert_allclose(row["FRAC_LIGHT"], light[chosen].sum() / light.sum(), rtol=1e-5)


def test_quantiles_are_those_of_the_draws(row, cube, model, selection):
    totals = total_draws(cube, model, selection, OPTIONS)
    photometry = summed_photometry(cube, selection)
    rows = row_of_sum(*photometry, cube, model, selection, cube.object_id)
    integrated = {name: values[0] for name, values in draw(model, rows, OPTIONS).items()}
    integrated["LOGSSFR"] = integrated["LOGSFR"] - integrated["LOGMSTAR"]
    for kind, draws in (("RES", totals.draws), ("INT", integrated)):
        for name in total_names(model):
            found = [row[f"{kind}_{name}_{end}"] for end in ENDS]
            expected = np.quantile(draws[name], LEVELS)
            assert (np.diff(found) > 0).all(), (kind, name)
            np.testing.assert_allclose(
                found, expected, atol=0.15 * np.std(draws[name]), err_msg=f"{kind} {name}"
            )
    assert row["FRAC_OOD"] == totals.ood_fraction
    assert row["FRAC_PRIOR"] == pytest.approx(totals.prior_fraction, nan_ok=True)


def test_the_offset(row):
    assert row["OFFSET"] == row["RES_LOGMSTAR_P50"] - row["INT_LOGMSTAR_P50"]
    widths = [row[f"{kind}_LOGMSTAR_P84"] - row[f"{kind}_LOGMSTAR_P16"] for kind in ("RES", "INT")]
    assert row["OFFSET_ERR"] == pytest.approx(np.sqrt(widths[0] ** 2 + widths[1] ** 2) / 2)


def test_a_redshift_with_an_error(cube, model):
    cube = replace(cube, redshift_err=0.1)
    row = galaxy_row(cube, model, select(cube, model), OPTIONS)
    assert row["REDSHIFT"] == 2.0 and row["REDSHIFT_ERR"] == 0.1
    np.testing.assert_allclose(row["INT_REDSHIFT_P50"], 2.0, atol=0.02)
    width = row["INT_REDSHIFT_P84"] - row["INT_REDSHIFT_P16"]
    np.testing.assert_allclose(width, 0.2, rtol=0.15)


def test_the_noise_of_pixels(row, cube, model, selection):
    widths = [
        other["RES_LOGMSTAR_P84"] - other["RES_LOGMSTAR_P16"]
        for noise in ("independent", "common")
        for other in [galaxy_row(cube, model, selection, OPTIONS, noise=noise, faint="leave")]
    ]
    assert widths[0] < row["RES_LOGMSTAR_P84"] - row["RES_LOGMSTAR_P16"] <= 1.2 * widths[1]


def test_faint_pixels_are_carried(row, cube, model, selection):
    """Resolved sums grow by the light below the cut; the integrated fit has its photometry."""
    carried = galaxy_row(cube, model, selection, OPTIONS)
    low = (cube.segmap == 531) & ~selection.chosen
    light = cube.flux[2:].astype(float).mean(axis=0)
    ratio = light[low].sum() / light[selection.chosen].sum()
    assert ratio > 0.05
    np.testing.assert_allclose(carried["FAINT_LIGHT"], ratio, rtol=1e-5)
    for name in ("LOGMSTAR", "LOGMFORM", "LOGSFR"):
        more = carried[f"RES_{name}_P50"] - row[f"RES_{name}_P50"]
        np.testing.assert_allclose(more, np.log10(1 + ratio), atol=0.01)
    for name in ("LOGSSFR", "AGE", "METAL", "AV"):
        assert carried[f"RES_{name}_P50"] == row[f"RES_{name}_P50"]
    whole = replace(selection, chosen=cube.segmap == 531)
    rows = row_of_sum(*summed_photometry(cube, whole), cube, model, whole, cube.object_id)
    draws = draw(model, rows, OPTIONS)["LOGMSTAR"][0]
    np.testing.assert_allclose(
        carried["INT_LOGMSTAR_P50"], np.median(draws), atol=0.15 * np.std(draws)
    )
    assert carried["NPIX"] == row["NPIX"] and carried["FRAC_LIGHT"] == row["FRAC_LIGHT"]


@pytest.mark.parametrize("cut", [10, 20, 60])
def test_the_total_does_not_drift_with_the_cut(cube, model, cut):
    """The model of the tests has one mass-to-light ratio, so carried totals must agree."""
    reference = galaxy_row(cube, model, select(cube, model, FitOptions(snr_min=2)), OPTIONS)
    row = galaxy_row(cube, model, select(cube, model, FitOptions(snr_min=cut)), OPTIONS)
    assert row["NPIX"] <= reference["NPIX"]
    off = row["RES_LOGMSTAR_P50"] - reference["RES_LOGMSTAR_P50"]
    assert abs(off) < 0.03, off


def test_a_galaxy_without_a_pixel(cube, model):
    row = galaxy_row(cube, model, select(cube, model, FitOptions(snr_min=1e9)), OPTIONS)
    assert row["FLAG"] == Flag.NO_PIXEL and row["NPIX"] == 0
    assert row["ID"] == "531" and row["RA"] > 53 and row["FRAC_SEGMENT"] == 0
    assert all(np.isnan(value) for name, value in row.items() if name[:4] in ("RES_", "INT_"))
    assert np.isnan(row["OFFSET"]) and np.isnan(row["OFFSET_ERR"])


@pytest.mark.parametrize(("snr_min", "flagged"), [(5, False), (30, False), (60, True)])
def test_a_flag_for_little_light(cube, model, snr_min, flagged):
    row = galaxy_row(
        cube, model, select(cube, model, FitOptions(snr_min=snr_min)), FitOptions(samples=8)
    )
    assert (row["FRAC_LIGHT"] < 0.5) == flagged == bool(row["FLAG"] & Flag.LITTLE_LIGHT)


def test_without_data_in_a_segment(model):
    """The place of a segment without light is its centre."""
    cube = fakes.make_cube(flux=np.full((5, 20, 24), np.nan))
    row = galaxy_row(cube, model, select(cube, model), OPTIONS)
    sky = cube.wcs.pixel_to_world(12, 10)
    np.testing.assert_allclose((row["RA"], row["DEC"]), (sky.ra.deg, sky.dec.deg), rtol=1e-9)
    assert np.isnan(row["FRAC_LIGHT"]) and row["FLAG"] == Flag.NO_PIXEL
