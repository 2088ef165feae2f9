from contextlib import nullcontext

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from scipy.signal import fftconvolve
from whole import match_image, plan_match

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.noise.covariance import kernel_noise_corr
from pixsed.images.psf.convolve import convolve_image
from pixsed.images.psf.kernel import (
    WINDOWS,
    energy_residual,
    matching_kernel,
)
from pixsed.images.psf.match import match_psf
from pixsed.images.psf.match_plan import MatchOptions, reason_unchanged
from pixsed.images.psf.profile import (
    Psf,
    centroid,
    common_size,
    encircled_energy,
    resample_psf,
)
from pixsed.images.psf.read import read_kernel, read_psf
from pixsed.io.image import ImageFile


def gaussian(size, sigma, x0=None, y0=None):
    """A Gaussian of `sigma` pixels, sampled; sum 1 where it fits."""
    y, x = np.indices((size, size))
    x0, y0 = (size - 1) / 2 if x0 is None else x0, (size - 1) / 2 if y0 is None else y0
    return np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / sigma**2) / (2 * np.pi * sigma**2)


@pytest.mark.parametrize(("x0", "y0"), [(24.0, 24.0), (23.5, 23.5), (24.31, 22.87)])
def test_centroid_of_a_gaussian(x0, y0):
    assert centroid(gaussian(48, 3.0, x0, y0)) == pytest.approx((x0, y0), abs=1e-3)


def test_centroid_is_that_of_the_core():
    data = gaussian(61, 2.0, 30.3, 29.8)
    data[:, 45:] += 1e-4  # lopsided wings
    assert centroid(data) == pytest.approx((30.3, 29.8), abs=0.02)


@pytest.mark.parametrize(("scale_in", "size_in"), [(0.063, 48), (0.03, 101), (0.015, 200)])
def test_resampled_gaussian_keeps_its_width_and_centre(scale_in, size_in):
    sigma = 0.12  # arcsec
    psf = Psf(0.95 * gaussian(size_in, sigma / scale_in, size_in / 2 - 0.3), scale_in)
    data = resample_psf(psf, 0.03, 81)
    assert data.sum() == pytest.approx(1.0)
    assert centroid(data) == pytest.approx((40, 40), abs=1e-3)
    # A mean over 2 x 2 samples widens it by a few parts in a thousand.
    np.testing.assert_allclose(data, gaussian(81, sigma / 0.03), atol=5e-3 * data.max())


def test_coarse_pixels_sum_fine_ones():
    fine = gaussian(81, 4.0)
    binned = resample_psf(Psf(fine, 0.01), 0.03, 27)
    expected = fine.reshape(27, 3, 27, 3).sum(axis=(1, 3))
    np.testing.assert_allclose(binned, expected / expected.sum(), atol=1e-9)


def test_common_size_is_odd_and_fits():
    # Each 1.1 pixels off the centre at most.
    wide, narrow = Psf(gaussian(96, 3.0), 0.0312), Psf(gaussian(50, 2.0)[1:-1], 0.0629)
    size = common_size(wide, narrow, 0.03)
    assert size == 99
    assert size % 2 == 1 and size * 0.03 <= min(96 * 0.0312, 48 * 0.0629)


def test_kernel_between_gaussians_is_the_gaussian_between():
    kernel = matching_kernel(gaussian(61, 2.0), gaussian(61, 3.0))
    assert kernel.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(kernel, gaussian(61, np.sqrt(5.0)), atol=1e-3 * kernel.max())
    assert energy_residual(gaussian(61, 2.0), gaussian(61, 3.0), kernel, 0.03) < 1e-4


def test_methods_are_photutils():
    from photutils.psf_matching import SplitCosineBellWindow, make_kernel, make_wiener_kernel

    source, target = gaussian(61, 2.0), gaussian(61, 3.0)
    for method, penalty in (
        ("wiener", None),
        ("laplacian", "laplacian"),
        ("biharmonic", "biharmonic"),
    ):
        kernel = matching_kernel(source, target, method=method, regularization=1e-5)
        np.testing.assert_array_equal(
            kernel, make_wiener_kernel(source, target, penalty=penalty, regularization=1e-5)
        )
        assert energy_residual(source, target, kernel, 0.03) < 0.01
    np.testing.assert_array_equal(
        matching_kernel(source, target, window="split-cosine-bell", alpha=0.3, beta=0.4),
        make_kernel(source, target, window=SplitCosineBellWindow(0.3, 0.4)),
    )
    with pytest.raises(PixsedError, match="method must be one of fourier, wiener.* got 'x'"):
        matching_kernel(source, target, method="x")


@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_makes_a_kernel(window):
    kernel = matching_kernel(gaussian(61, 2.0), gaussian(61, 3.0), window=window)
    assert kernel.shape == (61, 61) and kernel.sum() == pytest.approx(1)


def test_damping_keeps_noise_out_of_a_sharpening_kernel():
    growth = {
        method: np.sqrt(
            (
                matching_kernel(
                    gaussian(61, 2.6), gaussian(61, 2.0), method=method, regularization=1e-2
                )
                ** 2
            ).sum()
        )
        for method in ("fourier", "wiener", "laplacian")
    }
    assert growth["wiener"] < growth["fourier"] and growth["laplacian"] < growth["fourier"]


@pytest.mark.parametrize("angle", [0.0, 30.0, -115.0])
def test_turned_psf(angle):
    y, x = np.indices((101, 101)) - 50
    broad = np.exp(-0.5 * ((x / 6.0) ** 2 + (y / 3.0) ** 2))
    got = resample_psf(Psf(broad, 0.03), 0.03, 61, angle)
    y, x = np.indices((61, 61)) - 30
    a = np.radians(angle)  # its long axis, x, goes to this angle
    along, across = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
    expected = np.exp(-0.5 * ((along / 6.0) ** 2 + (across / 3.0) ** 2))
    np.testing.assert_allclose(got, expected / expected.sum(), atol=1e-6)


def test_effective_psf_is_sampled_not_averaged():
    fine = gaussian(121, 6.0)  # three values a pixel, each the light of a whole pixel
    psf = Psf(fine, 0.01, pixel=0.03)
    expected = gaussian(31, 2.0)
    np.testing.assert_allclose(resample_psf(psf, 0.03, 31), expected, atol=1e-5)


@pytest.mark.parametrize("ratio", [0.37, 0.8, 1.3, 2.0])
def test_resampling_keeps_the_curve_of_growth(ratio):
    # A Moffat off the centre of its pixels, on pixels of any other size.
    scale = 0.02
    y, x = np.indices((161, 161)) * scale
    profile = (1 + ((x - 1.613) ** 2 + (y - 1.594) ** 2) / 0.12**2) ** -2.5
    out = scale * ratio
    size = int(2.9 / out) // 2 * 2 + 1
    radii = np.arange(0.15, 0.6, 0.05)
    got = encircled_energy(resample_psf(Psf(profile, scale), out, size), out, radii)
    # The integral to r, over that of the square, which the sum of the profile is.
    square = profile[np.maximum(abs(x - 1.613), abs(y - 1.594)) < size * out / 2].sum()
    inside = np.pi * 0.12**2 / 1.5 * (1 - (1 + (radii / 0.12) ** 2) ** -1.5) / scale**2
    np.testing.assert_allclose(got, inside / square, atol=0.006)


def test_cosine_bell_is_photutils():
    from photutils.psf_matching import CosineBellWindow, make_kernel

    source, target = gaussian(61, 2.0), gaussian(61, 3.0)
    np.testing.assert_array_equal(
        matching_kernel(source, target, window="cosine-bell", alpha=0.5),
        make_kernel(source, target, window=CosineBellWindow(0.5)),
    )
    with pytest.raises(PixsedError, match="window must be one of tukey, cosine-bell, .* got 'x'"):
        matching_kernel(source, target, window="x")


def test_encircled_energy_of_a_gaussian():
    radii = np.array([0.1, 0.2, 0.5])
    got = encircled_energy(gaussian(101, 4.0), 0.03, radii)
    np.testing.assert_allclose(got, 1 - np.exp(-0.5 * (radii / 0.12) ** 2), atol=2e-3)


def test_convolution_of_a_gaussian_source():
    data = 100 * gaussian(81, 2.0)
    out, _ = convolve_image(data, np.ones_like(data), gaussian(41, 1.5))
    np.testing.assert_allclose(out, 100 * gaussian(81, 2.5), atol=1e-4 * out.max())


def test_error_is_the_measured_scatter():
    # Many draws of noise whose error varies over the image.
    rng = np.random.default_rng(2)
    err = 1 + np.linspace(0, 2, 60)[None, :] * np.ones((50, 1))
    kernel = matching_kernel(gaussian(31, 1.2), gaussian(31, 2.2))
    draws = [convolve_image(rng.normal(0, err), err, kernel)[0] for _ in range(400)]
    _, predicted = convolve_image(np.zeros_like(err), err, kernel)
    ratio = np.std(draws, axis=0)[12:-12, 12:-12] / predicted[12:-12, 12:-12]
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.std() < 0.05  # that of 400 draws: 1/sqrt(800)


def test_noise_correlation_is_measured_in_large_sums():
    rng = np.random.default_rng(4)
    kernel = gaussian(21, 1.8)
    err = np.ones((80, 80))
    draws = [convolve_image(rng.normal(0, err), err, kernel) for _ in range(300)]
    box = (slice(10, 70), slice(10, 70))
    measured = np.std([data[box].sum() for data, _ in draws])
    independent = np.sqrt((draws[0][1][box] ** 2).sum())
    # A box of 60 pixels loses a little of the correlation at its rim.
    assert measured / independent == pytest.approx(kernel_noise_corr(kernel), rel=0.12)
    assert kernel_noise_corr(kernel) == pytest.approx(2 * np.sqrt(np.pi) * 1.8, rel=1e-3)
    assert kernel_noise_corr(np.ones((1, 1))) == 1


def test_pixels_without_data_do_not_spread():
    data, err = np.full((60, 60), 7.0), np.full((60, 60), 2.0)
    data[20:24, 30:33] = np.nan
    err[40, 40] = np.nan
    bad = ~np.isfinite(data) | ~np.isfinite(err)
    out, out_err = convolve_image(data, err, gaussian(15, 2.0))
    np.testing.assert_array_equal(np.isnan(out), bad)
    np.testing.assert_array_equal(np.isnan(out_err), bad)
    # A flat image stays flat, beside holes and edges too.
    np.testing.assert_allclose(out[~bad], 7.0, rtol=1e-6)
    interior = 2.0 * np.sqrt((gaussian(15, 2.0) ** 2).sum()) / gaussian(15, 2.0).sum()
    assert out_err[30, 10] == pytest.approx(interior, rel=1e-6)
    assert out_err[0, 0] > 1.5 * interior


def test_strips_make_no_seams(monkeypatch):
    rng = np.random.default_rng(8)
    data, err = rng.normal(size=(70, 30)), rng.uniform(1, 2, (70, 30))
    kernel = gaussian(11, 1.5)
    whole = convolve_image(data, err, kernel)
    monkeypatch.setattr("pixsed.images.psf.convolve._STRIP_PIXELS", 16 * 30)
    np.testing.assert_allclose(convolve_image(data, err, kernel), whole, rtol=1e-5, atol=1e-6)


def test_agrees_with_scipy_inside():
    rng = np.random.default_rng(8)
    data = rng.normal(size=(50, 50))
    kernel = matching_kernel(gaussian(21, 1.2), gaussian(21, 2.0))
    out, _ = convolve_image(data, np.ones_like(data), kernel)
    expected = fftconvolve(data, kernel, mode="same")
    inside = (slice(10, -10), slice(10, -10))
    np.testing.assert_allclose(out[inside], expected[inside], atol=1e-6)


def test_agrees_with_astropy_around_holes_and_edges():
    from astropy.convolution import convolve_fft

    rng = np.random.default_rng(9)
    data = rng.normal(5, 1, (60, 70))
    data[rng.random(data.shape) < 0.05] = np.nan
    data[20:28, 30:41] = np.nan
    kernel = gaussian(15, 2.0)
    out, _ = convolve_image(data, np.ones_like(data), kernel)
    # Beyond the edge there are no data, as in a hole.
    padded = np.pad(data, 7, constant_values=np.nan)
    expected = convolve_fft(padded, kernel, nan_treatment="interpolate", preserve_nan=True)
    np.testing.assert_allclose(out, expected[7:-7, 7:-7], rtol=1e-5)


def test_errors_around_holes_are_the_measured_scatter():
    rng = np.random.default_rng(3)
    err = np.full((40, 40), 2.0)
    err[:, 20:] = 3.0
    holes = rng.random(err.shape) < 0.1
    kernel = matching_kernel(gaussian(21, 1.2), gaussian(21, 1.9))

    def draw():
        data = rng.normal(0, err)
        data[holes] = np.nan
        return convolve_image(data, err, kernel)

    draws = [draw() for _ in range(400)]
    ratio = (np.std([d for d, _ in draws], axis=0) / draws[0][1])[~holes]
    assert ratio.mean() == pytest.approx(1, abs=0.01)
    assert ratio.std() < 0.05  # that of 400 draws: 1/sqrt(800)
    assert ratio.reshape(-1)[:30].mean() == pytest.approx(1, abs=0.03)  # at the edge


@pytest.mark.parametrize(
    ("kernel", "err", "match"),
    [
        (np.ones((2, 3)), np.ones((9, 9)), "kernel must be 2-D of odd sides"),
        (np.ones((3, 3)), np.ones((9, 8)), r"err must be of shape \(9, 9\), got \(9, 8\)"),
    ],
)
def test_convolution_errors(kernel, err, match):
    with pytest.raises(PixsedError, match=match):
        convolve_image(np.ones((9, 9)), err, kernel)


def test_reasons_to_leave_an_image():
    sharp, broad, broader = (gaussian(61, sigma) for sigma in (2.0, 2.15, 2.5))

    def reason(band, source, target):
        return reason_unchanged(band, (source, target), 0.03)

    for band in (None, "F444W", "F200W", "F480M"):
        assert reason(band, sharp, sharp) == "its PSF is the target's"
        assert reason(band, sharp, sharp + 1e-8) == "its PSF is the target's"
        assert reason(band, sharp, broad) is None  # whatever the names are
    for band in ("F460M", "F480M"):
        assert "broader" in reason(band, broad, sharp)
        # Broader than such a band is: 0.16 of the light is elsewhere.
        assert energy_residual(broader, sharp, np.ones((1, 1)), 0.03) > 0.15
        assert reason(band, broader, sharp) is None
    assert reason("F444W", broad, sharp) is None
    # Off by 1 % of the peak, or in the wings alone.
    assert reason("F200W", sharp, sharp + 0.01 * sharp.max() * (sharp == sharp.max())) is None
    halo = sharp + 9e-4 * sharp.max()
    assert reason("F200W", sharp, halo / halo.sum()) is None


@pytest.mark.parametrize("key", ["PIXSCALE", "PIXSCL", "PIXELSCL"])
def test_psf_scale_cards(write_fits, key):
    header = fits.Header()
    header.update({key: 0.04, "FILTER": "F444W"})
    path = write_fits("p.fits", primary=(gaussian(21, 2.0), header))
    psf = read_psf(path)
    assert (psf.scale, psf.band) == (0.04, "F444W")
    with pytest.warns(PixsedWarning, match=f"0.04 arcsec, as {key} says; --psf-scale 9 is for"):
        assert read_psf(path, scale=9.0).scale == 0.04


def test_psf_scale_of_a_wcs_or_option(write_fits, wcs_header):
    data = gaussian(21, 2.0)
    path = write_fits("w.fits", A=(data, None), B=(data, wcs_header(scale=0.05)))
    assert read_psf(path + "[B]").scale == pytest.approx(0.05)
    assert read_psf(path + "[A]", scale=0.02).scale == 0.02
    with pytest.raises(PixsedError, match="no pixel scale.*--psf-scale"):
        read_psf(path + "[A]")


def test_what_is_no_psf_or_kernel(write_fits):
    path = write_fits("p.fits", A=(np.full((9, 9), np.nan), None), B=(np.ones((4, 4)), None))
    with pytest.raises(PixsedError, match="is not a PSF"):
        read_psf(path + "[A]", scale=1.0)
    with pytest.raises(PixsedError, match="is not a kernel"):
        read_kernel(path + "[A]")
    with pytest.raises(PixsedError, match="a kernel must have odd sides"):
        read_kernel(path + "[B]")


@pytest.fixture
def image_path(write_fits, wcs_header):
    rng = np.random.default_rng(6)
    header = wcs_header(BUNIT="uJy", FILTER="F200W", NOISECOR=1.5)
    data = 1e3 * gaussian(81, 2.0) + rng.normal(0, 0.1, (81, 81))
    return write_fits("im.fits", SCI=(data, header), ERR=(np.full((81, 81), 0.1), header))


def test_match_image_of_psfs_on_other_pixels(image_path):
    # 0.06 arcsec and 0.09 arcsec wide, on pixels of 0.02 and 0.05 arcsec.
    psf = Psf(gaussian(150, 3.0), 0.02, "F200W")
    target = Psf(0.9 * gaussian(61, 1.8), 0.05, "F444W")
    with ImageFile(image_path) as image:
        match = match_image(image, psf=psf, target=target)
    assert match.psfmatch == "F444W" and match.unchanged is None
    assert match.residual < 0.005
    assert match.noise_corr == pytest.approx(1.5 * kernel_noise_corr(match.kernel))
    assert np.median(match.err) < 0.05
    assert match.data.sum() == pytest.approx(1e3, rel=0.03)
    width = match.data.sum() / match.data.max() / (2 * np.pi)
    assert np.sqrt(width) == pytest.approx(3.0, rel=0.02)


def test_match_image_by_kernel(image_path):
    with ImageFile(image_path) as image:
        match = match_image(image, kernel=gaussian(21, 2.0), target_band="F444W")
    assert match.residual is None and match.fwhm is None
    assert match.psfmatch == "F444W"


@pytest.mark.parametrize(
    ("band", "sigma", "psfmatch"), [("F444W", 2.0, "F444W"), ("F480M", 2.15, "none")]
)
def test_match_image_unchanged(image_path, band, sigma, psfmatch):
    psf, target = Psf(gaussian(99, sigma), 0.03), Psf(gaussian(99, 2.0), 0.03, "F444W")
    warned = pytest.warns(PixsedWarning, match="F480M is left") if sigma > 2 else nullcontext()
    with ImageFile(f"{band}={image_path}") as image, warned:
        match = match_image(image, psf=psf, target=target)
        data, err = image.read(native=True)
    assert match.psfmatch == psfmatch and match.unchanged
    np.testing.assert_array_equal(match.data, data)
    np.testing.assert_array_equal(match.err, err)
    assert match.noise_corr == 1.5
    assert match.fwhm == pytest.approx(2.3548 * sigma * 0.03, rel=0.01)
    # What being left alone leaves: the largest difference of two Gaussians' energies.
    r = np.arange(0.1, 0.5, 0.01) / 0.03
    expected = np.abs(np.exp(-(r**2) / 2 / sigma**2) - np.exp(-(r**2) / 8)).max()
    assert match.residual == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("band", "source", "target", "target_band", "psfmatch", "warned"),
    [
        # The PSFs decide, whatever the names are.
        ("F200W", 2.0, 2.6, "F444W", "F444W", ""),
        ("F200W", 2.0, 2.6, None, "unknown", ""),
        ("F444W", 2.0, 2.6, "F444W", "F444W", "F444W, is the target's, and it is convolved all"),
        ("F480M", 2.0, 2.6, "F444W", "F444W", ""),
        ("F460M", 2.0, 2.6, "MIRI_F770W", "MIRI_F770W", ""),
        ("F480M", 2.6, 2.6, "F444W", "F444W", ""),
        ("F200W", 2.6, 2.6, "F444W", "F444W", ""),
        ("F480M", 2.15, 2.0, "F444W", "none", "F480M is left as it is, PSFMATCH none"),
        ("F460M", 2.15, 2.0, "F480M", "none", "F460M is left as it is, PSFMATCH none"),
        # Too broad to be left: treated as any other band.
        ("F480M", 2.6, 2.0, "F444W", "none", "PSFMATCH is none, unless a larger --max-residual"),
        ("F444W", 2.6, 2.0, "F200W", "none", "is broader than the target's"),
    ],
)
def test_psfs_decide(image_path, band, source, target, target_band, psfmatch, warned):
    psf, wanted = Psf(gaussian(99, source), 0.03), Psf(gaussian(99, target), 0.03, target_band)
    with ImageFile(f"{band}={image_path}") as image:
        with pytest.warns(PixsedWarning, match=warned) if warned else nullcontext():
            match = plan_match(image, psf=psf, target=wanted)
        assert match.psfmatch == psfmatch
        assert bool(match.unchanged) == (source == target or "is left as it is" in warned)
        # The PSF that the image has: the target's, or its own.
        if match.psfmatch != "none":
            assert match.fwhm == pytest.approx(2.3548 * target * 0.03, rel=0.01)
        elif match.unchanged:
            assert match.fwhm == pytest.approx(2.3548 * source * 0.03, rel=0.01)
        residual = match.residual
        if residual < 1e-3:
            plan_match(image, psf=psf, target=Psf(gaussian(99, target), 0.03), max_residual=0.01)
        else:
            with pytest.raises(PixsedError, match="above --max-residual 0.01[,;] "):
                plan_match(image, psf=psf, target=wanted, max_residual=0.01)


@pytest.mark.parametrize("width", [0.9, 1.0, 1.2])
def test_no_kernel_makes_a_psf_that_narrow(image_path, width):
    """A result that is only noise is an error unless --max-residual allows it."""
    options = dict(psf=Psf(gaussian(99, 2.6), 0.03), target=Psf(gaussian(99, width), 0.03, "F090W"))
    with ImageFile(image_path) as image:
        with pytest.raises(PixsedError, match="off the target's.*is broader than the target's"):
            plan_match(image, **options)
        with pytest.warns(PixsedWarning, match="is broader than the target's"):
            assert plan_match(image, **options, max_residual=100).psfmatch == "F090W"


def test_poorly_matched_is_not_matched(image_path):
    """PSFMATCH is the band of the target only if the image has its PSF."""
    psf, target = Psf(gaussian(99, 2.0), 0.03), Psf(gaussian(99, 2.6), 0.03, "F444W")
    options = dict(psf=psf, target=target, window="cosine-bell", alpha=0.3)
    with ImageFile(image_path) as image:
        with pytest.warns(PixsedWarning, match="PSFMATCH is none, unless a larger --max-residual"):
            assert plan_match(image, **options).psfmatch == "none"
        assert plan_match(image, **options, max_residual=0.5).psfmatch == "F444W"


@pytest.mark.parametrize(
    ("band", "target_band", "psfmatch", "warned"),
    [
        ("F200W", "F444W", "F444W", ""),
        ("F200W", None, "unknown", ""),
        ("F444W", "F444W", "F444W", "a kernel is given"),
        ("F480M", "F444W", "F444W", ""),
        ("F480M", None, "unknown", ""),
    ],
)
def test_a_kernel_is_applied_whatever_the_band(image_path, band, target_band, psfmatch, warned):
    kernel = gaussian(21, 2.0)
    with ImageFile(f"{band}={image_path}") as image:
        with pytest.warns(PixsedWarning, match=warned) if warned else nullcontext():
            match = match_image(image, kernel=kernel, target_band=target_band)
        data, err = image.read(native=True)
    assert match.unchanged is None and match.psfmatch == psfmatch
    np.testing.assert_array_equal(match.data, convolve_image(data, err, kernel)[0])


@pytest.mark.parametrize("size", [1, 3, 21])
def test_a_kernel_of_a_single_pixel_leaves_the_image(image_path, size):
    with ImageFile(image_path) as image:
        single = 7.0 * np.pad(np.ones((1, 1)), size // 2)
        match = match_image(image, kernel=single, target_band="F444W")
        np.testing.assert_array_equal(match.data, image.read(native=True)[0])
    assert match.unchanged == "the kernel is a single pixel" and match.noise_corr == 1.5


def test_names_that_contradict(write_fits, wcs_header, image_path):
    sharp, broad = Psf(gaussian(99, 2.0), 0.03, "F444W"), Psf(gaussian(99, 2.6), 0.03)
    with ImageFile(image_path) as image:
        with pytest.warns(PixsedWarning, match="--psf PSF is of F444W, the image's band is F200W"):
            plan_match(image, psf=sharp, target=broad)
        broad.band = "F277W"
        with pytest.warns(PixsedWarning, match="--target PSF is of F277W, --target-name is F444W"):
            plan_match(image, psf=Psf(sharp.data, 0.03), target=broad, target_band="F444W")
    header = wcs_header(BUNIT="uJy", FILTER="F200W", PSFMATCH="F444W")
    noise = np.random.default_rng(0).normal(0, 0.1, (81, 81))
    path = write_fits("m.fits", SCI=(noise, header), ERR=(np.full((81, 81), 0.1), header))
    with ImageFile(path) as image:
        with pytest.warns(PixsedWarning, match="says that it is matched to F444W already"):
            plan_match(image, kernel=gaussian(21, 2.0))


@pytest.mark.parametrize(
    ("size", "reach"), [(99, 0.5), (35, 0.5), (29, 0.435), (15, 0.225), (11, 0.165), (7, None)]
)
def test_psfs_that_end_within_the_radii(image_path, size, reach):
    psf, target = Psf(gaussian(size, 1.0), 0.03), Psf(gaussian(size, 1.3), 0.03, "F444W")
    with ImageFile(image_path) as image:
        if reach is None:
            with pytest.raises(PixsedError, match="ends within 0.1 arcsec of the centre"):
                plan_match(image, psf=psf, target=target)
            return
        warned = pytest.warns(PixsedWarning, match=f"the PSFs end {reach - 1e-9:.2f} arcsec from")
        with warned if size < 33 else nullcontext():
            match = plan_match(image, psf=psf, target=target, max_residual=0.5)
    assert match.radii == pytest.approx((0.1, min(reach, 0.5)), abs=0.006)


@pytest.mark.parametrize("value", [1e8, 9.9e9, 1e10, 1e19])
@pytest.mark.parametrize("fraction", [0.1, 0.6, 0.9])
def test_sentinels_for_errors_are_missing_data(write_fits, wcs_header, value, fraction):
    """Sentinels give the same pixels and the same noise correlation as NaN."""
    rng = np.random.default_rng(1)
    noise = fftconvolve(rng.normal(0, 0.1, (130, 400)), np.ones((3, 3)) / 3, mode="same")
    gap = np.zeros(noise.shape, bool)
    gap[:, : int(fraction * 400)] = True
    gap[60, 390] = True
    found = []
    for bad in (np.nan, value):
        header = wcs_header(BUNIT="uJy", FILTER="F200W")
        data, err = np.where(gap, 1e-3 * noise, noise), np.where(gap, bad, 0.1)
        path = write_fits(
            f"{bad}.fits", SCI=(data.astype("f4"), header), ERR=(err.astype("f4"), header)
        )
        # Beyond 1e20 the image itself takes an error for none, as NaN.
        warned = (
            nullcontext()
            if not bad < 1e20
            else pytest.warns(
                PixsedWarning,
                match="% of its pixels have errors above 1e[+]03, 10000 times the typ",
            )
        )
        with ImageFile(path, fill="none") as image, warned:  # the errors alone are to tell
            found.append(match_image(image, kernel=gaussian(15, 1.5)))
    np.testing.assert_array_equal(found[0].data, found[1].data)
    np.testing.assert_array_equal(found[0].err, found[1].err)
    assert found[0].err_factor == found[1].err_factor
    assert np.isnan(found[1].data[gap]).all() and np.isfinite(found[1].data[~gap]).all()


def test_match_image_warns(image_path):
    sharp, broad = Psf(gaussian(99, 2.0), 0.03), Psf(gaussian(99, 2.6), 0.03)
    with ImageFile(image_path) as image:
        with pytest.warns(PixsedWarning, match="FWHM 0.18.* broader than .* grows .* wiener"):
            match_image(image, psf=broad, target=sharp)
        with pytest.warns(PixsedWarning, match="encircled energy stays 0.* --window tukey"):
            match_image(image, psf=sharp, target=broad, window="cosine-bell", alpha=0.3)


def test_match_image_curve_and_limit(image_path):
    psf, target = Psf(gaussian(99, 2.0), 0.03), Psf(gaussian(99, 2.6), 0.03)
    with ImageFile(image_path) as image:
        curve = plan_match(image, psf=psf, target=target).curve
        inside = curve.radii <= 0.5
        for energies, sigma in ((curve.before, 0.06), (curve.after, 0.078), (curve.target, 0.078)):
            expected = 1 - np.exp(-0.5 * (curve.radii / sigma) ** 2)
            np.testing.assert_allclose(energies[inside], expected[inside], atol=0.01)
        options = dict(psf=psf, target=target, max_residual=0.01)
        plan_match(image, **options)
        with pytest.raises(PixsedError, match="above --max-residual 0.01; try --window tukey"):
            plan_match(image, **options, window="cosine-bell")
        with pytest.raises(PixsedError, match="try --method fourier, or a --regularization below"):
            plan_match(image, **options, method="wiener", regularization=0.1)
        with pytest.raises(PixsedError, match="try a smaller --alpha than 1"):
            plan_match(image, **options, alpha=1.0)


BANDS = "F090W F115W F150W F162M F182M F200W F210M F250M F277W F300M F335M F356W F410M".split()


@pytest.mark.parametrize("band", BANDS)
def test_nircam_psfs_match_f444w(shared_data, band):
    folder = shared_data / "psf" / "nircam"
    psf, target = (read_psf(f"{folder}/psf_nircam_{b}.fits") for b in (band, "F444W"))
    planes = [resample_psf(p, 0.03, common_size(psf, target, 0.03)) for p in (psf, target)]
    residual = energy_residual(*planes, matching_kernel(*planes), 0.03)
    assert residual < 0.005
    # The paper's window takes away resolution that F444W has on these pixels.
    bell = matching_kernel(*planes, window="cosine-bell")
    assert energy_residual(*planes, bell, 0.03) > 0.05


@pytest.mark.parametrize("band", ["F115W", "F200W", "F277W"])
def test_jof_close_to_the_published_match(shared_data, band):
    folder = shared_data / "psf" / "nircam"
    psf, target = (read_psf(f"{folder}/psf_nircam_{b}.fits") for b in (band, "F444W"))
    with ImageFile(f"{shared_data}/jof/JOF_531_{band}.fits") as image:
        match = match_image(image, psf=psf, target=target)
    with fits.open(shared_data / "jof" / f"JOF_531_{band}.fits") as hdulist:
        theirs = hdulist["SCI_PSFM"].data
    inside = (slice(15, -15), slice(15, -15))
    difference = (match.data - theirs)[inside]
    assert np.std(difference) < 0.015 * theirs.max()
    assert match.data[inside].sum() == pytest.approx(theirs[inside].sum(), rel=0.05)


def test_match_psf_is_the_command(write_fits, image_path, run_cli, tmp_path):
    """The library and `psfmatch` give the same planes, from files or from objects."""
    cards = fits.Header()
    cards.update(PIXSCALE=0.03)
    planes = gaussian(99, 2.0), gaussian(99, 2.6)
    paths = [write_fits(f"p{i}.fits", primary=(p, cards)) for i, p in enumerate(planes)]
    out = tmp_path / "out.fits"
    run_cli("psfmatch", image_path, "--psf", paths[0], "--target", paths[1], "-o", out)
    for psf, target in (paths, [Psf(plane, 0.03) for plane in planes]):
        found = match_psf(image_path, psf, target)
        assert found.unit == u.uJy and found.wcs.has_celestial and found.match.residual < 0.01
        np.testing.assert_array_equal(found.flux, fits.getdata(out, "SCI"))
        np.testing.assert_array_equal(found.err, fits.getdata(out, "ERR"))
        np.testing.assert_array_equal(
            found.match.kernel.astype(np.float32), fits.getdata(out, "KERNEL")
        )


def test_match_psf_by_kernel(write_fits, image_path):
    kernel = gaussian(21, 2.0)
    path = write_fits("k.fits", primary=(3 * kernel, None))
    options = MatchOptions(target_band="f444w")
    named, given = (match_psf(image_path, kernel=k, options=options) for k in (path, 3 * kernel))
    assert named.match.psfmatch == given.match.psfmatch == "F444W"
    assert given.match.kernel_sum == pytest.approx(3 * kernel.sum())
    np.testing.assert_array_equal(named.flux, given.flux)


def test_match_options_take_quantities(image_path):
    psf, target = Psf(gaussian(99, 2.0), 0.03), Psf(gaussian(99, 2.6), 0.03)
    plain, typed = MatchOptions(angle=90.0), MatchOptions(angle=0.25 * u.cycle)
    assert MatchOptions(psf_scale=30 * u.mas).scale_arcsec == pytest.approx(0.03)
    one, other = (match_psf(image_path, psf, target, options=o) for o in (plain, typed))
    np.testing.assert_array_equal(one.flux, other.flux)


@pytest.mark.parametrize("given", [{}, {"psf": "p"}, {"psf": "p", "target": "t", "kernel": "k"}])
def test_match_psf_needs_psfs_or_a_kernel(image_path, given):
    with pytest.raises(PixsedError, match="give a PSF and a target PSF, or a kernel"):
        match_psf(image_path, **given)
