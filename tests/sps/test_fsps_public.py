"""Grid of FSPS from the spectra of two emulators.

The join is tested on a made-up library, a distorted BC03, whose truth is known. Where the file of
FSPS's spectra is there, the grid is compared with it; `-s` prints the table of
docs/explanation/ssp.rst.
"""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from once import object_once

from pixsed.errors import PixsedError
from pixsed.sps import bc03, fsps_assembly, fsps_join, fsps_public
from pixsed.sps.ssp import read_ssp, write_ssp

BIN_EDGES = np.array([0.001, 0.0049, 0.0241, 0.118, 0.581, 2.85, 14.0])  # Gyr
BIN_MH = np.array([-2.5, -1.25, -0.25, 0.25])
MH = np.array([-2.5, -1.25, -0.75, -0.25, 0.25, 0.35])
WAVE = np.concatenate(
    [
        np.arange(100.0, 2300.0, 20.0),
        np.arange(2300.0, 3600.0, 10.0),
        np.arange(3600.0, 7400.0, 0.9),
        np.arange(7400.0, 25000.0, 50.0),
        np.arange(25000.0, 100000.0, 200.0),
    ]
)
INSIDE = (WAVE > 2304) & (WAVE < 59950)


def mean_in(wave, light, low, high):
    """Return the mean light between two wavelengths."""
    use = (wave > low) & (wave < high)
    return (light * np.gradient(wave))[..., use].sum(axis=-1) / np.gradient(wave)[use].sum()


# ---------------------------------------------------------------- a made-up library


def distortion(age, wave):
    """Return the made-up library's stars over BC03's, shape (ages, wavelengths)."""
    age, colour = np.log10(age)[:, None], np.log(wave / 5000.0)
    return np.exp(0.15 * np.sin(1.2 * age) + 0.06 * colour * np.cos(0.8 * age))


def distorted_stars(folder, edges, mh):
    """Return the stars of the made-up library, averaged over bins."""
    wave, spectra, _ = bc03.stars(folder, edges)
    logs = np.log(np.maximum(spectra, 1e-37))
    at = np.log(fsps_assembly.vacuum(wave))
    logs = np.stack([[np.interp(np.log(WAVE), at, s) for s in z] for z in logs])
    nodes, x = np.log10(bc03.METALLICITIES), mh + np.log10(0.0142 / 0.02)
    weights = np.stack([np.interp(x, nodes, column) for column in np.eye(7)], axis=1)
    middle = np.sqrt(np.maximum(edges[:-1], 1e-4) * edges[1:])
    return np.exp(np.einsum("mz,zaw->maw", weights, logs)) * distortion(middle, WAVE), weights


@pytest.fixture(scope="module")
def made_up(bc03_grid, tmp_path_factory):
    """A file of a made-up library, its output of ionising light over BC03's, and its stars."""
    folder = bc03.grid_folder()
    ages = np.geomspace(0.01, 13.2, 40)
    around = np.concatenate([[0.0], np.sort(np.concatenate([ages * 0.999, ages * 1.001]))])
    spectra = distorted_stars(folder, around, MH)[0][:, 1::2]
    edges = np.union1d(bc03.age_bin_edges(), BIN_EDGES)
    stars, weights = distorted_stars(folder, edges, BIN_MH)
    young = bc03.young_bins(edges)
    output = np.where(edges[1 : young + 1] <= 0.0049, 1.5, 0.8)
    continuum, lines = (
        np.einsum("mz,zyw->myw", weights, x[0]) * output[:, None]
        for x in bc03.gas(folder, np.array([-2.0]), edges, WAVE)
    )
    stars[:, :young, WAVE < 912] = 0.0
    at = fsps_assembly.vacuum(np.loadtxt(folder / bc03.LINE_WAVES))
    width = 2 * np.interp(at, WAVE, np.gradient(WAVE))
    profile = np.exp(-0.5 * ((WAVE - at[:, None]) / width[:, None]) ** 2) / np.sqrt(2 * np.pi)
    light = stars.copy()
    light[:, :young] += continuum + lines @ (profile / width[:, None])
    low = np.maximum(BIN_EDGES[:-1, None], edges[:-1])
    overlap = np.clip(np.minimum(BIN_EDGES[1:, None], edges[1:]) - low, 0, None)
    bins = overlap / overlap.sum(axis=1, keepdims=True) @ light
    path = tmp_path_factory.mktemp("made_up") / "made_up.fits"
    images = {
        "SPECTRA": spectra[..., INSIDE].astype(np.float32),
        "AGE": ages,
        "MH": MH,
        "WAVE": WAVE[INSIDE],
        "BIN_SPECTRA": 1e4 * np.moveaxis(bins, -1, 0),
        "BIN_EDGES": 1e9 * BIN_EDGES,
        "BIN_Z": 0.0142 * 10**BIN_MH,
        "BIN_WAVE": 1e-4 * WAVE,
    }
    hdus = [fits.ImageHDU(array, name=name) for name, array in images.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path, distorted_stars(folder, bc03.age_bin_edges(), MH)[0]


@pytest.fixture(scope="module")
def joined(made_up, tmp_path_factory):
    path = made_up[0]
    return object_once(tmp_path_factory, "joined", lambda: fsps_public.build(path, log_u=None)[0])


def test_grid(joined, bc03_grid):
    assert joined.age_edges.tolist() == bc03_grid.age_edges.tolist()
    assert joined.spectra.shape == (6, 43, len(WAVE))
    assert joined.nebular.shape == (7, 6, 11, len(WAVE))
    assert joined.lines.shape == (7, 6, 11, len(bc03_grid.line_wave))
    for name in ("spectra", "nebular", "lines", "living", "remnant"):
        array = getattr(joined, name)
        assert np.isfinite(array).all() and array.min() >= 0, name
    meta = {"LIBRARY": "FSPS", "ISOCHRO": "MIST", "SPECLIB": "MILES", "IMF": "Chabrier"}
    assert meta.items() <= joined.meta.items()
    assert joined.meta["ZSUN"] == 0.0142 and joined.meta["LSUN"] == 3.839e33
    assert joined.meta["LOGU"] == "-4 to -1" and "starduster" in joined.meta["EMULATOR"]


def test_first_emulator_is_kept(joined, made_up):
    """Where it reaches, the light of a bin is the mean of the spectra, linear in log age."""
    with fits.open(made_up[0]) as hdus:
        age, spectra = hdus["AGE"].data, hdus["SPECTRA"].data.astype(float)
    for a in (12, 20, 33, 41):
        t = np.linspace(*joined.age_edges[a : a + 2], 2001)
        t = 0.5 * (t[1:] + t[:-1])
        for z in (0, 4):
            pixel = 500
            expected = np.interp(np.log(t), np.log(age), spectra[z, :, pixel]).mean()
            found = joined.spectra[z, a, np.flatnonzero(INSIDE)[pixel]]
            assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("z", range(6))
def test_join_finds_the_truth(joined, made_up, z):
    """Below 2305 Angstrom, beyond 6 micron and below 10 Myr, each narrow bin comes out right."""
    windows = [(1300, 1600), (1700, 2200), (2400, 3500), (4000, 7000), (8000, 20000)]
    windows += [(30000, 58000), (62000, 99000)]
    light = joined.spectra[z].astype(float)
    apart = np.abs(
        [mean_in(WAVE, light, *w) / mean_in(WAVE, made_up[1][z], *w) - 1 for w in windows]
    )
    young, old = apart[:, 1:11], apart[:, 11:]
    assert old[:2].max() < 0.03 and old[2:].max() < 0.15 and np.median(old) < 0.01
    # Gas outshines the youngest stars in the infrared.
    assert young[:3].max() < 0.06 and young.max() < 0.12 and np.median(young) < 0.025


def test_output_of_ionising_light(joined, made_up, bc03_grid):
    """It is 1.5 and 0.8 times BC03's below and above 4.9 Myr, by H alpha, at any log U."""
    alpha = np.argmin(np.abs(joined.line_wave - 6564.6))
    weights = bc03_grid.metallicity_weights(MH + np.log10(0.0142 / 0.02))
    expected = np.einsum("mz,zy->my", weights, bc03_grid.lines[0, :, :, alpha])
    ratio = joined.lines[4, :, :, alpha] / expected
    assert ratio[:, :6] == pytest.approx(1.5, rel=0.03)
    assert ratio[:4, 8:] == pytest.approx(0.8, rel=0.08)
    for u, value in enumerate(joined.log_u):
        one = bc03.build(value)[0]
        there = np.einsum("mz,zy->my", weights, one.lines[0, :, :, alpha])
        again = joined.lines[u, :, :, alpha] / there
        np.testing.assert_allclose(again, ratio, rtol=1e-5)


def test_one_log_u(joined, made_up, tmp_path):
    one = fsps_public.build(made_up[0], log_u=-3.0)[0]
    np.testing.assert_allclose(one.nebular[0], joined.nebular[2], rtol=1e-5)
    assert one.meta["LOGU"] == -3.0
    write_ssp(one, tmp_path / "one.fits")
    assert read_ssp(tmp_path / "one.fits").meta == one.meta


def test_masses(joined, bc03_grid):
    """Lifetimes are BC03's; the IMF is Chabrier's, from 0.08 to 120 Msun."""
    turned = bc03.build(imf="chabrier")[0]
    weights = turned.metallicity_weights(MH + np.log10(0.0142 / 0.02))
    np.testing.assert_allclose(joined.surviving, weights @ turned.surviving, atol=0.015)
    assert np.all(np.diff(joined.living, axis=1) <= 1e-6)


# ---------------------------------------------------------------- the file


def test_axes_in_the_other_order(made_up, tmp_path):
    with fits.open(made_up[0]) as hdus:
        hdus["BIN_SPECTRA"].data = hdus["BIN_SPECTRA"].data.swapaxes(1, 2)
        hdus.writeto(tmp_path / "other.fits")
    expected = fsps_public.read_emulated(made_up[0]).bins
    np.testing.assert_array_equal(fsps_public.read_emulated(tmp_path / "other.fits").bins, expected)
    assert expected[0, 0].sum() > 50 * expected[0, -1].sum()


def test_no_file(tmp_path):
    with pytest.raises(PixsedError, match="none.fits: no such file"):
        fsps_public.build(tmp_path / "none.fits")


def test_extension_is_missing(made_up, tmp_path):
    with fits.open(made_up[0]) as hdus:
        del hdus["BIN_Z"]
        hdus.writeto(tmp_path / "less.fits")
    with pytest.raises(PixsedError, match="less.fits: FSPS .* SPECTRA AGE .* got none named BIN_Z"):
        fsps_public.build(tmp_path / "less.fits")


@pytest.mark.parametrize("name", ["WAVE", "AGE", "MH", "BIN_EDGES", "BIN_Z"])
def test_axes_that_do_not_fit(made_up, tmp_path, name):
    with fits.open(made_up[0]) as hdus:
        hdus[name].data = hdus[name].data[:-1]
        hdus.writeto(tmp_path / "axes.fits")
    with pytest.raises(PixsedError, match="axes.fits: the axes of FSPS spectra must fit together"):
        fsps_public.build(tmp_path / "axes.fits")


def test_log_u_off_the_grid(made_up):
    with pytest.raises(PixsedError, match="log U must be one of .* got -2.2"):
        fsps_public.build(made_up[0], log_u=-2.2)


# ---------------------------------------------------------------- the parts


def test_vacuum():
    """H alpha and [O III] 5007, and nothing below 2000 Angstrom."""
    found = fsps_assembly.vacuum(np.array([1908.73, 5006.84, 6562.80]))
    assert found == pytest.approx([1908.73, 5008.24, 6564.61], abs=0.02)


def test_smooth_bridges_gaps_and_keeps_to_the_prior():
    wave = np.geomspace(1000.0, 10000.0, 4000)
    value = np.log(wave / 3000.0)
    weight = np.full(len(wave), 1e6)
    spoiled = value.copy()
    spoiled[1000:1200] = 50.0
    weight[1000:1200] = 0.0
    found = fsps_join.smooth(wave, spoiled, weight)
    inner = (wave > 1100) & (wave < 9000)
    assert np.abs(found - value)[inner].max() < 0.04
    doubtful = fsps_join.smooth(wave, np.ones(len(wave)), np.ones(len(wave)), prior=3.0)
    assert doubtful == pytest.approx(2.0)
    assert fsps_join.smooth(wave, value, 0 * wave, prior=0.7) == pytest.approx(0.7)


def test_line_groups():
    wave = np.arange(4000.0, 7000.0, 0.9)
    groups = fsps_assembly.line_groups(wave, np.array([6564.6, 4862.7, 6549.9, 6585.3, 1025.7]))
    assert [group.tolist() for group, _ in groups] == [[1], [2], [0], [3]]
    for (_, pixels), line in zip(groups, [4862.7, 6549.9, 6564.6, 6585.3], strict=True):
        assert np.abs(wave[pixels] - line).max() == pytest.approx(3 * 2 * 0.9, abs=0.9)
    blend = fsps_assembly.line_groups(wave, np.array([6717.0, 6725.0]))
    assert len(blend) == 1 and blend[0][0].tolist() == [0, 1] and len(blend[0][1]) > 18


# ---------------------------------------------------------------- FSPS itself


@pytest.fixture(scope="module")
def public(bc03_grid, tmp_path_factory):
    """The file of FSPS's spectra, and the grid; PIXSED_FSPS_PUBLIC names it."""
    name = Path("shared", "fsps_public", "mist_miles_chabrier.fits")
    named = os.environ.get("PIXSED_FSPS_PUBLIC")
    near = [folder / name for folder in Path(__file__).resolve().parents]
    path = Path(named) if named else next((path for path in near if path.is_file()), None)
    if path is None:
        pytest.skip("no FSPS spectra: ../shared/fsps_public is absent, PIXSED_FSPS_PUBLIC not set")
    grid = object_once(
        tmp_path_factory, "fsps_public", lambda: fsps_public.build(path, refine=3)[0]
    )
    return path, grid


def test_first_emulator_of_fsps(public):
    """Ages 10 Myr to 13.2 Gyr, 2305 to 59 900 Angstrom: the emulator itself."""
    path, grid = public
    with fits.open(path) as hdus:
        spectra, ages, wave = (hdus[name].data for name in ("SPECTRA", "AGE", "WAVE"))
    use = np.searchsorted(grid.wave, wave * (1 - 1e-9))
    for age in (12, 30, 45, 60):
        a = np.searchsorted(grid.age_edges, ages[age]) - 1
        t = np.geomspace(*grid.age_edges[a : a + 2], 9)
        near = np.stack(
            [
                [np.interp(np.log(t), np.log(ages), s).mean() for s in z.T]
                for z in spectra[::6, :, ::40].astype(float)
            ]
        )
        np.testing.assert_allclose(grid.spectra[::6, a, use[::40]], near, rtol=0.02)


def test_second_emulator_of_fsps(public):
    """The grid, summed over wide bins of age by its own edges, with gas and lines."""
    path, grid = public
    with fits.open(path) as hdus:
        edges = hdus["BIN_EDGES"].data / 1e9
        bins = np.moveaxis(hdus["BIN_SPECTRA"].data, 0, -1) / 1e4  # by metallicity and age
        wave, mh = 1e4 * hdus["BIN_WAVE"].data, np.log10(hdus["BIN_Z"].data / 0.0142)
    windows = [(1150, 1600), (1600, 2100), (2100, 3000), (3000, 4000), (4000, 5500), (5500, 7500)]
    windows += [(7500, 10000), (10000, 15000), (15000, 20000), (20000, 30000), (30000, 60000)]
    young, apart = grid.nebular.shape[2], []
    bounds = np.append(grid.age_edges[:-1], edges[-1])  # its oldest stars stand for older ones
    print("\n[M/H]  age [Gyr]     " + " ".join(f"{w[0] / 1e4:6.3g}" for w in windows))
    for x, metal in enumerate(mh):
        z = np.argmin(np.abs(grid.metallicity - metal))
        for b, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
            inside = np.minimum(bounds[1:], high) - np.maximum(bounds[:-1], low)
            share = np.clip(inside, 0, None) / np.clip(inside, 0, None).sum()
            light = share @ grid.spectra[z].astype(float)
            light += share[:young] @ grid.nebular[0, z]
            lines, width, row = share[:young] @ grid.lines[0, z], np.gradient(wave), []
            for start, end in windows:
                here = (wave > start) & (wave < end)
                lit = (grid.line_wave > start) & (grid.line_wave < end)
                found = (light * width)[here].sum() + lines[lit].sum()
                row.append(found / (bins[x, b] * width)[here].sum())
            print(f"{metal:5.2f}  {low:5.3f}-{high:6.3f} " + " ".join(f"{v:6.3f}" for v in row))
            apart.append(np.abs(np.array(row) - 1))
    apart = np.array(apart)
    print(f"median {np.median(apart):.4f}, 95 % {np.percentile(apart, 95):.4f}, {apart.max():.3f}")
    assert np.median(apart) < 0.005 and np.percentile(apart, 95) < 0.02 and apart.max() < 0.06
