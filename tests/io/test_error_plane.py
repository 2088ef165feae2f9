"""Search for the error plane of an image, and its kind: sigma, variance or weight."""

import gzip
import shutil
import warnings

import numpy as np
import pytest
from astropy.io import fits

from pixsed.errors import PixsedError, PixsedWarning
from pixsed.io.image import ImageFile

SHAPE = (60, 70)
FORMS = {"sigma": lambda s: s, "variance": lambda s: s**2, "weight": lambda s: s**-2.0}


@pytest.fixture
def header(wcs_header):
    return wcs_header(BUNIT="nJy", FILTER="F444W", INSTRUME="NIRCAM")


@pytest.fixture
def sky():
    """Noise of a standard deviation, and a source."""

    def make(rms, seed=1):
        data = np.random.default_rng(seed).normal(0, rms, SHAPE)
        data[20:26, 30:36] += 100 * rms
        return data.astype(np.float32)

    return make


def errors(path, **options):
    """Return the median error in the file's unit, and where it is from."""
    with ImageFile(str(path), **options) as image:
        return float(np.nanmedian(image.read(native=True)[1])), image.err_source


def write_layout(path, planes, header, sky, compressed=False):
    """Write `planes`, EXTNAME or EXTNAME,EXTVER; the error in plane number n is n."""
    hdus = [fits.PrimaryHDU()]
    for number, text in enumerate(planes, 1):
        name, _, version = text.partition(",")
        is_err, is_wht = ("ERR" in name), ("WHT" in name)
        value = number if is_err else number**-2.0
        data = np.full(SHAPE, value, np.float32) if is_err or is_wht else sky(1.0, number)
        kind = fits.CompImageHDU if compressed else fits.ImageHDU
        hdu = kind(data, header, name=name)
        if version:
            hdu.header["EXTVER"] = int(version)
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)


# Planes, the requested image, and the number of its errors: None if it has none,
# "ask" if they cannot be identified.
LAYOUTS = [
    ("SCI ERR", "", 2),
    ("ERR SCI", "", 1),
    ("SCI ERR WHT", "", 2),
    ("SCI WHT ERR", "", 3),
    ("SCI WHT", "", 2),
    ("SCI ERR CON WHT VAR_POISSON VAR_RNOISE VAR_FLAT", "", 2),
    ("SCI CON WHT VAR_POISSON ERR VAR_RNOISE", "", 5),
    ("SCI ERR SCI ERR", "1", 2),
    ("SCI ERR SCI ERR", "3", 4),
    ("ERR SCI ERR SCI", "2", 1),
    ("ERR SCI ERR SCI", "4", 3),
    ("SCI SCI ERR ERR", "1", 3),
    ("SCI SCI ERR ERR", "2", 4),
    ("ERR ERR SCI SCI", "4", 2),
    ("ERR ERR SCI SCI", "3", 1),
    ("SCI SCI SCI ERR ERR ERR", "3", 6),
    ("SCI WHT SCI WHT", "3", 4),
    ("SCI ERR WHT SCI ERR WHT", "4", 5),
    ("SCI ERR DQ SCI ERR DQ", "4", 5),
    ("SCI SCI ERR", "1", "ask"),
    ("SCI SCI ERR", "2", "ask"),
    ("SCI SCI SCI ERR ERR", "2", "ask"),
    ("SCI ERR SCI", "3", None),
    ("SCI ERR SCI WHT", "3", 4),
    ("SCI,1 ERR,1 SCI,2 ERR,2", "SCI,2", 4),
    ("SCI,1 ERR,2 SCI,2 ERR,1", "SCI,2", 2),
    ("SCI,1 SCI,2 ERR,2 ERR,1", "SCI,1", 4),
    ("ERR,1 ERR,2 SCI,1 SCI,2", "SCI,2", 2),
    ("SCI,1 ERR,1 SCI,2", "SCI,2", None),
    ("SCI,1 ERR,1 SCI,2 WHT,2", "SCI,2", 4),
    ("SCI,1 ERR,1 WHT,1 SCI,2", "4", None),
    ("F444W ERR F277W ERR", "F277W", 4),
    ("F444W ERR F277W ERR", "F444W", 2),
    ("F444W ERR F277W", "F277W", None),
    ("F444W F444W_ERR F277W F277W_ERR", "F277W", 4),
    ("F444W F277W F444W_ERR F277W_ERR", "F444W", 3),
    ("F444W ERR_F444W F277W ERR_F277W", "F277W", 4),
    ("F444W F444W_ERR F277W", "F277W", None),
    ("F444W F444W_ERR F277W F277W_WHT", "F277W", 4),
    ("SCI ERR SCI_PSFM ERR_PSFM", "SCI_PSFM", 4),
    ("SCI SCI_PSFM ERR ERR_PSFM", "SCI", 3),
    ("SCI_PSFM SCI ERR_PSFM ERR", "SCI_PSFM", 3),
    ("SCI_BKSUB SCI ERR WHT", "SCI_BKSUB", 3),
    ("SCI ERR BKG BKGRMS KERNEL", "", 2),
    ("SCI MODEL ERR", "SCI", 3),
]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("planes", "asked", "own"), LAYOUTS)
def test_errors_of_the_image_asked_for(planes, asked, own, compressed, tmp_path, header, sky):
    if compressed and own == "ask":
        pytest.skip("as without compression")
    path = tmp_path / "a.fits"
    write_layout(path, planes.split(), header, sky, compressed)
    text = f"{path}[{asked}]" if asked else path
    if own == "ask":
        with pytest.raises(PixsedError, match=r"which (ERR|WHT) belongs .* not clear.*--err"):
            errors(text)
    elif own is None:
        with pytest.warns(PixsedWarning, match="no ERR or WHT in it"):
            found, source = errors(text)
        assert source == "sky" and found == pytest.approx(1.0, rel=0.1)
    else:
        assert errors(text)[0] == pytest.approx(own, rel=1e-4)


@pytest.mark.parametrize(
    ("planes", "asked", "own"),
    [
        ("SCI,1 ERR,1 SCI,2 ERR,2", "SCI,2", 4),
        ("SCI,1 ERR,1 SCI,2 ERR,2", "SCI,1", 2),
        ("SCI SCI ERR ERR", "2", 4),
        ("SCI ERR SCI ERR", "3", 4),
        ("SCI WHT SCI WHT ERR", "3", 5),
        ("F444W ERR F277W ERR", "F277W", 4),
        ("SCI,1 SCI,2 ERR,1", "SCI,2", 3),
        ("SCI,1 SCI,2 SCI,3 ERR,1 ERR,2", "SCI,3", "ask"),
        ("SCI SCI SCI ERR ERR", "2", "unclear"),
    ],
)
def test_errors_asked_for_by_a_name_of_several(planes, asked, own, tmp_path, header, sky):
    """With --err ERR each image uses its own ERR."""
    path = tmp_path / "a.fits"
    write_layout(path, planes.split(), header, sky)
    for err in ("ERR", "[err]", f"{path}[ERR]"):
        if own == "ask":
            with pytest.raises(PixsedError, match=r"has 2 ERR; give one, as --err '.*\[5\]'"):
                errors(f"{path}[{asked}]", err=err)
        elif own == "unclear":
            with pytest.raises(PixsedError, match="which ERR belongs to it is not clear"):
                errors(f"{path}[{asked}]", err=err)
        else:
            assert errors(f"{path}[{asked}]", err=err)[0] == pytest.approx(own, rel=1e-4)


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(
    ("cards", "taken"),
    [
        ({}, True),
        ({"CRPIX1": 0.2}, True),
        ({"CRPIX1": 1.0}, False),
        ({"CRVAL1": 0.001}, False),
        ({"CDELT1": "twice"}, False),
        ({"CTYPE1": None, "CTYPE2": None}, True),
        ({"CTYPE1": None}, True),
        ({"CDELT1": None}, True),
        ({"A_ORDER": 2, "B_ORDER": 2}, True),
    ],
)
def test_errors_of_another_place(cards, taken, beside, write_fits, header, sky, wcs_header):
    """Errors in another file are refused if their WCS has another position or scale."""
    ours = wcs_header(BUNIT="nJy", FILTER="F444W")
    theirs = ours.copy()
    for key, value in cards.items():
        if value is None:
            del theirs[key]
        elif value == "twice":
            theirs["CDELT1"], theirs["CDELT2"] = 2 * theirs["CDELT1"], 2 * theirs["CDELT2"]
        else:
            theirs[key] = theirs.get(key, 0) + value
    path = write_fits("a_sci.fits", SCI=(sky(2.0), ours))
    other = write_fits("a_err.fits" if beside else "b.fits", ERR=(np.full(SHAPE, 2.0), theirs))
    given = {} if beside else {"err": other}
    if taken:
        assert errors(path, **given)[0] == 2
        return
    with pytest.raises(PixsedError, match=r"its errors, .*, are .* pixels off.*--err"):
        errors(path, **given)


def test_other_filter_is_another_image(tmp_path, header, sky):
    """SCI_X without ERR_X uses the errors of SCI only if both have the same filter."""
    path = tmp_path / "a.fits"
    write_layout(path, "SCI_B SCI ERR".split(), header, sky)
    fits.setval(path, "FILTER", value="F277W", extname="SCI_B")
    with pytest.raises(PixsedError, match="which ERR belongs to it is not clear"):
        errors(f"{path}[SCI_B]")


def test_errors_in_another_file_of_several(tmp_path, header, sky):
    write_layout(tmp_path / "a.fits", ["SCI"], header, sky)
    write_layout(tmp_path / "b.fits", ["ERR,1", "ERR,2"], header, sky)
    with pytest.raises(PixsedError, match="b.fits has 2 ERR; give one"):
        errors(tmp_path / "a.fits", err=str(tmp_path / "b.fits"))
    assert errors(tmp_path / "a.fits", err=f"{tmp_path}/b.fits[ERR,2]")[0] == 2


def test_file_beside_of_several_images(tmp_path, header, sky):
    write_layout(tmp_path / "a_sci.fits", ["SCI,1", "SCI,2"], header, sky)
    write_layout(tmp_path / "a_err.fits", ["ERR,1", "ERR,2"], header, sky)
    assert errors(f"{tmp_path}/a_sci.fits[SCI,2]")[0] == 2
    (tmp_path / "a_err.fits").unlink()
    write_layout(tmp_path / "a_err.fits", ["ERR,1"], header, sky)
    with pytest.warns(PixsedWarning, match="no ERR or WHT in it"):
        assert errors(f"{tmp_path}/a_sci.fits[SCI,2]")[1] == "sky"


def test_an_image_is_not_its_own_error(write_fits, header, sky):
    path = write_fits("a.fits", SCI=(sky(1.0), header))
    for err in ("SCI", "[1]", path):
        with pytest.raises(PixsedError, match="is the image itself"):
            errors(path, err=err)


NAMES = {
    "sigma": "a_rms a.sigma a_unc a_uncert a_noise a_std rmsmap",
    "variance": "a_var a_variance VAR_POISSON STAT",
    "weight": "a.weight a_weights a_ivar a_ivm a_invvar a_inverse_variance a_weightmap a.wgt",
}
NAMED = [(kind, name) for kind, names in NAMES.items() for name in names.split()]


@pytest.mark.parametrize(("named", "name"), NAMED)
@pytest.mark.parametrize("rms", [1.2, 0.01, 300.0])
def test_kind_by_name(named, name, rms, write_fits, header, sky):
    path = write_fits("sci.fits", primary=(sky(rms), header))
    plane = np.full(SHAPE, FORMS[named](rms), np.float32)
    other = write_fits(f"{name}.fits", primary=(plane, None))
    assert errors(path, err=other)[0] == pytest.approx(rms, rel=1e-4)
    inside = write_fits("in.fits", SCI=(sky(rms), header), **{name.upper(): (plane, None)})
    assert errors(inside, err=name.upper())[0] == pytest.approx(rms, rel=1e-4)


@pytest.mark.parametrize(("named", "name"), NAMED)
@pytest.mark.parametrize("true", FORMS)
def test_name_that_the_sky_belies(named, name, true, write_fits, header, sky):
    if true == named:
        pytest.skip("the name is right")
    path = write_fits("sci.fits", primary=(sky(300.0), header))
    plane = np.full(SHAPE, FORMS[true](300.0), np.float32)
    other = write_fits(f"{name}.fits", primary=(plane, None))
    with pytest.raises(PixsedError, match=f"not clear .*{named}.* sky {true}.*--err-kind"):
        errors(path, err=other)
    assert errors(path, err=other, err_kind=true)[0] == pytest.approx(300, rel=1e-4)


@pytest.mark.parametrize("true", ["variance", "weight"])
@pytest.mark.parametrize("rms", [0.01, 0.8, 1.2, 300.0])
def test_nothing_but_the_sky_tells(true, rms, write_fits, header, sky):
    path = write_fits("sci.fits", primary=(sky(rms), header))
    other = write_fits("b.fits", primary=(np.full(SHAPE, FORMS[true](rms), "f4"), None))
    with pytest.raises(PixsedError, match=f"scatter of the sky {true}.*--err-kind"):
        errors(path, err=other)
    assert errors(path, err=other, err_kind=true)[0] == pytest.approx(rms, rel=1e-4)


@pytest.mark.parametrize("rms", [0.01, 0.8, 1.2, 300.0])
def test_sigma_without_a_name(rms, write_fits, header, sky):
    path = write_fits("sci.fits", primary=(sky(rms), header))
    other = write_fits("b.fits", primary=(np.full(SHAPE, rms, "f4"), None))
    assert errors(path, err=other)[0] == pytest.approx(rms, rel=1e-4)


@pytest.mark.parametrize("factor", [15.0, 0.2])
@pytest.mark.parametrize("rms", [1e-3, 2.0, 1e4])
def test_err_stays_sigma_far_from_the_sky(factor, rms, write_fits, header, sky):
    """Errors of real mosaics are up to 15 times the scatter of their sky."""
    plane = np.full(SHAPE, factor * rms, np.float32)
    path = write_fits("a.fits", SCI=(sky(rms), header), ERR=(plane, header))
    assert errors(path) == (pytest.approx(factor * rms, rel=1e-5), "err")


@pytest.mark.parametrize(
    ("bunit", "kind", "factor"),
    [
        ("nJy", "sigma", 1),
        ("uJy", "sigma", 1e3),
        ("10 nJy", "sigma", 10),
        ("nJy2", "variance", 1),
        ("nJy**2", "variance", 1),
        ("uJy^2", "variance", 1e6),
        ("1/nJy2", "weight", 1),
        ("nJy-2", "weight", 1),
        ("nJy^-2", "weight", 1),
        ("1 / uJy2", "weight", 1e-6),
    ],
)
@pytest.mark.parametrize("name", ["PLANE", "X"])
def test_kind_by_unit(bunit, kind, factor, name, write_fits, header, sky):
    """If the name says nothing, the unit gives the kind; values are in the unit of the image."""
    rms = 7.0
    plane = np.full(SHAPE, FORMS[kind](rms) / factor, np.float32)
    planes = {"SCI": (sky(rms), header), name: (plane, fits.Header({"BUNIT": bunit}))}
    path = write_fits("a.fits", **planes)
    found, source = errors(path, err=name)
    assert found == pytest.approx(rms, rel=1e-5)
    assert source == {"sigma": "err"}.get(kind, kind)


@pytest.mark.parametrize(
    ("image", "bunit", "unit", "factor"),
    [
        ("uJy", "nJy", "uJy", 1e-3),
        ("uJy", "nJy", None, 1e-3),
        (None, "nJy", "uJy", 1e-3),
        ("nJy", "nJy", "uJy", 1),
        ("uJy", None, "nJy", 1),
        ("K", "K", "uJy", 1),
        (None, "electron/s", "zp=25", 1),
        ("electron/s", "ELECTRONS/S", "zp=25", 1),
        ("10 nJy", "nJy", None, 0.1),
        ("MJy/sr", "kJy/sr", None, 1e-3),
        ("Jy", "nJy", "nJy", 1),
    ],
)
def test_error_in_another_unit(image, bunit, unit, factor, write_fits, header, sky):
    """`--unit` applies to the image, and to errors that have the same BUNIT or none."""
    headers = [header.copy(), header.copy()]
    for one, text in zip(headers, (image, bunit), strict=True):
        one.remove("BUNIT")
        if text:
            one["BUNIT"] = text
    plane = np.full(SHAPE, 2.0, np.float32)
    path = write_fits("a.fits", SCI=(sky(2.0 * factor), headers[0]), ERR=(plane, headers[1]))
    assert errors(path, unit=unit)[0] == pytest.approx(2 * factor, rel=1e-5)


def test_surface_brightness_variance(write_fits, header, sky):
    header["BUNIT"] = "MJy/sr"
    var = np.full(SHAPE, 0.04, np.float32), fits.Header({"BUNIT": "MJy2 / sr2"})
    path = write_fits("a.fits", SCI=(sky(0.2), header), VAR=var)
    assert errors(path, err="VAR")[0] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("name", "bunit"), [("ERR", "nJy2"), ("ERR", "1/nJy2"), ("WHT", "nJy2"), ("RMS", "nJy-2")]
)
def test_name_and_unit_that_disagree(name, bunit, write_fits, header, sky):
    plane = (np.full(SHAPE, 2.0, np.float32), fits.Header({"BUNIT": bunit}))
    path = write_fits("a.fits", SCI=(sky(2.0), header), **{name: plane})
    with pytest.raises(
        PixsedError, match=f"{name}: the kind of its values is not clear.*--err-kind"
    ):
        errors(path, err=name)
    assert errors(path, err=name, err_kind="sigma")[0] == 2


def test_copied_unit_of_weights(write_fits, header, sky):
    """BUNIT copied from the image is ignored if the name says that the plane holds weights."""
    plane = np.full(SHAPE, 1 / 49.0, np.float32)
    path = write_fits("a.fits", SCI=(sky(7.0), header), IVAR=(plane, header))
    assert errors(path, err="IVAR")[0] == pytest.approx(7)


@pytest.mark.parametrize("name", ["EXP", "CON", "DQ", "MASK", "COVERAGE", "a_exp", "a_dq"])
def test_what_holds_no_errors(name, write_fits, header, sky):
    plane = np.full(SHAPE, 1000.0, np.float32)
    path = write_fits("sci.fits", SCI=(sky(1.0), header), **{name.upper(): (plane, None)})
    with pytest.raises(PixsedError, match="by its name it holds no errors"):
        errors(path, err=name)
    assert errors(path, err=name, err_kind="weight")[0] == pytest.approx(1000**-0.5)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, 1e30, np.inf])
@pytest.mark.parametrize("kind", [fits.ImageHDU, fits.CompImageHDU])
def test_err_of_nothing_gives_way_to_wht(value, kind, tmp_path, header, sky):
    planes = {"SCI": sky(2.0), "ERR": np.full(SHAPE, value), "WHT": np.full(SHAPE, 0.25)}
    hdus = [kind(plane.astype(np.float32), header, name=name) for name, plane in planes.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(tmp_path / "a.fits")
    with pytest.warns(PixsedWarning, match="ERR has no usable errors; its errors are from WHT"):
        assert errors(tmp_path / "a.fits") == (pytest.approx(2), "weight")
    if value > 1e20:  # no data: as a band that is missing
        with pytest.warns(RuntimeWarning, match="All-NaN"):
            assert np.isnan(errors(tmp_path / "a.fits", err="ERR")[0])
        return
    with pytest.raises(PixsedError, match="errors, ERR, have no value above 0 where it has data"):
        errors(tmp_path / "a.fits", err="ERR")


def test_err_of_nothing_alone(write_fits, header, sky):
    path = write_fits("a.fits", SCI=(sky(2.0), header), ERR=(np.zeros(SHAPE), None))
    with pytest.raises(PixsedError, match="a.fits: its errors, ERR, have no value above 0.*sky"):
        errors(path)


def test_errors_where_few_rows_have_data(write_fits, header, sky, monkeypatch):
    """Rows that the sample misses count: the errors are good."""
    monkeypatch.setattr("pixsed.io.image._SAMPLE_PIXELS", SHAPE[1])
    err = np.zeros(SHAPE, np.float32)
    err[3] = 2.0
    path = write_fits("a.fits", SCI=(sky(2.0), header), ERR=(err, None))
    assert errors(path)[0] == 2


def test_gzipped_and_big_endian_integers(tmp_path, header, sky):
    """A variance in scaled integers of a gzipped file."""
    var = fits.ImageHDU(np.full(SHAPE, 49.0), name="VARIANCE")
    var.scale("int16", bscale=0.5, bzero=10)
    hdus = fits.HDUList([fits.PrimaryHDU(sky(7.0).astype(">f8"), header), var])
    hdus.writeto(tmp_path / "a.fits")
    with open(tmp_path / "a.fits", "rb") as source:
        with gzip.open(tmp_path / "a.fits.gz", "wb") as target:
            shutil.copyfileobj(source, target)
    assert errors(f"{tmp_path}/a.fits.gz[0]", err="VARIANCE")[0] == pytest.approx(7)


def test_no_warning_where_all_is_clear(write_fits, header, sky):
    path = write_fits("a.fits", SCI=(sky(2.0), header), ERR=(np.full(SHAPE, 2.0), header))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        errors(path)
