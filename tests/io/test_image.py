import gzip
import shutil

import numpy as np
import pytest
from astropy.io import fits
from whole import read_image, write_image

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.image import ImageFile, read_band
from pixsed.io.locate import parse_location
from pixsed.io.sky import robust_rms

RNG = np.random.default_rng(1)
SCI = RNG.normal(0.0, 2.0, (40, 50)).astype(np.float32)
ERR = np.full_like(SCI, 2.0)
WHT = np.full_like(SCI, 0.25)


@pytest.fixture
def header(wcs_header):
    return wcs_header(BUNIT="uJy", FILTER="F444W", INSTRUME="NIRCAM")


def check(image, factor=1e3):
    np.testing.assert_allclose(image.data, SCI * factor, rtol=1e-6)
    np.testing.assert_allclose(image.err, ERR * factor, rtol=1e-6)
    assert image.data.dtype == image.err.dtype == np.float32
    assert image.band == "F444W"


def test_err_extension(write_fits, header):
    path = write_fits("a.fits", SCI=(SCI, header), ERR=(ERR, header), WHT=(WHT * 9, header))
    image = read_image(path)
    check(image)
    assert image.err_source == "err"
    assert image.instrument == "NIRCAM"
    assert image.pivot_um == pytest.approx(4.4017)
    assert image.psfmatch == "unknown"
    assert image.noise_corr == 1.0
    assert image.header["CRPIX1"] == header["CRPIX1"]
    assert "BUNIT" not in image.header


def test_weights(write_fits, header):
    path = write_fits("a.fits", SCI=(SCI, header), WHT=(WHT, None))
    image = read_image(path)
    check(image)
    assert image.err_source == "weight"


def test_sci_x_goes_with_err_x(write_fits, header):
    path = write_fits(
        "a.fits",
        SCI=(SCI * 9, header),
        ERR=(ERR * 9, header),
        SCI_PSFM=(SCI, header),
        ERR_PSFM=(ERR, header),
        F444W=(SCI, header),
        F444W_ERR=(ERR, header),
    )
    check(read_image(path + "[SCI_PSFM]"))
    check(read_image(path + "[F444W]"))


def test_versions_go_together(tmp_path, header):
    hdus = [fits.PrimaryHDU()]
    for version in (1, 2):
        hdus.append(fits.ImageHDU(SCI * (3 - version), header, name="SCI", ver=version))
        hdus.append(fits.ImageHDU(ERR * (3 - version), header, name="ERR", ver=version))
    path = tmp_path / "a.fits"
    fits.HDUList(hdus).writeto(path)
    check(read_image(f"{path}[SCI,2]"))


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
@pytest.mark.parametrize(("word", "plane"), [("err", ERR), ("wht", WHT)])
def test_file_beside(write_fits, header, word, plane, ending):
    paths = [
        write_fits("f_drz_sci.fits", primary=(SCI, header)),
        write_fits(f"f_drz_{word}.fits", primary=(plane, header)),
    ]
    if ending.endswith("gz"):
        for path in paths:
            with open(path, "rb") as source, gzip.open(path + ".gz", "wb") as target:
                shutil.copyfileobj(source, target)
    image = read_image(paths[0].replace(".fits", ending))
    check(image)
    assert image.err_source == {"err": "err", "wht": "weight"}[word]


def test_named_errors(write_fits, header):
    path = write_fits("a.fits", SCI=(SCI, header), SIGMA=(ERR, header), WHT=(WHT, header))
    check(read_image(path, err="SIGMA"))
    check(read_image(path, err="WHT"))
    other = write_fits("b.fits", primary=(ERR, header))
    check(read_image(path, err=other))
    weights = write_fits("f_wht.fits", primary=(WHT, None))
    check(read_image(path, err=weights))
    several = write_fits("c.fits", X=(ERR * 5, header), Y=(ERR, header))
    check(read_image(path, err=several + "[Y]"))


def test_errors_in_another_unit(write_fits, header):
    njy = header.copy()
    njy["BUNIT"] = "nJy"
    path = write_fits("a.fits", SCI=(SCI, header), ERR=(ERR * 1e3, njy))
    check(read_image(path))
    np.testing.assert_allclose(read_image(path, native=True).err, ERR, rtol=1e-6)


def test_measured_sky(write_fits, header):
    sky = SCI.copy()
    sky[10:14, 10:14] = 500.0
    path = write_fits("a.fits", SCI=(sky, header))
    with pytest.warns(PixsedWarning, match="rms of its sky.*--err"):
        image = read_image(path)
    assert image.err_source == "sky"
    assert np.ptp(image.err) == 0
    assert image.err[0, 0] == pytest.approx(2000, rel=0.06)


def test_sky_asked_for(write_fits, header, tmp_path, monkeypatch):
    path = write_fits("a.fits", SCI=(SCI, header), ERR=(ERR * 9, header), SKY=(ERR, header))
    image = read_image(path, err="sky")  # no warning: it was asked for
    assert image.err_source == "sky"
    assert image.err[0, 0] == pytest.approx(2000, rel=0.06) and np.ptp(image.err) == 0
    check(read_image(path, err="[SKY]"))  # the extension of that name
    with ImageFile(path, err="sky", measure_sky=False) as image:
        assert image.read()[1] is None


def test_without_measuring(write_fits, header):
    path = write_fits("a.fits", SCI=(SCI, header))
    with ImageFile(path, measure_sky=False) as image:
        data, err = image.read(native=True)
    assert err is None
    np.testing.assert_array_equal(data, SCI)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_no_data_where_the_error_is_none(write_fits, header, value):
    err, wht, sci = ERR.copy(), WHT.copy(), SCI.copy()
    err[3, 4] = wht[3, 4] = value
    sci[5, 6] = np.inf
    for name, plane in (("ERR", err), ("WHT", wht)):
        if name == "WHT" and value == np.inf:
            continue  # an infinite weight is an error of zero: no data as well, below
        path = write_fits(f"{name}.fits", SCI=(sci, header), **{name: (plane, header)})
        image = read_image(path)
        bad = np.argwhere(np.isnan(image.data)).tolist()
        assert bad == np.argwhere(np.isnan(image.err)).tolist() == [[3, 4], [5, 6]]


def test_primary_fills_in(write_fits, wcs_header):
    primary = fits.Header()
    primary.update(INSTRUME="NIRCAM", FILTER="F150W2", PUPIL="F162M", PSFMATCH="F444W")
    header = wcs_header(BUNIT="MJy/sr", NOISECOR=2.5)
    path = write_fits("a_i2d.fits", primary=(None, primary), SCI=(SCI, header), ERR=(ERR, header))
    image = read_image(path)
    assert image.band == "F162M"
    assert image.psfmatch == "F444W"
    assert image.noise_corr == 2.5
    np.testing.assert_allclose(image.data, SCI * 23504.4305 * 0.03**2, rtol=1e-5)


def test_part_of_an_image(write_fits, header):
    path = write_fits("a.fits", SCI=(SCI, header), ERR=(ERR, header))
    with ImageFile(path) as image:
        data, err = image.read(slice(3, 9), slice(10, 20))
        assert image.shape == SCI.shape
    np.testing.assert_allclose(data, SCI[3:9, 10:20] * 1e3, rtol=1e-6)
    assert err.shape == (6, 10)


def test_compressed_and_scaled(tmp_path, header):
    path = tmp_path / "c.fits"
    compressed = fits.CompImageHDU(
        SCI, header, name="SCI", compression_type="GZIP_2", quantize_level=0
    )
    scaled = fits.ImageHDU(ERR.astype(np.int16), header, name="ERR")
    scaled.scale("int16", bscale=0.5, bzero=1)
    fits.HDUList([fits.PrimaryHDU(), compressed, scaled]).writeto(path)
    check(read_image(str(path)))


def test_band_named_in_front(write_fits, wcs_header):
    path = write_fits("a.fits", SCI=(SCI, wcs_header(BUNIT="nJy")), ERR=(ERR, None))
    assert read_image(f"f444w={path}").band == "F444W"
    with pytest.raises(PixsedError, match="gives the band; put it before the name"):
        read_image(path)
    assert read_band(parse_location(f"F606W={path}", band=True)) == "F606W"


@pytest.mark.parametrize(
    ("cards", "err", "match"),
    [
        ({"BUNIT": "nJy"}, "NOPE", r"--err NOPE is not a file; .*no such extension"),
        ({"BUNIT": "nJy"}, "SMALL", r"its errors are of shape \(2, 2\), the image of"),
        ({}, None, r"a\.fits has no BUNIT; .*--unit"),
    ],
)
def test_errors_told(write_fits, wcs_header, cards, err, match):
    header = wcs_header(FILTER="F444W", **cards)
    path = write_fits("a.fits", SCI=(SCI, header), ERR=(ERR, None), SMALL=(ERR[:2, :2], None))
    with pytest.raises(PixsedError, match=match):
        read_image(path, err=err)


def test_no_wcs(write_fits):
    header = fits.Header()
    header.update(BUNIT="nJy", FILTER="F444W")
    path = write_fits("a.fits", SCI=(SCI, header), ERR=(ERR, None))
    with pytest.raises(PixsedError, match="has no celestial WCS"):
        read_image(path)


def test_write_image_keeps_the_headers(write_fits, header, tmp_path, fitsverify):
    header["LONGTEXT"] = ("word " * 40, "more than a card holds")
    primary = fits.Header()
    primary.update(TELESCOP="JWST", INFILE1="old.fits")
    path = write_fits("a.fits", primary=(None, primary), SCI=(SCI, header), ERR=(ERR, None))
    out = tmp_path / "out.fits"
    with ImageFile(path) as image:
        planes = {"SCI": (SCI, {"NEW": (1, "card")}), "KERNEL": (ERR[:3, :3], {})}
        write_image(image, planes, out, inputs=["/x/a.fits"], history=["step"])
    fitsverify(out)
    with fits.open(out) as hdulist:
        assert [hdu.name for hdu in hdulist] == ["PRIMARY", "SCI", "KERNEL"]
        assert hdulist[0].header["TELESCOP"] == "JWST"
        assert hdulist[0].header["INFILE1"] == "a.fits"
        assert "step" in str(hdulist[0].header["HISTORY"])
        written = hdulist["SCI"].header
        assert written["NEW"] == 1
        for key in header:
            value = header[key]
            assert written[key] == (value if isinstance(value, str) else pytest.approx(value))
        assert "CRPIX1" not in hdulist["KERNEL"].header


def test_robust_rms():
    values = np.random.default_rng(3).normal(5, 2, 20000)
    values[:200] += 1000
    values[200] = np.nan
    assert robust_rms(values) == pytest.approx(2, rel=0.03)
    assert np.isnan(robust_rms(values[:5]))


def test_jof(shared_data):
    image = read_image(f"{shared_data}/jof/JOF_531_F606W.fits[SCI_PSFM]")
    assert image.band == "F606W"
    assert image.instrument == "ACS"
    with fits.open(shared_data / "jof" / "JOF_531_F606W.fits") as hdulist:
        np.testing.assert_allclose(image.data, hdulist["SCI_PSFM"].data * 1e3, rtol=1e-6)
        np.testing.assert_allclose(image.err, hdulist["ERR_PSFM"].data * 1e3, rtol=1e-6)
