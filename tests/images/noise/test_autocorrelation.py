import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve
from whole import plan_match

from pixsed.errors import PixsedError
from pixsed.images.noise.autocorrelation import Autocorrelation, measure_autocorrelation
from pixsed.images.noise.covariance import kernel_noise_corr
from pixsed.images.psf.convolve import convolve_image
from pixsed.io.image import ImageFile


def gaussian(size, sigma):
    y, x = np.indices((size, size)) - (size - 1) / 2
    kernel = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return kernel / kernel.sum()


BOX = np.ones((3, 3)) / 9
# As drizzling pixels of 0.8 of the output's, shifted by thirds: wider in x, a little skew.
SKEW = np.array([[0.0, 0.1, 0.3, 0.1], [0.1, 0.5, 0.8, 0.4], [0.2, 0.3, 0.2, 0.0]])
DRIZZLES = {"white": np.ones((1, 1)), "box": BOX, "skew": SKEW, "gaussian": gaussian(9, 0.8)}
KERNEL = gaussian(17, 1.8)


class Source:
    """Image with the attributes that `measure_autocorrelation` reads."""

    def __init__(self, data, err, noise_corr=1.0):
        self.data, self.err, self.noise_corr = data, err, noise_corr
        self.shape, self.name = data.shape, "mock"
        self.read_pixels = 0

    def read(self, y=slice(None), x=slice(None), *, native=False):
        self.read_pixels += self.data[y, x].size
        return self.data[y, x].astype(np.float32), self.err[y, x].astype(np.float32)


class Segments:
    def __init__(self, values):
        self.values = values

    def read(self, y, x):
        return self.values[y, x]


def drizzled(drizzle, shape, seed):
    """Noise of unit variance."""
    wide = [n + m - 1 for n, m in zip(shape, drizzle.shape, strict=True)]
    white = np.random.default_rng(seed).standard_normal(wide)
    return fftconvolve(white, drizzle, mode="valid") / np.sqrt((drizzle**2).sum())


def known_rho(drizzle, reach=7):
    """Return the correlation directly, as a sum over pairs of the same white pixel."""
    rho = np.zeros((2 * reach + 1, 2 * reach + 1))
    ny, nx = drizzle.shape
    for y in range(ny):
        for x in range(nx):
            for v in range(ny):
                for u in range(nx):
                    if max(abs(v - y), abs(u - x)) <= reach:
                        rho[reach + v - y, reach + u - x] += drizzle[y, x] * drizzle[v, u]
    return rho / rho[reach, reach]


def known_factor(drizzle, kernel):
    """The factor of standard deviations is that of drizzle and kernel over the kernel alone."""
    both = fftconvolve(drizzle, kernel)
    return np.sqrt((both**2).sum() / (drizzle**2).sum() / (kernel**2).sum())


@pytest.mark.parametrize("name", DRIZZLES)
def test_known_correlation(name):
    drizzle = DRIZZLES[name]
    noise = drizzled(drizzle, (700, 600), 1)
    found = measure_autocorrelation(Source(noise, np.full(noise.shape, 0.05)))
    np.testing.assert_allclose(found.rho, known_rho(drizzle), atol=0.015)
    np.testing.assert_allclose(found.rho, found.rho[::-1, ::-1], atol=1e-12)
    factor, uncertainty = found.error_factor(KERNEL)
    assert factor == pytest.approx(known_factor(drizzle, KERNEL), rel=0.01)
    assert uncertainty < 0.01 * factor
    expected = drizzle.sum() / np.sqrt((drizzle**2).sum())
    assert found.large_sum == pytest.approx(expected, rel=0.03)


def test_white_noise_has_no_correlation():
    found = measure_autocorrelation(
        Source(drizzled(np.ones((1, 1)), (500, 500), 2), np.ones((500, 500)))
    )
    assert found.reach == 0 and found.large_sum == 1
    assert found.error_factor(KERNEL)[0] == pytest.approx(1, rel=1e-9)


def test_uncertainty_is_the_scatter():
    """The uncertainty is the scatter of the factor over many small fields."""
    found = [
        measure_autocorrelation(Source(drizzled(BOX, (80, 80), seed), np.ones((80, 80))))
        for seed in range(60)
    ]
    factors, said = np.array([one.error_factor(KERNEL) for one in found]).T
    assert np.mean(factors) == pytest.approx(known_factor(BOX, KERNEL), rel=0.03)
    assert 0.6 < np.std(factors) / np.mean(said) < 1.4


def sky_and_sources(size, seed):
    """A steep sky, stars with wings and extended sources: (light, segmentation map)."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((size, size))
    light = 30 + 3.0 * x / size + np.sin(y / 90)
    segments = np.zeros((size, size), np.int32)
    for number in range(1, size**2 // 6000):
        xc, yc = rng.uniform(0, size, 2)
        r = np.hypot(x - xc, y - yc)
        peak = 10 ** rng.uniform(0.5, 2.5)
        profile = (
            peak * np.exp(-r / rng.uniform(1, 5))
            if number % 2
            else 3 * peak * (1 + (r / 2.5) ** 2) ** -2.5
        )
        light += profile
        segments[profile > 0.1] = number
    return light, segments


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", ["white", "skew"])
def test_sky_sources_and_holes(name, masked):
    drizzle = DRIZZLES[name]
    light, segments = sky_and_sources(600, 3)
    rng = np.random.default_rng(5)
    data = light + drizzled(drizzle, light.shape, 4)
    data[rng.random(data.shape) < 0.01] = np.nan
    data[:, 100:120] = np.nan
    hot = rng.integers(0, 600, (2, 100))
    data[hot[0], hot[1]] += 40
    err = np.ones(data.shape)
    segmap = Segments(segments) if masked else None
    found = measure_autocorrelation(Source(data, err), segmap)
    expected = known_factor(drizzle, KERNEL)
    assert found.error_factor(KERNEL)[0] == pytest.approx(expected, rel=0.015)


def test_errors_that_vary_or_are_wrong():
    noise = drizzled(BOX, (600, 600), 6)
    x = np.linspace(0, 1, 600)
    depth = 1 + 3 * x[None, :] * np.ones((600, 1))
    depth[:250] *= 4
    found = measure_autocorrelation(Source(noise * depth, 20 * depth))
    expected = known_factor(BOX, KERNEL)
    assert found.error_factor(KERNEL)[0] == pytest.approx(expected, rel=0.015)


def test_convolved_errors_are_the_scatter():
    """Matched errors are the scatter of a Monte Carlo, with errors that vary over the image."""
    drizzle = DRIZZLES["gaussian"]
    depth = 1 + np.linspace(0, 2, 80)[None, :] * np.ones((60, 1))
    factor = Autocorrelation(known_rho(drizzle), 1).error_factor(KERNEL)[0]
    draws = [
        convolve_image(drizzled(drizzle, (60, 80), seed) * depth, depth, KERNEL, err_factor=factor)[
            0
        ]
        for seed in range(300)
    ]
    _, err = convolve_image(np.zeros(depth.shape), depth, KERNEL, err_factor=factor)
    ratio = (np.std(draws, axis=0) / err)[10:-10, 10:-10]
    assert ratio.mean() == pytest.approx(1, abs=0.02)


def test_negative_lobes():
    """The factor holds for a kernel that sharpens and for negatively correlated noise."""
    drizzle = np.array([[0, -0.1, 0], [-0.1, 1, -0.1], [0, -0.1, 0]])
    kernel = 2 * np.pad(np.ones((1, 1)), 3) - gaussian(7, 1.0)
    found = measure_autocorrelation(Source(drizzled(drizzle, (600, 600), 7), np.ones((600, 600))))
    for k in (kernel, KERNEL):
        assert found.error_factor(k)[0] == pytest.approx(known_factor(drizzle, k), rel=0.01)
    assert found.large_sum == pytest.approx(0.6 / np.sqrt(1.04), rel=0.02)
    # Correlations that no noise can have give no factor.
    rho = np.array([[-0.9, -0.9, -0.9], [-0.9, 1, -0.9], [-0.9, -0.9, -0.9]])
    assert np.isnan(Autocorrelation(rho, 100).error_factor(KERNEL)).all()


def test_a_large_image_is_sampled():
    noise = np.tile(drizzled(BOX, (1000, 1000), 8), (1, 5))
    source = Source(noise, np.broadcast_to(1.0, noise.shape))
    found = measure_autocorrelation(source)
    assert found.pixels < source.read_pixels < 2_100_000
    again = measure_autocorrelation(Source(noise, np.broadcast_to(1.0, noise.shape)))
    np.testing.assert_array_equal(found.rho, again.rho)


def test_too_little_sky():
    ones = np.ones((60, 60))
    noise = drizzled(BOX, (60, 60), 9)
    for data in (noise[:15], np.where(np.indices(noise.shape)[0] < 5, noise, np.nan), 0 * noise):
        assert measure_autocorrelation(Source(data, ones[: len(data)])) is None
    assert measure_autocorrelation(Source(noise, ones), Segments(ones)) is None


@pytest.fixture
def write(write_fits, wcs_header):
    def make(data, name="im.fits", **cards):
        header = wcs_header(BUNIT="uJy", FILTER="F200W", **cards)
        return write_fits(
            name,
            SCI=(data.astype(np.float32), header),
            ERR=(np.ones(data.shape, np.float32), header),
        )

    return make


def weighted_noise(data, err, sigma=12.0, step=12):
    """The noise of sums under broad Gaussian weights, over that of independent pixels."""
    smooth = gaussian_filter(data.astype(float), sigma, truncate=5)[48:-48:step, 48:-48:step]
    return smooth.std() / np.median(err) * (2 * np.sqrt(np.pi) * sigma)


@pytest.mark.parametrize("name", ["white", "box", "gaussian"])
def test_noise_of_large_sums(write, name):
    """NOISECOR is the noise of sums over thousands of pixels in a Monte Carlo."""
    drizzle = DRIZZLES[name]
    with ImageFile(write(drizzled(drizzle, (700, 700), 10))) as image:
        match = plan_match(image, kernel=KERNEL)
    assert match.err_factor == pytest.approx(known_factor(drizzle, KERNEL), rel=0.01)
    both = fftconvolve(drizzle, KERNEL)
    assert match.noise_corr == pytest.approx(kernel_noise_corr(both), rel=0.02)
    measured = []
    for seed in range(20, 24):
        noise = drizzled(drizzle, (700, 700), seed)
        done = convolve_image(noise, np.ones(noise.shape), KERNEL, err_factor=match.err_factor)
        measured.append(weighted_noise(*done))
    # Some 800 independent sums, 2.5 %; and their rim takes 1 %.
    assert np.mean(measured) == pytest.approx(match.noise_corr, rel=0.06)


def test_nothing_is_counted_twice(write, run_cli, write_fits, tmp_path):
    """The correlation of an image that is matched twice is not counted twice."""
    kernel = write_fits("k.fits", primary=(KERNEL, None))
    noise = drizzled(BOX, (700, 700), 11)
    paths = [write(noise), tmp_path / "once.fits", tmp_path / "twice.fits"]
    for before, after in zip(paths[:-1], paths[1:], strict=True):
        result = run_cli("psfmatch", before, "--kernel", kernel, "-o", after)
        assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    inside = (slice(20, -20), slice(20, -20))
    with ImageFile(str(paths[2])) as image:
        data, err = image.read(native=True)
        scatter = data[inside].std()
        assert np.median(err[inside]) == pytest.approx(scatter, rel=0.03)
        everything = fftconvolve(fftconvolve(BOX, KERNEL), KERNEL)
        assert image.noise_corr == pytest.approx(kernel_noise_corr(everything), rel=0.05)


def test_unknown_choice(write):
    with ImageFile(write(np.ones((50, 50)))) as image:
        with pytest.raises(PixsedError, match="correlation must be one of auto, none, got 'x'"):
            plan_match(image, kernel=KERNEL, correlation="x")
