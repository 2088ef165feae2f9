"""Files of the mock field in data/, compared with their description."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import mad_std
from astropy.table import Table
from astropy.wcs import WCS
from scipy.ndimage import binary_dilation

from pixsed.bands import BY_NAME
from pixsed.cosmology import age, kpc_per_arcsec
from pixsed.io.image import ImageFile

DATA = Path(__file__).parents[1] / "data"
BANDS = "F435W F606W F814W F115W F150W F200W F277W F356W F410M F444W".split()
SHAPE = (150, 150)


@pytest.fixture(scope="module")
def seg():
    return fits.getdata(DATA / "mock_seg.fits", "SEG")


@pytest.fixture(scope="module")
def masses():
    return fits.getdata(DATA / "mock_truth.fits", "MASSES")


@pytest.mark.parametrize("band", BANDS)
class TestImages:
    def test_read_by_their_headers(self, band):
        with ImageFile(str(DATA / f"mock_{band}.fits")) as image:
            assert image.shape == SHAPE
            assert image.err_source == "err"
            data, err = image.read()
        assert np.isfinite(data).all() and (err > 0).all()

    def test_depth_and_sky(self, band, seg):
        with ImageFile(str(DATA / f"mock_{band}.fits")) as image:
            data, err = image.read()
        sky = seg == 0
        depth = BY_NAME[band].depth
        # nJy: a wrong calibration would be off by orders of magnitude.
        assert np.median(err[sky]) == pytest.approx(depth, rel=0.05)
        assert 1.0 < np.median(data[sky]) / depth < 2.0
        assert np.std((data[sky] - np.median(data[sky])) / err[sky]) == pytest.approx(1, abs=0.1)

    def test_unit_and_camera(self, band):
        with fits.open(DATA / f"mock_{band}.fits") as hdus:
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "SCI", "ERR"]
            camera = hdus[0].header["INSTRUME"]
            unit = hdus["SCI"].header["BUNIT"]
        assert (camera, unit) == (
            ("NIRCAM", "MJy/sr") if BY_NAME[band].instrument == "NIRCAM" else ("ACS", "ELECTRONS/S")
        )

    def test_wcs_is_that_of_the_map(self, band):
        wcs = WCS(fits.getheader(DATA / f"mock_{band}.fits", "SCI"))
        other = WCS(fits.getheader(DATA / "mock_seg.fits", "SEG"))
        assert wcs.wcs.compare(other.wcs)
        assert abs(wcs.pixel_scale_matrix[0, 1]) > 0  # turned against north
        assert np.sqrt(wcs.proj_plane_pixel_area()).to_value("arcsec") == pytest.approx(0.03)

    def test_psf(self, band):
        psf, header = fits.getdata(DATA / f"mock_psf_{band}.fits", header=True)
        assert psf.shape == (41, 41)
        assert psf.sum() == pytest.approx(1, abs=1e-5)
        assert np.unravel_index(psf.argmax(), psf.shape) == (20, 20)
        assert header["PIXSCALE"] == 0.03


def test_catalogue_lies_on_the_map(seg):
    catalog = Table.read(DATA / "mock_catalog.ecsv")
    assert catalog.colnames == ["id", "ra", "dec", "z_spec"]
    wcs = WCS(fits.getheader(DATA / "mock_seg.fits", "SEG"))
    x, y = wcs.world_to_pixel_values(catalog["ra"], catalog["dec"])
    at = seg[np.round(y).astype(int), np.round(x).astype(int)]
    assert list(at) == list(catalog["id"]) == [1, 2, 3]
    assert sorted(np.unique(seg)) == [0, 1, 2, 3]


def test_brightest_pixels_are_well_measured(seg):
    with ImageFile(str(DATA / "mock_F277W.fits")) as image:
        data, err = image.read()
    assert all((data / err)[seg == number].max() > 20 for number in (1, 2, 3))


def test_true_masses_are_the_sums_of_the_true_maps(seg, masses):
    with fits.open(DATA / "mock_truth.fits") as hdus:
        for row in masses:
            inside = seg == row["ID"]
            assert inside.sum() == row["NPIX"]
            for name in ("LOGMFORM", "LOGMSTAR", "LOGSFR"):
                total = np.log10((10.0 ** hdus[name].data[inside].astype(float)).sum())
                assert total == pytest.approx(row[name], abs=1e-4)
            # The segment leaves out the faint wings only.
            for name in ("LOGMFORM", "LOGMSTAR"):
                assert row[f"TOT_{name}"] - 0.05 < row[name] < row[f"TOT_{name}"]
            area = (kpc_per_arcsec(row["REDSHIFT"]) * 0.03) ** 2
            sigma = hdus["LOGMSTAR"].data[inside] - np.log10(area)
            np.testing.assert_allclose(hdus["LOGSIGMA"].data[inside], sigma, atol=1e-4)


def test_true_maps_are_within_the_prior(seg, masses):
    with fits.open(DATA / "mock_truth.fits") as hdus:
        for name in ("LOGMFORM", "LOGMSTAR", "LOGSFR", "AGE", "METAL", "AV"):
            assert np.array_equal(np.isfinite(hdus[name].data), seg > 0)
        for row in masses:
            inside = seg == row["ID"]
            assert 0 < hdus["AGE"].data[inside].max() < age(row["REDSHIFT"])
        assert (hdus["LOGMSTAR"].data[seg > 0] < hdus["LOGMFORM"].data[seg > 0]).all()
        assert -2.3 < hdus["METAL"].data[seg > 0].min() < hdus["METAL"].data[seg > 0].max() < 0.4
        assert 0 < hdus["AV"].data[seg > 0].min() < hdus["AV"].data[seg > 0].max() < 4


@pytest.mark.parametrize("band", BANDS)
def test_errors_after_the_demo_are_the_scatter(band, seg, run_cli, tmp_path):
    """After the steps of demo.sh, ERR agrees with the scatter of the blank sky to 10 %."""
    sky_free, matched, cube = (tmp_path / f"{name}.fits" for name in ("bkg", "psfm", "cube"))
    result = run_cli(
        "bkg",
        DATA / f"mock_{band}.fits",
        "--segmap",
        DATA / "mock_seg.fits",
        "--dilate",
        "5",
        "--box",
        "50",
        "-o",
        sky_free,
    )
    assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    result = run_cli(
        "psfmatch",
        sky_free,
        "--psf",
        DATA / f"mock_psf_{band}.fits",
        "--target",
        DATA / "mock_psf_F444W.fits",
        "--segmap",
        DATA / "mock_seg.fits",
        "-o",
        matched,
    )
    assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    # The noise of the mock field is independent from pixel to pixel.
    assert fits.getheader(matched, "SCI")["ERRCORR"] == pytest.approx(1, abs=0.02)
    result = run_cli(
        "cutout",
        matched,
        "--segmap",
        DATA / "mock_seg.fits",
        "--id",
        "1",
        "--redshift",
        "0.9",
        "--pad",
        "full",
        "-o",
        cube,
    )
    assert result.exit_code == 0 and not result.warned, (result.output, result.exception)
    with fits.open(cube) as hdus:
        snr = hdus[band].data / hdus[f"{band}_ERR"].data
    # Differences of pixels 10 apart: beyond the reach of the kernel, and the light of wings
    # and residual sky changes little over this distance.
    sky = ~binary_dilation(seg > 0, iterations=10)
    pairs = [
        (snr[10:] - snr[:-10])[sky[10:] & sky[:-10]],
        (snr[:, 10:] - snr[:, :-10])[sky[:, 10:] & sky[:, :-10]],
    ]
    # Some 200 independent differences: 5 % by chance.
    assert mad_std(np.concatenate(pairs)) / np.sqrt(2) == pytest.approx(1, abs=0.14)


def test_small_enough_to_ship():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 3e6
