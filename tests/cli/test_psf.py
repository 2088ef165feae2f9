import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.images.psf.read import read_psf


def star(shape, x0, y0, sigma, flux):
    y, x = np.indices(shape)
    return flux * np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / sigma**2) / (2 * np.pi * sigma**2)


@pytest.fixture
def files(write_fits, wcs_header, tmp_path):
    """An image of eight stars of sigma 2 pixels, one saturated, and their table."""
    rng = np.random.default_rng(3)
    places = [(40 + 60 * (i % 4) + rng.uniform(-0.5, 0.5), 40 + 60 * (i // 4)) for i in range(8)]
    data = rng.normal(0, 0.01, (140, 260))
    for number, place in enumerate(places):
        data += star(data.shape, *place, 2.0, 50.0 + 20 * number)
    data = np.minimum(data, 7.0)
    header = wcs_header(BUNIT="MJy/sr", FILTER="F200W", INSTRUME="NIRCAM")
    table = tmp_path / "stars.ecsv"
    x, y = np.transpose(places)
    Table([x, y, np.arange(101, 109)], names=["x", "y", "id"]).write(table)
    return write_fits("im.fits", SCI=(data, header)), table


def test_psf(files, run_cli, tmp_path, fitsverify):
    image, table = files
    out = tmp_path / "psf.fits"
    result = run_cli("psf", image, "--stars", table, "--side", 35, "--saturation", 6.5, "-o", out)
    assert result.exit_code == 0, result.output
    assert not result.warned
    assert "FWHM 0.14" in result.stderr
    assert "stars: 6 of 8 used, 2 saturated" in result.stderr
    fitsverify(out)
    with fits.open(out) as hdulist:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "PSF", "COG", "STARS"]
        header = hdulist["PSF"].header
        assert (header["FILTER"], header["INSTRUME"]) == ("F200W", "NIRCAM")
        assert header["PIXSCALE"] == pytest.approx(0.015) and header["OVERSAMP"] == 2
        assert header["PSFPIX"] == pytest.approx(0.03) and header["NSTARS"] == 6
        # Sampled at points, a Gaussian of 2 pixels: 2.3548 * 2 * 0.03 arcsec.
        assert header["FWHM"] == pytest.approx(0.14129, rel=0.01)
        growth = hdulist["COG"].data
        assert hdulist["COG"].columns["RADIUS"].unit == "arcsec"
        expected = 1 - np.exp(-0.5 * (growth["RADIUS"] / 0.06) ** 2)
        np.testing.assert_allclose(growth["EE"], expected, atol=0.01)
        stars = hdulist["STARS"].data
        assert list(stars["ID"]) == [str(i) for i in range(101, 109)]
        assert list(stars["USED"]) == [True] * 6 + [False] * 2
        assert list(stars["REASON"]) == [""] * 6 + ["saturated"] * 2
        assert hdulist[0].header["INFILE2"] == "stars.ecsv"


def test_psfmatch_takes_it(files, run_cli, tmp_path, write_fits):
    image, table = files
    psf, out = tmp_path / "psf.fits", tmp_path / "out.fits"
    run_cli("psf", image, "--stars", table, "--side", 35, "--saturation", 6.5, "-o", psf)
    read = read_psf(psf)
    assert read.band == "F200W"
    assert (read.scale, read.pixel) == pytest.approx((0.015, 0.03))
    cards = fits.Header()
    cards.update(PIXSCALE=0.03, FILTER="F444W")
    target = write_fits("t.fits", primary=(star((35, 35), 17, 17, 3.0, 1.0), cards))
    result = run_cli("psfmatch", image, "--psf", psf, "--target", target, "-o", out)
    assert result.exit_code == 0, result.output
    with fits.open(out) as hdulist, fits.open(image) as before:
        assert hdulist["SCI"].header["EERESID"] < 0.005
        # The first star, 50 in all, as wide as the target.
        x, y = Table.read(table)["x"][0], Table.read(table)["y"][0]
        found = hdulist["SCI"].data[30:51, 30:51]
        expected = star(before["SCI"].data.shape, x, y, 3.0, 50.0)[30:51, 30:51]
        np.testing.assert_allclose(found, expected, atol=0.02 * expected.max())


def test_usage_and_failure(files, run_cli, run_pixsed, tmp_path):
    image, table = files
    result = run_cli("psf", image, "--stars", table, "--side", 36, "-o", tmp_path / "a.fits")
    assert result.exit_code == 2 and "36 is not odd" in result.stderr
    done = run_pixsed(
        "psf",
        image,
        "--stars",
        table,
        "--snr-min",
        "1e6",
        "--side",
        "35",
        "-o",
        tmp_path / "a.fits",
    )
    assert done.returncode == 1
    assert "no star is left" in done.stderr and "--snr-min" in done.stderr
    assert done.stderr.count("\n") == 1 and not (tmp_path / "a.fits").exists()
