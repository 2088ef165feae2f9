"""`pixsed cutout` on faulty inputs: a correct cube, or a line that describes the fault."""

import re
import subprocess
import sys

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits

from pixsed.cli import mosaics
from pixsed.io.error_plane import KINDS
from pixsed.io.formats.cube import read_cube

N = 90
Y, X = np.mgrid[:N, :N]
RADIUS = np.hypot(X - 45, Y - 45)


@pytest.fixture
def header(wcs_header):
    return wcs_header(crpix=(46.0, 46.0), BUNIT="nJy", INSTRUME="NIRCAM")


@pytest.fixture
def write(write_fits, header):
    """Write an image of a galaxy of 1000 nJy; the sky is blanked beyond a radius, if given."""

    def write(band, seed=0, blanked=None, errors=True, data=None, **cards):
        flux = np.exp(-0.5 * RADIUS**2 / 16)
        flux *= 1000 / flux.sum()
        flux += np.random.default_rng(seed).normal(0, 0.1, (N, N))
        flux = flux if data is None else data
        if blanked is not None:
            flux[RADIUS > blanked] = 0
        cards = {**header, "FILTER": band, **cards}
        planes = {"SCI": (flux.astype("f4"), fits.Header(cards))}
        if errors:
            planes["ERR"] = (np.full((N, N), 0.1, "f4"), None)
        return write_fits(f"{band}.fits", **planes)

    return write


@pytest.fixture
def seg(write_fits, header):
    return write_fits("seg.fits", SEG=((RADIUS < 12).astype("i4"), header))


@pytest.fixture
def cut(run_cli, tmp_path):
    def cut(*args, out="c.fits"):
        return run_cli("cutout", *args, "--redshift", "1", "-o", tmp_path / out)

    return cut


def test_kinds_are_those_of_the_room():
    assert mosaics.KINDS == KINDS


def positions():
    ra, dec = 53.060967784258, -27.872088780909
    sky = SkyCoord(ra, dec, unit="deg")
    hms = sky.ra.to_string("hour", sep=":", precision=4)
    dms = sky.dec.to_string("deg", sep=":", precision=3)
    return [
        (f"{ra}", f"{dec}"),
        (f"+{ra}", f"{dec:.8f}"),
        (hms, dms),
        (sky.ra.to_string("hour", precision=4), sky.dec.to_string("deg", precision=3)),
        (hms.replace(":", " "), dms.replace(":", " ")),
        (f"{ra}", dms),
        (hms, f"{dec}"),
        (f"{ra}d", f"{dec}d"),
        (f"{ra:.8e}", f"{dec:.8e}"),
    ]


@pytest.mark.parametrize(("ra", "dec"), positions())
def test_positions(ra, dec, write, cut, tmp_path):
    result = cut(write("F444W"), "--position", ra, dec, "--size", "0.3299")
    assert result.exit_code == 0, result.stderr or result.exception
    plane = fits.getdata(tmp_path / "c.fits", "F444W")
    assert plane.shape == (11, 11)
    assert np.unravel_index(plane.argmax(), plane.shape) == (5, 5)


@pytest.mark.parametrize(
    ("ra", "dec", "match"),
    [
        ("-27.789", "153.162", "RA comes first, then Dec"),
        ("53.1", "127.8", "within 0 to 360 and -90 to 90"),
        ("400", "-27.8", "within 0 to 360"),
        ("-200", "-27.8", "within 0 to 360"),
        ("nan", "-27.8", "must be two numbers"),
        ("53.1", "inf", "must be two numbers"),
        ("3:72:26", "-27:51:34", "must be two numbers"),
        ("here", "there", "must be two numbers"),
        ("", "-27", "must be two numbers"),
        ("53,1", "-27,8", "must be two numbers"),
        ("53.1", "-27:99:00", "must be two numbers"),
    ],
)
def test_positions_that_are_none(ra, dec, match, write, cut):
    result = cut(write("F444W"), "--position", ra, dec, "--size", "1")
    assert result.exit_code == 2
    assert match in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("ra", "dec", "match"),
    [
        ("-27.872088780909", "53.060967784258", "RA comes first: with the two swapped it is on"),
        ("53.2", "-27.8", "is not on .*give a position in degrees"),
        ("233.06", "27.87", "is not on"),  # the other side of the sky
        ("0", "90", "is not on"),
    ],
)
def test_positions_off_the_image(ra, dec, match, write, cut):
    result = cut(write("F444W"), "--position", ra, dec, "--size", "1")
    assert result.exit_code == 1
    with pytest.raises(type(result.exception), match=match):
        raise result.exception


def test_sip_cards_of_a_rectified_image_are_ignored(write, cut, tmp_path, capfd):
    """SIP cards left on a rectified image are neither applied nor copied."""
    sip = dict(A_ORDER=2, A_2_0=1e-3, B_ORDER=2, B_0_2=1e-3)
    path = write("F444W", **sip)
    result = cut(path, "--position", "53.060967784258", "-27.872088780909", "--size", "0.3299")
    assert any("SIP" in text for text in result.warned)
    plane = fits.getdata(tmp_path / "c.fits", "F444W")
    assert np.unravel_index(plane.argmax(), plane.shape) == (5, 5)
    assert "A_ORDER" not in fits.getheader(tmp_path / "c.fits", "F444W")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("types", ["RA---TAN", "RA---TAN-SIP"])
def test_standard_output_is_the_file(types, write, run_cli):
    cards = dict(
        A_ORDER=2,
        A_2_0=1e-9,
        B_ORDER=2,
        B_0_2=1e-9,
        CTYPE1=types,
        CTYPE2=types.replace("RA--", "DEC-"),
    )
    result = run_cli(
        "cutout",
        write("F444W", **cards),
        "--position",
        "53.060967784258",
        "-27.872088780909",
        "--size",
        "1",
        "--redshift",
        "1",
        "-o",
        "-",
    )
    assert result.exit_code == 0 and result.stdout_bytes.startswith(b"SIMPLE  =")


def test_astropy_says_nothing_on_standard_output():
    """Standard output stays empty, although astropy logs notices there by default."""
    code = (
        "from pixsed.environment import prepare_command; prepare_command(); "
        "from astropy import log; log.info('a notice'); log.error('an error')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "" and "an error" in done.stderr


def test_bands_without_data_are_named(write, seg, cut, tmp_path):
    """A band without data at the galaxy is named, and the summary counts the others."""
    empty = np.random.default_rng(1).normal(0, 1, (N, N))
    empty[20:70, 20:70] = np.nan
    paths = [write("F444W"), write("F277W", data=empty), write("F200W", data=empty.copy())]
    result = cut(*paths, "--segmap", seg, "--id", "1", "--pad", "3")
    assert result.exit_code == 0
    assert any("no data at all in F200W, F277W" in text for text in result.warned)
    assert "c.fits: 1 of 3 bands with data" in result.stderr
    (tmp_path / "one").mkdir()
    result = cut(*paths, "--segmap", seg, "--id", "1", "--pad", "3", out="one")
    assert any("no data at all in F200W, F277W" in text for text in result.warned)


@pytest.mark.parametrize(
    ("flux", "err"),
    [
        (None, 1e30),
        (None, np.inf),
        (None, 9.9e9),
        (None, 1e18),
        (-99, -99),
        (0, 0),
        (-1, -1),
        (99, 99),
        (99, 0.1),
        (-99, 0.1),
        (0, 0.1),
        (np.nan, 0.1),
        (1e30, 0.1),
    ],
)
def test_bands_of_no_information_are_named(
    flux, err, write, write_fits, header, seg, cut, tmp_path
):
    """A band in which every value means no data is empty, with a warning."""
    data = np.random.default_rng(1).normal(0, 1, (N, N)) if flux is None else np.full((N, N), flux)
    cards = fits.Header({**header, "FILTER": "F277W"})
    odd = write_fits(
        "odd.fits", SCI=(data.astype("f4"), cards), ERR=(np.full((N, N), err, "f4"), None)
    )
    result = cut(write("F444W"), odd, "--segmap", seg, "--id", "1", "--rescale-errors")
    assert result.exit_code == 0, result.exception
    assert any("no data at all in F277W" in text for text in result.warned)
    assert "c.fits: 1 of 2 bands with data" in result.stderr
    flux, errors = (fits.getdata(tmp_path / "c.fits", name) for name in ("F277W", "F277W_ERR"))
    assert not (np.isfinite(flux) & (errors < 1e9)).any()


def test_blanked_sky_with_errors(write, seg, cut, tmp_path):
    paths = [write(band, i, blanked=20) for i, band in enumerate(("F200W", "F277W", "F444W"))]
    result = cut(*paths, "--segmap", seg, "--id", "1")
    assert result.exit_code == 0 and "c.fits: 3 bands" in result.stderr
    (told,) = (text for text in result.warned if "are exactly 0, taken as no data" in text)
    assert "F200W.fits: 8" in told and re.search(
        "numbers, holds for .*F277W.fits, .*F444W.fits$", told
    )
    cube = read_cube(tmp_path / "c.fits")
    for plane in cube.flux:
        np.testing.assert_array_equal(np.isnan(plane), RADIUS > 20)
        assert np.nansum(plane) == pytest.approx(1000, rel=0.02)
    np.testing.assert_allclose(cube.table["depth_1sigma_njy"], 0.1, rtol=1e-5)


def test_blanked_sky_without_errors(write, seg, cut):
    paths = [write("F200W"), write("F444W", blanked=12, errors=False)]
    result = cut(*paths, "--segmap", seg, "--id", "1")
    assert result.exit_code == 1
    assert "F444W.fits: its sky has no noise to measure" in str(result.exception)
    assert "--err" in str(result.exception)


def test_blanked_sky_is_not_rescaled_by(write, cut, tmp_path):
    path = write("F444W", blanked=8)
    result = cut(
        path, "--position", "53.060967784258", "-27.872088780909", "--size", "1", "--rescale-errors"
    )
    assert any("F444W: no sky outside the sources to rescale" in text for text in result.warned)
    assert np.nanmedian(fits.getdata(tmp_path / "c.fits", "F444W_ERR")) == np.float32(0.1)


@pytest.mark.parametrize("width", [80, 60])
def test_rotated_mosaic_is_rescaled_by_its_sky(width, write, seg, cut, tmp_path):
    """Empty corners of 0 with an error of 2 do not keep the errors from being rescaled."""
    noise = np.random.default_rng(3).normal(0, 0.5, (N, N))
    noise[np.abs(X - 45) + np.abs(Y - 45) > width] = 0
    result = cut(write("F444W", data=noise), "--segmap", seg, "--id", "1", "--rescale-errors")
    assert result.exit_code == 0
    found = np.nanmedian(fits.getdata(tmp_path / "c.fits", "F444W_ERR"))
    assert found == pytest.approx(0.5, rel=0.05)


def test_options_by_band(write, seg, cut, tmp_path, write_fits):
    paths = [write("F200W", blanked=20), write("F444W", blanked=20)]
    plane = write_fits("plane.fits", primary=(np.full((N, N), 0.25), None))
    result = cut(
        *paths,
        "--segmap",
        seg,
        "--id",
        "1",
        "--fill",
        "F200W=none",
        "--err",
        f"F444W={plane}",
        "--err-kind",
        "F444W=variance",
    )
    assert result.exit_code == 0, result.exception
    cube = read_cube(tmp_path / "c.fits")
    assert np.isfinite(cube.flux[0]).all() and np.isnan(cube.flux[1]).any()
    assert np.nanmedian(cube.err[1]) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("args", "code", "match"),
    [
        (["--err-kind", "inverse"], 2, "must be one of sigma, variance, weight"),
        (["--err-kind", "F444W=rms"], 2, "must be one of sigma, variance, weight"),
        (
            ["--fill", "zeros"],
            1,
            "--fill must be auto, none, or a value such as 0 or -99, got zeros",
        ),
        (["--fill", "F115W=0"], 1, "F115W: named in .*--fill"),
        (["--id", "0"], 2, "'0' must be an id"),
        (["--id", "-5"], 2, "'-5' must be an id"),
        (["--id", "1.0"], 2, "must be an id"),
        (["--id", "²"], 2, "must be an id"),
        (["--id", "99999999999999999999"], 2, "must be an id"),
        (["--id", "3000000000"], 1, "id 3000000000 is not in .*seg.fits"),
    ],
)
def test_options_that_are_refused(args, code, match, write, seg, cut):
    ids = [] if args[0] == "--id" else ["--id", "1"]
    result = cut(write("F444W"), "--segmap", seg, *ids, *args)
    assert result.exit_code == code
    text = " ".join(result.stderr.split()) if code == 2 else str(result.exception)
    assert re.search(match, text), text


@pytest.mark.parametrize("command", ["bkg", "psf", "psfmatch"])
def test_options_of_single_images(command, run_cli):
    text = " ".join(run_cli(command, "--help").output.split())
    assert all(option in text for option in ("--err ", "--err-kind", "--fill"))


def test_bkg_takes_zeros_for_no_data(write, run_cli, tmp_path):
    noise = np.random.default_rng(3).normal(5, 0.5, (N, N))
    noise[:, 50:] = 0
    args = ("bkg", write("F444W", data=noise), "--box", "30", "-o", tmp_path / "b.fits")
    result = run_cli(*args)
    assert any("are exactly 0, taken as no data" in text for text in result.warned)
    with fits.open(tmp_path / "b.fits") as hdulist:
        assert np.isnan(hdulist["SCI"].data[:, 50:]).all()
        assert np.nanmedian(hdulist["BKG"].data) == pytest.approx(5, abs=0.1)
    assert run_cli(*args, "--fill", "none", "--overwrite").exit_code == 0
    assert np.isfinite(fits.getdata(tmp_path / "b.fits", "SCI")).all()
