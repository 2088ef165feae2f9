import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from pixsed.errors import PixsedError
from pixsed.images.background import BackgroundOptions, subtract_background

RNG = np.random.default_rng(12)
SCI = RNG.normal(5.0, 2.0, (80, 90)).astype(np.float32)
ERR = np.full_like(SCI, 1.5)


@pytest.fixture
def path(write_fits, wcs_header):
    primary = fits.Header()
    primary.update(INSTRUME="NIRCAM", FILTER="F444W")
    header = wcs_header(BUNIT="MJy/sr", EXPTIME=3.0)
    return write_fits("im.fits", primary=(None, primary), SCI=(SCI, header), ERR=(ERR, header))


def test_output(path, run_cli, tmp_path, fitsverify):
    out = tmp_path / "out.fits"
    result = run_cli("bkg", path, "--box", "30", "-o", out)
    assert result.exit_code == 0, result.output
    assert not result.warned
    assert "rms" in result.stderr and "MJy/sr" in result.stderr
    fitsverify(out)
    with fits.open(out) as hdulist, fits.open(path) as before:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "SCI", "ERR", "BKG", "BKGRMS"]
        primary = hdulist[0].header
        assert primary["FILTER"] == "F444W"
        assert primary["CREATOR"].startswith("pixsed")
        assert primary["INFILE1"] == "im.fits"
        assert "box 30" in str(primary["HISTORY"])
        for name in ("SCI", "ERR", "BKG", "BKGRMS"):
            header = hdulist[name].header
            assert header["BUNIT"] == "MJy/sr" and header["EXPTIME"] == 3.0
            sky = WCS(before["SCI"].header).pixel_to_world(10, 20)
            assert WCS(header).world_to_pixel(sky) == pytest.approx((10, 20), abs=1e-8)
        # The unit of the image is kept.
        np.testing.assert_allclose(
            hdulist["SCI"].data + hdulist["BKG"].data, SCI, rtol=0, atol=1e-5
        )
        assert np.median(hdulist["BKG"].data) == pytest.approx(5.0, abs=0.1)
        np.testing.assert_allclose(
            hdulist["ERR"].data, np.hypot(1.5, hdulist["BKGRMS"].data), rtol=1e-6
        )


def test_mask(path, write_fits, run_cli, tmp_path):
    with fits.open(path, mode="update") as hdulist:
        hdulist["SCI"].data[30:50, 30:50] += 6.0
    segmap = np.zeros(SCI.shape, np.int32)
    segmap[32:48, 32:48] = 3
    seg = write_fits("seg.fits", primary=(segmap, None))
    levels = []
    for options in ([], ["--segmap", seg], ["--segmap", seg, "--dilate", "4"]):
        out = tmp_path / f"out{len(options)}.fits"
        assert run_cli("bkg", path, "--box", "40", *options, "-o", out).exit_code == 0
        levels.append(fits.getdata(out, "BKG").mean())
    assert levels[0] > levels[1] > levels[2]
    assert levels[2] == pytest.approx(5.0, abs=0.1)


def test_zero_weight_is_no_data(write_fits, wcs_header, run_cli, tmp_path):
    weight = np.full_like(SCI, 0.25)
    weight[:, :20] = 0
    path = write_fits("w.fits", SCI=(SCI, wcs_header(BUNIT="nJy")), WHT=(weight, None))
    out = tmp_path / "out.fits"
    assert run_cli("bkg", path, "--box", "40", "-o", out).exit_code == 0
    with fits.open(out) as hdulist:
        for name in ("SCI", "ERR", "BKG", "BKGRMS"):
            assert np.isnan(hdulist[name].data[:, :20]).all()
            assert np.isfinite(hdulist[name].data[:, 20:]).all()


def test_image_without_errors_or_unit(write_fits, wcs_header, run_cli, tmp_path, fitsverify):
    path = write_fits("p.fits", primary=(SCI, wcs_header()))
    out = tmp_path / "out.fits"
    result = run_cli("bkg", path, "--box", "40", "-o", out)
    assert result.exit_code == 0
    assert len(result.warned) == 1 and "ERR is the sky's rms" in result.warned[0]
    fitsverify(out)
    with fits.open(out) as hdulist:
        assert hdulist[0].data is None
        assert "BUNIT" not in hdulist["SCI"].header
        np.testing.assert_array_equal(hdulist["ERR"].data, hdulist["BKGRMS"].data)


def test_errors_not_wanted(path, run_cli, tmp_path):
    out = tmp_path / "out.fits"
    result = run_cli("bkg", path, "--box", "40", "--err", "sky", "-o", out)
    assert result.exit_code == 0 and not result.warned
    with fits.open(out) as hdulist:
        np.testing.assert_array_equal(hdulist["ERR"].data, hdulist["BKGRMS"].data)


def test_coverage(path, write_fits, run_cli, tmp_path):
    exposure = np.full(SCI.shape, 1e3, np.float32)
    exposure[:25] = 0
    exposure[25:30] = np.nan
    where = write_fits("exp.fits", primary=(exposure, None))
    out = tmp_path / "out.fits"
    result = run_cli("bkg", path, "--box", "30", "--coverage", where, "-o", out)
    assert result.exit_code == 0, result.output
    with fits.open(out) as hdulist:
        for name in ("SCI", "ERR", "BKG", "BKGRMS"):
            assert np.isnan(hdulist[name].data[:30]).all()
            assert np.isfinite(hdulist[name].data[30:]).all()
        assert hdulist[0].header["INFILE2"] == "exp.fits"


def test_estimators(write_fits, wcs_header, run_cli, tmp_path):
    """In a skewed sky the mean is above the median, and the median above the mode."""
    skewed = np.random.default_rng(2).gamma(2.0, 1.0, (80, 90)).astype(np.float32)
    path = write_fits("s.fits", SCI=(skewed, wcs_header(BUNIT="nJy")), ERR=(ERR, None))
    level = {}
    for estimator in ("mean", "median", "mode"):
        out = tmp_path / f"{estimator}.fits"
        args = ["--box", "40", "--sigma", "5", "--estimator", estimator]
        assert run_cli("bkg", path, *args, "-o", out).exit_code == 0
        assert f"5-sigma clipped {estimator}" in str(fits.getheader(out)["HISTORY"])
        level[estimator] = fits.getdata(out, "BKG").mean()
    assert level["mean"] == pytest.approx(2.0, abs=0.1)
    assert level["median"] == pytest.approx(1.678, abs=0.1)
    assert level["mode"] == pytest.approx(3 * 1.678 - 2 * 2.0, abs=0.25)


def test_stripes_are_the_whole(path, write_fits, run_cli, tmp_path, monkeypatch):
    segmap = np.zeros(SCI.shape, np.int32)
    segmap[18:22, 30:50] = 3  # grown, it lies in both stripes
    seg = write_fits("seg.fits", primary=(segmap, None))
    args = ["bkg", path, "--box", "20", "--segmap", seg, "--dilate", "5", "-o"]
    assert run_cli(*args, tmp_path / "whole.fits").exit_code == 0
    monkeypatch.setattr("pixsed.images.background_map._STRIPE_PIXELS", 1)
    assert run_cli(*args, tmp_path / "parts.fits").exit_code == 0
    with fits.open(tmp_path / "whole.fits") as whole, fits.open(tmp_path / "parts.fits") as parts:
        for name in ("SCI", "ERR", "BKG", "BKGRMS"):
            np.testing.assert_allclose(parts[name].data, whole[name].data, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("option", ["--segmap", "--coverage"])
def test_maps_of_another_shape(path, write_fits, run_cli, tmp_path, option):
    other = write_fits("o.fits", primary=(np.zeros((5, 5), np.int32), None))
    result = run_cli("bkg", path, "--box", "30", option, other, "-o", tmp_path / "out.fits")
    assert result.exit_code == 1
    assert r"is of shape (5, 5), the image of (80, 90)" in str(result.exception)


def test_image_of_nothing(write_fits, wcs_header, run_cli, tmp_path):
    path = write_fits("n.fits", SCI=(SCI * np.nan, wcs_header(BUNIT="nJy")), ERR=(ERR, None))
    result = run_cli("bkg", path, "--box", "30", "-o", tmp_path / "out.fits")
    assert "n.fits: the image has no data" in str(result.exception)
    assert not (tmp_path / "out.fits").exists()


def test_all_of_it_sources(path, write_fits, run_cli, tmp_path):
    seg = write_fits("seg.fits", primary=(np.ones(SCI.shape, np.int32), None))
    result = run_cli("bkg", path, "--box", "30", "--segmap", seg, "-o", tmp_path / "out.fits")
    assert "cannot be measured" in str(result.exception)


def test_small_image_warns(path, run_cli, tmp_path):
    result = run_cli("bkg", path, "-o", tmp_path / "out.fits")
    assert result.exit_code == 0
    assert len(result.warned) == 1 and "smaller than a background box" in result.warned[0]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--filter-size", "4"], "4 is not odd"),
        (["--dilate", "3"], "--dilate grows the sources of --segmap"),
        (["--box", "0"], "0 is not in the range"),
    ],
)
def test_usage(path, run_cli, tmp_path, options, match):
    result = run_cli("bkg", path, *options, "-o", tmp_path / "out.fits")
    assert result.exit_code == 2
    assert match in result.stderr


def test_failure_is_one_line(path, run_pixsed, tmp_path):
    out = tmp_path / "out.fits"
    out.write_text("mine")
    result = run_pixsed("bkg", path, "-o", out)
    assert result.returncode == 1
    assert result.stderr.startswith("pixsed: error: ") and result.stderr.count("\n") == 1
    assert "--overwrite" in result.stderr
    assert out.read_text() == "mine"


def test_jof(shared_data, run_cli, tmp_path, fitsverify):
    path = shared_data / "jof" / "JOF_531_F200W.fits"
    out = tmp_path / "out.fits"
    seg = shared_data / "jof" / "JOF_531_seg.fits"
    assert run_cli("bkg", path, "--segmap", seg, "-o", out).exit_code == 0
    fitsverify(out)
    with fits.open(out) as hdulist:
        header = hdulist["SCI"].header
        assert header["BUNIT"] == "uJy"
        assert header["CRPIX1"] == fits.getheader(path, "SCI")["CRPIX1"]
        assert np.median(hdulist["BKGRMS"].data) == pytest.approx(header["BKGMAD"], rel=0.1)


@pytest.mark.filterwarnings("ignore::pixsed.errors.PixsedWarning")
def test_library_is_the_command(path, write_fits, run_cli, tmp_path):
    """`subtract_background` gives the planes that `pixsed bkg` writes, with unit and WCS."""
    segmap = np.zeros(SCI.shape, np.int32)
    segmap[18:22, 30:50] = 3
    seg = write_fits("seg.fits", primary=(segmap, None))
    out = tmp_path / "out.fits"
    run_cli("bkg", path, "--box", "20", "--segmap", seg, "--dilate", "5", "-o", out)
    found = subtract_background(path, BackgroundOptions(box=20, mask=seg, dilate=5))
    assert found.unit == u.MJy / u.sr and found.wcs.has_celestial
    with fits.open(out) as hdulist:
        for name, plane in (
            ("SCI", found.flux),
            ("ERR", found.err),
            ("BKG", found.background),
            ("BKGRMS", found.rms),
        ):
            np.testing.assert_array_equal(hdulist[name].data, plane)


def test_add_rms_is_a_choice():
    with pytest.raises(PixsedError, match="add_rms must be one of auto, always, never, got 'x'"):
        BackgroundOptions(add_rms="x")
