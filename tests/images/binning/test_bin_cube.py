import fakes
import numpy as np
import pytest
from astropy.table import Table
from scipy import ndimage
from scipy.optimize import minimize_scalar
from scipy.signal import fftconvolve

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.binning.bin_cube import bin_cube, bin_sums, binned
from pixsed.images.binning.groups import Group, Pixels, contiguous
from pixsed.images.binning.sed import shape_chi2
from pixsed.images.noise.covariance import (
    correlation,
    correlation_width,
    gaussian_autocorrelation,
    kernel_noise_corr,
    sum_variance,
)
from pixsed.images.psf.kernel import matching_kernel
from pixsed.io.formats.cube import Cube, bands_table, read_cube, write_cube

BANDS = ["F115W", "F200W", "F277W", "F356W", "F444W"]


def make_galaxy(
    wcs_header,
    *,
    n=60,
    peak=30.0,
    scale=8.0,
    noise_corr=1.0,
    sigma=1.0,
    seed=1,
    colours=None,
    noise=True,
    **changes,
):
    """Return a cube of an exponential disc with noise of known errors; SEGMAP where it is seen."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:n, :n]
    disc = peak * np.exp(-np.hypot((y - n / 2) / 0.7, x - n / 2 + 0.3) / scale)
    shape = np.ones((len(BANDS), n, n)) if colours is None else colours(y, x)
    flux = disc * shape
    if noise:
        flux = flux + rng.normal(0, sigma, flux.shape)
    segmap = np.where(disc > 0.4, 531, 0)
    segmap[:8] = 7  # a neighbour
    table = bands_table(BANDS, noise_corr=[noise_corr] * len(BANDS))
    return Cube(
        **(
            dict(
                bands=BANDS,
                flux=flux,
                err=np.full(flux.shape, sigma),
                header=wcs_header(),
                redshift=2.0,
                object_id="531",
                segmap=segmap,
                table=table,
            )
            | changes
        )
    )


def blocks(n, side):
    """Return labels of square blocks, from 1."""
    y, x = np.mgrid[:n, :n] // side
    return (y * (y.max() + 1) + x + 1).astype(np.int32)


def pieces(mask):
    return ndimage.label(mask, np.ones((3, 3)))[1]


@pytest.mark.parametrize("corr", [1.02, 1.5, 2.83, 6.7, 15.0])
def test_the_width_gives_the_factor_back(corr):
    width = correlation_width(corr)
    y, x = np.mgrid[-99:100, -99:100]
    assert correlation(y**2 + x**2, np.array([width])).sum() == pytest.approx(corr**2, rel=1e-6)


def test_the_width_of_a_gaussian_kernel():
    y, x = np.mgrid[-15:16, -15:16]
    kernel = np.exp(-(y**2 + x**2) / (2 * 2.0**2))
    assert correlation_width(kernel_noise_corr(kernel)) == pytest.approx(2.0, rel=1e-3)
    assert [correlation_width(c) for c in (1.0, 0.5, np.nan)] == [0, 0, 0]


def test_sum_variance_against_all_pairs():
    rng = np.random.default_rng(2)
    labels = rng.integers(0, 4, (9, 11))
    err = rng.uniform(0.5, 2, (3, 9, 11))
    err[1, 2:4, 3:7] = np.nan
    width = np.array([0.0, 0.8, 2.0])
    found = sum_variance(labels, err, gaussian_autocorrelation(width))
    y, x = np.mgrid[:9, :11]
    for band in range(3):
        for label in (1, 2, 3):
            use = (labels == label) & np.isfinite(err[band])
            e, yy, xx = err[band][use], y[use], x[use]
            d2 = (yy[:, None] - yy) ** 2 + (xx[:, None] - xx) ** 2
            rho = np.eye(len(e)) if width[band] == 0 else np.exp(-d2 / (4 * width[band] ** 2))
            expected = (e[:, None] * e * rho).sum()
            # Correlations below 1e-4 are left out.
            assert found[band, label - 1] == pytest.approx(expected, rel=3e-3)
    rho = gaussian_autocorrelation([0, 1])
    assert sum_variance(np.zeros((3, 3), int), np.ones((2, 3, 3)), rho).shape == (2, 0)


def test_a_group_that_grows_has_the_variance_of_its_sum():
    rng = np.random.default_rng(3)
    y, x = (a.ravel() for a in np.mgrid[:6, :7])
    flux, err = rng.normal(5, 1, (2, 42)), rng.uniform(0.5, 2, (2, 42))
    flux[1, 4] = err[1, 4] = np.nan
    width = np.array([0.0, 1.3])
    pixels = Pixels(y, x, flux, err, width, np.array([0, 1]), (6, 7))
    group, members = Group(pixels), [0, 3, 4, 17, 18, 24]
    for pixel in members[:-1]:
        group.add(pixel)
    with_it = group.snr_with(members[-1])
    group.add(members[-1])
    assert group.snr == pytest.approx(with_it)
    plane = np.zeros((6, 7), int)
    plane.flat[members] = 1
    expected = sum_variance(plane, err.reshape(2, 6, 7), gaussian_autocorrelation(width))[:, 0]
    np.testing.assert_allclose(group.variance, expected, rtol=1e-3)
    sums = np.nansum(flux[:, members], axis=1)
    assert group.snr == pytest.approx((sums / np.sqrt(group.variance)).mean())
    np.testing.assert_array_equal(group.count, [6, 5])
    np.testing.assert_allclose(group.sed[0], sums / [6, 5])


def noise_images(kernel, count, n, seed):
    """Return images of noise through a kernel, the rms of a pixel 1."""
    rng = np.random.default_rng(seed)
    half = kernel.shape[0] // 2
    white = rng.standard_normal((count, n + 2 * half, n + 2 * half))
    kernel = kernel / np.sqrt((kernel**2).sum())
    return fftconvolve(white, kernel[None], mode="valid", axes=(1, 2))


def moffat(fwhm, n=21):
    y, x = np.mgrid[:n, :n] - n // 2
    alpha = fwhm / 2 / np.sqrt(2 ** (1 / 2.5) - 1)
    psf = (1 + (y**2 + x**2) / alpha**2) ** -2.5
    return psf / psf.sum()


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("none", 0.97, 1.03),
        ("gaussian", 0.97, 1.03),
        ("matching", 0.95, 1.08),
    ],
)
def test_errors_of_bins_against_the_scatter_of_noise(wcs_header, name, low, high):
    """The error of a bin is the scatter of its sum over images of noise with a known kernel.

    Of a kernel that is no Gaussian only noise_corr is told; the errors may be a little
    too large, hardly too small.
    """
    y, x = np.mgrid[-9:10, -9:10]
    kernel = {
        "none": np.ones((1, 1)),
        "gaussian": np.exp(-(y**2 + x**2) / (2 * 1.6**2)),
        "matching": matching_kernel(moffat(2.0), moffat(4.8)),
    }[name]
    n, count = 24, 3000
    images = noise_images(kernel, count, n, 4)
    flux = np.ones((len(BANDS), n, n))
    cube = Cube(
        BANDS,
        flux,
        np.ones_like(flux),
        wcs_header(),
        1.0,
        table=bands_table(BANDS, noise_corr=[kernel_noise_corr(kernel)] * len(BANDS)),
    )
    binmap = np.zeros((n, n), np.int32)
    binmap[:4, :4] = 1
    binmap[:3, 8:16] = 2
    yy, xx = np.mgrid[:n, :n]
    binmap[np.hypot(yy - 14, xx - 12) < 6.5] = 3
    binmap[20, 20] = 4
    binmap[4:7, 19:21] = 5
    _, err, _ = bin_sums(cube, binmap)
    npix = np.bincount(binmap.ravel())[1:]
    for i in range(5):
        scatter = images[:, binmap == i + 1].sum(axis=1).std()
        assert low < err[0, i] / scatter < high, (i + 1, npix[i], err[0, i] / scatter)
    assert err[0, 3] == pytest.approx(1.0, rel=1e-6)  # of one pixel, its own
    # The sum of the whole, from the bins and the factor that the binned cube gives.
    result = binned(cube, blocks(n, 4), "voronoi", 10.0, ["F444W"])
    total = np.sqrt(((result.err[0] * 16) ** 2)[::4, ::4].sum()) * result.table["noise_corr"][0]
    assert low < total / images.sum(axis=(1, 2)).std() < high


@pytest.mark.parametrize("method", ["voronoi", "sed"])
@pytest.mark.parametrize("corr", [1.0, 3.0])
def test_bins_of_a_galaxy(wcs_header, method, corr):
    cube = make_galaxy(wcs_header, noise_corr=corr)
    result = bin_cube(cube, method=method, snr=10)
    binmap, table = result.binning.binmap, result.binning.table
    # Every pixel of the galaxy in one bin, no other, in numbers without gaps.
    np.testing.assert_array_equal(binmap > 0, cube.segmap == 531)
    np.testing.assert_array_equal(np.unique(binmap)[1:], table["bin"])
    np.testing.assert_array_equal(np.bincount(binmap.ravel())[1:], table["npix"])
    assert all(pieces(binmap == label) == 1 for label in table["bin"])
    # The target is met.
    snr = np.asarray(table["snr"])
    assert (snr >= 8).mean() > 0.97
    assert (snr >= 10).mean() > (0.6 if method == "voronoi" else 0.9)
    if method == "voronoi":
        many = np.asarray(table["npix"]) > 1
        assert np.std(snr[many]) < 1.5
        assert 9.3 < np.median(snr[many]) < 11
    else:
        assert (np.asarray(table["npix"]) >= 18).all()  # a disc 4.83 pixels across
    # Its S/N is that of the cube's planes.
    index = [BANDS.index(b) for b in ("F277W", "F356W", "F444W")]
    ratio = (result.flux[index] / result.err[index]).mean(axis=0)
    np.testing.assert_allclose(ratio[binmap > 0], snr[binmap[binmap > 0] - 1], rtol=1e-5)
    # The flux is conserved.
    inside = binmap > 0
    for before, after in zip(cube.flux, result.flux, strict=True):
        for label in table["bin"]:
            here = binmap == label
            assert len(np.unique(after[here])) == 1
            np.testing.assert_allclose(
                after[here].sum(dtype=float), before[here].sum(dtype=float), rtol=1e-5, atol=1e-5
            )
    assert np.isnan(result.flux[:, ~inside]).all() and np.isnan(result.err[:, ~inside]).all()
    y, x = np.nonzero(binmap == 3)
    assert (table["x"][2], table["y"][2]) == pytest.approx((x.mean() + 1, y.mean() + 1))
    # A second run gives the same result.
    np.testing.assert_array_equal(bin_cube(cube, method=method, snr=10).binning.binmap, binmap)


def test_voronoi_bins_are_round_and_pixels_of_the_target_stay_alone(wcs_header):
    cube = make_galaxy(wcs_header, n=80, scale=12)
    result = bin_cube(cube, snr=10)
    binmap, table = result.binning.binmap, result.binning.table
    alone = (cube.segmap == 531) & (cube.flux[2:].mean(axis=0) >= 10)
    assert (np.asarray(table["npix"])[binmap[alone] - 1] == 1).mean() > 0.98
    y, x = np.mgrid[:80, :80]
    stretch = []
    for row in table[np.asarray(table["npix"]) > 12]:
        here = binmap == row["bin"]
        axes = np.linalg.eigvalsh(np.cov(y[here], x[here]))
        stretch.append(np.sqrt(axes[1] / axes[0]))
    assert np.median(stretch) < 1.5


def test_minimum_size_of_bins(wcs_header):
    cube = make_galaxy(wcs_header)
    small = bin_cube(cube, snr=10).binning.table["npix"]
    large = np.asarray(bin_cube(cube, snr=10, min_size=5).binning.table["npix"])
    assert np.min(small) == 1
    assert np.median(large) >= 19
    assert (large >= 0.5 * 19).mean() > 0.95
    wide = np.asarray(bin_cube(cube, snr=10, min_size=8, method="sed").binning.table["npix"])
    assert (wide >= 50).all()


def test_sed_bins_keep_colours_apart(wcs_header):
    slope = np.linspace(0.6, 1.4, len(BANDS))[:, None, None]

    def colours(y, x):
        return np.where(x < 29.5, slope, slope[::-1])

    cube = make_galaxy(wcs_header, peak=300, colours=colours)
    blue = np.mgrid[:60, :60][1] < 29.5
    bright = (cube.segmap == 531) & (cube.flux.mean(axis=0) > 20)
    mixed = []
    for limit in (4.0, 1e9):
        binmap = bin_cube(cube, method="sed", snr=400, min_size=3, max_chi2=limit).binning.binmap
        labels = np.unique(binmap[bright])
        sizes = np.array([(binmap == label).sum() for label in labels])
        fraction = np.array([blue[binmap == label].mean() for label in labels])
        mixed.append((sizes * np.minimum(fraction, 1 - fraction)).sum() / sizes.sum())
    # What is left are the discs of one PSF on the border, which colour does not divide.
    assert mixed[0] < 0.1
    assert mixed[0] < 0.4 * mixed[1]


def test_shape_chi2():
    rng = np.random.default_rng(6)
    ref, err_ref = np.array([3.0, 5, 8, 9, 12, 10]), np.full(6, 0.05)
    err = np.array([0.2, 0.3, 0.2, 0.5, 0.4, 0.3])
    assert shape_chi2(0.37 * ref, err, ref, err_ref) == pytest.approx(0, abs=1e-12)
    drawn = [
        shape_chi2(0.4 * ref + rng.normal(0, err), err, ref + rng.normal(0, err_ref), err_ref)
        for _ in range(3000)
    ]
    assert np.mean(drawn) == pytest.approx(1, abs=0.04)
    flux = ref * [1, 1.2, 0.8, 1, 0.5, 1.3]

    def chi2(s):
        return ((flux - s * ref) ** 2 / (err**2 + (s * err_ref) ** 2)).sum() / 5

    best = minimize_scalar(chi2, bounds=(0.1, 3), method="bounded").fun
    assert shape_chi2(flux, err, ref, err_ref) == pytest.approx(best, rel=0.01)
    # Bands without data do not count; one band has no shape.
    flux[2] = err[2] = np.nan
    assert np.isfinite(shape_chi2(flux, np.nan_to_num(err), ref, err_ref))
    assert shape_chi2(flux[:1], err[:1], ref[:1], err_ref[:1]) == 0


def test_pieces_cut_off_join_the_bin_they_touch():
    plane = np.array(
        [[0, 0, 1, 1, 9, 9], [0, 0, 1, 0, 9, 2], [0, 0, 1, 1, 9, 9], [1, 0, 1, 1, 9, 2]]
    )
    y, x = np.nonzero(plane != 9)
    labels = plane[y, x]
    labels[(y == 2) & (x == 2)] = -1
    pixels = Pixels(
        y, x, np.ones((1, len(y))), np.ones((1, len(y))), np.zeros(1), np.array([0]), plane.shape
    )
    found = np.full(plane.shape, -1)
    found[y, x] = contiguous(pixels, labels)
    # The 0 among ones is theirs, the 1 among zeros theirs; two islands, two bins.
    expected = np.array(
        [[0, 0, 1, 1, -1, -1], [0, 0, 1, 1, -1, 2], [0, 0, 1, 1, -1, -1], [0, 0, 1, 1, -1, 3]]
    )
    np.testing.assert_array_equal(found, expected)
    assert all(pieces(found == label) == 1 for label in range(4))


def test_bands_without_data(wcs_header):
    n = 12
    flux = np.arange(5.0 * n * n).reshape(5, n, n) + 1
    err = np.full((5, n, n), 2.0)
    flux[0, 0, :3] = np.nan  # 3 of 16
    err[1, 4:8, 4:7] = 0.0  # 12 of 16
    flux[:, 11, 11] = np.nan  # no data at all
    cube = Cube(BANDS, flux, err, wcs_header(), 1.0)
    binmap = blocks(n, 4)
    binmap[11, 11] = 0
    sums, errors, _ = bin_sums(cube, binmap)
    good = flux[0, :4, :4][np.isfinite(flux[0, :4, :4])]
    assert sums[0, 0] == pytest.approx(good.mean() * 16)
    assert errors[0, 0] == pytest.approx(2 * np.sqrt(13) * 16 / 13)
    assert np.isnan(sums[1, 4]) and np.isnan(errors[1, 4])
    assert np.isfinite(sums[2:, :]).all()
    result = binned(cube, binmap, "voronoi", 10.0, ["F444W"])
    assert np.isfinite(result.flux[0, 0, 0])  # the bin's, in a pixel that had none
    assert np.isnan(result.flux[1, 4:8, 4:8]).all()
    assert np.isnan(result.flux[:, 11, 11]).all()


@pytest.mark.parametrize("method", ["voronoi", "sed"])
def test_gaps_in_the_data_of_a_galaxy(wcs_header, method):
    cube = make_galaxy(wcs_header, n=40)
    cube.flux[:, 18:21, 19] = np.nan
    cube.flux[2:, 24, 12:16] = np.nan
    cube.err[3, 15:17, 20:24] = np.inf
    binmap = bin_cube(cube, method=method, snr=8).binning.binmap
    inside = cube.segmap == 531
    inside[18:21, 19] = False
    np.testing.assert_array_equal(binmap > 0, inside)
    assert all(pieces(binmap == label) == 1 for label in range(1, binmap.max() + 1))


def test_a_galaxy_short_of_the_target_is_one_bin(wcs_header):
    cube = make_galaxy(wcs_header, peak=3, n=30)
    for method in ("voronoi", "sed"):
        with pytest.warns(
            PixsedWarning,
            match="c.fits: 1 of 1 bins, with .* pixels, have less "
            "than 0.8 of the S/N of 1000; try a lower --snr",
        ):
            result = bin_cube(cube, method=method, snr=1000, name="c.fits")
        assert result.binning.binmap.max() == 1
        inside = cube.segmap == 531
        expected = cube.flux[2:, inside].sum(axis=1) / np.sqrt(inside.sum())
        assert result.binning.table["snr"][0] == pytest.approx(expected.mean(), rel=1e-5)


def test_without_a_segmap_and_with_other_bands(wcs_header):
    flux = np.full((2, 8, 8), 5.0)
    cube = Cube(["F606W", "F115W"], flux, np.ones_like(flux), wcs_header(), 1.0)
    result = bin_cube(cube, snr=10)
    assert result.binning.snr_bands == ("F606W", "F115W")
    assert (result.binning.binmap > 0).all()
    assert bin_cube(cube, snr=10, bands=["F115W"]).binning.snr_bands == ("F115W",)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"method": "x"}, "method must be one of voronoi, sed, got 'x'"),
        ({"snr": 0}, "snr must be above 0, got 0"),
        ({"min_size": -1}, "min_size must be above 0"),
        ({"bands": ["F150W"]}, "c.fits has no band F150W; it has F115W, F200W.*--bands"),
    ],
)
def test_options_that_make_no_sense(wcs_header, options, match):
    with pytest.raises(PixsedError, match=match):
        bin_cube(make_galaxy(wcs_header, n=20), name="c.fits", **options)


def test_cubes_that_cannot_be_binned(wcs_header):
    cube = bin_cube(make_galaxy(wcs_header, n=30), snr=10)
    with pytest.raises(PixsedError, match="c.fits is binned already; give the cube"):
        bin_cube(cube, name="c.fits")
    cube = make_galaxy(wcs_header, n=20)
    cube.flux[2:] = np.nan
    with pytest.raises(PixsedError, match="no pixel of the galaxy has data in F356W; choose"):
        bin_cube(cube, bands=["F356W"])
    cube.flux[:] = np.nan
    with pytest.raises(PixsedError, match="no pixel of the galaxy has data in F115W, F200W"):
        bin_cube(cube)


def test_bins_by_the_bands_that_have_data(wcs_header):
    """The S/N is over F277W, F356W and F444W, or over the reddest bands with data."""
    cube = make_galaxy(wcs_header, n=30)
    red = bin_cube(cube, snr=10)
    cube.flux[3:, :, :15] = np.nan
    half = bin_cube(cube, snr=10)
    assert half.binning.snr_bands == ("F277W", "F356W", "F444W")
    cube.flux[2:] = np.nan
    blue = bin_cube(cube, snr=10)
    assert blue.binning.snr_bands == ("F115W", "F200W")
    for result in (red, half, blue):
        table = result.binning.table
        where = [np.argwhere(result.binning.binmap == label)[0] for label in table["bin"]]
        for (y, x), found in zip(where, table["snr"], strict=True):
            ratio = result.flux[:, y, x] / result.err[:, y, x]
            expected = ratio[2:] if np.isfinite(ratio[2:]).any() else ratio
            assert found == pytest.approx(np.nanmean(expected), rel=1e-4)
        assert np.median(table["snr"]) > 8


def test_no_bin_is_spoiled_by_an_error_that_tells_nothing(wcs_header):
    cube, plain = make_galaxy(wcs_header, n=30), make_galaxy(wcs_header, n=30)
    cube.err[0, 14:16, 14:16] = 1e30
    plain.flux[0, 14:16, 14:16] = plain.err[0, 14:16, 14:16] = np.nan
    with pytest.warns(PixsedWarning, match=r"an error too large .*\(F115W 4 pixels\)"):
        found = bin_cube(cube, snr=10)
    expected = bin_cube(plain, snr=10)
    np.testing.assert_array_equal(found.flux, expected.flux)
    np.testing.assert_array_equal(found.err, expected.err)


def test_the_file(wcs_header, tmp_path, fitsverify):
    result = bin_cube(make_galaxy(wcs_header, n=30), snr=10, method="sed")
    path = tmp_path / "b.fits"
    write_cube(result, path)
    fitsverify(path)
    back = read_cube(path)
    for name in ("flux", "err", "segmap"):
        np.testing.assert_array_equal(getattr(back, name), getattr(result, name))
    b, c = back.binning, result.binning
    np.testing.assert_array_equal(b.binmap, c.binmap)
    assert b.binmap.dtype == np.int32
    assert (b.method, b.snr, b.snr_bands) == ("sed", 10.0, ("F277W", "F356W", "F444W"))
    np.testing.assert_array_equal(b.npix[b.binmap > 0], c.table["npix"][b.binmap[b.binmap > 0] - 1])
    assert (b.npix[b.binmap == 0] == 0).all()
    assert Table.read(path, hdu="BINS").colnames == ["bin", "npix", "snr", "x", "y"]


def test_a_galaxy_of_jades(shared_data, run_cli, tmp_path):
    """Compare the bins of JOF 531 with published ones."""
    from astropy.io import fits

    jof, cube = shared_data / "jof", tmp_path / "531.fits"
    result = run_cli(
        "cutout",
        f"F*={jof}/JOF_531_F*.fits[SCI_PSFM]",
        "--segmap",
        f"{jof}/JOF_531_seg.fits",
        "--id",
        531,
        "--redshift",
        5.24,
        "--rescale-errors",
        "-o",
        cube,
    )
    assert result.exit_code == 0, result.output
    cube = read_cube(cube)
    with fits.open(jof / "JOF_531_seg.fits") as hdulist:
        theirs = hdulist["BIN_VORONOI"].data.astype(np.int32)
    bands = ["F277W", "F356W", "F444W"]
    theirs = np.asarray(binned(cube, theirs, "voronoi", 20.0, bands).binning.table["snr"])
    # The target is the S/N of the published bins of several pixels.
    ours = bin_cube(cube, snr=20).binning.table
    assert 0.5 < len(ours) / len(theirs) < 2
    assert 0.5 < np.median(ours["snr"]) / np.median(theirs) < 2


def test_the_fake_cube_bins():
    cube = fakes.binned_cube()
    assert cube.binning.binmap.max() > 3
