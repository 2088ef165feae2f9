"""Exact zeros and other values that stand for no data."""

import warnings

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.fill import find_fill, has_suspect_zeros, is_fill, parse_fill
from pixsed.io.image import ImageFile

NY, NX = 120, 150
Y, X = np.mgrid[:NY, :NX]
# Where there are no data: corners of a rotated mosaic, strips, a blanked sky, holes, half.
GAPS = {
    "corners": np.abs(X - 75) + np.abs(Y - 60) > 85,
    "strip": X > 120,
    "rows": Y < 40,
    "blanked": np.hypot(X - 75, Y - 60) > 30,
    "holes": (X % 30 < 3) & (Y % 30 < 3),
    "half": X < 75,
    "scattered": np.random.default_rng(0).random((NY, NX)) < 0.02,
}


def noise(rms=0.7, seed=2, level=0.0):
    return np.random.default_rng(seed).normal(level, rms, (NY, NX)).astype(np.float32)


@pytest.fixture
def header(wcs_header):
    return wcs_header(BUNIT="nJy", FILTER="F444W")


def opened(path, **options):
    with ImageFile(str(path), **options) as image:
        return *image.read(), image.fill


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("value", [0.0, -0.0, -99.0, -1.0, 99.0])
@pytest.mark.parametrize("kind", ["f4", ">f8"])
def test_found(gap, value, kind, write_fits, header):
    data = np.where(GAPS[gap], value, noise()).astype(kind)
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.full_like(data, 0.7), None))
    part = f"{100 * GAPS[gap].mean():.2g} % of its pixels are exactly {value + 0:g}"
    with pytest.warns(PixsedWarning, match=f"a.fits: {part}, taken as no data; .*--fill none"):
        flux, err, fill = opened(path)
    assert fill == (value,)
    np.testing.assert_array_equal(np.isnan(flux), GAPS[gap])
    np.testing.assert_array_equal(np.isnan(err), GAPS[gap])


@pytest.mark.parametrize("gap", GAPS)
def test_option(gap, write_fits, header):
    data = np.where(GAPS[gap], 0, noise()).astype("f4")
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.full_like(data, 0.7), None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(opened(path, fill="none")[0], data)
        flux = opened(path, fill="0")[0]
        assert np.isfinite(opened(path, fill="7.5")[0]).all()
    np.testing.assert_array_equal(np.isnan(flux), GAPS[gap])


def test_two_values(write_fits, header):
    data = np.where(GAPS["corners"], 0, np.where(GAPS["strip"], -99, noise())).astype("f4")
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.ones_like(data), None))
    with pytest.warns(PixsedWarning, match="exactly -99 and .* exactly 0"):
        flux, _, fill = opened(path)
    assert fill == (-99, 0)
    np.testing.assert_array_equal(np.isnan(flux), GAPS["corners"] | GAPS["strip"])


@pytest.mark.parametrize("value", [1e30, -1e30, 3e38, np.inf, -np.inf, np.nan])
def test_huge_values_are_no_data(value, write_fits, header):
    data, err = noise(), np.ones((NY, NX), "f4")
    data[3, 4] = value
    err[5, 6] = abs(value)
    path = write_fits("a.fits", SCI=(data, header), ERR=(err, None))
    flux, _, fill = opened(path)
    assert fill == () and np.argwhere(np.isnan(flux)).tolist() == [[3, 4], [5, 6]]


@pytest.mark.parametrize(
    "data",
    [
        noise(),
        noise(level=100.0),
        np.random.default_rng(1).poisson(0.2, (NY, NX)).astype("f4"),  # counts, most of them 0
        np.random.default_rng(1).poisson(3.0, (NY, NX)).astype("f4"),
        np.round(noise(), 1),
        np.round(noise(), 2).astype("f8"),
        np.ones((NY, NX), "f4"),
        np.hypot(X - 75.0, Y - 60.0),  # a model, symmetric
        np.where((X == 3) & (Y < 20), 0, noise()),  # 20 pixels
        np.where((X == 3) & (Y < 25), 7, noise()),
    ],
)
def test_what_may_be_measured(data, write_fits, header):
    assert find_fill(data) == ()
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.ones_like(data), None))
    np.testing.assert_array_equal(opened(path)[0], data.astype("f4"))


@pytest.mark.parametrize("kind", ["i2", "i4", "u2"])
def test_integers_are_measured(kind, write_fits, header):
    data = np.random.default_rng(1).integers(0, 900, (NY, NX)).astype(kind)
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.ones((NY, NX)), None))
    assert np.isfinite(opened(path)[0]).all()
    data[GAPS["half"]] = 0
    path = write_fits("b.fits", SCI=(data, header), ERR=(np.ones((NY, NX)), None))
    with pytest.warns(PixsedWarning, match="% of its pixels are exactly 0.* measured.*--fill 0"):
        assert np.isfinite(opened(path)[0]).all()
    np.testing.assert_array_equal(np.isnan(opened(path, fill="0")[0]), data == 0)
    opened(path, fill="none")
    opened(path, fill="-99")


def test_scaled_integers_are_measured(tmp_path, header):
    hdu = fits.ImageHDU(np.where(GAPS["half"], 0, noise()), header, name="SCI")
    hdu.scale("int16", bscale=0.01)
    err = fits.ImageHDU(np.ones((NY, NX)), name="ERR")
    fits.HDUList([fits.PrimaryHDU(), hdu, err]).writeto(tmp_path / "a.fits")
    with pytest.warns(PixsedWarning, match="% of its pixels are exactly 0, taken as measured"):
        assert opened(tmp_path / "a.fits")[2] == ()


RNG = np.random.default_rng(2)
WHOLE = {
    "sky of 500": RNG.normal(500, 17, (NY, NX)),
    "sky of 0": RNG.normal(0, 40, (NY, NX)),
    "little noise": RNG.normal(0, 2, (NY, NX)),
    "few photons": RNG.poisson(0.05, (NY, NX)),
    "a source of photons": RNG.poisson(0.02 + 9 * np.exp(-np.hypot(X - 75, Y - 60) / 3)),
    "photons": RNG.poisson(30, (NY, NX)),
    "steps": np.arange(NY * NX).reshape(NY, NX) % 700,
}


@pytest.mark.parametrize("kind", ["i2", "i4", "f4", ">f8", ">i4"])
@pytest.mark.parametrize("what", WHOLE)
def test_zeros_among_whole_numbers(what, kind):
    """No warning for images without gaps; one for gaps that can be recognised."""
    data = np.round(WHOLE[what]).astype(kind)
    assert find_fill(data) == () and not has_suspect_zeros(data)
    data[GAPS["half"]] = 0
    told = what in ("sky of 500", "sky of 0", "photons", "steps")
    assert has_suspect_zeros(data) == told


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"quantize_method": 1},
        {"quantize_method": 2},
        {"quantize_level": 4},
        {"compression_type": "HCOMPRESS_1"},
        {"tile_shape": (30, 50)},
    ],
)
@pytest.mark.parametrize("gap", [None, "half", "blanked", "strip"])
def test_lossy_compression_makes_zeros(options, gap, tmp_path, header):
    """Rounding to steps, of each tile its own, makes many a zero; not those of a gap."""
    data = noise() if gap is None else np.where(GAPS[gap], 0, noise()).astype("f4")
    hdus = [
        fits.PrimaryHDU(),
        fits.CompImageHDU(data, header, name="SCI", **options),
        fits.ImageHDU(np.ones_like(data), name="ERR"),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits")
    if gap is None:
        assert opened(tmp_path / "a.fits")[2] == ()
        return
    with fits.open(tmp_path / "a.fits") as hdulist:
        kept = (hdulist["SCI"].data[GAPS[gap]] == 0).mean()
    if kept < 0.99:
        pytest.skip("the compression does not keep zeros")
    with pytest.warns(PixsedWarning, match="are exactly 0"):
        assert opened(tmp_path / "a.fits")[2] == (0,)


def test_no_word_where_there_are_no_errors_either(write_fits, header):
    """Zeros where the weight is 0 are no data by that."""
    data = np.where(GAPS["corners"], 0, noise()).astype("f4")
    path = write_fits("a.fits", SCI=(data, header), WHT=(~GAPS["corners"] * 2.0, None))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flux, _, _ = opened(path)
    np.testing.assert_array_equal(np.isnan(flux), GAPS["corners"])


@pytest.mark.parametrize("gap", ["corners", "strip", "rows", "half", "holes"])
def test_rms_of_the_sky(gap, write_fits, header):
    data = np.where(GAPS[gap], 0, noise(0.7)).astype("f4")
    path = write_fits("a.fits", SCI=(data, header))
    with pytest.warns(PixsedWarning, match="exactly 0"):
        flux, err, _ = opened(path, err="sky")
    assert np.nanmedian(err) == pytest.approx(0.7, rel=0.03)
    np.testing.assert_array_equal(np.isnan(err), GAPS[gap])


def test_a_blanked_sky_has_no_rms(write_fits, header):
    source = 100 * np.exp(-np.hypot(X - 75, Y - 60) / 8)
    data = np.where(GAPS["blanked"], 0, source + noise(0.1)).astype("f4")
    path = write_fits("a.fits", SCI=(data, header))
    with pytest.warns(PixsedWarning, match="exactly 0"):
        with pytest.raises(PixsedError, match="no noise to measure the errors by.*--err"):
            opened(path, err="sky")
    path = write_fits("b.fits", SCI=(np.ones((NY, NX), "f4"), header))
    with pytest.raises(PixsedError, match="no noise to measure"):
        opened(path, err="sky")


def test_parts_are_those_of_the_whole(write_fits, header):
    data = np.where(GAPS["rows"], 0, noise()).astype("f4")
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.ones_like(data), None))
    with pytest.warns(PixsedWarning, match="exactly 0"), ImageFile(path) as image:
        whole = image.read()[0]
        for y in (0, 37, 41, 110):
            np.testing.assert_array_equal(image.read(slice(y, y + 9))[0], whole[y : y + 9])


def test_few_rows_tell(write_fits, header, monkeypatch):
    monkeypatch.setattr("pixsed.io.image._SAMPLE_PIXELS", 10 * NX)
    data = np.where(GAPS["corners"], 0, noise()).astype("f4")
    path = write_fits("a.fits", SCI=(data, header), ERR=(np.ones_like(data), None))
    with pytest.warns(PixsedWarning, match="exactly 0"):
        assert opened(path)[2] == (0,)


def test_nothing_but_zeros():
    assert find_fill(np.zeros((9, 9))) == (0,)
    assert find_fill(np.full((9, 9), np.nan)) == ()
    assert find_fill(np.zeros((9, 9), int)) == ()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (None, None),
        ("auto", None),
        (" AUTO ", None),
        ("none", ()),
        ("0", (0,)),
        ("-99", (-99,)),
        ("0,-99", (0, -99)),
        ("1e30", (1e30,)),
    ],
)
def test_the_option_is_read(text, values):
    assert parse_fill(text) == values


@pytest.mark.parametrize("text", ["", "zero", "nan", "inf", "0;1", "0,"])
def test_the_option_is_refused(text):
    with pytest.raises(PixsedError, match=r"--fill must be auto, none, or a value"):
        parse_fill(text)


def test_values_in_the_files_own_type():
    values = np.array([0.1, 0.2, np.nan, 2e20], "f4")
    assert is_fill(values, (0.1,)).tolist() == [True, False, True, True]
