"""`pixsed check`: what it finds in good inputs and in inputs with faults, and its status."""

import shutil
from pathlib import Path

import click
import fakes
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from pixsed.cli.check import NOT_CHECKED, command
from pixsed.cli.fit import command as fit_command
from pixsed.io.formats.cube import write_cube

DATA = Path(__file__).parents[2] / "data"
BANDS = "F115W F200W F277W F356W F444W".split()
NY = NX = 80


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Folder with a cube, matched mosaics of two galaxies, maps, a catalogue, a table, a model."""
    folder = tmp_path_factory.mktemp("scene")
    fakes.fake_model(folder / "fake.onnx", quantiles=True)
    rng = np.random.default_rng(3)
    one = fakes.make_cube(ny=NY, nx=NX)
    y, x = np.mgrid[:NY, :NX]
    segmap, light = np.zeros((NY, NX), np.int32), np.zeros((NY, NX))
    for number, (cy, cx) in {3: (25, 25), 4: (55, 50)}.items():
        r2 = (y - cy) ** 2 + (x - cx) ** 2
        segmap[r2 < 80] = number
        light += 20 * np.exp(-r2 / 30)
    for band in BANDS:
        header = one.header.copy()
        header["BUNIT"], header["FILTER"], header["INSTRUME"] = "nJy", band, "NIRCAM"
        header["PSFMATCH"], header["PSFFWHM"] = "F444W", 0.157
        flux = light + rng.normal(0, 0.5, light.shape)
        planes = {"SCI": flux, "ERR": np.full(flux.shape, 0.5)}
        hdus = [fits.ImageHDU(v.astype("f4"), header, name=n) for n, v in planes.items()]
        fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(folder / f"{band}.fits")
    fits.PrimaryHDU(segmap, one.header).writeto(folder / "seg.fits")
    fits.PrimaryHDU(np.full((NY, NX), 2.0), one.header).writeto(folder / "zmap.fits")
    (folder / "z.csv").write_text("id,z\n3,1.5\n4,2\n")
    write_cube(fakes.make_cube(psfmatch=dict.fromkeys(BANDS, "F444W")), folder / "cube.fits")
    photometry = Table({"ID": [1, 2, 3], "REDSHIFT": [1.0, 2.0, 3.0]})
    for band in BANDS:
        photometry[band], photometry[f"{band}_ERR"] = [50.0, 60.0, 70.0], [5.0, 5.0, 5.0]
        photometry[band].unit = photometry[f"{band}_ERR"].unit = "nJy"
    photometry.write(folder / "phot.ecsv")
    return folder


@pytest.fixture
def folder(scene, tmp_path, monkeypatch):
    """A copy of the scene, which is the current folder."""
    for path in scene.iterdir():
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def check(run_cli):
    """Run `pixsed check`; return its status and its lines by check."""

    def run(*args):
        result = run_cli("check", *args, "--model", "fake.onnx", "--samples", 8, "--jobs", 1)
        found = {}
        for line in result.stdout.splitlines():
            level, name, text = line.split(None, 2)
            found.setdefault(name, []).append((level, text))
        return result.exit_code, found

    return run


IMAGES = [f"{band}.fits" for band in BANDS]
FIELD = [*IMAGES, "--segmap", "seg.fits", "--catalog", "z.csv"]


def change(name, ext, **cards):
    """Change cards of a header; None removes one."""
    with fits.open(name) as hdulist:
        for key, value in cards.items():
            if value is None:
                del hdulist[ext].header[key]
            else:
                hdulist[ext].header[key] = value
        hdulist.writeto(name, overwrite=True, checksum=True)


def scale(name, ext, factor):
    """Multiply the values of an extension."""
    with fits.open(name) as hdulist:
        hdulist[ext].data = (hdulist[ext].data * factor).astype("f4")
        hdulist.writeto(name, overwrite=True, checksum=True)


def text_of(found, name, level):
    """Return the texts of one check of a level."""
    return " | ".join(text for one, text in found.get(name, []) if one == level)


class TestGoodInputs:
    @pytest.mark.parametrize(
        "args",
        [
            ["cube.fits"],
            FIELD,
            [*IMAGES, "--redshift-map", "zmap.fits"],
            [*IMAGES, "--redshift", "1.5"],
            ["F*.fits", "--redshift", "1.5", "--rescale-errors"],
            ["phot.ecsv"],
            ["cube.fits", "--engine", "quantile"],
        ],
    )
    def test_no_problem(self, folder, run_cli, args):
        before = {path: path.read_bytes() for path in folder.iterdir()}
        args = [*args, "--model", "fake.onnx"]
        result = run_cli("check", *args)
        assert result.exit_code == 0, (result.stdout, result.exception)
        assert not result.warned
        assert "problem" not in result.stdout
        assert {path: path.read_bytes() for path in folder.iterdir()} == before
        # The same command line fits, and says how many pixels.
        fitted = run_cli("fit", *args, "-o", "o.fits")
        assert fitted.exit_code == 0, fitted.exception
        number = fitted.stderr.split("o.fits: ")[-1].split()[0]
        assert f"{int(number):,} of " in result.stdout or f"{number} of" in result.stdout

    def test_what_is_said_of_a_field(self, folder, check):
        status, found = check(*FIELD)
        assert status == 0
        assert found["units"] == [("ok", "all 5 images: nJy, from the header")]
        assert found["errors"] == [("ok", "all 5 images: 1-sigma errors")]
        assert found["psf"] == [("ok", "5 bands matched to F444W, FWHM 0.157 arcsec")]
        assert found["grid"] == [("ok", "5 images of 80 x 80 pixels of 0.03 arcsec")]
        assert found["redshift"] == [("ok", "2 galaxies with redshifts from 1.5 to 2")]
        assert found["galaxies"] == [("ok", "2 of 2 galaxies have pixels to fit")]
        assert "5 of the 29 bands of model tau: F115W" in found["bands"][0][1]
        assert {"ood", "time", "memory", "disk"} <= set(found)

    def test_many_cubes_are_merged(self, folder, check):
        for number in range(12):
            write_cube(fakes.make_cube(redshift=1 + number / 10), f"c{number}.fits")
        status, found = check(*(f"c{number}.fits" for number in range(12)))
        assert status == 0
        assert all(len(lines) == 1 for name, lines in found.items() if name != "ood"), found
        assert found["redshift"][0][1].startswith("all 12 cubes: 1 to 2.1, in the range")

    def test_quiet(self, folder, run_cli):
        result = run_cli("check", "cube.fits", "--model", "fake.onnx", "-q")
        assert (result.exit_code, result.stdout) == (0, "")


def bad_psfs():
    change("F115W.fits", "SCI", PSFMATCH="none")


def two_units():
    change("F115W.fits", "SCI", BUNIT="stones")
    change("F277W.fits", "SCI", BUNIT=None)


def two_of_three():
    for band in ("F200W", "F277W", "F356W"):
        change(f"{band}.fits", "SCI", FILTER=f"X{band}")


def shifted():
    change("F200W.fits", "SCI", CRPIX1=99.0)


def beyond_sky():
    scale("F356W.fits", "ERR", 20.0)


def no_err():
    with fits.open("F200W.fits") as hdulist:
        fits.HDUList(hdulist[:2]).writeto("F200W.fits", overwrite=True)


#: Fault -> function that makes it, check, level, part of the line, exit status.
FAULTS = {
    "bands that are not matched": (
        bad_psfs,
        "psf",
        "problem",
        "match them with pixsed psfmatch",
        1,
    ),
    "two units": (two_units, "units", "problem", "F277W.fits has no BUNIT; give its unit", 1),
    "another unit": (two_units, "units", "problem", "BUNIT 'stones' is not known", 1),
    "too few bands": (two_of_three, "bands", "problem", "a pixel needs 3", 1),
    "another grid": (shifted, "grid", "problem", "not on the pixel grid of F115W.fits", 1),
    "errors 20 times too large": (beyond_sky, "depth", "problem", "F356W 19.", 1),
    "no errors": (no_err, "errors", "ok", "the rms of the sky, without the noise", 0),
    "no errors are said": (no_err, "read", "warning", "no ERR or WHT in it", 0),
    "an id twice": (
        lambda: Path("z.csv").write_text("id,z\n3,1\n3,2\n"),
        "redshift",
        "problem",
        "z.csv: id 3 comes twice; keep one row of it",
        1,
    ),
    "a galaxy without redshift": (
        lambda: Path("z.csv").write_text("id,z\n3,-99\n4,2\n"),
        "redshift",
        "warning",
        "1 of 2 galaxies have no redshift in z.csv",
        0,
    ),
    "a redshift beyond the model": (
        lambda: Path("z.csv").write_text("id,z\n3,1\n4,12\n"),
        "redshift",
        "warning",
        "1 of 2 galaxies have a redshift or an error outside the range of model tau",
        0,
    ),
    "no segment": (
        lambda: scale("seg.fits", 0, 0.0),
        "redshift",
        "problem",
        "no galaxy of seg.fits has a redshift",
        1,
    ),
    "a segmentation map of another shape": (
        lambda: fits.PrimaryHDU(np.ones((3, 3), "i4")).writeto("seg.fits", overwrite=True),
        "grid",
        "problem",
        "seg.fits is of shape (3, 3)",
        1,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_field(folder, check, name):
    make, what, level, text, expected = FAULTS[name]
    make()
    status, found = check(*FIELD)
    assert status == expected, found
    assert text in text_of(found, what, level), found


def test_the_other_images_are_checked_after_a_problem(folder, check):
    two_units()
    bad_psfs()
    status, found = check(*FIELD, "--err", "F200W=NOPE")
    assert status == 1
    assert len([1 for level, _ in found["units"] if level == "problem"]) == 2
    assert "NOPE" in text_of(found, "read", "problem")
    # The two good images are still compared with the sky, and lie on one grid.
    assert "2 images of 80 x 80" in text_of(found, "grid", "ok")
    assert "in 2 bands" in text_of(found, "depth", "ok")


def test_without_a_model_the_rest_is_checked(folder, run_cli):
    result = run_cli("check", *FIELD, "--model", "none.onnx")
    assert result.exit_code == 1
    first, *others = result.stdout.splitlines()
    assert first.split(None, 2)[:2] == ["problem", "model"] and "no such file" in first
    assert "all 5 images: nJy" in " ".join(others)


def test_one_bad_cube_of_many(folder, check):
    Path("empty.fits").touch()
    write_cube(fakes.make_cube(redshift=11.0), "far.fits")
    status, found = check("cube.fits", "empty.fits", "far.fits", "seg.fits", "gone.fits")
    assert status == 1
    problems = text_of(found, "read", "problem")
    assert "empty.fits is empty" in problems and "gone.fits: no such file" in problems
    assert "seg.fits is not a cube; make it with pixsed cutout" in problems
    assert "redshift 11 +- 0 is outside the range" in text_of(found, "redshift", "problem")
    assert "pixels to fit" in text_of(found, "pixels", "ok")


class TestCubes:
    def test_errors_in_another_unit(self, folder, check):
        table = fakes.make_cube().table
        table["depth_1sigma_njy"], table["sky_rms_njy"] = 500.0, 0.5
        write_cube(fakes.make_cube(table=table), "cube.fits", overwrite=True)
        status, found = check("cube.fits")
        assert status == 1 and "F115W 1000" in text_of(found, "depth", "problem")

    def test_another_filter_of_the_same_name(self, folder, check):
        table = fakes.make_cube().table
        table["pivot_um"][1] = 1.5
        write_cube(fakes.make_cube(table=table), "cube.fits", overwrite=True)
        status, found = check("cube.fits")
        assert status == 1
        assert "the pivot wavelength of F200W is 1.5 micron" in text_of(found, "bands", "problem")

    def test_a_band_without_data(self, folder, check):
        cube = fakes.make_cube()
        cube.flux[1] = np.nan
        write_cube(cube, "cube.fits", overwrite=True)
        status, found = check("cube.fits")
        assert status == 0
        assert "has data in F200W; leave" in text_of(found, "bands", "warning")

    def test_a_wrong_pixel_area(self, folder, check):
        write_cube(fakes.make_cube(pixar_a2=0.0036), "cube.fits", overwrite=True)
        assert "PIXAR_A2 is 0.0036" in text_of(check("cube.fits")[1], "grid", "warning")

    def test_a_high_cut(self, folder, check):
        status, found = check("cube.fits", "--snr-min", 1e5)
        assert status == 1
        assert "try a lower --snr-min" in text_of(found, "pixels", "warning")

    def test_binned(self, folder, check):
        write_cube(fakes.binned_cube(), "cube.fits", overwrite=True)
        found = check("cube.fits")[1]
        assert text_of(found, "pixels", "ok") == "193 of 193 pixels to fit, in 15 bins"
        assert "for 193 pixels" in text_of(found, "time", "ok")


class TestTables:
    def test_two_faults_at_once(self, folder, check):
        table = Table.read("phot.ecsv")
        table.remove_column("REDSHIFT")
        table["F444W"].unit = table["F444W_ERR"].unit = None
        table.write("phot.ecsv", overwrite=True)
        status, found = check("phot.ecsv")
        problems = text_of(found, "columns", "problem")
        assert status == 1
        assert "column F444W has no unit" in problems and "no column REDSHIFT" in problems

    def test_rows_without_redshift(self, folder, check):
        table = Table.read("phot.ecsv")
        table["REDSHIFT"][1] = -99.0
        table.write("phot.ecsv", overwrite=True)
        status, found = check("phot.ecsv")
        assert status == 0
        assert "2 of 3 rows to fit" in text_of(found, "rows", "ok")
        assert "1 of 3 rows are not fitted" in text_of(found, "columns", "warning")

    def test_no_row(self, folder, check):
        status, found = check("phot.ecsv", "--snr-min", 1000)
        assert status == 1 and "0 of 3 rows to fit" in text_of(found, "rows", "problem")


class TestOptions:
    def test_every_option_of_fit_is_there(self):
        names = {p.name for p in fit_command.params} - set(NOT_CHECKED)
        assert names < {param.name for param in command.params}
        ours = {param.name for param in fit_command.params if isinstance(param, click.Option)}
        assert set(NOT_CHECKED) - {"quiet", "verbose", "log", "no_verify"} <= ours
        spellings = [spelling for param in command.params for spelling in param.opts]
        assert len(set(spellings)) == len(spellings)

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            (["cube.fits", "--segmap", "seg.fits"], "--segmap goes with mosaics"),
            (["cube.fits", "--unit", "nJy"], "a cube is in nJy"),
            (["F115W.fits", "--catalog", "z.csv"], "--catalog goes with --segmap"),
            (["cube.fits", "--psf", "F115W=p.fits"], "--psf and --target go together"),
            (["F115W.fits", "--psf", "p.fits", "--target", "F444W"], "must be NAME=VALUE"),
            (["F115W.fits", "--psf-scale", "0.03"], "--psf-scale goes with --psf"),
            (["F115W.fits"], "mosaics need redshifts"),
        ],
    )
    def test_wrong_usage(self, folder, run_cli, args, text):
        result = run_cli("check", *args, "--model", "fake.onnx")
        assert result.exit_code == 2 and text in result.stderr

    def test_a_band_that_no_image_has(self, folder, check):
        status, found = check(*FIELD, "--unit", "F090W=nJy")
        assert status == 1 and "not a band of the images" in text_of(found, "read", "problem")


class TestOutput:
    def test_table(self, folder, run_cli):
        bad_psfs()
        result = run_cli("check", *FIELD, "--model", "fake.onnx", "-o", "report.ecsv")
        assert result.exit_code == 1 and "report.ecsv: " in result.stderr
        table = Table.read("report.ecsv")
        assert table.colnames == ["ITEM", "CHECK", "LEVEL", "TEXT", "MEND"]
        [problem] = table[table["LEVEL"] == "problem"]
        assert problem["CHECK"] == "psf" and "pixsed psfmatch" in problem["MEND"]
        assert set(table["ITEM"].filled("")) >= set(IMAGES)

    def test_fits(self, folder, run_cli, fitsverify):
        result = run_cli("check", "gone.fits", "--model", "fake.onnx", "-o", "report.fits")
        assert result.exit_code == 1
        fitsverify("report.fits")
        assert len(Table.read("report.fits")) == 2

    def test_nothing_is_overwritten(self, folder, run_cli):
        result = run_cli("check", "cube.fits", "--model", "fake.onnx", "-o", "z.csv")
        assert result.exit_code == 1 and "z.csv exists already" in str(result.exception)
        args = ["-o", "cube.fits", "--overwrite"]
        result = run_cli("check", "cube.fits", "--model", "fake.onnx", *args)
        assert "cube.fits is an input too" in str(result.exception)


def gaussian(fwhm, scale=0.03, size=61):
    """Return a PSF of an image."""
    y, x = np.indices((size, size)) - size // 2
    return np.exp(-4 * np.log(2) * (x**2 + y**2) * (scale / fwhm) ** 2)


class TestPsfs:
    """PSFs of images that are still to be matched."""

    WIDTHS = {"F115W": 0.07, "F200W": 0.08, "F277W": 0.1, "F356W": 0.13, "F444W": 0.16}

    @pytest.fixture
    def psfs(self, folder):
        """Write a PSF for each image, which says nothing of its matching; return the options."""
        options = ["--target", "F444W"]
        for band, width in self.WIDTHS.items():
            change(f"{band}.fits", "SCI", PSFMATCH=None, PSFFWHM=None)
            header = fits.Header({"PIXSCALE": 0.03, "FILTER": band})
            fits.writeto(f"psf_{band}.fits", gaussian(width), header)
            options += ["--psf", f"{band}=psf_{band}.fits"]
        return options

    def test_good(self, psfs, check):
        status, found = check(*FIELD, *psfs)
        assert status == 0
        [(level, text)] = found["psf"]
        assert level == "ok" and text.startswith("all 5 images: encircled energy within 0.0")

    def test_an_image_that_is_matched_needs_none(self, psfs, check):
        change("F200W.fits", "SCI", PSFMATCH="F444W")
        at = psfs.index("F200W=psf_F200W.fits")
        del psfs[at - 1 : at + 1]
        status, found = check(*FIELD, *psfs)
        assert status == 0 and "matched to F444W already" in text_of(found, "psf", "ok")

    @pytest.mark.parametrize(
        ("fault", "text"),
        [
            ("missing", "no PSF of F200W; give --psf BAND=FILE for each"),
            ("no file", "psf_F200W.fits: no such file"),
            ("no scale", "psf_F200W.fits: no pixel scale"),
            ("broader", "its PSF, FWHM 0.300 arcsec, is broader than the target's"),
            ("degrees", "is not a pixel scale in arcsec"),
            ("narrow", "a FWHM of 0.027 arcsec is not that of F200W"),
            ("noise", "psf_F200W.fits is not a PSF"),
        ],
    )
    def test_faults(self, psfs, check, fault, text):
        path, header = "psf_F200W.fits", fits.Header({"PIXSCALE": 0.03, "FILTER": "F200W"})
        data = gaussian(self.WIDTHS["F200W"])
        if fault == "missing":
            at = psfs.index(f"F200W={path}")
            del psfs[at - 1 : at + 1]
        elif fault == "no file":
            Path(path).unlink()
        else:
            if fault == "broader":
                data = gaussian(0.3)
            if fault == "noise":
                data = np.ones((61, 61))
            header["PIXSCALE"] = {"degrees": 0.03 / 3600, "narrow": 0.01}.get(fault, 0.03)
            if fault == "no scale":
                del header["PIXSCALE"]
            fits.writeto(path, data, header, overwrite=True)
        status, found = check(*FIELD, *psfs)
        assert status == 1
        assert text in text_of(found, "psf", "problem")
        assert "5 images of 80 x 80" in text_of(found, "grid", "ok")

    def test_a_scale_that_is_given(self, psfs, check):
        for band in self.WIDTHS:
            change(f"psf_{band}.fits", 0, PIXSCALE=None)
        assert check(*FIELD, *psfs)[0] == 1
        assert check(*FIELD, *psfs, "--psf-scale", 0.03)[0] == 0

    def test_the_target(self, psfs, check):
        psfs[psfs.index("F444W")] = "F480M"
        status, found = check(*FIELD, *psfs)
        assert status == 1
        assert "no PSF of the target, F480M" in text_of(found, "psf", "problem")


@pytest.fixture
def jof(shared_data, monkeypatch):
    """Arguments of the images of a real galaxy."""
    monkeypatch.chdir(shared_data / "jof")
    field = ["--segmap", "JOF_531_seg.fits[SEG]", "--redshift", "5.24", "--model", "tau"]
    return ["F*=JOF_531_F*.fits[SCI_PSFM]", *field, "--jobs", "1"]


def test_real_errors_that_are_too_large(jof, run_cli):
    result = run_cli("check", *jof, "-q")
    assert result.exit_code == 1
    assert result.stdout.startswith("problem  depth  errors over the scatter of the sky")
    for band in ("F606W", "F775W", "F814W", "F850LP"):
        assert f"{band} " in result.stdout
    good = run_cli("check", *jof, "--rescale-errors", "--error-floor", "0.05")
    assert good.exit_code == 0
    assert "19 of the 29 bands of model tau" in good.stdout


def test_the_mock_field(run_cli, monkeypatch):
    if not DATA.is_dir():
        pytest.skip("not a checkout: data/ is absent")
    monkeypatch.chdir(DATA)
    images = sorted(path.name for path in DATA.glob("mock_F*.fits"))
    args = ["--segmap", "mock_seg.fits", "--catalog", "mock_catalog.ecsv", "--model", "tau"]
    result = run_cli("check", *images, *args)
    assert result.exit_code == 0
    assert "7 of 10 images" in result.stdout and "MJy/sr, from the header" in result.stdout
    assert "ELECTRONS/S, from the header" in result.stdout
    assert "3 of 3 galaxies have pixels to fit" in result.stdout
    of_field = run_cli("check", "mock_field.toml")  # with PSFs: the images are not matched yet
    assert of_field.exit_code == 0 and "of the target's after psfmatch" in of_field.stdout
