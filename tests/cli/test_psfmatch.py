import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import uniform_filter
from scipy.signal import fftconvolve
from whole import read_image

from pixsed.io.image import ImageFile


def gaussian(size, sigma):
    y, x = np.indices((size, size)) - (size - 1) / 2
    return np.exp(-0.5 * (x**2 + y**2) / sigma**2) / (2 * np.pi * sigma**2)


@pytest.fixture
def files(write_fits, wcs_header):
    """An image with a PSF of 0.06 arcsec, PSFs of 0.06 and 0.09 on other pixels."""
    rng = np.random.default_rng(7)
    header = wcs_header(BUNIT="uJy", FILTER="F200W", INSTRUME="NIRCAM")
    data = 100 * gaussian(91, 2.0) + rng.normal(0, 0.01, (91, 91))
    data[5, 5] = np.nan
    paths = {"image": write_fits("im.fits", SCI=(data, header), ERR=(0 * data + 0.01, header))}
    for band, sigma in (("F200W", 0.06), ("F444W", 0.09)):
        cards = fits.Header()
        cards.update(PIXSCALE=0.02, FILTER=band)
        paths[band] = write_fits(f"psf_{band}.fits", primary=(gaussian(150, sigma / 0.02), cards))
    return paths


def test_psfs(files, run_cli, tmp_path, fitsverify):
    out = tmp_path / "out.fits"
    result = run_cli(
        "psfmatch", files["image"], "--psf", files["F200W"], "--target", files["F444W"], "-o", out
    )
    assert result.exit_code == 0, result.output
    assert not result.warned
    assert "PSF of F444W; encircled energy within" in result.stderr
    fitsverify(out)
    with fits.open(out) as hdulist:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "SCI", "ERR", "KERNEL", "EECURVE"]
        header = hdulist["SCI"].header
        assert header["PSFMATCH"] == "F444W"
        assert header["EERESID"] < 0.005
        assert header["PSFFWHM"] == pytest.approx(2.3548 * 0.09, rel=0.01)
        kernel = hdulist["KERNEL"].data.astype(float)
        assert kernel.sum() == pytest.approx(1, abs=1e-5)
        assert header["NOISECOR"] == pytest.approx(1 / np.sqrt((kernel**2).sum()), rel=1e-4)
        assert header["BUNIT"] == "uJy" and header["FILTER"] == "F200W"
        data, err = hdulist["SCI"].data, hdulist["ERR"].data
        np.testing.assert_allclose(
            data[30:61, 30:61], 100 * gaussian(91, 3.0)[30:61, 30:61], atol=0.01
        )
        assert err[30, 30] == pytest.approx(0.01 * np.sqrt((kernel**2).sum()), rel=1e-3)
        assert np.isnan(data[5, 5]) and np.isnan(data).sum() == 1
        assert hdulist[0].header["INFILE2"] == "psf_F200W.fits"
    # The cube reads the three cards.
    with ImageFile(str(out)) as image:
        assert image.psf_fwhm == header["PSFFWHM"]
    image = read_image(str(out))
    assert image.psfmatch == "F444W" and image.noise_corr > 1


def test_curve_in_header_and_table(files, run_cli, tmp_path):
    out = tmp_path / "out.fits"
    run_cli(
        "psfmatch",
        files["image"],
        "--psf",
        files["F200W"],
        "--target",
        files["F444W"],
        "--method",
        "wiener",
        "--regularization",
        "1e-5",
        "-o",
        out,
    )
    with fits.open(out) as hdulist:
        curve, header = hdulist["EECURVE"].data, hdulist["SCI"].header
        assert curve.names == ["RADIUS", "EE_BEFORE", "EE_AFTER", "EE_TARGET"]
        assert hdulist["EECURVE"].columns["RADIUS"].unit == "arcsec"
        for name, sigma in (("EE_BEFORE", 0.06), ("EE_AFTER", 0.09), ("EE_TARGET", 0.09)):
            expected = 1 - np.exp(-0.5 * (curve["RADIUS"] / sigma) ** 2)
            np.testing.assert_allclose(curve[name], expected, atol=0.01)
        for tenth in range(1, 6):
            expected = 1 - np.exp(-0.5 * (tenth / 0.9) ** 2)
            assert header[f"EE0{tenth}"] == pytest.approx(expected, abs=0.01)
            assert header[f"EET0{tenth}"] == pytest.approx(expected, abs=0.01)
        assert "wiener 1e-05, window none" in str(hdulist[0].header["HISTORY"])


def test_max_residual(files, run_pixsed, tmp_path):
    out = tmp_path / "out.fits"
    done = run_pixsed(
        "psfmatch",
        files["image"],
        "--psf",
        files["F200W"],
        "--target",
        files["F444W"],
        "--window",
        "cosine-bell",
        "--alpha",
        "0.2",
        "--max-residual",
        "0.02",
        "-o",
        out,
    )
    assert done.returncode == 1 and not out.exists()
    assert "above --max-residual 0.02; try --window tukey" in done.stderr
    assert done.stderr.count("\n") == 1


def test_choices_are_the_rooms():
    from pixsed.cli import psfmatch
    from pixsed.images.psf import kernel
    from pixsed.images.psf import match_plan as matching

    assert psfmatch.METHODS == kernel.METHODS
    assert psfmatch.WINDOWS == kernel.WINDOWS
    assert psfmatch.CORRELATIONS == matching.CORRELATIONS


@pytest.fixture
def drizzled(write_fits, wcs_header):
    """An image of noise averaged over 3 x 3 pixels, a galaxy on it; its map; a kernel."""
    noise = uniform_filter(np.random.default_rng(3).standard_normal((300, 300)), 3) * 3
    galaxy = 300 * gaussian(300, 20.0) * 2 * np.pi * 400
    header = wcs_header(BUNIT="uJy", FILTER="F200W")
    segmap = (galaxy > 0.05).astype(np.int32)
    return (
        write_fits("drizzled.fits", SCI=(noise + galaxy, header), ERR=(0 * noise + 1, header)),
        write_fits("seg.fits", SEG=(segmap, wcs_header())),
        write_fits("k.fits", primary=(gaussian(17, 1.8), None)),
    )


def test_noise_correlated_before(drizzled, write_fits, run_cli, tmp_path, fitsverify):
    image, seg, kernel = drizzled
    box, single = np.ones((3, 3)) / 3, np.pad(np.ones((1, 1)), 1)
    kernel_alone = gaussian(17, 1.8) / gaussian(17, 1.8).sum()
    expected, factor = {}, {}
    for name, before in (("auto", box), ("none", single)):
        both = fftconvolve(before, kernel_alone)
        expected[name] = np.sqrt((both**2).sum())  # of a pixel
        factor[name] = before.sum() / expected[name]
    for name, options in (
        ("auto", []),
        ("auto", ["--segmap", seg]),
        ("none", ["--correlation", "none"]),
    ):
        out = tmp_path / "out.fits"
        result = run_cli("psfmatch", image, "--kernel", kernel, *options, "--overwrite", "-o", out)
        assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
        fitsverify(out)
        with fits.open(out) as hdulist:
            header, history = hdulist["SCI"].header, str(hdulist[0].header["HISTORY"])
            err = hdulist["ERR"].data[50, 50]
        assert err == pytest.approx(expected[name], rel=0.03)
        assert header["ERRCORR"] == pytest.approx(expected[name] / expected["none"], rel=0.03)
        assert header["NOISECOR"] == pytest.approx(factor[name], rel=0.03)
        said = {"auto": "noise correlated to ", "none": "errors as of independent pixels"}
        assert said[name] in history.replace("\n", " ")
    # An image that is not changed: its errors are correct, and NOISECOR is known better.
    cards = fits.Header()
    cards.update(PIXSCALE=0.03)
    psf = write_fits("psf.fits", primary=(gaussian(61, 1.8), cards))
    result = run_cli("psfmatch", image, "--psf", psf, "--target", psf, "--overwrite", "-o", out)
    header = fits.getheader(out, "SCI")
    assert header["ERRCORR"] == 1 and header["NOISECOR"] == pytest.approx(3, rel=0.03)


def test_too_little_sky(drizzled, write_fits, wcs_header, run_cli, tmp_path):
    image, seg, kernel = drizzled
    full = write_fits("full.fits", SEG=(np.ones((300, 300), np.int32), wcs_header()))
    out = tmp_path / "out.fits"
    result = run_cli("psfmatch", image, "--kernel", kernel, "--segmap", full, "-o", out)
    assert result.exit_code == 0 and fits.getheader(out, "SCI")["ERRCORR"] == 1
    assert len(result.warned) == 1
    assert "too little empty sky" in result.warned[0] and "--correlation none" in result.warned[0]
    small = write_fits("small.fits", SEG=(np.ones((30, 300), np.int32), wcs_header()))
    result = run_cli(
        "psfmatch", image, "--kernel", kernel, "--segmap", small, "-o", tmp_path / "b.fits"
    )
    assert result.exit_code == 1
    assert "give a segmentation map of the same grid" in str(result.exception)


def test_kernel_of_an_output_gives_the_same(files, run_cli, tmp_path):
    first, second = tmp_path / "a.fits", tmp_path / "b.fits"
    run_cli(
        "psfmatch", files["image"], "--psf", files["F200W"], "--target", files["F444W"], "-o", first
    )
    result = run_cli("psfmatch", files["image"], "--kernel", first, "-o", second)
    assert result.exit_code == 0, result.output
    with fits.open(first) as a, fits.open(second) as b:
        np.testing.assert_allclose(a["SCI"].data, b["SCI"].data, rtol=1e-4, atol=1e-6)
        assert b["SCI"].header["PSFMATCH"] == "F444W"
        assert b["SCI"].header["PSFFWHM"] == a["SCI"].header["PSFFWHM"]
        assert "EERESID" not in b["SCI"].header


def test_cards_of_an_earlier_match_are_left_out(files, write_fits, run_cli, tmp_path):
    first, second = tmp_path / "a.fits", tmp_path / "b.fits"
    run_cli(
        "psfmatch", files["image"], "--psf", files["F200W"], "--target", files["F444W"], "-o", first
    )
    kernel = write_fits("k.fits", primary=(gaussian(21, 2.0), None))
    assert run_cli("psfmatch", first, "--kernel", kernel, "-o", second).exit_code == 0
    cards = [fits.getheader(path, "SCI") for path in (first, second)]
    for keyword in ("PSFFWHM", "EERESID", "EE01", "EET03"):
        assert keyword in cards[0] and keyword not in cards[1]


def test_target_name(files, write_fits, run_cli, tmp_path):
    kernel = write_fits("k.fits", primary=(gaussian(21, 2.0), None))
    for options, name in ([], "unknown"), (["--target-name", "f356w"], "F356W"):
        out = tmp_path / f"{name}.fits"
        run_cli("psfmatch", files["image"], "--kernel", kernel, *options, "-o", out)
        assert fits.getheader(out, "SCI")["PSFMATCH"] == name


@pytest.mark.parametrize(
    ("band", "psf", "target", "name", "warned"),
    [
        ("F444W", "F444W", "F444W", "F444W", ""),
        ("F200W", "F200W", "F200W", "F200W", ""),
        ("F460M", "F460M", "F444W", "none", "F460M is left as it is, PSFMATCH none"),
        ("F480M", "F460M", "F444W", "none", "F480M is left as it is, PSFMATCH none"),
    ],
)
def test_unchanged(
    files, write_fits, run_cli, tmp_path, fitsverify, band, psf, target, name, warned
):
    cards = fits.Header()
    cards.update(PIXSCALE=0.02)
    files["F460M"] = write_fits("psf_F460M.fits", primary=(gaussian(150, 4.8), cards))
    out = tmp_path / "out.fits"
    result = run_cli(
        "psfmatch",
        f"{band}={files['image']}",
        "--psf",
        files[psf],
        "--target",
        files[target],
        "-o",
        out,
    )
    assert result.exit_code == 0
    told = "not convolved, it is broader" if name == "none" else "unchanged, its PSF is the target"
    assert told in result.stderr and result.stderr.count("\n") == 1
    assert len(result.warned) == bool(warned) and warned in "".join(result.warned)
    fitsverify(out)
    with fits.open(out) as hdulist, fits.open(files["image"]) as before:
        np.testing.assert_array_equal(hdulist["SCI"].data, before["SCI"].data.astype(np.float32))
        good = np.isfinite(before["SCI"].data)
        np.testing.assert_array_equal(
            hdulist["ERR"].data[good], before["ERR"].data[good].astype(np.float32)
        )
        assert hdulist["SCI"].header["PSFMATCH"] == name
        assert hdulist["SCI"].header["NOISECOR"] == 1
        assert hdulist["KERNEL"].data.sum() == 1


def test_a_band_far_from_the_target_is_not_left(files, write_fits, run_cli, tmp_path):
    """F480M is left beside F444W, but not if 0.36 of its light lies elsewhere."""
    cards = fits.Header()
    cards.update(PIXSCALE=0.02)
    wide = write_fits("wide.fits", primary=(gaussian(150, 7.5), cards))
    out = tmp_path / "out.fits"
    arguments = ["--psf", wide, "--target", files["F444W"], "-o", out]
    result = run_cli("psfmatch", f"F480M={files['image']}", *arguments)
    assert "not convolved" not in result.stderr and "unchanged" not in result.stderr
    # It is treated as any other band.
    other = run_cli("psfmatch", f"F200W={files['image']}", *arguments, "--overwrite")
    assert str(result.exception) == str(other.exception)
    told = " ".join([*result.warned, str(result.exception)])
    assert "is broader than the target's" in told and "off the target's" in told


def test_psf_scale(files, write_fits, run_cli, tmp_path):
    bare = write_fits("bare.fits", primary=(gaussian(150, 3.0), None))
    args = ["psfmatch", files["image"], "--psf", bare, "--target", files["F444W"]]
    failed = run_cli(*args, "-o", tmp_path / "a.fits")
    assert failed.exit_code == 1 and "--psf-scale" in str(failed.exception)
    out = tmp_path / "b.fits"
    assert run_cli(*args, "--psf-scale", "0.02", "-o", out).exit_code == 0
    assert fits.getheader(out, "SCI")["EERESID"] < 0.005


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ([], "give --psf and --target, or --kernel"),
        (["--psf", "a"], "--psf and --target go together"),
        (["--psf", "a", "--target", "b", "--kernel", "c"], "or --kernel"),
        (["--kernel", "c", "--psf-angle", "3"], "--psf-angle go with --psf"),
        (["--kernel", "c", "--segmap", "s", "--correlation", "none"], "--correlation auto"),
    ],
)
def test_usage(files, run_cli, options, match):
    result = run_cli("psfmatch", files["image"], *options, "-o", "x.fits")
    assert result.exit_code == 2
    assert match in result.stderr


def test_failure_is_one_line(files, run_pixsed, tmp_path):
    result = run_pixsed(
        "psfmatch",
        files["image"],
        "--psf",
        files["F200W"],
        "--target",
        tmp_path / "no.fits",
        "-o",
        tmp_path / "out.fits",
    )
    assert result.returncode == 1
    assert result.stderr.startswith("pixsed: error: ") and result.stderr.count("\n") == 1
    assert "no.fits: no such file" in result.stderr
    assert not (tmp_path / "out.fits").exists()


def test_jof(shared_data, run_cli, tmp_path, fitsverify):
    psfs = shared_data / "psf" / "nircam"
    out = tmp_path / "out.fits"
    result = run_cli(
        "psfmatch",
        shared_data / "jof" / "JOF_531_F115W.fits",
        "--psf",
        psfs / "psf_nircam_F115W.fits",
        "--target",
        psfs / "psf_nircam_F444W.fits",
        "-o",
        out,
    )
    assert result.exit_code == 0
    # BKGMAD, the scatter that its makers give, is half of ERR too.
    assert len(result.warned) == 1
    assert "its errors are 1.9 times the scatter of its empty sky" in result.warned[0]
    fitsverify(out)
    header = fits.getheader(out, "SCI")
    assert header["PSFMATCH"] == "F444W"
    assert header["EERESID"] < 0.005
    assert 3 < header["NOISECOR"] < 10
