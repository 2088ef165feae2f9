from dataclasses import replace

import fakes
import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table
from scipy.stats import expon, norm

from pixsed import cosmology
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.fit.cube import fit_cube
from pixsed.fit.model import Model
from pixsed.fit.options import FitOptions
from pixsed.fit.posterior import QUANTILE_BATCH, Rows, summarise
from pixsed.fit.quantiles import at_levels, check_levels, deviation, of_draws, spread
from pixsed.fit.table import fit_table

WANTED = (0.025, 0.16, 0.5, 0.84, 0.975)
LEVELS = (0.025, 0.05, 0.16, 0.25, 0.5, 0.75, 0.84, 0.95, 0.975)


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "both.onnx"
    return Model(fakes.fake_model(path, quantiles=True))


def rows(n, seed=1):
    rng = np.random.default_rng(seed)
    flux = np.full((n, 29), np.nan, dtype=np.float32)
    flux[:, :7] = rng.uniform(1, 100, (n, 7))
    return Rows(
        flux=flux,
        err=0.1 * flux,
        redshift=np.full(n, 2.0),
        redshift_err=np.zeros(n),
        key_y=rng.integers(0, 999, n),
        key_x=rng.integers(0, 999, n),
    )


def fit(model, seen, quantiles=(0.5, 0.16, 0.84), **work):
    return summarise(model, seen, FitOptions(quantiles=quantiles, engine="quantile"), **work)


def test_given_levels_are_copied_and_others_are_gaussian():
    values = (3.0 + 0.2 * norm.ppf(LEVELS)).astype(np.float32)[None]
    wanted = [0.5, 0.16, 0.3, 0.9, 0.03]
    found = at_levels(values, LEVELS, wanted)
    assert found[0][0] == values[0, 4] and found[1][0] == values[0, 2]
    np.testing.assert_allclose([f[0] for f in found], 3 + 0.2 * norm.ppf(wanted), rtol=1e-6)


def test_levels_beyond_are_refused():
    check_levels(LEVELS, LEVELS)
    with pytest.raises(PixsedError, match="quantile 0.01 is outside 0.025 to 0.975.*--engine flow"):
        at_levels(np.zeros((1, 9)), LEVELS, [0.5, 0.01])


def test_quantiles_of_draws():
    rng = np.random.default_rng(3)
    for count in (1, 2, 7, 128):
        draws = np.sort(rng.normal(11.0, 0.01, (5, count)).astype(np.float32), axis=1)
        for q, found in zip(WANTED, of_draws(draws, WANTED), strict=True):
            half = max(min(0.05, 0.3 * min(q, 1 - q)), 0.5 / count)
            around = np.clip(np.linspace(q - half, q + half, 4001), 0, 1)
            expected = np.quantile(draws.astype(float), around, axis=1, method="hazen").mean(axis=0)
            np.testing.assert_allclose(found, expected, atol=2e-6)
            # The result of a row does not depend on the other rows.
            np.testing.assert_array_equal(of_draws(draws[3:4], [q])[0], found[3:4])


def test_quantiles_of_many_draws_are_those_of_the_distribution():
    u = (np.arange(20000) + 0.5) / 20000
    for law, off in ((norm, 0.01), (expon, 0.01)):
        draws = law.ppf(u)[None].astype(np.float32)
        for q, found in zip(WANTED, of_draws(draws, WANTED), strict=True):
            assert abs(law.cdf(found[0]) - q) < off * min(q, 1 - q) * 3


def test_spread():
    draws = np.sort(np.random.default_rng(1).normal(11.0, 0.01, (4, 500)).astype(np.float32))
    np.testing.assert_allclose(
        spread(draws, draws[:, 250]), draws.astype(float).std(axis=1), rtol=1e-4
    )


def test_deviation():
    normal = 11.0 + 0.03 * norm.ppf(LEVELS)
    assert deviation(normal[None].astype(np.float32), LEVELS)[0] == pytest.approx(0.03, rel=1e-4)
    # A skewed distribution, compared with draws.
    draws = np.random.default_rng(1).gamma(3.0, size=400_000)
    found = deviation(np.quantile(draws, LEVELS)[None], LEVELS)[0]
    assert found == pytest.approx(draws.std(), rel=0.05)


def test_fit(both):
    seen = rows(50)
    found = fit(both, seen, pixel_area=0.0009)
    mass = np.log10(np.nanmean(seen.flux, axis=1)) + 8
    np.testing.assert_allclose(found["LOGMSTAR_P50"], mass, atol=1e-5)
    np.testing.assert_allclose(found["AGE_P84"] - found["AGE_P50"], 0.1 * norm.ppf(0.84), atol=2e-6)
    np.testing.assert_allclose(found["AV_STD"], 0.1, rtol=1e-3)
    area = np.log10(0.0009 * cosmology.kpc_per_arcsec(2.0) ** 2)
    np.testing.assert_allclose(found["LOGSIGMA_P16"], found["LOGMSTAR_P16"] - area, atol=1e-5)
    for name in ("REDSHIFT_P50", "OOD", "CHI2"):
        assert np.isnan(found[name]).all()
    assert {values.dtype for values in found.values()} == {np.dtype(np.float32)}
    flow = summarise(both, seen, FitOptions(samples=8), pixel_area=0.0009)
    assert flow.keys() - found.keys() == {"BIMODAL"}
    assert found.keys() <= flow.keys()


def test_a_photometric_redshift(both):
    seen = rows(4)
    seen.redshift_err[:2] = 0.1
    found = fit(both, seen, pixel_area=0.0009)
    assert list(np.isfinite(found["REDSHIFT_P50"])) == [True, True, False, False]
    # For a pixel of one square arcsecond, the surface density is the output of the network.
    np.testing.assert_allclose(
        found["LOGSIGMA_P50"][:2], found["LOGMSTAR_P50"][:2] - np.log10(0.0009), atol=1e-5
    )


def test_bins_are_divided_among_pixels(both):
    seen = rows(6)
    npix = np.arange(1, 7)
    whole = fit(both, seen, pixel_area=1.0)
    each = fit(both, replace(seen, npix=npix), pixel_area=1.0)
    for name in ("LOGMSTAR_P50", "LOGSFR_P16", "LOGSIGMA_P84"):
        np.testing.assert_allclose(each[name], whole[name] - np.log10(npix), atol=2e-6)
    np.testing.assert_array_equal(each["AV_P50"], whole["AV_P50"])


def test_batches_are_full_and_progress_is_told(both):
    done = []
    seen = rows(3000)
    fit(both, seen, progress=done.append, jobs=2)
    assert sum(done) == 3000 and len(done) < 3000 / QUANTILE_BATCH + 3


def test_errors(both, model):
    seen = rows(2)
    with pytest.raises(PixsedError, match="has no engine quantile; try --engine flow"):
        fit(model, seen)
    with pytest.raises(PixsedError, match="has no marginal quantiles"):
        model.quantiles(seen.flux, seen.err, seen.redshift, seen.redshift_err)
    with pytest.raises(PixsedError, match="quantile 0.01 is outside"):
        fit(both, seen, quantiles=(0.5, 0.01))
    with pytest.raises(PixsedError, match="engine must be one of flow, quantile"):
        FitOptions(engine="grid")


def test_metadata_must_describe_them(tmp_path):
    path = fakes.fake_model(tmp_path / "m.onnx", quantiles={"levels": [0.5]})
    with pytest.raises(PixsedError, match="metadata do not describe its quantiles"):
        Model(path)


def test_properties_that_the_network_lacks_are_left_out(tmp_path):
    others = {"AV": "OTHER", "T50LB": "ANOTHER"}
    names = [others.get(name, name) for name in fakes.PROPERTIES]
    described = {"levels": fakes.LEVELS, "properties": names}
    model = Model(fakes.fake_model(tmp_path / "m.onnx", quantiles=described))
    table = Table({"ID": [1], "REDSHIFT": [1.0]})
    for band in ("F115W", "F277W", "F444W"):
        table[band], table[f"{band}_ERR"] = [10.0] * u.nJy, [1.0] * u.nJy
    for name, fit in (
        ("cube", lambda options: fit_cube(fakes.make_cube(), model, options).planes),
        ("table", lambda options: fit_table(table, model, options).colnames),
    ):
        message = f"{name}: engine quantile of model tau does not give AV, T50LB: left out"
        with pytest.warns(PixsedWarning, match=message) as caught:
            found = fit(FitOptions(engine="quantile"))
        assert len(caught) == 1
        assert {"AV_P50", "T50LB_STD", "OTHER_P50"}.isdisjoint(found)
        assert {"AGE_P50", "TAU_STD", "METAL_P16"} <= {*found}
        assert {"AV_P50", "T50LB_STD"} <= {*fit(FitOptions())}
