"""Batched photometry, compared with a slow direct integration."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from synthetic_ssp import synthetic_ssp

from pixsed.bands import BANDS
from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.sps.dust import calzetti, smc
from pixsed.sps.filters import load_curve
from pixsed.sps.igm import inoue14
from pixsed.sps.library import LUMINOSITY, STEP
from pixsed.sps.photometry import Dust
from pixsed.sps.sfh import TauDelayed

NAMES = [band.name for band in BANDS]
RED = NAMES.index("F444W")
C = 2.99792458e18  # Angstrom/s


@pytest.fixture(scope="module")
def model(ssp_grid):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.sps.photometry import PhotometryModel

    return PhotometryModel(ssp_grid, NAMES, z_max=8.0)


def draw(grid, n, seed, z_low=0.05):
    """Draw random populations: z, age weights, [M/H], A_V."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(z_low, 7.5, n)
    tau, fraction = 10 ** rng.uniform(-2, 2, n), rng.uniform(0, 0.95, n)
    weights = TauDelayed(tau, fraction * age(z), age(z)).weights(grid.age_edges)
    return z, weights, rng.uniform(-2.3, 0.4, n), rng.uniform(0, 4, n)


def power_law(wave):
    return (np.asarray(wave) / 5500.0) ** -0.7


#: Curves of old and of young stars, A(lambda) / A_V.
LAWS = {
    "calzetti": (calzetti, calzetti),
    "charlot-fall": (power_law, lambda wave: power_law(wave) / 0.3),
    "smc": (smc, smc),
}


@pytest.fixture(scope="module")
def ssp_grid():
    """Synthetic grid with the gas of one log U."""
    return synthetic_ssp().at_log_u(-2.0)


def population(grid, weights, mh):
    """Return the spectrum [Lsun/Angstrom] and lines [Lsun], interpolated in [M/H]."""
    by_metal = np.einsum("a,zaw->zw", weights, grid.spectra.astype(float))
    gas = weights[: grid.lines.shape[2]]
    by_metal += np.einsum("a,zaw->zw", gas, grid.nebular[0].astype(float))
    lines = np.einsum("a,zal->zl", gas, grid.lines[0])
    high = min(np.searchsorted(grid.metallicity, mh), len(grid.metallicity) - 1)
    low = high - 1
    t = (mh - grid.metallicity[low]) / (grid.metallicity[high] - grid.metallicity[low])
    return (1 - t) * by_metal[low] + t * by_metal[high], (1 - t) * lines[low] + t * lines[high]


def dusty(grid, weights, mh, av, law="calzetti"):
    """Return attenuated spectrum and lines, and the energy absorbed by dust."""
    spectrum, lines, energy = 0.0, 0.0, 0.0
    young = grid.age_edges[1:] < 0.0100001
    for part, curve in zip((~young, young), LAWS[law], strict=True):
        stars, gas = population(grid, weights * part, mh)
        left = 10 ** (-0.4 * av * curve(grid.wave))
        left_lines = 10 ** (-0.4 * av * curve(grid.line_wave))
        energy += np.trapezoid(stars * (1 - left), grid.wave) + (gas * (1 - left_lines)).sum()
        spectrum, lines = spectrum + stars * left, lines + gas * left_lines
    return spectrum, lines, energy


def direct(grid, z, weights, mh, av, law="calzetti"):
    """Return AB fluxes [nJy] at the library's full resolution."""
    rest = np.union1d(grid.wave, np.geomspace(200, 60000, 30000))
    seen, lines, energy = 0.0, 0.0, 0.0
    young = grid.age_edges[1:] < 0.0100001
    # Half of Lyman alpha has the forest before it: pixsed gives it all to the blue side.
    at = np.where(np.abs(grid.line_wave - 1215.67) < 1, 1215.0, grid.line_wave)
    for part, curve in zip((~young, young), LAWS[law], strict=True):
        stars, gas = population(grid, weights * part, mh)
        seen = seen + np.interp(rest, grid.wave, stars) * 10 ** (-0.4 * av * curve(rest))
        lines = lines + gas * 10 ** (-0.4 * av * curve(grid.line_wave))
    energy = dusty(grid, weights, mh, av, law)[2]
    seen += energy * np.interp(rest, grid.dust_wave, grid.dust_spectrum, left=0, right=0)
    seen *= inoue14(rest, z)
    bright = lines * inoue14(at, z)
    distance = FlatLambdaCDM(H0=70, Om0=0.3).luminosity_distance(z).to_value("cm")
    scale = grid.meta["LSUN"] / (4 * np.pi * distance**2)
    out = []
    for name in NAMES:
        wave, transmission = load_curve(name)
        x = np.union1d(wave, rest * (1 + z))
        x = x[(x >= wave[0]) & (x <= wave[-1])]
        t = np.interp(x, wave, transmission)
        f_lambda = np.interp(x / (1 + z), rest, seen) * scale / (1 + z)
        photons = np.trapezoid(f_lambda * t * x, x)
        observed = grid.line_wave * (1 + z)
        here = np.interp(observed, wave, transmission, left=0, right=0)
        photons += (bright * scale * here * observed).sum()
        out.append(photons / np.trapezoid(t * C / x, x))
    return np.array(out) * 1e32


@pytest.fixture(scope="module")
def models(ssp_grid, model):
    """Return a model for every attenuation law."""
    from pixsed.sps.photometry import PhotometryModel

    others = {
        law: PhotometryModel(ssp_grid, NAMES, z_max=8.0, attenuation=law)
        for law in LAWS
        if law != "calzetti"
    }
    return {"calzetti": model, **others}


@pytest.mark.parametrize("law", LAWS)
def test_against_direct_integration(models, ssp_grid, law):
    n = 10 if law == "calzetti" else 3
    z, weights, mh, av = draw(ssp_grid, n, seed=4)
    found = models[law].fluxes(z, weights, mh, av)
    blue = np.array(
        [
            load_curve(name)[0][np.cumsum(t := load_curve(name)[1]) > 1e-3 * t.sum()][0]
            for name in NAMES
        ]
    )
    for i in range(n):
        expected = direct(ssp_grid, z[i], weights[i], mh[i], av[i], law)
        use = blue / (1 + z[i]) > 1300
        assert use.sum() >= 15
        use &= found[i] > 1e-3 * found[i].max()
        difference = np.abs(2.5 * np.log10(found[i, use] / expected[use]))
        # At the edge of a narrow band a line is resolved to a cell of the grid.
        allowed = np.where([name.endswith("N") for name in NAMES], 0.05, 0.01)[use]
        assert np.all(difference <= allowed), (z[i], difference.round(4))


@pytest.mark.parametrize("law", ["calzetti", "charlot-fall"])
@pytest.mark.parametrize("z", [0.02, 0.2, 0.45])
def test_bands_beyond_3_micron_at_low_redshift(models, ssp_grid, law, z):
    """Dust emission, 3.3 micron PAH included, contributes much of their light."""
    history = TauDelayed([3.0], [1.0], age([z]))
    weights, mh, av = history.weights(ssp_grid.age_edges), np.array([0.0]), np.array([2.5])
    found = models[law].fluxes(np.array([z]), weights, mh, av)[0]
    expected = direct(ssp_grid, z, weights[0], 0.0, 2.5, law)
    stars_alone = replace(ssp_grid, dust_spectrum=0 * ssp_grid.dust_spectrum)
    without = direct(stars_alone, z, weights[0], 0.0, 2.5, law)
    red = [NAMES.index(name) for name in ("F335M", "F410M", "F430M", "F444W", "F460M", "F480M")]
    assert (expected / without)[red].max() > 1.2
    assert np.abs(2.5 * np.log10(found / expected))[red].max() <= 0.005


@pytest.mark.parametrize("law", LAWS)
def test_energy_absorbed_is_emitted(models, ssp_grid, law):
    model = models[law]
    z, weights, mh, av = draw(ssp_grid, 8, seed=5)
    av[:3] = 0.0, 0.01, 6.0
    dust = Dust(av).part(slice(None))
    [library] = model.libraries
    found = 0.0
    for screen, absorbed in enumerate(model._energy):
        mix = library.mix(screen, weights, mh, None, np.ones(8))
        found = found + absorbed(
            mix, model._depth(absorbed.wave, dust) * model._times(screen, dust)
        )
    for i in range(8):
        expected = dusty(ssp_grid, weights[i], mh[i], av[i], law)[2] * ssp_grid.meta["LSUN"]
        assert found[i] * LUMINOSITY == pytest.approx(expected, rel=3e-3, abs=1e-6)


@pytest.mark.parametrize("law", LAWS)
def test_tables_of_nodes_against_every_wavelength(models, ssp_grid, law):
    """Sums over all cells in float64 agree with those over nodes to 0.01 mag."""
    model = models[law]
    steps = np.array([20, 300, 700, 1000, 1060])
    z = np.expm1(steps * STEP) * (1 + 1e-12)
    _, weights, mh, _ = draw(ssp_grid, len(z), seed=9)
    young = ssp_grid.age_edges[1:] < 0.0100001
    weights[1] = young / young.sum()
    av = np.array([4.0, 4.0, 3.0, 4.0, 0.5])
    found = model.fluxes(z, weights, mh, av)
    found /= found[:, [RED]]
    [library] = model.libraries
    for i in range(len(z)):
        energy = dusty(ssp_grid, weights[i], mh[i], av[i], law)[2] * library.unit
        spectrum = energy * model._tables[0].emission
        for screen, tables in enumerate(model._tables):
            row = slice(i, i + 1)
            mix = library.mix(screen, weights[row], mh[row], None, np.ones(1)).astype(float)
            left = 10 ** (-0.4 * av[i] * LAWS[law][screen](model.wave))
            spectrum = spectrum + (mix @ tables.spectra.astype(float))[0] * left
        absorbed = np.ones(len(spectrum))
        absorbed[: tables._igm.shape[1]] = tables._igm[steps[i]]
        expected = []
        for first, transmission, _ in tables._bands:
            here = slice(first + tables.steps - 1 - steps[i], None)
            seen = (spectrum * absorbed)[here][: len(transmission)]
            expected.append(seen @ transmission.astype(float))
        expected = np.array(expected) / expected[RED]
        bright = expected > 1e-3
        assert bright.sum() > 15
        difference = 2.5 * np.log10(found[i, bright] / expected[bright])
        assert np.abs(difference).max() <= 0.01, (law, z[i])


def test_dust_emission_reaches_the_reddest_bands(model, ssp_grid):
    """At z = 0.01 the 3.3 micron PAH feature is in F335M, where dust adds light."""
    young = TauDelayed([10.0], [1.0], age([0.01])).weights(ssp_grid.age_edges)
    args = np.array([0.01]), young, np.array([0.0])
    clear, dusty = (model.fluxes(*args, np.array([av]))[0] for av in (0.0, 2.0))
    assert dusty[NAMES.index("F335M")] > clear[NAMES.index("F335M")]
    assert dusty[NAMES.index("F435W")] < 0.1 * clear[NAMES.index("F435W")]


def test_order_and_company_do_not_matter(model, ssp_grid):
    args = draw(ssp_grid, 600, seed=6)
    whole = model.fluxes(*args)
    order = np.random.default_rng(0).permutation(600)
    np.testing.assert_allclose(model.fluxes(*(a[order] for a in args)), whole[order], rtol=1e-4)
    for rows in (slice(0, 1), slice(17, 40)):
        np.testing.assert_allclose(model.fluxes(*(a[rows] for a in args)), whole[rows], rtol=1e-4)
    assert np.isfinite(whole).all() and whole.min() >= 0


def test_one_redshift_of_many_pixels(model, ssp_grid):
    """One redshift may have more objects than a block."""
    _, weights, mh, av = draw(ssp_grid, 300, seed=7)
    z = np.full(300, 1.234)
    found = model.fluxes(z, weights, mh, av)
    alone = model.fluxes(z[:3], weights[[0, 150, 299]], mh[[0, 150, 299]], av[[0, 150, 299]])
    np.testing.assert_allclose(found[[0, 150, 299]], alone, rtol=1e-4)


def test_empty_batch(model, ssp_grid):
    found = model.fluxes(np.empty(0), np.empty((0, len(ssp_grid.age_edges) - 1)), *np.empty((2, 0)))
    assert found.shape == (0, len(NAMES))


@pytest.mark.parametrize("z", [0.0, -0.1, 8.01])
def test_redshift_out_of_range(model, ssp_grid, z):
    args = draw(ssp_grid, 1, seed=1)
    with pytest.raises(PixsedError, match="redshift must be above 0 and up to 8"):
        model.fluxes(np.array([z]), *args[1:])


@pytest.mark.parametrize("av", [-0.01, 6.1])
def test_attenuation_out_of_range(model, ssp_grid, av):
    args = draw(ssp_grid, 1, seed=1)
    with pytest.raises(PixsedError, match="A_V must be 0 to 6"):
        model.fluxes(*args[:3], np.array([av]))


def test_surviving_mass(model, ssp_grid):
    _, weights, mh, _ = draw(ssp_grid, 50, seed=8)
    expected = []
    for w, m in zip(weights, mh, strict=True):
        fractions = [np.interp(m, ssp_grid.metallicity, column) for column in ssp_grid.surviving.T]
        expected.append(w @ fractions)
    np.testing.assert_allclose(model.surviving(weights, mh), expected, rtol=1e-6)


def test_curves_of_ones_own(model, ssp_grid):
    from pixsed.sps.photometry import PhotometryModel

    args = draw(ssp_grid, 20, seed=2)
    names = ["F606W", "F444W"]
    curves = {name: load_curve(name) for name in [*names, "F115W"]}
    found = PhotometryModel(ssp_grid, names, z_max=8.0, curves=curves).fluxes(*args)
    expected = model.fluxes(*args)[:, [NAMES.index(name) for name in names]]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    box = {"BOX": (np.array([1e4, 1.0001e4, 2e4, 2.0001e4]), np.array([0.0, 1.0, 1.0, 0.0]))}
    assert PhotometryModel(ssp_grid, ["BOX"], curves=box).fluxes(*args).min() > 0
    with pytest.raises(PixsedError, match="curves has no F200W, only F606W F444W F115W"):
        PhotometryModel(ssp_grid, ["F200W"], curves=curves)
    far = {"W4": (np.array([2e5, 2.5e5]), np.ones(2))}
    with pytest.raises(PixsedError, match="W4 must lie between 1[89].. and 1..... Angstrom"):
        PhotometryModel(ssp_grid, ["W4"], curves=far)


def test_bands_that_never_see_lyman_alpha(ssp_grid, model):
    from pixsed.sps.photometry import PhotometryModel

    args = draw(ssp_grid, 5, seed=3)
    args = (np.linspace(0.1, 0.9, 5), *args[1:])
    found = PhotometryModel(ssp_grid, ["F444W"], z_max=1.0).fluxes(*args)[:, 0]
    np.testing.assert_allclose(found, model.fluxes(*args)[:, NAMES.index("F444W")], rtol=2e-5)


def test_igm_by_option(ssp_grid, model):
    from pixsed.sps.photometry import PhotometryModel

    args = draw(ssp_grid, 30, seed=10, z_low=2.0)
    names = ["F435W", "F277W", "F444W"]
    found = {"inoue14": model.fluxes(*args)[:, [NAMES.index(name) for name in names]]}
    for name in ("madau95", "none"):
        found[name] = PhotometryModel(ssp_grid, names, z_max=8.0, igm=name).fluxes(*args)
    for name in ("inoue14", "madau95"):
        assert np.all(found[name][:, 0] < found["none"][:, 0])
        np.testing.assert_allclose(found[name][:, 1:], found["none"][:, 1:], rtol=2e-5)


@pytest.mark.parametrize(
    "option, message",
    [
        (
            {"attenuation": "milky-way"},
            "attenuation must be one of calzetti, charlot-fall, smc, salim",
        ),
        ({"igm": "madau"}, "igm must be one of inoue14, madau95, none, got 'madau'"),
    ],
)
def test_unknown_option(ssp_grid, option, message):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.sps.photometry import PhotometryModel

    with pytest.raises(PixsedError, match=message):
        PhotometryModel(ssp_grid, ["F444W"], **option)


def test_birth_clouds_need_an_edge_at_10_myr(ssp_grid):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.sps.photometry import PhotometryModel

    edges = ssp_grid.age_edges.copy()
    edges[np.argmin(np.abs(edges - 0.01))] = 0.0105
    grid = replace(ssp_grid, age_edges=edges)
    with pytest.raises(PixsedError, match="needs an SSP grid with an edge .* at 10 Myr"):
        PhotometryModel(grid, ["F444W"], attenuation="charlot-fall")
    PhotometryModel(grid, ["F444W"])


@pytest.mark.parametrize("law", ["calzetti", "charlot-fall"])
def test_spectra_have_the_fluxes(models, ssp_grid, law):
    """The mean of a spectrum over a filter is the flux, within cells of the grid."""
    z, weights, mh, av = draw(ssp_grid, 4, seed=9, z_low=1.0)
    wave = np.geomspace(2000.0, 1e5, 6000)
    spectra = models[law].spectra(z, weights, mh, av, wave)
    fluxes = models[law].fluxes(z, weights, mh, av)
    for name in ("F606W", "F115W", "F200W", "F356W", "F444W"):
        x, transmission = load_curve(name)
        seen = np.array([np.interp(x, wave, one) for one in spectra]) * transmission / x
        found = np.trapezoid(seen, x, axis=1) / np.trapezoid(transmission / x, x)
        expected = fluxes[:, NAMES.index(name)]
        bright = expected > 1e-3 * fluxes.max(axis=1)
        np.testing.assert_allclose(found[bright], expected[bright], rtol=0.03)
