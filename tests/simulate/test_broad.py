"""Prior broad: its histories, its columns, and what is simulated from them."""

import numpy as np
import pytest
from scipy.stats import kstest
from synthetic_ssp import synthetic_ssp

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.simulate.batches import grids_of, simulate, ssp_cards
from pixsed.simulate.options import SimulateOptions
from pixsed.simulate.priors import PRIORS, BroadPrior
from pixsed.simulate.priors.mixture import LATENTS, N_BINS, SMALLEST, bin_edges, mass_fractions

N = 20_000
BANDS = ["F115W", "F200W", "F444W"]


@pytest.fixture(scope="module")
def drawn():
    prior = BroadPrior()
    z, unit = prior.draw(N, np.random.default_rng(1))
    history = prior.history(z, unit)
    return z, unit, history, prior.parameters(z, unit, history, np.full(N, 0.6))


def test_columns(drawn):
    columns = drawn[-1]
    assert list(columns) == list(BroadPrior.columns())
    assert list(columns)[:10] == list(BroadPrior.PARAMETERS)[:10]
    assert drawn[1].shape == (N, 8 + LATENTS) and BroadPrior.size() == 8 + LATENTS


def test_redshifts(drawn):
    z = drawn[0]
    assert 0 < z.min() and z.max() < 15
    assert np.mean(z < 7.5) == pytest.approx(np.log(2.5) / np.log(4), abs=0.01)
    assert kstest(BroadPrior.redshift_probability(z), "uniform").pvalue > 1e-3
    u = np.linspace(0, 1, 11)
    np.testing.assert_allclose(
        BroadPrior.redshift_probability(BroadPrior.redshift_from(u)), u, atol=1e-12
    )


@pytest.mark.parametrize(
    "name, low, high",
    [("DUSTSLOPE", -1.4, 0.5), ("LOGU", -4, -1), ("BUMP", 0, 5), ("BIRTH", 1, 3), ("AV", 0, 4)],
)
def test_uniform_coordinates(drawn, name, low, high):
    values = drawn[-1][name]
    assert low <= values.min() and values.max() <= high
    assert kstest(values, "uniform", args=(low, high - low)).pvalue > 1e-3


def test_both_libraries_are_likely(drawn):
    library = drawn[-1]["LIBRARY"]
    assert kstest(library, "beta", args=(0.5, 0.5)).pvalue > 1e-3


@pytest.mark.parametrize("z", [1e-3, 3.0, 15.0])
def test_time_bins(z):
    edges = bin_edges(np.array([float(age(z))]))[0]
    assert edges[0] == 0 and edges[1] == pytest.approx(0.01) and edges[-1] == age(z)
    np.testing.assert_allclose(np.diff(np.log(edges[1:-1])), np.log(0.8 * age(z) / 0.01) / 8)


def test_mass_fractions(drawn):
    fractions = drawn[2].fractions
    assert fractions.shape == (N, N_BINS)
    assert fractions.min() >= SMALLEST
    np.testing.assert_allclose(fractions.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("value", [1e-9, 0.5, 1 - 1e-9])
def test_corners_of_the_cube(value):
    latents = np.full((3 * LATENTS, LATENTS), value)
    other = np.repeat([1e-9, 0.5, 1 - 1e-9], LATENTS)
    latents[np.arange(3 * LATENTS), np.tile(np.arange(LATENTS), 3)] = other
    found = mass_fractions(latents, np.full(len(latents), float(age(14.9))))
    assert np.isfinite(found).all() and found.min() >= SMALLEST


def test_derived_columns_are_the_history(drawn):
    z, _, history, columns = drawn
    mass = columns["LOGMFORM"]
    for name, time in (("LOGSFR", 0.1), ("LOGSFR10", 0.01)):
        rate = np.log10(history.mass_younger(time) / (time * 1e9))
        np.testing.assert_allclose(columns[name] - mass, np.maximum(rate, -14), atol=1e-9)
    np.testing.assert_allclose(columns["LOGSFR10"] - mass, np.log10(columns["SFH1"] / 1e7))
    younger = history.mass_younger(columns["T50LB"][:, None])[:, 0]
    np.testing.assert_allclose(younger, 0.5, atol=1e-6)
    assert np.all(columns["AGE"] > 0) and np.all(columns["AGE"] < age(z))


def test_kinds_of_histories(drawn):
    """Quenched, bursty and rejuvenated histories all occur."""
    _, _, history, columns = drawn
    specific = columns["LOGSFR10"] - columns["LOGMFORM"]
    fractions = history.fractions
    assert 0.05 < np.mean(specific < -11) < 0.5 and 0.02 < np.mean(specific > -8.3) < 0.3
    assert 0.05 < np.mean(fractions[:, :5].max(axis=1) > 0.5) < 0.5
    rejuvenated = (fractions[:, 0] > 1e-3) & (fractions[:, 2:4].sum(axis=1) < 1e-3)
    assert np.mean(rejuvenated & (fractions[:, 7:].sum(axis=1) > 0.5)) > 0.005


def test_density_is_refused():
    with pytest.raises(PixsedError, match="broad has no closed form; try another prior"):
        BroadPrior().log_density({})


@pytest.fixture(scope="module")
def grids():
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from dataclasses import replace

    grid = synthetic_ssp()
    redder = replace(grid, spectra=grid.spectra * (grid.wave / 5500.0).astype(np.float32) ** 0.3)
    return [grid, redder]


def rows_of(grids, n=300, **options):
    options = SimulateOptions("broad", BANDS, n, seed=3, **options)
    return np.concatenate(list(simulate(grids, options)))


def test_libraries_are_blended(grids):
    first, second, between = (rows_of(grids, library=x) for x in (0.0, 1.0, 0.25))
    assert np.all(between["LIBRARY"] == 0.25)
    expected = 0.75 * first["FLUX"] + 0.25 * second["FLUX"]
    bright = expected > 1e-6 * expected.max(axis=1, keepdims=True)
    np.testing.assert_allclose(between["FLUX"][bright], expected[bright], rtol=1e-4)
    drawn = rows_of(grids)
    assert drawn["LIBRARY"].min() < 0.05 and drawn["LIBRARY"].max() > 0.95
    np.testing.assert_array_equal(drawn["AV"], first["AV"])


def test_cards(grids):
    cards = ssp_cards(grids)
    assert cards["LIBRARY"] == cards["LIBRARY2"] == "SYNTHETIC"
    assert cards["SSPSHA"] != cards["SSPSHA2"] and all(len(key) <= 8 for key in cards)


@pytest.mark.parametrize(
    "prior, count, message",
    [
        ("broad", 1, "broad needs 2 SSP grids, got 1; give --ssp 2 times"),
        ("tau", 2, "tau needs 1 SSP grid, got 2; give --ssp 1 time"),
    ],
)
def test_number_of_grids(grids, prior, count, message):
    with pytest.raises(PixsedError, match=message):
        list(simulate(grids[:count], SimulateOptions(prior, BANDS, 5)))


def test_one_imf(grids):
    from dataclasses import replace

    other = replace(grids[1], meta=grids[1].meta | {"IMF": "Salpeter"})
    with pytest.raises(PixsedError, match="one IMF, got none and Salpeter; make both"):
        grids_of([grids[0], other], SimulateOptions("broad", BANDS, 5))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"prior": "tau", "attenuation": "salim"}, "must be calzetti for the prior tau, got salim"),
        ({"prior": "broad", "attenuation": "smc"}, "must be salim for the prior broad, got smc"),
        ({"prior": "tau", "library": 0.5}, "tau has one library, so library must be None"),
        ({"prior": "broad", "library": 1.5}, "library must be between 0 and 1, got 1.5"),
    ],
)
def test_options_that_do_not_suit_the_prior(options, message):
    with pytest.raises(PixsedError, match=message):
        SimulateOptions(bands=BANDS, number=5, **options)


@pytest.mark.parametrize("name", ["LOGMFORM", "AV", "DUSTSLOPE", "LIBRARY"])
def test_to_unit_inverts_from_unit(name):
    one = next(c for c in PRIORS["broad"].COORDINATES if c.name == name)
    u = np.linspace(0.0, 1.0, 11)
    np.testing.assert_allclose(one.to_unit(one.from_unit(u)), u, atol=1e-12)
    tau = next(c for c in PRIORS["tau"].COORDINATES if c.name == "TAU")
    np.testing.assert_allclose(tau.to_unit(tau.from_unit(u)), u, atol=1e-12)
