"""Reading of PSFs and kernels: scale, centre, sum and edge."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.images.psf.profile import centroid, common_size
from pixsed.images.psf.read import read_kernel, read_psf


def gaussian(shape, sigma, dx=0.0, dy=0.0):
    y, x = np.indices(shape if isinstance(shape, tuple) else (shape, shape), dtype=float)
    y -= (y.shape[0] - 1) / 2 + dy
    x -= (x.shape[1] - 1) / 2 + dx
    return np.exp(-0.5 * (x**2 + y**2) / sigma**2) / (2 * np.pi * sigma**2)


@pytest.fixture
def write(write_fits):
    count = iter(range(1000))

    def make(data, cards=None, **more):
        header = fits.Header()
        header.update(cards or {})
        return write_fits(f"{next(count)}.fits", primary=(data, header), **more)

    return make


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i4", "u2"])
@pytest.mark.parametrize(
    ("data", "factor"),
    [
        (gaussian(41, 2.0), 1),
        (gaussian(40, 2.0), 1e3),
        (gaussian((40, 41), 2.0), 1e-4),
        (gaussian(41, 2.0, 0.6, -0.6), 1),
        (gaussian((61, 41), 2.0), 1e5),
    ],
)
def test_good_psfs(write, data, factor, dtype):
    """A PSF may have any sum, even sides, integers and a small offset, without a warning."""
    data = data * factor
    if np.dtype(dtype).kind != "f":
        data = np.round(data / data.max() * 6e4)
    psf = read_psf(write(data.astype(dtype), {"PIXSCALE": 0.03}))
    assert psf.scale == 0.03 and psf.data.dtype == float
    assert centroid(psf.data) == pytest.approx(centroid(data), abs=1e-3)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (np.where(gaussian(41, 2.0) > 0.039, np.nan, gaussian(41, 2.0)), "is not a PSF: .*finite"),
        (np.where(gaussian(41, 2.0) > 0.039, np.inf, gaussian(41, 2.0)), "is not a PSF: .*finite"),
        (np.zeros((41, 41)), "with a sum above zero"),
        (-gaussian(41, 2.0), "with a sum above zero"),
        (gaussian(41, 2.0) - 1.0, "with a sum above zero"),
        (np.ones((41, 41)), "its edge is 100% of its peak"),
        (1 + gaussian(41, 2.0), "its edge is 9.% of its peak"),
        (np.ones((2, 41)), "is not a PSF"),
        (np.ones((3, 41, 41)), "no 2-D image"),
        (np.ones(41), "no 2-D image"),
    ],
)
def test_what_is_no_psf(write, data, match):
    with pytest.raises(PixsedError, match=match):
        read_psf(write(data, {"PIXSCALE": 0.03}))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (gaussian(41, 2.0, 1.5), "1.5 pixels off the centre"),
        (gaussian(41, 2.0, -6.0, 8.0), "10.0 pixels off the centre"),
        (gaussian(41, 2.0) + 8e-4, "2.0% of its peak at the edge"),
        (gaussian(9, 2.0), "of its peak at the edge"),
    ],
)
def test_doubtful_psfs(write, data, match):
    with pytest.warns(PixsedWarning, match=match):
        read_psf(write(data, {"PIXSCALE": 0.03}))


def test_an_off_centre_psf_is_used_to_its_nearest_edge(write):
    with pytest.warns(PixsedWarning, match="off the centre"):
        psf = read_psf(write(gaussian(61, 2.0, 10.0), {"PIXSCALE": 0.03}))
    # 20 pixels are left on one side, and one for the shift that is let pass.
    assert common_size(psf, psf, 0.03) in (41, 43)


@pytest.mark.parametrize("card", ["PIXSCALE", "PIXSCL", "PIXELSCL"])
@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (0.03 / 3600, "in degrees it would be 0.03 arcsec"),
        (30.0, "in milliarcsec it would be 0.03 arcsec"),
        (1.4544e-7, "in radians it would be 0.03 arcsec"),
        (1e-20, "correct its header"),
        (1e5, "correct its header"),
    ],
)
def test_scales_in_other_units(write, card, value, unit):
    with pytest.raises(PixsedError, match=rf"{card} = .* is not a pixel scale in arcsec.*{unit}"):
        read_psf(write(gaussian(41, 2.0), {card: value}))


@pytest.mark.parametrize(
    "cards",
    [
        {},
        {"CDELT1": 1.0},
        {"CD1_1": 0.03},
        {"PIXSCALE": 0.0},
        {"PIXSCALE": -0.03},
        {"PIXSCALE": "unknown"},
        {"PIXSCALE": ""},
    ],
)
def test_no_scale(write, cards):
    path = write(gaussian(41, 2.0), cards)
    with pytest.raises(PixsedError, match="no pixel scale, in a WCS or as PIXSCALE.* --psf-scale"):
        read_psf(path)
    assert read_psf(path, scale=0.04).scale == 0.04


def test_scales_that_disagree(write, wcs_header):
    same = dict(wcs_header(scale=0.03)) | {"PIXSCALE": 0.0301}
    assert read_psf(write(gaussian(41, 2.0), same)).scale == pytest.approx(0.03)
    path = write(gaussian(41, 2.0), dict(wcs_header(scale=0.03)) | {"PIXELSCL": 0.0075})
    with pytest.raises(PixsedError, match=r"its WCS 0.03, PIXELSCL 0.0075; say which with --psf-"):
        read_psf(path)
    assert read_psf(path, scale=0.0075).scale == 0.0075


def test_a_number_in_quotes_is_a_scale(write):
    assert read_psf(write(gaussian(41, 2.0), {"PIXSCALE": "0.031"})).scale == 0.031


def test_extensions_of_several_samplings(write):
    """Each extension of a file of WebbPSF is read with its own pixel scale."""
    own, none = fits.Header(), fits.Header()
    own["PIXELSCL"] = 0.031
    path = write(
        gaussian(164, 8.0),
        {"PIXELSCL": 0.00775, "OVERSAMP": 4},
        DET_SAMP=(gaussian(41, 2.0), own),
        BARE=(gaussian(41, 2.0), none),
    )
    with pytest.raises(PixsedError, match=r"which extension is the image\?.*DET_SAMP"):
        read_psf(path)
    assert read_psf(path + "[0]").scale == 0.00775
    assert read_psf(path + "[DET_SAMP]").scale == 0.031
    with pytest.raises(PixsedError, match="no pixel scale"):
        read_psf(path + "[BARE]")


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
@pytest.mark.parametrize("kind", ["primary", "extension", "compressed"])
def test_files(tmp_path, kind, ending):
    data, header = gaussian(41, 2.0).astype("f4"), fits.Header()
    header["PIXSCALE"] = 0.03
    hdu = {"primary": fits.PrimaryHDU, "extension": fits.ImageHDU, "compressed": fits.CompImageHDU}[
        kind
    ](data, header)
    hdus = [hdu] if kind == "primary" else [fits.PrimaryHDU(), hdu]
    fits.HDUList(hdus).writeto(tmp_path / f"p{ending}")
    psf = read_psf(str(tmp_path / f"p{ending}"))
    np.testing.assert_allclose(psf.data, data, atol=1e-3 * data.max())


@pytest.mark.parametrize("total", [1.0, 0.5, 37.0, 1e-6])
def test_kernels_are_made_to_sum_to_one(write, total):
    kernel = read_kernel(write(total * gaussian(31, 2.0), {"PSFMATCH": "F444W"}), scale=0.03)
    assert kernel.data.sum() == pytest.approx(1)
    assert kernel.sum == pytest.approx(total) and kernel.band == "F444W"


SHARP = 2 * np.pad(np.ones((1, 1)), 5) - gaussian(11, 1.5)


@pytest.mark.parametrize(
    ("data", "cards", "match"),
    [
        (gaussian(30, 2.0), {}, "odd sides, got"),
        (gaussian((31, 30), 2.0), {}, "odd sides, got"),
        (np.zeros((31, 31)), {}, "is not a kernel"),
        (-gaussian(31, 2.0), {}, "is not a kernel"),
        (np.full((31, 31), np.nan), {}, "is not a kernel"),
        (gaussian(61, 2.0) - gaussian(61, 3.0), {}, "is not a kernel"),
        (gaussian(31, 2.0), {"PIXSCALE": 0.06}, "0.06 arcsec, as PIXSCALE says, the image's 0.03"),
        (gaussian(31, 2.0), {"PIXELSCL": 0.02}, "0.02 arcsec, as PIXELSCL says"),
        (gaussian(31, 2.0), {"SECPIX": 0.06}, "0.06 arcsec, as SECPIX says"),
        (gaussian(31, 2.0), {"CDELT1": -0.06 / 3600}, "0.06 arcsec, as CDELT1 says"),
        (gaussian(31, 2.0), {"CDELT1": 2e-5, "CDELT2": 2e-5}, "0.072 arcsec, as CDELT1 says"),
        (gaussian(31, 2.0), {"CD1_1": -5e-6, "CD2_2": 5e-6}, "0.018 arcsec, as CD1_1 says"),
        (gaussian(31, 2.0), {"CD1_1": 0.0, "CD2_1": 5e-6}, "0.018 arcsec, as CD1_1 says"),
        (gaussian(31, 2.0), {"PIXSCALE": 0.03 / 3600}, "in degrees it would be 0.03 arcsec"),
        (gaussian(31, 2.0, 0.6), {}, "0.60 pixels off its centre, and moves the image by it; c"),
        (gaussian(31, 2.0, 0, 1.0), {}, "1.00 pixels off its centre"),
        (gaussian(31, 2.0, 5, -5), {}, "7.07 pixels off its centre"),
        (gaussian(31, 2.0, 0.5, 0.5), {}, "0.71 pixels off its centre"),
    ],
)
def test_kernels_that_do_not_fit_the_image(write, data, cards, match):
    with pytest.raises(PixsedError, match=match):
        read_kernel(write(data, cards), scale=0.03)


@pytest.mark.parametrize("scale", [0.03, 0.0301])
def test_kernels_that_are_taken(write, wcs_header, scale):
    for data in (gaussian(31, 2.0), SHARP, np.pad(np.ones((1, 1)), 3), gaussian((9, 31), 1.0)):
        for cards in (
            {},
            {"PIXSCALE": scale},
            dict(wcs_header(scale=scale)),
            {"CDELT1": 1.0},
            {"CDELT1": scale / 3600},
            {"CD1_1": 1.0, "CD2_2": 1.0},
            {"OVERSAMP": 1},
            {"CD1_1": scale / 3600, "CDELT1": 1.0},
            {"CDELT1": "none"},
        ):
            read_kernel(write(data, cards), scale=0.03)
    with pytest.warns(PixsedWarning, match="0.4. pixels off its centre"):
        read_kernel(write(gaussian(31, 2.0, 0.4)), scale=0.03)
    with pytest.warns(PixsedWarning, match="the kernel has OVERSAMP 4; it is taken on the image's"):
        read_kernel(write(gaussian(31, 2.0), {"OVERSAMP": 4}), scale=0.03)


@pytest.mark.parametrize(
    "cards",
    [
        {"CDELT1": -0.04 / 3600, "CDELT2": 0.04 / 3600},
        {"CD1_1": 0.04 / 3600, "CDELT1": 1.0},
        {"CD1_1": 0.032 / 3600, "CD2_1": 0.024 / 3600},
        {"SECPIX1": 0.04, "CDELT1": 3.0},
        {"PIXSCAL1": 0.04},
        {"PIXSCALX": 0.04},
    ],
)
def test_scales_without_ctype(write, cards):
    """Steps in degrees without a projection, as in files of pypher, are read."""
    assert read_psf(write(gaussian(41, 2.0), cards)).scale == pytest.approx(0.04)


def test_a_kernel_with_a_wcs_of_other_pixels(write, wcs_header):
    path = write(gaussian(31, 2.0), dict(wcs_header(scale=0.05)))
    with pytest.raises(PixsedError, match="0.05 arcsec, as its WCS says"):
        read_kernel(path, scale=0.03)


def test_real_psfs_and_kernels_pass_unwarned(shared_data, write_fits):
    """PSFs of WebbPSF and of stars, and the kernels between them, are read."""
    from pixsed.images.psf.kernel import matching_kernel
    from pixsed.images.psf.profile import resample_psf

    target = read_psf(str(shared_data / "psf" / "nircam" / "psf_nircam_F444W.fits"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for path in sorted((shared_data / "psf").glob("*/*.fits")):
            psf = read_psf(str(path))
            planes = [resample_psf(p, 0.03, common_size(psf, target, 0.03)) for p in (psf, target)]
            cards = fits.Header()
            cards["PIXSCALE"] = 0.03
            kernel = write_fits(path.name, primary=(matching_kernel(*planes), cards))
            read_kernel(kernel, scale=0.03)
