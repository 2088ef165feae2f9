"""An error floor is common to the pixels of a galaxy: it does not average down."""

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from pixsed.fit.galaxy_row import galaxy_row
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select
from pixsed.fit.summed import summed_photometry
from pixsed.fit.table import fit_table
from pixsed.fit.total import total_draws
from pixsed.io.formats.cube import Cube, bands_table
from pixsed.models import resolve

BANDS = "F115W F150W F200W F277W F356W F444W".split()
SED = np.array([0.3, 0.4, 0.5, 0.8, 0.9, 1.0])


@pytest.fixture(scope="module")
def shipped():
    return Model(resolve("tau"))


def uniform(side, *, noise=0.02, scale=10.0, **changes):
    """Return a galaxy of side x side pixels of one brightness."""
    flux = np.broadcast_to(scale * SED[:, None, None], (6, side, side))
    return Cube(BANDS, flux, noise * flux, fakes.make_cube().header, 1.0, "531", **changes)


@pytest.mark.parametrize("floor", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("side", [2, 10, 30])
def test_the_error_of_a_sum(model, side, floor):
    cube = uniform(side)
    selection = select(cube, model, FitOptions(error_floor=floor))
    flux, err = summed_photometry(cube, selection)
    np.testing.assert_allclose(flux, side**2 * 10 * SED, rtol=1e-5)
    np.testing.assert_allclose(err / flux, np.hypot(0.02 / side, floor), rtol=1e-5)
    # The error of a pixel includes the floor.
    np.testing.assert_allclose(selection.err / selection.flux, np.hypot(0.02, floor), rtol=1e-5)


def test_correlated_noise_and_bins(model):
    cube = uniform(10, table=bands_table(BANDS, noise_corr=[3.0] * 6))
    flux, err = summed_photometry(cube, select(cube, model, FitOptions(error_floor=0.05)))
    # A large sum has three times the noise of independent pixels; this one is small.
    noise = np.sqrt((err / flux) ** 2 - 0.05**2)
    assert (noise < 0.02 * 3 / 10).all() and (noise > 0.02 * 2.5 / 10).all()
    binned = fakes.binned_cube()
    flux, err = summed_photometry(
        binned, select(binned, model, FitOptions(snr_min=0, error_floor=0.05))
    )
    _, bare = summed_photometry(binned, select(binned, model, FitOptions(snr_min=0)))
    np.testing.assert_allclose(err, np.hypot(bare, 0.05 * flux), rtol=1e-5)


def test_the_integrated_mass_is_that_of_the_sum_as_a_row(shipped):
    cube, floor = uniform(30), 0.05
    row = galaxy_row(
        cube, shipped, select(cube, shipped, FitOptions(error_floor=floor)), FitOptions(samples=500)
    )
    table = Table({"ID": [531], "REDSHIFT": [1.0]})
    for band, value in zip(BANDS, 900 * 10 * SED, strict=True):
        table[band] = [value] * u.nJy
        table[f"{band}_ERR"] = [0.02 * value / 30] * u.nJy
    found = fit_table(table, shipped, FitOptions(samples=500, error_floor=floor))
    for name in ("P16", "P50", "P84"):
        assert row[f"INT_LOGMSTAR_{name}"] == pytest.approx(found[f"LOGMSTAR_{name}"][0], abs=1e-3)
    # The sum of pixels is about as uncertain.
    widths = [row[f"{kind}_LOGMSTAR_P84"] - row[f"{kind}_LOGMSTAR_P16"] for kind in ("RES", "INT")]
    assert 0.5 < widths[0] / widths[1] < 1.5


@pytest.mark.parametrize(
    ("noise", "floor", "expected"),
    [
        (0.02, 0.0, 0.01),
        (0.02, 0.02, np.sqrt(0.5)),
        (0.01, 0.1, 0.995),
        (0.1, 0.01, 0.1),
    ],
)
def test_the_scatter_of_a_total(model, noise, floor, expected):
    """The fake model is log-normal, 0.1 dex wide; the common part does not average down."""
    cube = uniform(10, noise=noise)
    selection = select(cube, model, FitOptions(error_floor=floor))
    options = FitOptions(samples=4000)
    total = total_draws(cube, model, selection, options, noise="independent").draws["LOGMSTAR"]
    width = np.log(10.0**total).std() / (0.1 * np.log(10))
    own = np.sqrt(1 - expected**2) / 10 if floor else 0.1
    assert width == pytest.approx(np.hypot(expected if floor else 0, own), rel=0.06)


def test_without_a_floor_nothing_changes_and_draws_follow_seed_and_name(model):
    cube = uniform(4)
    plain, zero, one, other, again = (
        total_draws(
            cube,
            model,
            select(cube, model, FitOptions(error_floor=floor)),
            FitOptions(samples=50, seed=seed),
            noise="independent",
            jobs=jobs,
        ).draws["LOGMSTAR"]
        for floor, seed, jobs in ((0.0, 1, 1), (0, 1, 2), (0.1, 1, 1), (0.1, 2, 1), (0.1, 1, 3))
    )
    np.testing.assert_array_equal(plain, zero)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other) and not np.array_equal(plain, one)


def test_a_floor_and_an_uncertain_redshift(model):
    cube = fakes.make_cube(redshift_err=0.1)
    options = FitOptions(samples=200)
    row, narrow = (
        galaxy_row(
            cube,
            model,
            select(cube, model, FitOptions(error_floor=floor)),
            options,
            noise="independent",
        )
        for floor in (0.1, 0.0)
    )
    assert (
        row["RES_LOGMSTAR_P84"] - row["RES_LOGMSTAR_P16"]
        > narrow["RES_LOGMSTAR_P84"] - narrow["RES_LOGMSTAR_P16"]
    )


def test_masses_whose_ood_is_not_known(tmp_path):
    for options in (dict(flux_model=False), dict(calibration=False)):
        path = tmp_path / "m.onnx"
        model = Model(fakes.fake_model(path, **options))
        assert not model.has_ood
        cube = fakes.make_cube()
        assert (
            galaxy_row(cube, model, select(cube, model), FitOptions(samples=20))["FLAG"]
            & (2 | 4 | 64)
            == 64
        )
