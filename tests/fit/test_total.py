import fakes
import numpy as np
import pytest

from pixsed.dq import Flag
from pixsed.errors import PixsedError
from pixsed.fit.common import common_fractions
from pixsed.fit.derived import derive
from pixsed.fit.draws import global_indices, independent_normals
from pixsed.fit.galaxy_normals import NOISE
from pixsed.fit.galaxy_row import galaxy_row
from pixsed.fit.options import FitOptions
from pixsed.fit.select import select
from pixsed.fit.summed import summed_photometry
from pixsed.fit.total import total_draws
from pixsed.images.noise.covariance import correlation_width


def resolved_mass(*args, **options):
    """Return the draws of the sum of independent pixels, and the fraction out of distribution."""
    found = total_draws(*args, **{"noise": "independent"} | options)
    return 10.0 ** found.draws["LOGMSTAR"], found.ood_fraction


def test_resolved_mass_against_a_direct_sum(model):
    cube = fakes.make_cube()
    selection = select(cube, model)
    total, fraction = resolved_mass(cube, model, selection, FitOptions(samples=40), jobs=2)
    y, x = np.nonzero(selection.chosen)
    row, column = global_indices(cube.header, cube.shape)
    base = independent_normals(42, row[y], column[x], 40, 6)
    flux, err = selection.photometry(model, y, x)
    n = len(y)
    draws, _ = model.sample(flux, err, np.full(n, 2.0), np.zeros(n), base)
    np.testing.assert_allclose(total, (10.0 ** draws[:, :, 0].astype(float)).sum(axis=0), rtol=1e-5)
    assert 0 <= fraction <= 1


def test_the_scatter_of_a_sum_of_independent_pixels(model):
    cube = fakes.make_cube()
    selection = select(cube, model)
    total, _ = resolved_mass(cube, model, selection, FitOptions(samples=2000))
    # A pixel of the fake model: log-normal, 0.1 dex wide, around the mean flux.
    width = 0.1 * np.log(10)
    mean = 10**7.8 * np.nanmean(cube.flux[:, selection.chosen], axis=0)
    expected = np.sqrt((mean**2 * np.exp(width**2) * np.expm1(width**2)).sum())
    np.testing.assert_allclose(total.mean(), mean.sum() * np.exp(width**2 / 2), rtol=2e-3)
    np.testing.assert_allclose(total.std(), expected, rtol=0.06)


def test_pixels_share_a_redshift_that_is_not_known(model):
    cube = fakes.make_cube(redshift_err=0.1)
    seen = []
    real = model.sample

    class Spy:
        def __getattr__(self, name):
            return getattr(model, name)

        def sample(self, flux, err, z, dz, base):
            seen.append((np.array(z), np.array(dz), base.shape[1]))
            return real(flux, err, z, dz, base)

    row = galaxy_row(cube, Spy(), select(cube, model), FitOptions(samples=100))
    (first_z, first_dz, _), *rest = seen
    np.testing.assert_array_equal(first_dz, np.float64(0.1))  # the integrated fit
    assert all((dz == 0).all() and len(set(z)) == 1 for z, dz, _ in rest)
    levels = np.array([z[0] for z, _, _ in rest[:16]])
    assert (np.diff(levels) > 0).all()
    np.testing.assert_allclose(levels.std(), 0.1, rtol=0.1)
    assert sum(n for *_, n in rest[:16]) == 100
    assert np.isfinite(row["RES_LOGMSTAR_P50"])
    # Fewer draws than redshifts: every draw has a redshift.
    total, _ = resolved_mass(
        cube, model, select(cube, model), FitOptions(samples=5), redshifts=levels
    )
    assert total.shape == (5,) and (total > 0).all()


def test_summed_photometry(model):
    cube = fakes.make_cube()
    cube.table["noise_corr"] = [1.0, 2.0, np.nan, 1.0, 1.0]
    selection = select(cube, model)
    flux, err = summed_photometry(cube, selection)
    chosen = selection.chosen
    np.testing.assert_allclose(flux[1:], cube.flux[1:, chosen].sum(axis=1), rtol=1e-5)
    n = chosen.sum()
    np.testing.assert_allclose(err[2:], 0.5 * np.sqrt(n), rtol=1e-5)
    # Noise with a correlation of neighbours, which a large sum multiplies by 2.
    y, x = np.nonzero(chosen)
    distance2 = np.subtract.outer(y, y) ** 2 + np.subtract.outer(x, x) ** 2
    pairs = np.exp(-distance2 / (4 * correlation_width(2.0) ** 2))
    np.testing.assert_allclose(err[1], 0.5 * np.sqrt(pairs.sum()), rtol=1e-3)
    assert 0.9 < err[1] / np.sqrt(n) < 1.0
    # F115W has no data in one pixel: its sum is scaled by the light of that pixel.
    light = cube.flux[2:].mean(axis=0)
    scale = light[chosen].sum() / (light[chosen].sum() - light[9, 12])
    np.testing.assert_allclose(flux[0], np.nansum(cube.flux[0, chosen]) * scale, rtol=1e-5)
    cube.flux[0, :, :13] = np.nan
    flux, _ = summed_photometry(cube, select(cube, model))
    assert np.isnan(flux[0])
    assert np.isfinite(flux[1:]).all()


def test_row(model):
    cube = fakes.make_cube()
    row = galaxy_row(cube, model, select(cube, model), FitOptions(samples=200), noise="independent")
    chosen = select(cube, model).chosen
    np.testing.assert_allclose(
        row["INT_LOGMSTAR_P50"],
        np.log10(summed_photometry(cube, select(cube, model))[0].mean()) + 7.8,
        atol=0.01,
    )
    assert row["NPIX"] == chosen.sum()
    assert row["OFFSET"] == row["RES_LOGMSTAR_P50"] - row["INT_LOGMSTAR_P50"]
    # The sum of many independent pixels is far narrower than the one fit.
    narrow = row["RES_LOGMSTAR_P84"] - row["RES_LOGMSTAR_P16"]
    assert narrow < 0.2 * (row["INT_LOGMSTAR_P84"] - row["INT_LOGMSTAR_P16"])


def test_flags(model):
    cube = fakes.make_cube()
    row = galaxy_row(
        cube, model, select(cube, model, FitOptions(snr_min=1e9)), FitOptions(samples=500)
    )
    assert row["FLAG"] == 1
    assert row["NPIX"] == 0
    assert np.isnan(row["RES_LOGMSTAR_P50"]) and np.isnan(row["OFFSET"])
    # Every pixel has three bands, but only F356W has data in all pixels.
    cube.flux[:2, :, :13] = np.nan
    cube.flux[2, :, 13:] = np.nan
    cube.flux[4, :, 13:] = np.nan
    cube.flux[0, 9, 12] = np.nan
    row = galaxy_row(cube, model, select(cube, model), FitOptions(samples=20))
    assert row["FLAG"] & 8 and row["FLAG"] & 16
    assert np.isnan(row["INT_LOGMSTAR_P50"]) and np.isfinite(row["RES_LOGMSTAR_P50"])


def uniform_cube(side=10):
    """Return a galaxy of side x side pixels of one brightness."""
    bands = ("F115W", "F200W", "F277W", "F356W", "F444W")
    flux = np.full((len(bands), side, side), 10.0)
    return fakes.make_cube(bands=bands, flux=flux, err=0.1 * flux, segmap=None)


@pytest.mark.parametrize(("odd", "flagged"), [(0, False), (4, False), (6, True), (100, True)])
def test_the_fraction_out_of_distribution_that_sets_a_flag(model, odd, flagged):
    """The limit is 5 %; the test would fail for half or twice this value."""
    cube = uniform_cube()
    cube.flux[0].flat[:odd] = 11.0
    column = model.bands.index("F115W")

    class Marked:
        """Model for which brighter pixels are out of distribution."""

        def __getattr__(self, name):
            return getattr(model, name)

        def score(self, flux, *args):
            chi2, _ = model.score(flux, *args)
            return chi2, np.where(flux[:, column] > 10.5, 1e-4, 0.5)

    selection = select(cube, model)
    _, fraction = resolved_mass(cube, Marked(), selection, FitOptions(samples=10))
    assert fraction == odd / 100
    row = galaxy_row(cube, Marked(), selection, FitOptions(samples=10))
    assert bool(row["FLAG"] & Flag.PIXELS_OOD) == flagged


@pytest.mark.parametrize(("missing", "left_out"), [(0, False), (8, False), (12, True)])
def test_the_light_that_a_band_may_lack(model, missing, left_out):
    """The limit is a tenth of the light; the test would fail for half or twice this value."""
    cube = uniform_cube()
    cube.flux[0].flat[:missing] = np.nan
    flux, _ = summed_photometry(cube, select(cube, model))
    assert np.isnan(flux[0]) == left_out
    if not left_out:
        np.testing.assert_allclose(flux, 1000.0, rtol=1e-5)


def test_bins_count_once(model):
    cube, whole = fakes.binned_cube(), fakes.make_cube()
    selection = select(cube, model, FitOptions(snr_min=0))
    first = selection.fitted
    npix = cube.binning.npix[first]
    assert first.sum() == cube.binning.binmap.max()
    # Flux and error of the sum of bins are those of the sum of pixels.
    pixels = select(whole, model, FitOptions(snr_min=-np.inf))
    flux, err = summed_photometry(cube, selection)
    flux_pixels, err_pixels = summed_photometry(whole, pixels)
    np.testing.assert_allclose(flux[1:], flux_pixels[1:], rtol=1e-5)
    np.testing.assert_allclose(err[1:], err_pixels[1:], rtol=1e-5)
    # A bin of the fake model: log-normal, 0.1 dex wide, around the mean flux of its sum.
    total, _ = resolved_mass(cube, model, selection, FitOptions(samples=2000))
    width = 0.1 * np.log(10)
    mean = 10**7.8 * np.nanmean(cube.flux[:, first], axis=0) * npix
    np.testing.assert_allclose(total.mean(), mean.sum() * np.exp(width**2 / 2), rtol=4e-3)
    expected = np.sqrt((mean**2 * np.exp(width**2) * np.expm1(width**2)).sum())
    np.testing.assert_allclose(total.std(), expected, rtol=0.06)
    row = galaxy_row(cube, model, selection, FitOptions(samples=100))
    assert row["NPIX"] == npix.sum()


def test_errors_of_a_sum_of_bins_with_correlated_noise(model):
    from pixsed.io.formats.cube import bands_table

    table = bands_table(["F115W", "F200W", "F277W", "F356W", "F444W"], noise_corr=[1, 2, 3, 4, 5])
    cube, whole = fakes.binned_cube(table=table), fakes.make_cube(table=table)
    _, err = summed_photometry(cube, select(cube, model, FitOptions(snr_min=-np.inf)))
    _, expected = summed_photometry(whole, select(whole, model, FitOptions(snr_min=-np.inf)))
    np.testing.assert_allclose(err[1:], expected[1:], rtol=1e-5)


@pytest.mark.parametrize(("noise", "width"), [("independent", 0.1), ("common", 1.0)])
def test_the_width_of_a_total_by_correlation(model, noise, width):
    """The fake model is log-normal, 0.1 dex wide; there are 100 equal pixels."""
    cube = uniform_cube()
    selection, options = select(cube, model), FitOptions(samples=2000)
    found = total_draws(cube, model, selection, options, noise=noise)
    assert found.draws["LOGMSTAR"].std() == pytest.approx(0.1 * width, rel=0.06)
    assert np.isnan(found.prior_fraction)


def test_the_width_of_a_total_with_a_common_prior(model):
    cube = uniform_cube()
    selection, options = select(cube, model), FitOptions(samples=2000)
    found = total_draws(cube, model, selection, options)
    f = common_fractions(model, selection.snr[:1, 0])[0, 1]
    expected = np.sqrt(f + (1 - f) / 100)
    assert found.draws["LOGMSTAR"].std() == pytest.approx(0.1 * expected, rel=0.06)
    assert found.prior_fraction == pytest.approx(f / expected**2, rel=0.12)
    # Correlated noise: 36 pixels a correlation area.
    cube.table["noise_corr"] = 6.0
    wide = total_draws(cube, model, select(cube, model), options)
    assert wide.draws["LOGMSTAR"].std() > found.draws["LOGMSTAR"].std()
    assert wide.prior_fraction < found.prior_fraction


def test_means_are_weighted_by_mass(model):
    cube = fakes.make_cube()
    selection, options = select(cube, model), FitOptions(samples=30)
    draws = total_draws(cube, model, selection, options, noise="independent").draws
    assert set(draws) == {"LOGMSTAR", "LOGMFORM", "LOGSFR", "LOGSSFR", "AGE", "METAL", "AV"}
    y, x = np.nonzero(selection.chosen)
    row, column = global_indices(cube.header, cube.shape)
    base = independent_normals(42, row[y], column[x], 30, 6)
    flux, err = selection.photometry(model, y, x)
    n = len(y)
    found, _ = model.sample(flux, err, np.full(n, 2.0), np.zeros(n), base)
    at = {name: found[..., i].astype(float) for i, name in enumerate(model.parameters)}
    weight = 10.0 ** at["LOGMFORM"]
    for name in ("METAL", "AV"):
        expected = (weight * at[name]).sum(axis=0) / weight.sum(axis=0)
        np.testing.assert_allclose(draws[name], expected, rtol=1e-5)
    age = derive(at, "tau", np.full((1, 1), 2.0))["AGE"]
    np.testing.assert_allclose(
        draws["AGE"], (weight * age).sum(axis=0) / weight.sum(axis=0), rtol=1e-5
    )
    np.testing.assert_allclose(draws["LOGSSFR"], draws["LOGSFR"] - draws["LOGMSTAR"])


def test_draws_depend_neither_on_jobs_nor_on_memory(model, monkeypatch):
    cube = fakes.make_cube()
    selection, options = select(cube, model), FitOptions(samples=30)
    whole = total_draws(cube, model, selection, options).draws["LOGMSTAR"]
    monkeypatch.setattr("pixsed.fit.galaxy_normals._HELD", 5000)
    done = []
    parts = total_draws(cube, model, selection, options, jobs=2, progress=done.append)
    np.testing.assert_allclose(parts.draws["LOGMSTAR"], whole, rtol=1e-9)
    assert sum(done) == selection.fitted.sum()


def test_an_unknown_correlation(model):
    cube = fakes.make_cube()
    with pytest.raises(PixsedError, match="noise must be one of"):
        total_draws(cube, model, select(cube, model), FitOptions(samples=5), noise="none")


def test_the_bound(model):
    """The fake model is log-normal, 0.1 dex wide."""
    cube = uniform_cube()
    for noise in NOISE:
        found = total_draws(cube, model, select(cube, model), FitOptions(samples=800), noise=noise)
        assert found.bound == pytest.approx(0.1, rel=0.06)


def test_light_below_the_cut_is_carried(model):
    """The total of equal mass-to-light ratios does not depend on the cut of S/N."""
    cube = fakes.make_cube()
    options = FitOptions(samples=300)
    found = {
        cut: total_draws(
            cube, model, select(cube, model, FitOptions(snr_min=cut)), options, carry_faint=True
        )
        for cut in (0.0, 20.0, 40.0)
    }
    medians = [np.median(one.draws["LOGMSTAR"]) for one in found.values()]
    np.testing.assert_allclose(medians, medians[0], atol=0.02)
    assert abs(found[0.0].faint_light) < found[20.0].faint_light < found[40.0].faint_light
    high = select(cube, model, FitOptions(snr_min=40.0))
    plain = total_draws(cube, model, high, options)
    light = cube.flux[2:].mean(axis=0)
    inside = cube.segmap == 531
    expected = light[inside & ~high.chosen].sum() / light[high.chosen].sum()
    assert plain.faint_light == pytest.approx(expected, rel=1e-4)
    more = found[40.0].draws["LOGMSTAR"] - plain.draws["LOGMSTAR"]
    assert more.mean() == pytest.approx(np.log10(1 + expected), abs=0.01) and more.std() > 0
    np.testing.assert_array_equal(found[40.0].draws["AV"], plain.draws["AV"])
