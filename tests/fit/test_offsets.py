"""Residuals by band and offsets: amplitudes, missing bands, errors, and iteration."""

import fakes
import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.fit.check_tables import offset_table
from pixsed.fit.cube import fit_cube
from pixsed.fit.offsets import Offsets, added, by_band, estimate, iterate, lines
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import Rows
from pixsed.fit.residuals import Residuals, residuals_of_maps
from pixsed.fit.zero_points import ZeroPoint

BANDS = ["F115W", "F200W", "F277W", "F356W", "F444W"]
TRUE = np.array([0.1, 0.0, 0.0, -0.05, 0.0])


def make(number, offsets=TRUE, scatter=0.02, noise=0.02, missing=0.0, seed=1):
    """Return residuals of galaxies of any amplitude."""
    rng = np.random.default_rng(seed)
    model = rng.uniform(10, 100, (number, len(offsets)))
    amplitude = rng.normal(0, 0.3, (number, 1))
    mag = offsets + amplitude + rng.normal(0, scatter, model.shape)
    flux = model * 10 ** (-0.4 * mag)
    err = noise * flux
    hidden = rng.random(model.shape) < missing
    flux[hidden] = err[hidden] = np.nan
    pivots = np.arange(1.0, 1.0 + len(offsets))
    return Residuals([str(i) for i in range(number)], BANDS, flux, err, model, pivots)


class TestByBand:
    @pytest.mark.parametrize("missing", [0.0, 0.4])
    def test_offsets_apart_from_amplitudes(self, missing):
        found = estimate(make(400, missing=missing))
        np.testing.assert_allclose(found.residual, TRUE - TRUE.mean(), atol=0.006)
        np.testing.assert_allclose(found.offset, -found.residual)
        # An amplitude takes up a part of the scatter of a galaxy.
        assert (0.010 < found.scatter).all() and (found.scatter < 0.022).all()
        assert found.number.sum() == pytest.approx(2000 * (1 - missing), rel=0.1)

    def test_reference_band(self):
        found = estimate(make(400), "F444W")
        np.testing.assert_allclose(found.residual, TRUE, atol=0.006)
        assert found.offset[4] == 0 and found.error[4] == 0 and found.reference == "F444W"

    def test_errors_are_the_scatter_of_repeated_surveys(self):
        scatter = np.std([by_band(make(30, seed=seed).mag)[0] for seed in range(40)], axis=0)
        error = np.mean([estimate(make(30, seed=seed)).error for seed in range(2)], axis=0)
        assert 0.6 < error.mean() / scatter.mean() < 2.0

    def test_outliers_do_not_matter(self):
        residuals = make(100)
        residuals.flux[:10, 2] *= 3
        np.testing.assert_allclose(estimate(residuals).residual, TRUE - TRUE.mean(), atol=0.015)

    def test_few_galaxies_have_the_errors_of_the_data(self):
        found = estimate(make(1))
        np.testing.assert_allclose(found.error, 1.0857 * 0.02, rtol=1e-3)
        assert np.isfinite(found.offset).all()

    def test_bands_without_light(self):
        residuals = make(20)
        residuals.flux[:, 1] = 0.1 * residuals.err[:, 1]
        residuals.flux[3] = np.nan
        found = estimate(residuals)
        assert np.isnan(found.offset[1]) and found.number[1] == 0
        assert np.isfinite(np.delete(found.offset, 1)).all() and found.number[0] == 19
        table = offset_table(found)
        np.testing.assert_allclose(table["FACTOR"][0], 10 ** (-0.4 * found.offset[0]), rtol=1e-6)
        assert found.offset[0] < -0.05 and table["FACTOR"][0] > 1
        row = table[1]
        assert (row["OFFSET"], row["FACTOR"], row["FLOOR"]) == (0, 1, 0)
        assert np.isnan(by_band(residuals.mag)[1][3])
        assert len(lines(found)) == 7 and "F200W" in lines(found)[3]

    def test_faults(self):
        residuals = make(3)
        with pytest.raises(PixsedError, match="reference band F090W is not among the data"):
            estimate(residuals, "F090W")
        residuals.flux[:, 0] = 0
        with pytest.raises(PixsedError, match="S/N of 5 in the reference band F115W"):
            estimate(residuals, "F115W")
        residuals.flux[:] = 0
        with pytest.raises(PixsedError, match="no galaxy has a band with an S/N of 5"):
            estimate(residuals)


def test_iteration_follows_a_model_that_follows_the_data(model, monkeypatch):
    """A fit that takes up half of every offset needs several steps."""
    import pixsed.fit.offsets as module

    true = make(30, scatter=0.005)
    wide = np.full((2, 30, len(model.bands)), np.nan)
    columns = [model.bands.index(band) for band in BANDS]
    wide[:, :, columns] = true.flux, true.err
    nothing = np.zeros(30)
    rows = Rows(*wide, nothing, nothing, nothing, nothing)

    def half(model, rows, names, options, jobs):
        flux = rows.flux[:, columns]
        followed = np.sqrt(flux * true.predicted)
        return Residuals(names, BANDS, flux, rows.err[:, columns], followed, true.pivots)

    monkeypatch.setattr(module, "predicted", half)
    one, many = (iterate(model, rows, true.names, FitOptions(), most=most) for most in (1, 20))
    wanted = TRUE.mean() - TRUE
    np.testing.assert_allclose(one.offset, wanted / 2, atol=0.004)
    np.testing.assert_allclose(many.offset, wanted, atol=0.006)
    assert 5 < many.steps < 15 and np.abs(many.left).max() < 1.5e-3
    np.testing.assert_allclose(many.residual, one.residual)
    more = added(many, [ZeroPoint("F115W", 0.3)])
    np.testing.assert_allclose(more.offset - many.offset, [0.3, 0, 0, 0, 0])
    assert isinstance(more, Offsets)


def test_iteration_ends_with_the_second_fit_if_nothing_is_left(model, monkeypatch):
    import pixsed.fit.offsets as module

    whole = make(10, offsets=np.zeros(5), scatter=0.0, noise=0.01)
    monkeypatch.setattr(module, "predicted", lambda *args, **kwargs: whole)
    nothing = np.zeros(10)
    wide = np.full((2, 10, len(model.bands)), np.nan)
    rows = Rows(*wide, nothing, nothing, nothing, nothing)
    found = iterate(model, rows, whole.names, FitOptions())
    assert found.steps == 2
    np.testing.assert_allclose(found.offset, 0, atol=1e-6)


class TestMaps:
    @pytest.mark.parametrize("make_cube", [fakes.make_cube, fakes.binned_cube])
    def test_sums_over_the_fitted_pixels(self, model, make_cube):
        cube = make_cube()
        maps = fit_cube(cube, model, FitOptions(samples=8, model_fluxes=True))
        bands, (flux, err, predicted) = residuals_of_maps(cube, maps, (), "m.fits")
        fitted = np.isfinite(maps.planes["LOGMSTAR_P50"])
        assert bands == cube.bands
        where = fitted & np.isfinite(cube.flux[4])
        assert flux[4] == pytest.approx(cube.flux[4][where].sum(), rel=1e-5)
        assert predicted[4] == pytest.approx(maps.planes["F444W_MODEL"][where].sum(), rel=1e-5)
        if cube.binning is None:
            assert err[4] == pytest.approx(0.5 * np.sqrt(where.sum()), rel=1e-5)

    def test_faults(self, model):
        cube = fakes.make_cube()
        maps = fit_cube(cube, model, FitOptions(samples=8))
        with pytest.raises(PixsedError, match="m.fits has no predicted fluxes .*--model-fluxes"):
            residuals_of_maps(cube, maps, (), "m.fits")
        maps = fit_cube(cube, model, FitOptions(samples=8, model_fluxes=True))
        with pytest.raises(PixsedError, match="m.fits has 24 x 20 pixels, and its cube 24 x 10"):
            residuals_of_maps(fakes.make_cube(ny=10), maps, (), "m.fits")
