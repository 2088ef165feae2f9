"""FSPS grids, and the photometry of pixsed with them compared with FSPS.

Only on a stand-in for FSPS's data: what is tested is that numbers agree, not what they say.
"""

import importlib.util
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from once import object_once

from pixsed.cosmology import age
from pixsed.errors import PixsedError, PixsedWarning
from pixsed.sps import dust, fsps_grid
from pixsed.sps.fsps_data import missing_files
from pixsed.sps.fsps_process import check_isochrones
from pixsed.sps.photometry import PhotometryModel
from pixsed.sps.sfh import TauDelayed
from pixsed.sps.ssp import read_ssp, write_ssp

C = 2.99792458e18  # Angstrom/s


def build(*args, **options):
    """Build a grid without warnings, and without dust around AGB stars, which is slow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PixsedWarning)
        return fsps_grid.build(*args, **{"agb_dust": False, **options})[0]


@pytest.fixture(scope="module")
def grid(sps_home, tmp_path_factory):
    return object_once(tmp_path_factory, "fsps_grid", lambda: build(sps_home))


@pytest.fixture
def home_without(sps_home, tmp_path):
    """Make an SPS_HOME of links that lacks a file."""

    def make(name):
        for source in sps_home.rglob("*"):
            target = tmp_path / "home" / source.relative_to(sps_home)
            if source.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            elif str(source.relative_to(sps_home)) != name:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(source)
        return tmp_path / "home"

    return make


# ---------------------------------------------------------------- bins of age


def test_age_bin_edges():
    edges = fsps_grid.age_bin_edges()
    assert edges[0] == 0 and edges[-1] == pytest.approx(age(0.0)) and np.all(np.diff(edges) > 0)
    assert np.isclose(edges, 0.01, rtol=1e-9).sum() == 1 and len(edges) < 150


@pytest.mark.parametrize(
    "low, high",
    [(0, 0.001), (0.0004, 0.0009), (0.003, 0.0041), (0.009, 0.1), (0.5, 3.0), (9.0, 30.0)],
)
def test_average_of_what_is_linear_in_log_age(low, high):
    nodes = 10.0 ** np.arange(-3, 1.2, 0.15)
    values = np.random.default_rng(0).normal(size=len(nodes))
    t = np.linspace(low, high, 400001)
    middle = 0.5 * (t[1:] + t[:-1])
    expected = np.interp(np.log10(middle), np.log10(nodes), values).mean()
    edges = np.array([0.0, low, high, 40.0]) if low else np.array([0.0, high, 40.0])
    matrix = fsps_grid.log_average_matrix(nodes, edges)
    assert matrix.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert matrix[1 if low else 0] @ values == pytest.approx(expected, abs=2e-7)


# ---------------------------------------------------------------- errors and warnings


def test_sps_home_not_said(monkeypatch):
    monkeypatch.delenv("SPS_HOME", raising=False)
    with pytest.raises(PixsedError, match="set the environment variable SPS_HOME, or add --sps"):
        fsps_grid.build()


def test_sps_home_is_not_a_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SPS_HOME", str(tmp_path / "none"))
    with pytest.raises(PixsedError, match="none: no such folder; SPS_HOME must be"):
        fsps_grid.build()


def test_sps_home_without_data(tmp_path):
    with pytest.raises(PixsedError, match="has no data/emlines_info.dat"):
        fsps_grid.build(tmp_path)


def test_sps_home_too_long_for_fsps(tmp_path):
    home = tmp_path / ("a" * 120) / ("b" * 120)
    (home / "data").mkdir(parents=True)
    (home / "data" / "emlines_info.dat").touch()
    with pytest.raises(PixsedError, match="FSPS truncates paths after 250 characters"):
        fsps_grid.build(home)


def make_home(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "emlines_info.dat").touch()
    return tmp_path


def test_fsps_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(PixsedError, match="FSPS is not installed; try: pip install"):
        fsps_grid.build(make_home(tmp_path))


@pytest.mark.parametrize("log_u", [-4.1, -0.9, np.nan])
def test_log_u_out_of_range(tmp_path, log_u):
    with pytest.raises(PixsedError, match="log U must be -4 to -1 for FSPS"):
        fsps_grid.build(make_home(tmp_path), log_u=log_u)


def test_unknown_imf(tmp_path):
    with pytest.raises(PixsedError, match="must be one of salpeter chabrier kroupa, got flat"):
        fsps_grid.build(make_home(tmp_path), imf="flat")


@pytest.mark.parametrize("name", ["bpss", "bsti", "gnva"])
def test_isochrones_without_nebular_emission(name):
    with pytest.raises(PixsedError, match=f"compiled with the {name} isochrones"):
        check_isochrones(name)


@pytest.mark.few(1)
@pytest.mark.parametrize(
    "name",
    [
        "ISOCHRONES/MIST/isoc_feh_p000_afe_p0_vvcrit0.4_full.dat",
        "SPECTRA/C3K/c3k_lr/c3k_lr_feh-1.25_afe+0.0.spec.bin",
        "data/allfilters.dat",
    ],
)
def test_missing_file_is_named(home_without, name):
    """Without a file FSPS ends its process, most often with status 0 and without an exception."""
    home = home_without(name)
    with pytest.raises(PixsedError, match=f"{home / name} is missing, but".replace("+", r"\+")):
        build(home)


def test_missing_file_that_fsps_names(home_without):
    home = home_without("SPECTRA/xrb/xsp_feh+0.00.spec")
    with pytest.raises(PixsedError, match=r"FSPS stopped .* xsp_feh\+0.00.spec cannot be opened"):
        build(home)


def test_file_cut_short_is_named(home_without, sps_home):
    name = "SPECTRA/Hot_spectra/WMBASIC_z0.0200.spec"
    home = home_without(name)
    (home / name).write_bytes((sps_home / name).read_bytes()[:100000])
    with pytest.raises(PixsedError, match=f"could not read .*{name}; it may be incomplete"):
        build(home)


def test_all_files_of_a_complete_folder_are_known(sps_home):
    assert missing_files(sps_home, "mist", "c3k_lr", "DL07") == []
    lacking = missing_files(sps_home, "mist", "miles", "DL07")
    assert lacking and all(name.startswith("SPECTRA/MILES/") for name in lacking)


def test_warnings(sps_home):
    """Warnings and cards tell of made-up data, other spectra than MILES, and copied spectra."""
    steps = []
    before = "fsps" in sys.modules
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        grid, inputs = fsps_grid.build(
            sps_home,
            imf="salpeter",
            agb_dust=False,
            nebular=False,
            progress=lambda done, total: steps.append((done, total)),
        )
    said = [str(w.message) for w in caught if issubclass(w.category, PixsedWarning)]
    for text in (
        "NOT FOR SCIENCE",
        "C3K_LR stellar spectra, not MILES",
        "= 0.25 0.5 have the stellar spectra of the nearest",
        "= -2.25 -1.75 -1.25 -0.75 -0.25 have spectra mixed",
    ):
        assert any(text in line for line in said), (text, said)
    assert steps == [(i, 26) for i in range(27)]
    assert ("fsps" in sys.modules) == before  # FSPS's state is not this process's
    assert inputs == [sps_home] and grid.meta["IMF"] == "Salpeter"
    assert grid.meta["NEBULAR"] == "none" and not grid.lines.any() and not grid.nebular.any()
    blue = (grid.wave > 500) & (grid.wave < 900)
    assert grid.spectra[:, 0][:, blue].min() > 0
    # More mass in dwarfs, which live on: 0.7 at 10 Gyr.
    assert 0.65 < grid.surviving[10, np.searchsorted(grid.age_edges, 10.0)] < 0.75


# ---------------------------------------------------------------- the grid


def test_grid(grid):
    metals, ages, waves = grid.spectra.shape
    assert (metals, ages, waves) == (13, len(grid.age_edges) - 1, len(grid.wave))
    assert np.isfinite(grid.spectra).all() and grid.spectra.min() >= 0
    assert grid.metallicity == pytest.approx(np.arange(-2.5, 0.51, 0.25), abs=1e-6)
    assert "NOT FOR SCIENCE" in grid.meta["LIBRARY"] and grid.meta["ISOCHRO"] == "MIST"
    assert grid.meta["SPECLIB"].startswith("C3K_LR") and grid.meta["IMF"] == "Chabrier"
    assert grid.meta["ZCOPIED"] == "0.25 0.5"
    assert grid.meta["ZMIXED"] == "-2.25 -1.75 -1.25 -0.75 -0.25"
    assert grid.meta["ZSUN"] == 0.0185 and grid.meta["LSUN"] == 3.839e33


def test_gas_takes_the_ionising_light(grid):
    """FSPS has zeros, or nearly, below the Lyman limit if there is gas."""
    young, old = grid.age_edges[1:] < 0.019, grid.age_edges[:-1] > 0.03
    ionising, red = (grid.wave > 300) & (grid.wave < 900), grid.wave > 1300
    assert grid.spectra[:, young][..., ionising].max() < 1e-3 * grid.spectra[:, young].max()
    assert grid.spectra[..., red & (grid.wave < 1e6)].min() > 0
    assert np.all(grid.lines[:, :, : young.sum()].sum(axis=-1) > 0)
    assert grid.lines.shape[2] == grid.nebular.shape[2] <= (~old).sum()


def test_axis_of_log_u(grid, sps_home):
    """At log U = -2 it is the grid of that value; stars do not depend on it, and lines do."""
    axis = build(sps_home, log_u=None)
    assert axis.log_u.tolist() == [-4.0, -3.5, -3.0, -2.5, -2.0, -1.5, -1.0]
    assert axis.meta["LOGU"] == "-4 to -1" and grid.meta["LOGU"] == -2.0
    np.testing.assert_array_equal(axis.spectra, grid.spectra)
    # A difference of spectra is as exact as the brighter one.
    np.testing.assert_allclose(axis.nebular[4], grid.nebular[0], rtol=1e-4, atol=1e-9)
    np.testing.assert_allclose(axis.lines[4], grid.lines[0], rtol=1e-5, atol=1e-12)
    oiii, hbeta = (np.argmin(np.abs(axis.line_wave - wave)) for wave in (5008.2, 4862.7))
    ratio = axis.lines[:, 8, 5, oiii] / axis.lines[:, 8, 5, hbeta]
    assert np.all(np.diff(ratio) > 0) and ratio[-1] > 10 * ratio[0]


def test_gas_of_fsps(grid, sps_home, tmp_path):
    """Stars and gas together are FSPS's own spectrum with nebular emission, in every bin."""
    script = (
        "import sys, numpy as np, fsps; sp = fsps.StellarPopulation(zcontinuous=0, sfh=0, "
        "imf_type=1, add_agb_dust_model=False, add_neb_emission=True, nebemlineinspec=False, "
        "gas_logu=-2.0, add_dust_emission=False, dust2=0.0); sp.params['gas_logz'] = -0.5; "
        "wave, s = sp.get_spectrum(zmet=9, tage=0.0); "
        "np.savez(sys.argv[1], s=s, lines=sp.emline_luminosity, log_age=sp.ssp_ages)"
    )
    subprocess.run(
        [sys.executable, "-c", script, tmp_path / "out.npz"],
        env=dict(os.environ, SPS_HOME=str(sps_home)),
        check=True,
        capture_output=True,
        timeout=300,
    )
    with np.load(tmp_path / "out.npz") as saved:
        average = fsps_grid.log_average_matrix(10.0 ** (saved["log_age"] - 9), grid.age_edges)
        light = average @ saved["s"] * C / grid.wave**2
        lines = average @ saved["lines"]
    young = grid.nebular.shape[2]
    both = grid.spectra[8].astype(float)
    both[:young] += grid.nebular[0, 8]
    np.testing.assert_allclose(both, light, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(grid.lines[0, 8], lines[:young], rtol=1e-6, atol=1e-12)
    # The first bins hold all gas: FSPS gives it to stars below 20 Myr.
    assert lines[young:].max() < 1e-60 < lines[:young].sum(axis=-1).min()
    assert 0.0199 < grid.age_edges[young] < 0.026


def test_masses(grid):
    """Living stars and remnants (Renzini & Ciotti 1993) are within physical limits."""
    assert np.all(np.diff(grid.living, axis=1)[:, 20:] < 1e-6)
    old = np.searchsorted(grid.age_edges, 10.0)
    assert np.all((grid.living[:, old] > 0.3) & (grid.living[:, old] < 0.45))
    assert np.all((grid.remnant[:, old] > 0.1) & (grid.remnant[:, old] < 0.25))
    assert np.abs(grid.remnant[:, 0]).max() < 1e-3 and grid.remnant.min() > -1e-6


def test_dust_emission_is_draine_and_li(grid, sps_home):
    """Interpolate the files directly: q_PAH = 2 between 1.77 and 2.50, Umin = 1, gamma = 0.01."""
    both = []
    for name in ("DL07_MW3.1_20.dat", "DL07_MW3.1_30.dat"):
        table = np.loadtxt(sps_home / "dust" / "dustem" / name, skiprows=2)
        both.append(0.99 * table[:, 1 + 16] + 0.01 * table[:, 1 + 17])
    fraction = (2.0 - 1.77) / (2.50 - 1.77)
    f_nu = (1 - fraction) * both[0] + fraction * both[1]
    wave = table[:, 0] * 1e4
    f_lambda = np.interp(grid.dust_wave, wave, f_nu) / grid.dust_wave**2
    inside = (grid.dust_wave > 1.05e4) & (grid.dust_wave < wave[-1])
    ratio = (grid.dust_spectrum / f_lambda)[inside]
    assert np.abs(ratio / np.median(ratio) - 1).max() < 0.01
    assert np.trapezoid(grid.dust_spectrum, grid.dust_wave) == pytest.approx(1, abs=1e-3)


def test_file_round_trip(grid, tmp_path):
    write_ssp(grid, tmp_path / "grid.fits")
    back = read_ssp(tmp_path / "grid.fits")
    np.testing.assert_array_equal(back.spectra, grid.spectra)
    assert "NOT FOR SCIENCE" in back.meta["LIBRARY"]


# ---------------------------------------------------------------- against FSPS itself


def fsps_calzetti(wave):
    """Return Calzetti's A(lambda) / A_V as in FSPS, continued to all wavelengths."""
    x = 1e4 / np.asarray(wave, dtype=float)
    blue = 1.17 * (-2.156 + 1.509 * x - 0.198 * x**2 + 0.011 * x**3) + 1.78
    red = 1.17 * (-1.857 + 1.04 * x) + 1.78
    return np.maximum(np.where(x > 1 / 0.63, blue, red), 0.0) / 0.44 / 4.05


def draw(n, seed, agb_dust):
    """Draw populations from the priors, and tables of random walks in log SFR."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.02, 7.5, n)
    start = rng.uniform(0, 1, n) * age(z)
    # FSPS overflows where exp(age / tau) does.
    tau = np.maximum(10 ** rng.uniform(-2, 2, n), (age(z) - start) / 600)
    t = np.sort(rng.uniform(0, 1, (n, 60)), axis=1)
    t[:, [0, -1]] = 0, 1
    return dict(
        z=z,
        age=age(z),
        start=start,
        tau=tau,
        mh=rng.uniform(-2.3, 0.4, n),
        av=rng.uniform(0, 4, n),
        t=t * age(z)[:, None],
        sfr=10 ** np.clip(np.cumsum(rng.normal(0, 0.3, (n, 60)), axis=1), -3, 3),
        agb_dust=agb_dust,
    )


def table_weights(t, sfr, at, edges):
    """Return the mass formed in each age bin by a history linear between tabulated points."""
    formed = np.concatenate([[0.0], np.cumsum(0.5 * (sfr[1:] + sfr[:-1]) * np.diff(t))])
    when = np.clip(at - edges, 0, at)
    k = np.clip(np.searchsorted(t, when, side="right") - 1, 0, len(t) - 2)
    step = when - t[k]
    before = formed[k] + step * (sfr[k] + 0.5 * step * (sfr[k + 1] - sfr[k]) / (t[k + 1] - t[k]))
    return -np.diff(before) / formed[-1]


class Comparison:
    """The same populations in FSPS and in pixsed."""

    def __init__(self, home, folder, draws, variants):
        self.draws, self.variants = draws, list(variants)
        np.savez(folder / "draws.npz", variants=np.array(self.variants, dtype=int), **draws)
        done = subprocess.run(
            [
                sys.executable,
                Path(__file__).with_name("fsps_reference.py"),
                folder / "draws.npz",
                folder / "fsps.npz",
            ],
            env=dict(os.environ, SPS_HOME=str(home)),
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=1800,
        )
        assert done.stdout.endswith("done\n"), done.stdout + done.stderr
        with np.load(folder / "fsps.npz") as saved:
            self.fsps = {name: saved[name] for name in saved.files}
        self.curves = {
            name.removeprefix("curve_"): tuple(self.fsps[name])
            for name in self.fsps
            if name.startswith("curve_")
        }
        self.bands = list(self.curves)
        blue = [wave[trans > 1e-3 * trans.max()][0] for wave, trans in self.curves.values()]
        #: Rest-frame wavelength of each band's blue end.
        self.rest = np.array(blue) / (1 + draws["z"][:, None])

    def index(self, *variant):
        return self.variants.index(variant)

    def seen(self, spectra, lines=None):
        """Return AB fluxes [nJy] of piecewise-linear spectra [Lsun/Hz] and lines [Lsun]."""
        z, wave, at = self.draws["z"], self.fsps["wave"], self.fsps["line_wave"]
        out = np.zeros((len(z), len(self.bands)))
        for b, (x, trans) in enumerate(self.curves.values()):
            fine = np.exp(np.arange(np.log(x[0]), np.log(x[-1]), 2e-4))
            fraction = np.interp(fine, x, trans)
            for i in range(len(z)):
                out[i, b] = (
                    fraction @ np.interp(fine / (1 + z[i]), wave, spectra[i]) / fraction.sum()
                )
                if lines is not None:
                    here = np.interp(at * (1 + z[i]), x, trans, left=0, right=0)
                    out[i, b] += (lines[i] * at * here).sum() / C / (fraction.sum() * 2e-4)
        distance = FlatLambdaCDM(70, 0.3).luminosity_distance(z).to_value("cm")
        return out * (3.839e33 * 1e32 * (1 + z) / (4 * np.pi * distance**2))[:, None]

    def expected(self, *variant):
        v = self.index(*variant)
        lines = None if variant[4] else self.fsps["lines"][:, v]
        return self.seen(self.fsps["spectra"][:, v], lines)

    def weights(self, grid, table):
        d = self.draws
        if not table:
            return TauDelayed(d["tau"], d["start"], d["age"]).weights(grid.age_edges)
        tables = zip(d["t"], d["sfr"], d["age"], strict=True)
        return np.array([table_weights(*table, grid.age_edges) for table in tables])

    def fluxes(self, grid, table, dusty=True, emission=True, attenuation="calzetti"):
        if not emission:
            grid = replace(grid, dust_spectrum=0 * grid.dust_spectrum)
        model = PhotometryModel(
            grid, self.bands, z_max=8.0, igm="none", curves=self.curves, attenuation=attenuation
        )
        d = self.draws
        return model.fluxes(d["z"], self.weights(grid, table), d["mh"], d["av"] * dusty)

    def figures(self, what, found, expected, bluest=1300.0):
        """Print and return the median and the 99th percentile of the differences, mag."""
        use = (self.rest > bluest) & (expected > 0)
        difference = np.abs(2.5 * np.log10(found[use] / expected[use]))
        median, high = np.median(difference), np.percentile(difference, 99)
        print(f"{what:60s} median {median:.4f}, 99 % {high:.4f}, max {difference.max():.3f} mag")
        return median, high

    def surviving(self, grid, table, variant):
        model = PhotometryModel(grid, self.bands[:1], curves=self.curves, igm="none")
        found = model.surviving(self.weights(grid, table), self.draws["mh"])
        apart = np.abs(np.log10(found / self.fsps["mass"][:, self.index(*variant)])).max()
        print(f"{'  surviving mass':60s} max {apart:.5f} dex")
        return apart


def names(variant):
    table, nebular, dusty, emission, _ = variant
    words = [
        "tabulated" if table else "tau-delayed",
        "nebular" * nebular,
        "dust" * dusty,
        "dust emission" * emission,
    ]
    return ", ".join(word for word in words if word)


def smeared(comparison, grid):
    """Return a grid with its lines in the spectra, as wide as FSPS makes them (add_nebular.f90)."""
    wave, lines = grid.wave, grid.line_wave
    j = np.clip(np.searchsorted(wave, lines) - 1, 0, len(wave) - 2)
    width = np.maximum(
        (wave[j + 1] - wave[j]) * 2 / 2.355,
        lines * np.abs(comparison.fsps["resolution"][j]) / 2.9979e5,
    )
    profile = np.exp(-0.5 * ((wave - lines[:, None]) / width[:, None]) ** 2)
    profile *= (lines**2 / wave[:, None] ** 2).T / (np.sqrt(2 * np.pi) * width)[:, None]
    nebular = (grid.nebular + grid.lines @ profile).astype(np.float32)
    return replace(grid, nebular=nebular, lines=0 * grid.lines)


def compare(comparison, full, stars, monkeypatch):
    """The limits of the forward model, and the conventions behind the largest differences."""
    for variant in comparison.variants:
        table, nebular, dusty, emission, within = variant
        if within:
            continue
        grid = full if nebular else stars
        found = comparison.fluxes(grid, table, dusty, emission)
        median, high = comparison.figures(
            names(variant), found, expected := comparison.expected(*variant)
        )
        assert median <= 0.005 and high <= 0.03, variant
        assert comparison.surviving(grid, table, variant) <= 0.002
        if not dusty:
            continue
        # Below 1200 Angstrom FSPS goes on with Calzetti's polynomial, pixsed with a power law.
        monkeypatch.setitem(dust.ATTENUATION, "fsps", dust.AttenuationLaw(fsps_calzetti))
        same_law = comparison.fluxes(grid, table, dusty, emission, attenuation="fsps")
        median, high = comparison.figures("  FSPS's Calzetti", same_law, expected)
        assert median <= 0.003 and high <= 0.03
        if not nebular:  # Lyman alpha is smeared across the edges of bands
            assert comparison.figures("  and to 915 Angstrom", same_law, expected, 915.0)[1] <= 0.03
        if emission:
            # In FSPS the screen dims the dust's own emission too: undo it.
            bare = comparison.fsps["spectra"][:, comparison.index(table, nebular, dusty, 0, 0)]
            v = comparison.index(*variant)
            shade = 10 ** (
                -0.4 * comparison.draws["av"][:, None] * fsps_calzetti(comparison.fsps["wave"])
            )
            glow = comparison.fsps["spectra"][:, v] - bare
            glow = np.divide(glow, shade, out=np.zeros_like(glow), where=shade > 1e-6)
            undimmed = comparison.seen(bare + glow, comparison.fsps["lines"][:, v])
            assert comparison.figures("  dust emission undimmed", same_law, undimmed)[1] <= 0.025


def compare_magnitudes(comparison, full):
    """FSPS's own magnitudes, lines smeared over its spectral resolution, in its own bands.

    They hold the sampling of filters and shifted spectra on a grid of R = 100, and FSPS's own
    distances; the median over the bands takes the latter out.
    """
    use = comparison.rest > 1300

    def level(flux, of):
        ratio = np.divide(of, flux, out=np.full(flux.shape, np.nan), where=use)
        return flux * np.nanmedian(ratio, axis=1, keepdims=True)

    for variant in comparison.variants:
        if not variant[4]:
            continue
        table = variant[0]
        mags = comparison.fsps["mags"][:, comparison.index(*variant)]
        expected = 10 ** (-0.4 * (mags - 31.4))
        mine = comparison.fluxes(smeared(comparison, full), table)
        apart = comparison.fluxes(full, table)
        direct = comparison.expected(*variant)

        kind = names(variant)
        median, high = comparison.figures(f"{kind}: lines smeared, spectra", mine, direct)
        assert median <= 0.005 and high <= 0.03
        median, high = comparison.figures(
            f"{kind}: get_mags, lines smeared", level(mine, expected), expected
        )
        assert median <= 0.005 and high <= 0.03
        comparison.figures(f"{kind}: get_mags, sharp lines", level(apart, expected), expected)
        comparison.figures(f"{kind}: get_mags, FSPS's sampling", level(direct, expected), expected)


def test_against_fsps(grid, sps_home, tmp_path, monkeypatch):
    """20 populations; 300 below."""
    variants = [(table, 1, 1, *rest) for table in (0, 1) for rest in ((0, 0), (1, 0), (1, 1))]
    comparison = Comparison(sps_home, tmp_path, draw(20, 5, False), variants)
    compare(comparison, grid, None, monkeypatch)
    compare_magnitudes(comparison, grid)


@pytest.mark.slow
def test_against_fsps_300(sps_home, tmp_path, monkeypatch):
    """Everything on and off, AGB dust on, for 300 populations."""
    full, stars = (build(sps_home, agb_dust=True, nebular=on) for on in (True, False))
    variants = [
        (table, *rest, 0)
        for table in (0, 1)
        for rest in ((0, 0, 0), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1))
    ]
    variants += [(0, 1, 1, 1, 1), (1, 1, 1, 1, 1)]
    comparison = Comparison(sps_home, tmp_path, draw(300, 5, True), variants)
    compare(comparison, full, stars, monkeypatch)
    compare_magnitudes(comparison, full)
