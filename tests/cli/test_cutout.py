import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from pixsed.io.formats.cube import read_cube

NY, NX = 230, 210


@pytest.fixture
def field(tmp_path, write_fits, wcs_header):
    """Two bands of a field larger than a cutout, three galaxies, a catalogue of two of them."""
    rng = np.random.default_rng(21)
    segmap = np.zeros((NY, NX), np.int32)
    segmap[50:60, 70:85] = 7
    segmap[150:170, 100:110] = 8
    segmap[62:66, 70:85] = 9
    for band in ("F444W", "F606W"):
        data = rng.normal(0, 2.0, (NY, NX)) + 50 * (segmap > 0)
        header = wcs_header(BUNIT="nJy")
        write_fits(f"jof_{band}.fits", SCI=(data, header), ERR=(np.full_like(data, 2.0), header))
    write_fits("seg.fits", SEG=(segmap, wcs_header()))
    Table({"ID": [7, 8], "z_phot": [1.5, 3.2], "z_phot_err": [0.1, 0.2]}).write(
        tmp_path / "cat.csv"
    )
    return tmp_path


@pytest.fixture
def cut(field, run_cli):
    def call(*args, images=("F*=jof_F*.fits",), seg=True, out="out.fits"):
        images = [
            f"{band}{equals}{field}/{name}"
            for band, equals, name in (text.rpartition("=") for text in images)
        ]
        segmap = ["--segmap", field / "seg.fits"] if seg else []
        return run_cli("cutout", *images, *segmap, *args, "-o", field / out)

    return call


def test_one_galaxy(cut, field, fitsverify):
    result = cut("--id", "7", "--redshift", "1.5", "--redshift-err", "0.1")
    assert result.exit_code == 0, result.output
    assert not result.warned
    assert "out.fits: 2 bands, 35 x 30 pixels, z = 1.5" in result.stderr
    fitsverify(field / "out.fits")
    cube = read_cube(field / "out.fits")
    assert cube.bands == ["F606W", "F444W"]
    assert cube.shape == (30, 35)
    assert (cube.object_id, cube.redshift, cube.redshift_err) == ("7", 1.5, 0.1)
    assert set(np.unique(cube.segmap)) == {0, 7, 9}
    primary = fits.getheader(field / "out.fits")
    assert [primary[f"INFILE{n}"] for n in (1, 2, 3)] == [
        "jof_F444W.fits",
        "jof_F606W.fits",
        "seg.fits",
    ]


@pytest.mark.parametrize(("pad", "shape"), [("0", (10, 15)), ("3", (16, 21)), ("full", (NY, NX))])
def test_pad(cut, field, pad, shape):
    assert cut("--id", "7", "--redshift", "1.5", "--pad", pad).exit_code == 0
    assert read_cube(field / "out.fits").shape == shape


def test_several_with_a_catalogue(cut, field, fitsverify):
    result = cut("--id", "7,8", "--catalog", field / "cat.csv", out="cubes")
    assert result.exit_code == 0, result.output
    assert "cubes: 2 cubes" in result.stderr
    for number, z, redshift_err in ((7, 1.5, 0.1), (8, 3.2, 0.2)):
        cube = read_cube(field / "cubes" / f"{number}.fits")
        fitsverify(field / "cubes" / f"{number}.fits")
        assert (cube.object_id, cube.redshift, cube.redshift_err) == (str(number), z, redshift_err)


def test_all_leaves_out_those_without_redshift(cut, field):
    result = cut("--all", "--catalog", field / "cat.csv", out="cubes/")
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (field / "cubes").iterdir()) == ["7.fits", "8.fits"]
    assert len(result.warned) == 1 and "1 of 3 galaxies have no redshift" in result.warned[0]


def test_all_goes_on_past_a_galaxy_without_data(cut, field):
    for band in ("F444W", "F606W"):
        with fits.open(field / f"jof_{band}.fits", mode="update") as hdulist:
            hdulist["SCI"].data[:100] = np.nan
    result = cut("--all", "--catalog", field / "cat.csv", out="cubes")
    assert result.exit_code == 0
    assert "1 left out: 7: no data at its place" in result.stderr
    assert [p.name for p in (field / "cubes").iterdir()] == ["8.fits"]


def test_position(cut, field, wcs_header):
    sky = WCS(wcs_header()).pixel_to_world(77.2, 55.3)
    args = ["--size", "0.6", "--redshift", "2"]
    result = cut("--position", sky.ra.deg, sky.dec.deg, *args, seg=False)
    assert result.exit_code == 0, result.output
    cube = read_cube(field / "out.fits")
    assert cube.segmap is None and cube.shape == (20, 20)
    assert cube.object_id.startswith("J0332") and "-275" in cube.object_id
    again = cut(
        "--position",
        *sky.to_string("hmsdms", sep=":", precision=5).split(),
        *args,
        "--id",
        "12",
        seg=False,
        out="b.fits",
    )
    assert again.exit_code == 0, again.output
    other = read_cube(field / "b.fits")
    assert other.object_id == "12"
    np.testing.assert_array_equal(other.flux, cube.flux)


def write_regions(field, *lines):
    path = field / "galaxies.reg"
    path.write_text("# Region file format: DS9\nimage\n" + "\n".join(lines) + "\n")
    return path


def test_regions(cut, field, fitsverify):
    pytest.importorskip("regions", reason="region files need the package regions")
    path = write_regions(field, "circle(78,55,6) # text={7}", "circle(106,160,4) # text={8}")
    args = ["--region", path, "--pad", "5"]
    result = cut(*args, "--catalog", field / "cat.csv", seg=False, out="cubes")
    assert result.exit_code == 0, result.output
    for number, z, (x, y), radius in ((7, 1.5, (77, 54), 6), (8, 3.2, (105, 159), 4)):
        fitsverify(field / "cubes" / f"{number}.fits")
        cube = read_cube(field / "cubes" / f"{number}.fits")
        assert (cube.object_id, cube.redshift) == (str(number), z)
        assert cube.shape == (2 * radius + 11, 2 * radius + 11)
        assert set(np.unique(cube.segmap)) == {0, number}
        dy, dx = np.indices(cube.shape) - (radius + 5)
        np.testing.assert_array_equal(cube.segmap > 0, np.hypot(dx, dy) < radius)
        with fits.open(field / "jof_F444W.fits") as hdulist:
            half = radius + 5
            np.testing.assert_allclose(
                cube.flux[1],
                hdulist["SCI"].data[y - half : y + half + 1, x - half : x + half + 1],
                rtol=1e-6,
            )


def test_one_region(cut, field):
    pytest.importorskip("regions", reason="region files need the package regions")
    path = write_regions(field, "circle(78,55,6)")
    result = cut("--region", path, "--redshift", "2", "--redshift-err", "0.1", seg=False)
    assert result.exit_code == 0, result.output
    cube = read_cube(field / "out.fits")
    assert (cube.object_id, cube.redshift, cube.redshift_err) == ("1", 2, 0.1)
    assert fits.getheader(field / "out.fits")["INFILE3"] == "galaxies.reg"


@pytest.mark.parametrize(
    ("line", "match"),
    [
        ("circle(900,55,6) # text={7}", "region 7 is not on .*jof_F444W.fits"),
        ("circle(78,55,6) # text={9}", "cat.csv has no redshift of region 9"),
    ],
)
def test_regions_that_cannot_be_cut(cut, field, line, match):
    pytest.importorskip("regions", reason="region files need the package regions")
    path = write_regions(field, line)
    result = cut("--region", path, "--catalog", field / "cat.csv", seg=False)
    assert result.exit_code == 1
    with pytest.raises(type(result.exception), match=match):
        raise result.exception


def test_neighbours(cut, field):
    args = ["--id", "7", "--redshift", "1.5"]
    assert cut(*args).exit_code == 0
    result = cut(*args, "--neighbours", "mask", out="m.fits")
    assert result.exit_code == 0, result.output
    kept, masked = read_cube(field / "out.fits"), read_cube(field / "m.fits")
    neighbour = masked.segmap == 9
    assert neighbour.sum() > 10
    np.testing.assert_array_equal(
        np.isnan(masked.flux), np.broadcast_to(neighbour, masked.flux.shape)
    )
    assert np.isfinite(kept.flux).all()


def test_errors_from_the_sky(cut, field):
    with fits.open(field / "jof_F606W.fits", mode="update") as hdulist:
        hdulist["ERR"].data *= 15
    result = cut("--id", "7", "--redshift", "1.5", "--err", "F606W=sky")
    assert result.exit_code == 0 and not result.warned, result.output
    cube = read_cube(field / "out.fits")
    assert np.ptp(cube.err[0]) == 0
    assert cube.err[0, 0, 0] == pytest.approx(2.0, rel=0.02)
    np.testing.assert_allclose(cube.err[1], 2.0)


def test_wrong_errors_of_many_galaxies_are_told_once(cut, field):
    with fits.open(field / "jof_F606W.fits", mode="update") as hdulist:
        hdulist["ERR"].data *= 15
    args = ["--id", "7,8", "--catalog", field / "cat.csv"]
    result = cut(*args, out="cubes")
    assert result.exit_code == 0
    assert len(result.warned) == 1 and "F606W 15" in result.warned[0]
    # The scale comes from the whole mosaic, since the cutout has hardly any sky.
    result = cut(*args, "--rescale-errors", "--pad", "0", out="again")
    assert result.exit_code == 0 and not result.warned
    for number in (7, 8):
        err = read_cube(field / "again" / f"{number}.fits").err
        np.testing.assert_allclose(err[0], 2.0, rtol=0.02)


def test_units_and_errors_by_band(cut, field, write_fits):
    with fits.open(field / "jof_F606W.fits", mode="update") as hdulist:
        del hdulist["SCI"].header["BUNIT"]
        weight = write_fits("w606_wht.fits", primary=(hdulist["SCI"].data * 0 + 0.25, None))
    args = ["--id", "7", "--redshift", "1.5"]
    failed = cut(*args)
    assert failed.exit_code == 1 and "jof_F606W.fits has no BUNIT" in str(failed.exception)
    result = cut(*args, "--unit", "F606W=zp=31.4", "--err", f"F606W={weight}")
    assert result.exit_code == 0, result.output
    cube = read_cube(field / "out.fits")
    np.testing.assert_allclose(cube.err[0], 2.0, rtol=1e-3)
    with fits.open(field / "jof_F606W.fits") as hdulist:
        np.testing.assert_allclose(cube.flux[0], hdulist["SCI"].data[40:70, 60:95], rtol=1e-3)
    wrong = cut(*args, "--unit", "F999W=nJy", out="c.fits")
    assert wrong.exit_code == 1
    said = str(wrong.exception)
    assert "F999W: named in --err, --unit, --err-kind or --fill, but not a band" in said


def test_rescale_errors(cut, field):
    with fits.open(field / "jof_F606W.fits", mode="update") as hdulist:
        hdulist["ERR"].data *= 15
    args = ["--id", "7", "--redshift", "1.5"]
    result = cut(*args)
    assert len(result.warned) == 1
    assert "F606W 1" in result.warned[0] and "--rescale-errors" in result.warned[0]
    result = cut(*args, "--rescale-errors", out="b.fits")
    assert result.exit_code == 0 and not result.warned
    assert np.median(read_cube(field / "b.fits").err[0]) == pytest.approx(2.0, rel=0.1)
    assert "errors of F606W multiplied" in str(fits.getheader(field / "b.fits")["HISTORY"])


@pytest.mark.parametrize(
    ("args", "match"),
    [
        (["--id", "55", "--redshift", "1"], "id 55 is not in .*seg.fits"),
        (["--id", "9", "--catalog", "cat.csv"], "cat.csv has no redshift of id 9"),
        (["--id", "7", "--catalog", "no.csv"], "no.csv: no such file"),
    ],
)
def test_failures(cut, field, args, match):
    args = [str(field / arg) if arg.endswith(".csv") else arg for arg in args]
    result = cut(*args)
    assert result.exit_code == 1
    assert result.exception is not None
    with pytest.raises(type(result.exception), match=match):
        raise result.exception


def test_pattern_without_match(cut):
    result = cut("--id", "7", "--redshift", "1", images=["F*=nope_F*.fits"])
    assert "no file matches" in str(result.exception)


def test_bands_must_differ(cut):
    images = ["F1W=jof_F444W.fits", "F1W=jof_F606W.fits"]
    result = cut("--id", "7", "--redshift", "1", images=images)
    assert "band F1W comes twice" in str(result.exception)


@pytest.mark.parametrize(
    ("args", "seg", "match"),
    [
        (["--region", "r", "--redshift", "1"], True, "--region goes without --segmap"),
        (["--region", "r"], False, "one of --redshift, --catalog and --no-redshift"),
        (["--region", "r", "--redshift", "1", "--size", "3"], False, "--size goes with --position"),
        (["--region", "r", "--redshift", "1", "--neighbours", "mask"], False, "needs --segmap"),
        (["--redshift", "1"], True, "say which galaxies"),
        (["--id", "7", "--all", "--catalog", "c"], True, "say which galaxies"),
        (["--id", "7"], True, "one of --redshift, --catalog and --no-redshift"),
        (["--id", "7,8", "--redshift", "1"], True, "with one --id"),
        (["--id", "x", "--redshift", "1"], True, "'x' must be an id"),
        (["--id", "7", "--redshift", "0"], True, "0.0 is not in the range"),
        (["--id", "7", "--redshift", "1", "--pad", "-3"], True, "must be a number of pixels"),
        (["--id", "7", "--redshift", "1"], False, "give --segmap"),
        (["--position", "1", "2", "--redshift", "1"], False, "--position needs --size"),
        (["--position", "1", "2", "--size", "1", "--redshift", "1"], True, "goes without --segmap"),
        (["--position", "x", "y", "--size", "1", "--redshift", "1"], False, "must be two numbers"),
        (["--id", "7", "--catalog", "c", "--redshift-err", "1"], True, "goes with --redshift"),
    ],
)
def test_usage(cut, args, seg, match):
    result = cut(*args, seg=seg)
    assert result.exit_code == 2
    assert match in " ".join(result.stderr.split())


def test_overwriting(cut, field):
    args = ["--id", "7", "--catalog", field / "cat.csv"]
    assert cut(*args).exit_code == 0
    failed = cut(*args)
    assert failed.exit_code == 1 and "--overwrite" in str(failed.exception)
    assert cut(*args, "--overwrite").exit_code == 0
    # If one of several outputs must not be written, none is.
    (field / "cubes").mkdir()
    (field / "cubes" / "8.fits").write_text("mine")
    failed = cut("--all", "--catalog", field / "cat.csv", out="cubes")
    assert failed.exit_code == 1
    assert sorted(p.name for p in (field / "cubes").iterdir()) == ["8.fits"]


def test_failure_is_one_line(field, run_pixsed):
    result = run_pixsed(
        "cutout",
        f"F*={field}/jof_F*.fits[NOPE]",
        "--segmap",
        field / "seg.fits",
        "--id",
        "7",
        "--redshift",
        "1",
        "-o",
        field / "out.fits",
    )
    assert result.returncode == 1
    assert result.stderr.startswith("pixsed: error: ") and result.stderr.count("\n") == 1
    assert "its 2-D images are: 1 (SCI), 2 (ERR)" in result.stderr
    assert not (field / "out.fits").exists()


def test_standard_output(field, run_cli):
    result = run_cli(
        "cutout",
        "-q",
        f"F*={field}/jof_F*.fits",
        "--segmap",
        field / "seg.fits",
        "--id",
        "7",
        "--redshift",
        "1",
        "-o",
        "-",
    )
    assert result.exit_code == 0
    with fits.HDUList.fromstring(result.stdout_bytes) as hdulist:
        assert hdulist[1].name == "F606W"


@pytest.mark.parametrize(("number", "z"), [(531, 5.24), (36, 4.13), (370, 3.75)])
def test_jof(shared_data, run_cli, tmp_path, fitsverify, number, z):
    jof, out = shared_data / "jof", tmp_path / f"{number}.fits"
    result = run_cli(
        "cutout",
        f"F*={jof}/JOF_{number}_F*.fits[SCI_PSFM]",
        "--segmap",
        f"{jof}/JOF_{number}_seg.fits[SEG]",
        "--id",
        number,
        "--redshift",
        z,
        "-o",
        out,
    )
    assert result.exit_code == 0, result.output
    # The HST errors are known to be far off; there must be one warning.
    assert len(result.warned) == 1
    for band in ("F606W", "F775W", "F814W", "F850LP"):
        assert f"{band} " in result.warned[0]
    assert "F444W" not in result.warned[0]
    fitsverify(out)
    cube = read_cube(out)
    assert len(cube.bands) == 19
    assert cube.shape == (65, 65)
    assert (cube.segmap == number).any()
    assert cube.pixar_a2 == pytest.approx(0.0009, rel=1e-6)
    with fits.open(jof / f"JOF_{number}_F444W.fits") as hdulist:
        header = hdulist["SCI_PSFM"].header
        np.testing.assert_allclose(
            cube.flux[cube.bands.index("F444W")], hdulist["SCI_PSFM"].data * 1e3, rtol=1e-6
        )
    for key in ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "PC1_1", "PC1_2", "CDELT1", "LATPOLE"):
        assert cube.header[key] == header[key]
