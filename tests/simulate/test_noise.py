import json

import numpy as np
import pytest
from scipy.stats import kstest, norm, truncnorm

from pixsed.bands import BANDS, PAPER_BANDS
from pixsed.errors import PixsedError
from pixsed.io.formats.noise_table import BandNoise, NoiseTable, write_noise
from pixsed.simulate.noise import (
    DEPTH,
    NOISE_MODELS,
    WIDE,
    BinnedNoise,
    DepthTable,
    NoiseModel,
    choose_noise,
    depths,
    from_description,
    nominal,
    widen,
)

NAMES = ["F435W", "F814W", "F105W"]
DEEP = np.array([0.394, 1.388, 3.0]) / 5


def made():
    """Noise table of two bands; the flux bins of the first do not overlap."""
    return NoiseTable(
        {
            "F435W": BandNoise(
                [-1, 0, 1, 10, 100, 1000],
                [1, 2, 4, 8, 16],
                [0.1, 0.2, 0.4, 0.8, 1.6],
                [100] * 5,
                3.5,
                0.1,
                "apertures",
                0.9,
                "F444W",
            ),
            "F814W": BandNoise([0, 1, 2], [1, 3], [0.5, 0], [7, 9]),
        },
        "made.fits",
    )


def test_depths_are_a_fifth_of_table_1():
    np.testing.assert_allclose(depths(NAMES), DEEP)
    with pytest.raises(PixsedError, match="depth of F999W is not known; measure it with 'pixsed n"):
        depths(["F444W", "F999W"])


def test_plain_sky_and_calibration_floor():
    flux = np.array([[0.0, 10.0, 1000.0]])
    sigma = NoiseModel("plain").draw(flux, NAMES, np.random.default_rng(0))
    np.testing.assert_allclose(sigma, np.hypot(DEEP, 0.02 * flux), rtol=1e-6)


def test_depth_scatter():
    sigma = DEPTH.draw(np.zeros((20000, 3)), NAMES, np.random.default_rng(0))
    log = np.log(sigma / DEEP)
    assert np.abs(log.mean(axis=0)).max() < 0.01
    np.testing.assert_allclose(log.std(axis=0), 0.25, rtol=0.03)
    assert np.abs(np.corrcoef(log.T) - np.eye(3)).max() < 0.04


def test_wide_sky_statistics():
    rng = np.random.default_rng(0)
    log = np.log(WIDE.draw(np.zeros((20000, 3)), NAMES, rng) / DEEP)
    # One scale for all bands: variances add up to those of its parts.
    whole = np.log(30 / 0.1) ** 2 / 12
    odd = np.log(20 / 0.3)
    # A fraction p of the bands (0.15 in half of the rows), mean m and variance v of the factor.
    p = 0.5 * 0.15
    m, v = 0.5 * np.log(20 * 0.3), odd**2 / 12
    band = 0.35**2 + p * (v + m**2) - (p * m) ** 2
    np.testing.assert_allclose(log.var(axis=0), whole + band, rtol=0.05)
    np.testing.assert_allclose(np.cov(log.T)[0, 1], whole, rtol=0.06)
    assert log.mean() == pytest.approx(0.5 * np.log(30 * 0.1) + p * m, abs=0.05)


def test_wide_errors_of_bright_pixels():
    flux = np.full((20000, 2), 1e9)
    fraction = np.log(WIDE.draw(flux, NAMES[:2], np.random.default_rng(0)) / flux)
    # 1 to 10 %, log-uniform and one for all bands, with a scatter of 0.3 between them.
    common = np.log(10) ** 2 / 12
    assert fraction.mean() / np.log(10) == pytest.approx(-1.5, abs=0.01)
    np.testing.assert_allclose(fraction.var(axis=0), common + 0.3**2, rtol=0.03)
    np.testing.assert_allclose(np.cov(fraction.T)[0, 1], common, rtol=0.04)


def test_parts_of_the_noise_model():
    """The two parts, from the same random numbers in double precision."""
    names = [band.name for band in BANDS]
    flux = 10 ** np.random.default_rng(1).uniform(-2, 3, (500, len(names)))
    depth = np.array([band.depth for band in BANDS])
    rng = np.random.default_rng(7)

    def log_uniform(low, high, shape):
        drawn = rng.random(shape, dtype=np.float32).astype(float)
        return np.exp(np.log(low) + np.log(high / low) * drawn)

    sky = depth * np.exp(0.35 * rng.standard_normal(flux.shape, dtype=np.float32).astype(float))
    sky *= log_uniform(0.1, 30.0, (500, 1))
    odd = (rng.random(flux.shape, dtype=np.float32) < 0.15) & (rng.random((500, 1)) < 0.5)
    sky[odd] *= log_uniform(0.3, 20.0, odd.sum())
    spread = np.exp(0.3 * rng.standard_normal(flux.shape, dtype=np.float32).astype(float))
    fraction = spread * log_uniform(0.01, 0.1, (500, 1))
    found = WIDE.draw(flux, names, np.random.default_rng(7))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, np.hypot(sky, fraction * flux), rtol=3e-6)


def test_errors_are_positive_for_every_flux():
    flux = np.array([[-5.0, 0.0], [1e12, 3.0]])
    models = [*NOISE_MODELS.values(), BinnedNoise(made()), widen(BinnedNoise(made()))]
    for model in models:
        sigma = model.draw(flux, NAMES[:2], np.random.default_rng(0))
        assert sigma.shape == flux.shape and np.all(sigma > 0) and np.isfinite(sigma).all()


def test_five_bins():
    """Each flux has the Gaussian of its bin, or of the nearest bin."""
    n = 4000
    flux = np.array([-5.0, -0.5, 0.5, 5.0, 50.0, 500.0, 5e6])
    flux = np.column_stack([np.repeat(flux, n), np.full(7 * n, 1.5)])
    sigma = BinnedNoise(made()).draw(flux, NAMES[:2], np.random.default_rng(2))
    for i, mean in enumerate([1, 1, 2, 4, 8, 16, 16]):
        of_bin = sigma[i * n : (i + 1) * n, 0]
        assert kstest(of_bin, norm(mean, 0.1 * mean).cdf).pvalue > 1e-3
    assert np.all(sigma[:, 1] == 3)  # of a bin without scatter
    # Bins own their lower edge.
    edge = BinnedNoise(made()).draw(np.array([[0.0], [1.0]]), ["F814W"], np.random.default_rng(0))
    assert edge[1, 0] == 3 and edge[0, 0] != 3


def test_a_broad_gaussian_is_cut_at_a_tenth_of_its_mean():
    flux = np.zeros((20000, 1))
    sigma = BinnedNoise(made()).draw(flux, ["F814W"], np.random.default_rng(3))
    assert sigma.min() >= 0.1
    assert kstest(sigma[:, 0], truncnorm(-0.9 / 0.5, np.inf, 1, 0.5).cdf).pvalue > 1e-3


def test_bands_in_any_order():
    flux = np.full((2000, 2), [1.5, 50.0])
    sigma = BinnedNoise(made()).draw(flux, ["F814W", "F435W"], np.random.default_rng(4))
    assert np.all(sigma[:, 0] == 3) and sigma[:, 1].mean() == pytest.approx(8, rel=0.01)


def test_floor_lets_the_errors_grow():
    flux = np.array([[1.5], [1e4]])
    plain, floored = (
        BinnedNoise(made(), floor=f).draw(flux, ["F814W"], np.random.default_rng(0))
        for f in (0, 0.02)
    )
    np.testing.assert_array_equal(plain[:, 0], 3)
    np.testing.assert_allclose(floored[:, 0], np.hypot(3, 0.02 * flux[:, 0]))
    with pytest.raises(
        PixsedError, match="floor must be a fraction of the flux, 0 or more, got -1"
    ):
        BinnedNoise(made(), floor=-1)


def test_widened_bins():
    """The factors of the wide model apply to the mean of the bin instead of the depth."""
    flux = np.full((20000, 2), 1.5)
    base = BinnedNoise(made())
    log = np.log(
        widen(base, fraction_low=1e-9, fraction_high=1e-9).draw(
            flux, ["F814W", "F814W"], np.random.default_rng(5)
        )
        / 3
    )
    assert np.cov(log.T)[0, 1] == pytest.approx(np.log(300) ** 2 / 12, rel=0.05)
    whole = widen(base)
    assert whole.name == "wide made.fits" and whole.odd_share == WIDE.odd_share
    # If nothing is widened, the errors are those of the base.
    same = widen(
        base,
        scale_low=1,
        scale_high=1,
        scatter=0,
        odd_share=0,
        fraction_low=1e-12,
        fraction_high=1e-12,
    )
    np.testing.assert_allclose(same.draw(flux, ["F814W", "F814W"], np.random.default_rng(0)), 3)
    # Widening composes.
    twice = widen(widen(base), name="twice")
    assert np.all(twice.draw(flux, NAMES[:2], np.random.default_rng(0)) > 0)
    assert from_description(twice.describe()).base.base.name == "made.fits"


def test_noise_correlation_is_kept():
    for model in (BinnedNoise(made()), widen(BinnedNoise(made()))):
        assert model.noise_corr(["F814W", "F435W"]).tolist() == [1, 3.5]
    assert WIDE.noise_corr(NAMES).tolist() == [1, 1, 1]
    said = widen(BinnedNoise(made())).describe()
    assert said["base"]["bands"]["F435W"]["noise_corr"] == 3.5


@pytest.mark.parametrize(
    "model",
    [
        DEPTH,
        WIDE,
        DepthTable(),
        BinnedNoise(made()),
        BinnedNoise(made(), floor=0.03),
        widen(BinnedNoise(made())),
    ],
)
def test_description(model):
    """After a round trip through JSON the errors are the same."""
    said = json.loads(json.dumps(model.describe(), allow_nan=False))
    again = from_description(said)
    assert again.name == model.name and again.describe() == model.describe()
    flux = 10 ** np.random.default_rng(0).uniform(-1, 3, (50, 2))
    np.testing.assert_array_equal(
        *(m.draw(flux, NAMES[:2], np.random.default_rng(1)) for m in (model, again))
    )


def test_description_of_the_shipped_models_noise():
    assert WIDE.describe()["name"] == "wide" and WIDE.describe()["scale_high"] == 30
    assert NoiseModel(**WIDE.describe()) == WIDE  # as in old models
    assert set(NOISE_MODELS) == {"wide", "depth"}


def test_nominal():
    assert nominal(WIDE) is DEPTH and nominal(DEPTH) is DEPTH and nominal(DepthTable()) is DEPTH
    table = BinnedNoise(made())
    assert nominal(table) is table and nominal(widen(table)) is table


def test_choose(tmp_path):
    path = tmp_path / "mine.fits"
    write_noise(made(), path)
    assert choose_noise("wide", NAMES) is WIDE and choose_noise("depth", NAMES) is DEPTH
    found = choose_noise(str(path), NAMES[:2], floor=0.02)
    assert found.name == "mine.fits" and found.floor == 0.02
    wide = choose_noise(str(path), NAMES[:2], wide=True)
    assert wide.scale_high == 30 and wide.base.name == "mine.fits"
    with pytest.raises(PixsedError, match="mine.fits has no noise of F105W; simulate with --bands"):
        choose_noise(str(path), NAMES)
    with pytest.raises(PixsedError, match="--noise paper: no such file, and not one of depth, wid"):
        choose_noise("paper", NAMES)
    with pytest.raises(PixsedError, match="are for a measured noise table, not for 'depth'"):
        choose_noise("depth", NAMES, wide=True)
    with pytest.raises(PixsedError, match="the depth of MIRI_F2100W is not known"):
        choose_noise("wide", ["MIRI_F2100W"])


def test_depths_of_filters_of_ones_own():
    own = {"HSC_Y": 0.5, "VISTA_KS": 2.0}
    bands = ["F435W", "HSC_Y", "VISTA_KS"]
    np.testing.assert_allclose(depths(bands, own), [DEEP[0], 0.5, 2.0])
    model = choose_noise("wide", bands, own=own)
    assert model.name == "wide" and model != WIDE and nominal(model).name == "depth"
    for one in (model, nominal(model), nominal(model).base):
        assert from_description(json.loads(json.dumps(one.describe()))) == one
        assert one.noise_corr(bands).tolist() == [1, 1, 1]
    sigma = nominal(model).draw(np.zeros((20000, 3)), bands, np.random.default_rng(0))
    np.testing.assert_allclose(np.median(sigma, axis=0), [DEEP[0], 0.5, 2.0], rtol=0.02)
    # Without filters of one's own nothing changes.
    assert choose_noise("wide", NAMES, own={}) is WIDE
    with pytest.raises(PixsedError, match="the depth of HSC_Y VISTA_KS is not known"):
        choose_noise("depth", bands)


def _band(line):
    name = next(
        part
        for part in line.replace(".", "_").split("_")
        if part[:1] == "F" and part[1:2].isdigit()
    )
    return name


@pytest.fixture
def jades(shared_data):
    """Statistics of errors in magnitudes, by band and bin of flux, of real pixels."""
    folder = shared_data / "noise"
    if not folder.is_dir():
        pytest.skip("no statistics of real noise")
    bands = [_band(line) for line in (folder / "filters_jades_no_wfc.dat").read_text().split()]
    assert sorted(bands) == sorted(PAPER_BANDS)
    names = ("mean_sigma", "std_sigma", "percentiles")
    return bands, *(np.load(folder / f"{name}_jades_res_bins.npy") for name in names)


def test_wide_covers_the_errors_of_jades(jades):
    bands, mean, _, edges = jades
    rng = np.random.default_rng(5)
    for i, band in enumerate(bands):
        middle = [edges[0, i] - 0.5, edges[:2, i].mean(), edges[1:3, i].mean()]
        for error, magnitude in zip(mean[i, :3], middle, strict=True):
            flux = 10 ** (0.4 * (31.4 - magnitude))
            observed = 0.921 * error * flux
            drawn = WIDE.draw(np.full((4000, 1), flux), [band], rng)
            low, high = np.percentile(drawn, [2, 98])
            assert low < observed < high, (band, magnitude, observed, low, high)
