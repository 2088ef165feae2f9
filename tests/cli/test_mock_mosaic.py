"""Mosaics of known sky and noise in bkg, psfmatch and cutout."""

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import binary_dilation, gaussian_filter

from pixsed.io.formats.cube import read_cube

N, SIGMA, BOX = 1000, 2.0, 100


def mock_mosaic(seed, drizzle=0.0, tilt=1.0):
    """Make a mosaic of a tilted sky, noise, stars and galaxies.

    `drizzle` is the sigma in pixels of the Gaussian that correlates the noise; its rms is
    `SIGMA`. `tilt` is the change of the sky from left to right, in `SIGMA`.

    Returns
    -------
    image, sky : (N, N) float
    segmap : (N, N) int32
        Sources, as far as they are above a tenth of the noise, at most 45 pixels.
    """
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:N, :N]
    shape = x / N - 0.6 * y / N + 0.2 * np.sin(2 * np.pi * x / N)
    sky = 40.0 + tilt * SIGMA * shape
    noise = rng.standard_normal((N, N))
    if drizzle:
        noise = gaussian_filter(noise, drizzle, mode="wrap")
    noise *= SIGMA / noise.std()
    light = np.zeros((N, N))
    segmap = np.zeros((N, N), np.int32)
    for number in range(1, 141):
        xc, yc = rng.uniform(0, N, 2)
        ys, xs = (slice(max(0, int(c) - 45), int(c) + 46) for c in (yc, xc))
        dx, dy = x[ys, xs] - xc, y[ys, xs] - yc
        peak = SIGMA * 10 ** rng.uniform(0.7, 2.5)
        if number % 3:  # an exponential disc
            q, angle = rng.uniform(0.3, 1), rng.uniform(0, np.pi)
            along = dx * np.cos(angle) + dy * np.sin(angle)
            across = (dy * np.cos(angle) - dx * np.sin(angle)) / q
            profile = peak * np.exp(-np.hypot(along, across) / rng.uniform(2, 5))
        else:  # a star, a Moffat
            profile = 3 * peak * (1 + (dx**2 + dy**2) / 2.5**2) ** -2.5
        light[ys, xs] += profile
        segmap[ys, xs][profile > 0.1 * SIGMA] = number
    return sky + light + noise, sky, segmap


@pytest.fixture
def write(write_fits, wcs_header, tmp_path):
    """Write a mock mosaic and its map; return their paths."""

    def make(image, segmap):
        header = wcs_header(BUNIT="nJy", FILTER="F200W")
        err = np.full(image.shape, SIGMA, np.float32)
        path = write_fits("mock.fits", SCI=(image.astype(np.float32), header), ERR=(err, header))
        return path, write_fits("seg.fits", SEG=(segmap, wcs_header()))

    return make


@pytest.mark.parametrize("drizzle", [0.0, 0.7, 1.5])
def test_background(write, run_cli, tmp_path, drizzle):
    image, sky, segmap = mock_mosaic(31, drizzle)
    path, seg = write(image, segmap)
    out = tmp_path / "bkg.fits"
    result = run_cli("bkg", path, "--box", BOX, "--segmap", seg, "--dilate", "3", "-o", out)
    assert result.exit_code == 0, result.output
    with fits.open(out) as hdulist:
        off = (hdulist["BKG"].data - sky) / SIGMA
        rms = hdulist["BKGRMS"].data
    assert np.sqrt(np.mean(off**2)) < 0.1
    assert abs(np.mean(off)) < 0.03
    # Beyond the centres of the outermost boxes the sky is not extrapolated.
    inner = slice(BOX // 2, -BOX // 2)
    assert np.abs(off[inner, inner]).max() < 0.2
    np.testing.assert_allclose(rms, SIGMA, rtol=0.05)


def test_background_without_a_mask(write, run_cli, tmp_path):
    """With clipping only, the wings of sources stay in the sky, and bias it."""
    image, sky, segmap = mock_mosaic(32, 0.7)
    path, _ = write(image, segmap)
    level = {}
    for estimator in ("mean", "median", "mode"):
        out = tmp_path / f"{estimator}.fits"
        args = ["--box", BOX, "--estimator", estimator, "-q"]
        assert run_cli("bkg", path, *args, "-o", out).exit_code == 0
        level[estimator] = np.mean(fits.getdata(out, "BKG") - sky) / SIGMA
    assert 0.3 > level["mean"] > level["median"] > abs(level["mode"])


@pytest.mark.parametrize("drizzle", [0.0, 0.7, 1.5])
def test_errors_after_matching_are_the_scatter_of_the_sky(
    write, write_fits, run_cli, tmp_path, drizzle
):
    image, _, segmap = mock_mosaic(33, drizzle)
    path, seg = write(image, segmap)
    sky_free, matched, cube = (tmp_path / f"{name}.fits" for name in ("bkg", "psfm", "cube"))
    args = ["--box", BOX, "--segmap", seg, "--dilate", "3"]
    # All noise is sky noise, which ERR already contains, so the rms must not be added again.
    assert run_cli("bkg", path, *args, "--err", "sky", "-o", sky_free).exit_code == 0
    y, x = np.mgrid[-8:9, -8:9]
    kernel = np.exp(-0.5 * (x**2 + y**2) / 1.8**2) + 0.02 * np.exp(-np.hypot(x, y) / 3)
    kernel = write_fits("k.fits", primary=(kernel, None))
    result = run_cli("psfmatch", sky_free, "--kernel", kernel, "-o", matched)
    assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    with fits.open(matched) as hdulist:
        data, err, header = hdulist["SCI"].data, hdulist["ERR"].data, hdulist["SCI"].header
    empty = ~binary_dilation(segmap > 0, iterations=14)
    # Within half a box of the edge the sky is not extrapolated (test_background).
    inner = np.zeros_like(empty)
    inner[BOX // 2 : -BOX // 2, BOX // 2 : -BOX // 2] = True
    assert (empty & inner).sum() > 50_000
    scatter = data[empty & inner].std()
    assert np.median(err[empty & inner]) == pytest.approx(scatter, rel=0.03)
    # The residual sky at the edges adds to the scatter, most for white noise, which the kernel
    # reduces most.
    assert np.median(err[empty]) == pytest.approx(data[empty].std(), rel=0.04 if drizzle else 0.08)
    if drizzle:
        assert header["ERRCORR"] > 2
    else:
        assert header["ERRCORR"] == pytest.approx(1, abs=0.01)
    # The cube has the same values.
    result = run_cli(
        "cutout",
        matched,
        "--segmap",
        seg,
        "--id",
        segmap.max(),
        "--redshift",
        "1",
        "--pad",
        "full",
        "-o",
        cube,
    )
    assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    cube = read_cube(cube)
    np.testing.assert_allclose(cube.err[0][empty], err[empty], rtol=1e-5)
    assert cube.table["noise_corr"][0] == pytest.approx(header["NOISECOR"], rel=1e-5)
