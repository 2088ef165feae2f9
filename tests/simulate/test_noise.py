import numpy as np
import pytest

from pixsed.bands import BY_NAME, PAPER_BANDS
from pixsed.simulate.noise import DEPTH, NOISE_MODELS, WIDE, NoiseModel

DEEP = np.array([0.1, 1.0, 3.0])


def test_plain_sky_and_calibration_floor():
    flux = np.array([[0.0, 10.0, 1000.0]])
    sigma = NoiseModel("plain").draw(flux, DEEP, np.random.default_rng(0))
    np.testing.assert_allclose(sigma, np.hypot(DEEP, 0.02 * flux))


def test_depth_scatter():
    sigma = DEPTH.draw(np.zeros((20000, 3)), DEEP, np.random.default_rng(0))
    log = np.log(sigma / DEEP)
    assert np.abs(log.mean(axis=0)).max() < 0.01
    np.testing.assert_allclose(log.std(axis=0), 0.25, rtol=0.03)
    assert np.abs(np.corrcoef(log.T) - np.eye(3)).max() < 0.04


def test_wide_sky_statistics():
    rng = np.random.default_rng(0)
    log = np.log(WIDE.draw(np.zeros((20000, 3)), DEEP, rng) / DEEP)
    # One scale for all bands: variances add up to those of its parts.
    whole = np.log(30 / 0.1) ** 2 / 12
    odd = np.log(20 / 0.3)
    # A share p of the bands (0.15 in half of the rows), mean m and variance v of the factor.
    p = 0.5 * 0.15
    m, v = 0.5 * np.log(20 * 0.3), odd**2 / 12
    band = 0.35**2 + p * (v + m**2) - (p * m) ** 2
    np.testing.assert_allclose(log.var(axis=0), whole + band, rtol=0.05)
    np.testing.assert_allclose(np.cov(log.T)[0, 1], whole, rtol=0.06)
    assert log.mean() == pytest.approx(0.5 * np.log(30 * 0.1) + p * m, abs=0.05)


def test_wide_errors_of_bright_pixels():
    flux = np.full((20000, 2), 1e9)
    share = np.log(WIDE.draw(flux, np.array([0.1, 0.1]), np.random.default_rng(0)) / flux)
    # 1 to 10 %, log-uniform and one for all bands, with a scatter of 0.3 between them.
    common = np.log(10) ** 2 / 12
    assert share.mean() / np.log(10) == pytest.approx(-1.5, abs=0.01)
    np.testing.assert_allclose(share.var(axis=0), common + 0.3**2, rtol=0.03)
    np.testing.assert_allclose(np.cov(share.T)[0, 1], common, rtol=0.04)


def test_errors_are_positive_for_every_flux():
    flux = np.array([[-5.0, 0.0, 1e-30], [1e12, 3.0, -0.0]])
    for model in NOISE_MODELS.values():
        sigma = model.draw(flux, DEEP, np.random.default_rng(0))
        assert sigma.shape == flux.shape and np.all(sigma > 0) and np.isfinite(sigma).all()


def test_describe():
    assert WIDE.describe()["name"] == "wide" and WIDE.describe()["scale_high"] == 30
    assert NoiseModel(**WIDE.describe()) == WIDE
    assert set(NOISE_MODELS) == {"wide", "depth"}


def _band(line):
    name = next(part for part in line.replace(".", "_").split("_")
                if part[:1] == "F" and part[1:2].isdigit())  # fmt: skip
    return name


def test_wide_covers_the_errors_of_jades(shared_data):
    """Mean errors in magnitudes, by band and bin of flux, of real pixels."""
    folder = shared_data / "noise"
    if not folder.is_dir():
        pytest.skip("no statistics of real noise")
    bands = [_band(line) for line in (folder / "filters_jades_no_wfc.dat").read_text().split()]
    assert sorted(bands) == sorted(PAPER_BANDS)
    mean = np.load(folder / "mean_sigma_jades_res_bins.npy")
    edges = np.load(folder / "percentiles_jades_res_bins.npy")
    rng = np.random.default_rng(5)
    for i, band in enumerate(bands):
        middle = [edges[0, i] - 0.5, edges[:2, i].mean(), edges[1:3, i].mean()]
        for error, magnitude in zip(mean[i, :3], middle, strict=True):
            flux = 10 ** (0.4 * (31.4 - magnitude))
            observed = 0.921 * error * flux
            depth = np.array([BY_NAME[band].depth])
            drawn = WIDE.draw(np.full((4000, 1), flux), depth, rng)
            low, high = np.percentile(drawn, [2, 98])
            assert low < observed < high, (band, magnitude, observed, low, high)
