"""The batched photometry against a slow direct integration, written out here."""

import warnings

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM

from pixsed.bands import BANDS
from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.sps.dust import calzetti
from pixsed.sps.filters import load_curve
from pixsed.sps.igm import inoue14
from pixsed.sps.sfh import TauDelayed

NAMES = [band.name for band in BANDS]
C = 2.99792458e18  # Angstrom/s


@pytest.fixture(scope="module")
def model(ssp_grid):
    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from pixsed.sps.photometry import PhotometryModel

    return PhotometryModel(ssp_grid, NAMES, z_max=8.0)


def draw(grid, n, seed, z_low=0.05):
    """Random populations: z, age weights, [M/H], A_V."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(z_low, 7.5, n)
    tau, share = 10 ** rng.uniform(-2, 2, n), rng.uniform(0, 0.95, n)
    weights = TauDelayed(tau, share * age(z), age(z)).weights(grid.age_edges)
    return z, weights, rng.uniform(-2.3, 0.4, n), rng.uniform(0, 4, n)


def screen(wave, av):
    return 10 ** (-0.4 * av * calzetti(wave))


def population(grid, weights, mh):
    """One population's spectrum [Lsun/Angstrom] and lines [Lsun], interpolated in [M/H]."""
    by_metal = np.einsum("a,zaw->zw", weights, grid.spectra.astype(float))
    lines = np.einsum("a,zal->zl", weights, grid.lines)
    high = min(np.searchsorted(grid.metallicity, mh), len(grid.metallicity) - 1)
    low = high - 1
    t = (mh - grid.metallicity[low]) / (grid.metallicity[high] - grid.metallicity[low])
    return (1 - t) * by_metal[low] + t * by_metal[high], (1 - t) * lines[low] + t * lines[high]


def absorbed(grid, spectrum, lines, av):
    lost = np.trapezoid(spectrum * (1 - screen(grid.wave, av)), grid.wave)
    return lost + (lines * (1 - screen(grid.line_wave, av))).sum()


def direct(grid, z, weights, mh, av):
    """One population's AB fluxes [nJy] at the library's full resolution."""
    spectrum, lines = population(grid, weights, mh)
    energy = absorbed(grid, spectrum, lines, av)
    rest = np.union1d(grid.wave, np.geomspace(200, 60000, 30000))
    seen = np.interp(rest, grid.wave, spectrum) * screen(rest, av)
    seen += energy * np.interp(rest, grid.dust_wave, grid.dust_spectrum, left=0, right=0)
    seen *= inoue14(rest, z)
    # Half of Lyman alpha has the forest before it: pixsed gives it all to the blue side.
    at = np.where(np.abs(grid.line_wave - 1215.67) < 1, 1215.0, grid.line_wave)
    bright = lines * screen(grid.line_wave, av) * inoue14(at, z)
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


def test_against_direct_integration(model, ssp_grid):
    z, weights, mh, av = draw(ssp_grid, 10, seed=4)
    found = model.fluxes(z, weights, mh, av)
    blue = np.array([load_curve(name)[0][np.cumsum(t := load_curve(name)[1]) > 1e-3 * t.sum()][0]
                     for name in NAMES])  # fmt: skip
    for i in range(10):
        expected = direct(ssp_grid, z[i], weights[i], mh[i], av[i])
        use = blue / (1 + z[i]) > 1300
        assert use.sum() >= 15
        difference = 2.5 * np.log10(found[i, use] / expected[use])
        assert np.abs(difference).max() <= 0.01, (z[i], difference.round(4))


def test_energy_absorbed_is_emitted(model, ssp_grid):
    z, weights, mh, av = draw(ssp_grid, 6, seed=5)
    mix = model.mix(weights, mh)
    for i in range(6):
        expected = absorbed(ssp_grid, *population(ssp_grid, weights[i], mh[i]), av[i])
        k = np.searchsorted(model._absorbed_av, av[i])
        low, high = model._absorbed_av[k - 1 : k + 1]
        t = (av[i] - low) / (high - low)
        table = (1 - t) * model._absorbed[:, k - 1] + t * model._absorbed[:, k]
        assert mix[i] @ table == pytest.approx(expected, rel=1e-3)


def test_dust_emission_reaches_the_reddest_bands(model, ssp_grid):
    """At z = 0.01 the PAH bands enter F335M: a screen adds light there, energy being kept."""
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
    """More than one block at the same redshift."""
    _, weights, mh, av = draw(ssp_grid, 300, seed=7)
    z = np.full(300, 1.234)
    found = model.fluxes(z, weights, mh, av)
    alone = model.fluxes(z[:3], weights[[0, 150, 299]], mh[[0, 150, 299]], av[[0, 150, 299]])
    np.testing.assert_allclose(found[[0, 150, 299]], alone, rtol=1e-4)


def test_no_object(model, ssp_grid):
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


@pytest.mark.slow
def test_against_bagpipes(ssp_grid, tmp_path, monkeypatch):
    """The package itself, on its own sampling: its import writes a table into its folder."""
    import sys
    import types

    pytest.importorskip("sedpy", reason="filter curves come from astro-sedpy")
    from dataclasses import replace

    from pixsed.sps.photometry import PhotometryModel

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    if "pymultinest" not in sys.modules:
        monkeypatch.setitem(sys.modules, "pymultinest", types.ModuleType("pymultinest"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipes = pytest.importorskip(
            "bagpipes", reason="bagpipes cannot be imported", exc_type=ImportError
        )
        curves = []
        for name in NAMES:
            np.savetxt(tmp_path / f"{name}.dat", np.column_stack(load_curve(name)))
            curves.append(str(tmp_path / f"{name}.dat"))
        grid = replace(ssp_grid, meta=dict(ssp_grid.meta, ZINTERP="linear"))
        model = PhotometryModel(grid, NAMES, z_max=8.0)
        n, rng = 40, np.random.default_rng(3)
        z = rng.uniform(0.05, 7.4, n)
        at_z = age(z)
        tau, start = 10 ** rng.uniform(-1.5, 2, n), rng.uniform(0, 0.95, n) * at_z
        mh, av = rng.uniform(-2.3, 0.4, n), rng.uniform(0, 4, n)
        history = TauDelayed(tau, start, at_z)
        weights = history.weights(grid.age_edges)
        found = model.fluxes(z, weights, mh, av) * 1e10
        expected, derived, galaxy = [], [], None
        for i in range(n):
            parts = {
                "redshift": z[i], "t_bc": 0.01, "nebular": {"logU": -2.0001},
                "delayed": {"age": at_z[i] - start[i], "tau": tau[i], "massformed": 10.0,
                            "metallicity": 10 ** mh[i]},
                "dust": {"type": "Calzetti", "Av": av[i], "eta": 1.0},
            }  # fmt: skip
            if galaxy is None:
                galaxy = pipes.model_galaxy(parts, filt_list=curves, phot_units="mujy")
            else:
                galaxy.update(parts)
            expected.append(galaxy.photometry * 1e3)
            sfh = galaxy.sfh
            derived.append((sfh.stellar_mass, np.log10(max(sfh.sfr, 1e-4)),
                            np.log10(sfh.mass_weighted_age)))  # fmt: skip
    expected, derived = np.array(expected), np.array(derived)
    pivot = np.array([band.pivot_um for band in BANDS]) * 1e4
    use = (pivot * 0.85 / (1 + z[:, None]) > 1300) & (expected > 0)
    difference = np.abs(2.5 * np.log10(found[use] / expected[use]))
    assert np.median(difference) <= 0.01
    assert np.percentile(difference, 95) <= 0.05
    metals = grid.metallicity_weights(mh)
    living = 10 + np.log10(np.einsum("nz,za,na->n", metals, grid.living, weights))
    rate = np.maximum(10 + history.log_sfr(), -4)
    ours = np.column_stack([living, rate, np.log10(history.mass_weighted_age())])
    assert np.abs(ours - derived).max() <= 0.01
