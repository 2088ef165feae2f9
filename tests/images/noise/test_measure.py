import numpy as np
import pytest
from scipy.signal import fftconvolve
from scipy.stats import ks_2samp

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.noise.measure import NoiseMeasurement
from pixsed.io.formats.cube import Cube, bands_table
from pixsed.simulate.noise import BinnedNoise

BANDS = ["F150W", "F444W"]
MEAN = {"F150W": [1.0, 1.1, 1.3, 1.8, 3.0], "F444W": [0.5, 0.5, 0.6, 0.7, 0.9]}
STD = {"F150W": [0.1, 0.12, 0.1, 0.2, 0.5], "F444W": [0.01, 0.02, 0.03, 0.05, 0.1]}


@pytest.fixture
def mock(wcs_header):
    """Make a cube whose errors follow MEAN and STD in fifths of the galaxy's pixels by flux."""

    def make(seed=0, bands=BANDS, galaxy=True, size=160, **kwargs):
        rng = np.random.default_rng(seed)
        segmap = np.zeros((size, size), np.int32)
        segmap[40 : size - 10, 10 : size - 10] = 7 if galaxy else 8
        segmap[-10:, :20] = 9  # a neighbour, with errors of its own
        flux, err = np.empty((2, len(bands), size, size))
        for i, band in enumerate(bands):
            sky = fftconvolve(rng.standard_normal((size + 8, size + 8)), np.ones((9, 9)), "valid")
            flux[i], err[i] = sky / 9 * MEAN[band][0], MEAN[band][0]
            err[i][segmap == 9] = 1e3
            light = rng.lognormal(2, 1, (segmap == 7).sum())
            errors = np.empty(light.size)
            for part, mean, std in zip(
                np.array_split(np.argsort(light), 5), MEAN[band], STD[band], strict=True
            ):
                errors[part] = rng.normal(mean, std, part.size)
            flux[i][segmap == 7], err[i][segmap == 7] = light, errors
        settings = {
            "bands": bands,
            "flux": flux,
            "err": err,
            "header": wcs_header(),
            "redshift": 1.0,
            "object_id": "7",
            "segmap": segmap,
            "psfmatch": dict.fromkeys(bands, "F444W"),
            "table": bands_table(
                bands,
                depths=[0.3] * len(bands),
                sky_rms=[0.3] * len(bands),
                noise_corr=[2.5] * len(bands),
            ),
        }
        return Cube(**(settings | kwargs))

    return make


def measured(*cubes, bins=5):
    measurement = NoiseMeasurement()
    for cube in cubes:
        measurement.add(cube)
    return measurement.table(bins)


def test_known_errors_are_recovered(mock):
    """Mean and scatter of each bin are found to 2 %, with 5 % of the errors being outliers."""
    cube = mock(size=320)
    wrong = np.random.default_rng(1).random(cube.err.shape) < 0.05
    cube.err[wrong] *= 20
    pixels = 270 * 300
    table = measured(cube)
    assert list(table.bands) == BANDS
    for i, band in enumerate(BANDS):
        noise = table.bands[band]
        np.testing.assert_allclose(noise.mean, MEAN[band], rtol=0.02)
        np.testing.assert_allclose(noise.std, STD[band], rtol=0.02)
        flux = np.sort(cube.flux[i][cube.segmap == 7])
        assert noise.edges[0] == flux[0] and noise.edges[-1] == flux[-1]
        assert flux.size == pixels
        fifths = flux[np.arange(1, 5) * pixels // 5]
        np.testing.assert_allclose(noise.edges[1:-1], fifths, rtol=1e-3)
        assert noise.npix.sum() == pytest.approx(0.95 * pixels, rel=0.005)
        assert noise.depth == pytest.approx(0.3) and noise.psfmatch == "F444W"


@pytest.mark.parametrize(
    ("flux", "err"),
    [
        (None, 1e10),
        (None, 9.9e9),
        (None, 1e30),
        (None, np.inf),
        (None, 0),
        (None, -99),
        (-99, -99),
        (0, 0),
        (99, 99),
        (-99, 0.5),
        (1e15, 0.5),
        (np.nan, 0.5),
    ],
)
@pytest.mark.parametrize("whole", [False, True])
def test_sentinels_are_left_out(flux, err, whole, mock):
    """Sentinels in half of the pixels do not change the noise; sentinels in all omit the band."""
    cube = mock()
    gap = np.ones(cube.segmap.shape, bool) if whole else np.arange(160) % 2 == np.zeros((160, 1))
    expected = mock()
    expected.flux[1][gap] = np.nan
    cube.err[1][gap] = err
    if flux is not None:
        cube.flux[1][gap] = flux
    if whole:
        with pytest.warns(PixsedWarning, match="left out.*F444W 0"):
            assert list(measured(cube).bands) == ["F150W"]
        return
    found, right = (measured(one).bands["F444W"] for one in (cube, expected))
    np.testing.assert_array_equal(found.mean, right.mean)
    np.testing.assert_array_equal(found.npix, right.npix)
    assert found.noise_corr == right.noise_corr


def test_several_cubes(mock):
    """The order of the cubes does not matter, and each pixel counts once."""
    cubes = [mock(seed) for seed in range(4)]
    first, again = measured(*cubes).bands, measured(*cubes[::-1]).bands
    for band in BANDS:
        np.testing.assert_allclose(first[band].mean, MEAN[band], rtol=0.01)
        np.testing.assert_allclose(first[band].mean, again[band].mean, rtol=1e-12)
        assert first[band].npix.sum() == pytest.approx(4 * 15400, rel=0.005)


def test_drawn_errors_are_those_of_the_pixels(mock):
    cube = mock()
    inside = cube.segmap == 7
    table = measured(cube)
    flux, err = cube.flux[:, inside].T, cube.err[:, inside].T
    drawn = BinnedNoise(table).draw(flux, BANDS, np.random.default_rng(3))
    for i, band in enumerate(BANDS):
        edges = table.bands[band].edges
        for low, high in zip(edges[:-1], edges[1:], strict=True):
            here = (flux[:, i] >= low) & (flux[:, i] < high)
            assert ks_2samp(drawn[here, i], err[here, i]).pvalue > 1e-3, (band, low)


def test_correlated_pixels(mock):
    """A sky smoothed by a box of 9 x 9 pixels has 9 times the noise in large sums."""
    noise = measured(*(mock(seed) for seed in range(12))).bands
    for band in BANDS:
        assert noise[band].corr_from == "apertures"
        assert noise[band].noise_corr == pytest.approx(9, rel=0.1)
        assert noise[band].noise_corr_err < 1.35


def test_too_little_sky_for_the_correlation(mock):
    """The correlation is that of the cubes, or the lower limit of the apertures if larger."""
    noise = measured(mock()).bands["F444W"]
    assert noise.corr_from == "lower limit" and np.isnan(noise.noise_corr_err)
    assert 4 < noise.noise_corr < 9
    for given, expected in ((12.0, 12.0), (np.nan, None)):
        cube = mock()
        cube.table["noise_corr"] = given
        noise = measured(cube).bands["F444W"]
        assert noise.corr_from == ("cubes" if expected else "lower limit")
        assert expected is None or noise.noise_corr == expected
    cube.segmap[cube.segmap == 0] = 3
    cube.table["noise_corr"] = 2.5
    noise = measured(cube).bands["F444W"]
    assert noise.corr_from == "cubes" and noise.noise_corr == 2.5


def test_bands_of_some_cubes(mock):
    table = measured(mock(bands=["F444W"]), mock(1))
    assert list(table.bands) == BANDS
    assert table.bands["F444W"].npix.sum() > 1.9 * table.bands["F150W"].npix.sum()


def test_missing_data(mock):
    cube = mock()
    cube.flux[0, :80], cube.err[0, 80:90] = np.nan, np.nan
    cube.err[0, 90:100] = 0
    assert measured(cube).bands["F150W"].npix.sum() == pytest.approx(140 * 50, rel=0.01)


def test_bins(mock):
    assert len(measured(mock(), bins=3).bands["F444W"].mean) == 3
    assert len(measured(mock(), bins=1).bands["F444W"].edges) == 2
    with pytest.raises(PixsedError, match="bins must be 1 or more, got 0"):
        measured(mock(), bins=0)


def test_galaxies_are_needed(mock):
    with pytest.raises(PixsedError, match="c.fits has no SEGMAP .*; cut it with --segmap"):
        NoiseMeasurement().add(mock(segmap=None), "c.fits")
    with pytest.raises(PixsedError, match="c.fits: its SEGMAP does not hold OBJECT '7'"):
        NoiseMeasurement().add(mock(galaxy=False), "c.fits")
    with pytest.raises(PixsedError, match="does not hold OBJECT 'J0332'"):
        NoiseMeasurement().add(mock(object_id="J0332"))


def test_too_few_pixels(mock):
    cube = mock()
    cube.flux[0][np.cumsum(cube.segmap == 7).reshape(cube.shape) > 49] = np.nan
    with pytest.warns(PixsedWarning, match="left out, of too few pixels for 5 bins: F150W 49"):
        assert list(measured(cube).bands) == ["F444W"]
    cube.flux[:] = np.nan
    with (
        pytest.warns(PixsedWarning, match="F150W 0, F444W 0"),
        pytest.raises(PixsedError, match="no band has 10 galaxy pixels a bin of flux"),
    ):
        measured(cube)


def test_unmatched_psfs(mock):
    with pytest.warns(PixsedWarning, match=r"the PSF of F444W, .*: F150W \(none\); matching"):
        measured(mock(psfmatch={"F150W": "none", "F444W": "F444W"}))
    with pytest.warns(PixsedWarning, match=r"matched to one PSF, .*: F150W, F444W \(unknown\)"):
        measured(mock(psfmatch={}))
    with pytest.warns(PixsedWarning, match=r"F150W \(mixed\)"):
        table = measured(mock(), mock(psfmatch={"F444W": "F444W"}))
    assert table.bands["F150W"].psfmatch == "mixed"


def test_bands_redward_of_the_target_stay_unmatched(mock):
    """F460M has a broader PSF than F444W: no warning."""
    MEAN["F460M"], STD["F460M"] = MEAN["F444W"], STD["F444W"]
    bands = [*BANDS, "F460M"]
    psfs = {"F150W": "F444W", "F444W": "F444W", "F460M": "none"}
    assert list(measured(mock(bands=bands, psfmatch=psfs)).bands) == bands


def test_errors_that_do_not_agree_with_the_sky(mock):
    cube = mock()
    cube.table["depth_1sigma_njy"] = [4.5, 0.3]
    with pytest.warns(PixsedWarning, match=r"F150W 15 \(1 = they agree\); cutout --rescale-errors"):
        measured(cube)


def test_errors_that_are_not_gaussian(mock):
    cube = mock()
    inside = np.flatnonzero(cube.segmap == 7)
    odd = inside[np.random.default_rng(0).random(inside.size) < 0.13]
    cube.err[1].flat[odd] = 50
    with pytest.warns(PixsedWarning, match=r"errors off the Gaussian .*: F444W 1\d % in bin"):
        measured(cube)


def test_binned_cubes_are_refused(mock):
    from pixsed.images.binning.bin_cube import bin_cube

    cube = mock(size=80)
    cube = bin_cube(cube, snr=20)
    with pytest.raises(PixsedError, match="7.fits is a binned cube.* give the cube that it was"):
        NoiseMeasurement().add(cube, "7.fits")
