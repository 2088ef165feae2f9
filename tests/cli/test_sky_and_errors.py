"""Sky and errors in bkg, psfmatch and noise, for images of all kinds."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from scipy.ndimage import gaussian_filter

from pixsed.errors import PixsedWarning
from pixsed.images.noise.apertures import EmptyApertures
from pixsed.images.noise.autocorrelation import measure_autocorrelation, measure_scatter
from pixsed.io.image import ImageFile

N = 180


def kernel(sigma=1.8):
    y, x = np.mgrid[-9:10, -9:10]
    profile = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return profile / profile.sum()


def noise(shape=(N, N), drizzle=0.0, seed=0):
    """Return noise of unit variance."""
    white = np.random.default_rng(seed).standard_normal(shape)
    smooth = gaussian_filter(white, drizzle, mode="wrap") if drizzle else white
    return smooth / smooth.std()


def disc(scale, peak, shape=(N, N)):
    y, x = np.indices(shape)
    return peak * np.exp(-np.hypot(x - 0.4 * shape[1], y - 0.55 * shape[0]) / scale)


@pytest.fixture
def write(write_fits, wcs_header):
    count = iter(range(100))

    def make(data, err):
        header = wcs_header(BUNIT="nJy", FILTER="F200W")
        planes = {"SCI": (data.astype(np.float32), header)}
        if err is not None:
            planes["ERR"] = (np.broadcast_to(err, data.shape).astype(np.float32), header)
        return write_fits(f"im{next(count)}.fits", **planes)

    return make


def run(run_cli, *args):
    """Run a command; warnings of other packages are errors."""
    result = run_cli(*args)
    assert result.exit_code == 0, (result.output, result.exception)
    assert not of_numpy(result)
    return result


def of_numpy(result):
    """Return the warnings of numpy in a result."""
    words = ("invalid value", "divide", "overflow", "empty slice", "Degrees of freedom")
    return [text for text in result.warned if any(word in text for word in words)]


@pytest.mark.parametrize("option", [None, "auto", "always", "never"])
@pytest.mark.parametrize("ratio", [0.0001, 0.1, 0.5, 0.75, 0.85, 1.0, 1.1, 2.0])
def test_the_rms_is_added_where_errors_lack_it(write, run_cli, tmp_path, ratio, option):
    out = tmp_path / "out.fits"
    path = write(5 + noise() + disc(6, 30), ratio)
    args = ["--add-rms", option] if option else []
    result = run(run_cli, "bkg", path, "--box", 60, *args, "-o", out)
    adds = {None: ratio < 0.8, "auto": ratio < 0.8, "always": True, "never": False}[option]
    with fits.open(out) as hdulist:
        rms, err = hdulist["BKGRMS"].data, hdulist["ERR"].data
        np.testing.assert_allclose(err, np.hypot(ratio, rms) if adds else ratio, rtol=1e-5)
        assert hdulist["ERR"].header["RMSADDED"] == adds
        assert ("rms is added" if adds else "not added") in str(hdulist[0].header["HISTORY"])
    assert ("rms is added" if adds else "not added") in result.stderr
    # The scatter of the sky is 1: a warning names an error that differs by 30 %.
    off = np.hypot(ratio, 1) if adds else ratio
    warned = [w for w in result.warned if "times the scatter of the empty sky" in w]
    assert len(warned) == (not 1 / 1.3 < off < 1.3)


def test_twice_is_once(write, run_cli, tmp_path):
    """A second run does not add the rms again."""
    paths = [write(5 + noise(), 0.1), tmp_path / "once.fits", tmp_path / "twice.fits"]
    for before, after in zip(paths[:-1], paths[1:], strict=True):
        run(run_cli, "bkg", before, "--box", 60, "-o", after)
    np.testing.assert_array_equal(fits.getdata(paths[1], "ERR"), fits.getdata(paths[2], "ERR"))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    "light",
    [disc(1, 1000), disc(8, 30), disc(15, 20), disc(25, 3), disc(8, 30) + disc(40, 0.5)],
)
@pytest.mark.parametrize("drizzle", [0.0, 0.7, 1.2])
def test_galaxies_are_left_out_of_the_correlation(
    write, write_fits, wcs_header, run_cli, tmp_path, drizzle, light, masked
):
    """ERRCORR and the errors agree with the scatter of noise without galaxies."""
    k = kernel()
    sky = noise(drizzle=drizzle, seed=4)
    path = write(sky + light, 1.0)
    options = []
    if masked:  # a shallow map, of detections at 3 sigma
        seg = write_fits("seg.fits", SEG=((light > 3).astype(np.int16), wcs_header()))
        options = ["--segmap", seg]
    k_file = write_fits("k.fits", primary=(k, None))
    out = tmp_path / "out.fits"
    run(run_cli, "psfmatch", path, "--kernel", k_file, *options, "-o", out)
    both = gaussian_filter(np.pad(k, 30), drizzle) if drizzle else k
    own = np.zeros((61, 61))
    own[30, 30] = 1
    own = gaussian_filter(own, drizzle) if drizzle else own
    expected = np.sqrt((both**2).sum() / (own**2).sum() / (k**2).sum())
    assert fits.getheader(out, "SCI")["ERRCORR"] == pytest.approx(expected, rel=0.06)


BLANKS = {
    "nan": lambda d, e, gap: (np.where(gap, np.nan, d), e),
    "inf": lambda d, e, gap: (np.where(gap, np.inf, d), e),
    "nan error": lambda d, e, gap: (d, np.where(gap, np.nan, e)),
    "zero error": lambda d, e, gap: (d, np.where(gap, 0.0, e)),
    "sentinel": lambda d, e, gap: (np.where(gap, 0.0, d), np.where(gap, 1e10, e)),
    "sentinels": lambda d, e, gap: (np.where(gap, -99.0, d), np.where(gap, 1e30, e)),
}
GAPS = {
    "strip": np.arange(N)[None, :] < 60 + 0 * np.arange(N)[:, None],
    "corners": np.abs(np.add.outer(np.arange(N) - 90, np.arange(N) - 90)) > 80,
    "holes": np.random.default_rng(3).random((N, N)) < 0.2,
}


@pytest.mark.parametrize("gap", GAPS)
@pytest.mark.parametrize("blank", BLANKS)
def test_no_data_is_no_sky(write, run_cli, write_fits, tmp_path, blank, gap):
    data, err = BLANKS[blank](5 + noise(drizzle=0.7), np.ones((N, N)), GAPS[gap])
    path, out, matched = write(data, err), tmp_path / "bkg.fits", tmp_path / "m.fits"
    run(run_cli, "bkg", path, "--box", 60, "-o", out)
    with fits.open(out) as hdulist:
        for name in ("SCI", "ERR", "BKG", "BKGRMS"):
            np.testing.assert_array_equal(np.isnan(hdulist[name].data), GAPS[gap])
        assert np.nanmedian(hdulist["BKG"].data) == pytest.approx(5, abs=0.1)
        assert np.nanmedian(hdulist["BKGRMS"].data) == pytest.approx(1, abs=0.05)
        assert not hdulist["ERR"].header["RMSADDED"]
        flux, error = hdulist["SCI"].data, hdulist["ERR"].data
    k_file = write_fits("k.fits", primary=(kernel(), None))
    run(run_cli, "psfmatch", out, "--kernel", k_file, "-o", matched)
    # exp(-d^2 / 4 s^2) between neighbours, for the s of the drizzling and of both.
    expected = np.sqrt(1.8**2 / (1.8**2 + 0.7**2)) * 2 * np.sqrt(np.pi) * 0.7
    assert fits.getheader(matched, "SCI")["ERRCORR"] == pytest.approx(expected, rel=0.08)
    assert np.isnan(fits.getdata(matched, "SCI")).sum() < GAPS[gap].sum() * 1.2
    if gap != "holes":
        apertures = EmptyApertures()
        apertures.add(
            *(
                np.where(np.isnan(p), BLANKS[blank](0 * p, 0 * p + 1, GAPS[gap])[i], p)
                for i, p in enumerate((flux, error))
            ),
            np.ones((N, N), bool),
        )
        factor, _ = apertures.factor()
        assert factor == pytest.approx(2 * np.sqrt(np.pi) * 0.7, rel=0.15)


ODD = {
    "all NaN": np.full((60, 60), np.nan),
    "zeros": np.zeros((60, 60)),
    "ones": np.ones((60, 60)),
    "half constant": np.where(np.indices((90, 90))[0] < 45, 3.0, noise((90, 90))),
    "one row": noise((1, 500)),
    "one column": noise((500, 1)),
    "small": noise((5, 5)),
    "one pixel": np.ones((1, 1)),
    "two good": np.where(np.indices((40, 40)).sum(0) < 2, 1.0, np.nan),
    "huge": 1e19 * noise((60, 60)),
    "tiny": 1e-25 * noise((60, 60)),
}


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("command", ["bkg", "psfmatch", "library"])
def test_odd_images_end_in_a_result_or_one_line(
    write, write_fits, run_cli, tmp_path, name, command
):
    path, out = write(ODD[name], 0.7), tmp_path / "out.fits"
    if command == "library":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PixsedWarning)  # of values taken as no data
            warnings.simplefilter("error", RuntimeWarning)
            with ImageFile(path) as image:
                measure_autocorrelation(image)
                measure_scatter(image)
                apertures = EmptyApertures()
                data, err = image.read()
                apertures.add(data, err, np.ones(data.shape, bool))
                apertures.factor(), apertures.lower_limit()
        return
    args = (
        ["--box", 20]
        if command == "bkg"
        else ["--kernel", write_fits("k.fits", primary=(kernel(), None))]
    )
    result = run_cli(command, path, *args, "-o", out)
    assert not of_numpy(result)
    if result.exit_code:
        assert type(result.exception).__name__ == "PixsedError", result.exception
        return
    with fits.open(out) as hdulist:
        good = np.isfinite(hdulist["SCI"].data)
        assert (hdulist["ERR"].data[good] > 0).all()
