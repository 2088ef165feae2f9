"""Command lines of the steps of a field file."""

import shlex

import pytest

from pixsed.cli.field.execute import script
from pixsed.cli.field.options import FILES, known_options
from pixsed.cli.field.steps import Steps
from pixsed.cli.main import command_of
from pixsed.errors import PixsedError

FILE_NAMES = (
    *("a.fits", "b.fits", "pa.fits", "pb.fits", "seg.fits", "z.ecsv", "other.fits", "own.onnx"),
    *("zp.ecsv", "wht.fits"),
)
FIELD = """
output = "out"
{top}
[images]
F200W = "a.fits[SCI]"
F444W = "b.fits"
{tables}
"""
PSFS = '[psfs]\nF200W = "pa.fits"\nF444W = "pb.fits"\n'


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Return the `Steps` of a field file, given its top-level keys and its tables."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fields").mkdir()
    for name in FILE_NAMES:
        (tmp_path / "fields" / name).write_text("x")

    def make(top="", tables="", **options):
        text = FIELD.format(top=top, tables=tables)
        (tmp_path / "fields" / "f.toml").write_text(text)
        return Steps("fields/f.toml", **options)

    return make


def lines(steps):
    return {step.name: step.line() for step in steps.all}


def test_all_steps(make):
    top = 'segmap = "seg.fits"\ncatalog = "z.ecsv"\nmodel = "broad"\ntarget = "f444w"'
    found = lines(make(top, PSFS + "[plot]"))
    images = "fields/out/images"
    assert found == {
        "bkg F200W": "pixsed bkg 'F200W=fields/a.fits[SCI]' --segmap fields/seg.fits "
        f"-o {images}/F200W_bkg.fits",
        "bkg F444W": "pixsed bkg F444W=fields/b.fits --segmap fields/seg.fits "
        f"-o {images}/F444W_bkg.fits",
        "psfmatch F200W": f"pixsed psfmatch F200W={images}/F200W_bkg.fits --psf fields/pa.fits "
        f"--target fields/pb.fits --segmap fields/seg.fits -o {images}/F200W_psfm.fits",
        "psfmatch F444W": f"pixsed psfmatch F444W={images}/F444W_bkg.fits --psf fields/pb.fits "
        f"--target fields/pb.fits --segmap fields/seg.fits -o {images}/F444W_psfm.fits",
        "cutout": f"pixsed cutout F200W={images}/F200W_psfm.fits F444W={images}/F444W_psfm.fits "
        "--segmap fields/seg.fits --catalog fields/z.ecsv --all -o fields/out/cubes/",
        "fit": "pixsed fit fields/out/cubes/*.fits --model broad -o fields/out/maps/",
        "sum-mass": "pixsed sum-mass fields/out/cubes/*.fits --model broad "
        "-o fields/out/masses.ecsv",
        "plot": "pixsed plot fields/out/maps/*.fits -o fields/out/pictures/",
    }


def test_steps_that_are_left_out(make):
    found = lines(make("bkg = false\nsum-mass = false\nplot = false"))
    assert list(found) == ["cutout", "fit"]
    assert "'F200W=fields/a.fits[SCI]' F444W=fields/b.fits" in found["cutout"]


@pytest.mark.parametrize(
    "tables, name, words",
    [
        ("[bkg]\nbox = 50\nsigma = 2.5\nestimator = 'mode'", "bkg F200W",
         "--box 50 --sigma 2.5 --estimator mode"),
        ("[bkg.box]\nF200W = 50", "bkg F200W", "--box 50"),
        ("[bkg.box]\nF200W = 50", "bkg F444W", ""),
        ("[bkg.box]\nf200w = 50\nothers = 20", "bkg F444W", "--box 20"),
        ("[bkg]\nerr = 'ERR'", "bkg F200W", "--err ERR"),
        ("[bkg.err]\nF200W = 'wht.fits[1]'", "bkg F200W", "--err 'fields/wht.fits[1]'"),
        ("[cutout]\nid = [3, 5]\npad = 20", "cutout", "--id 3 --id 5 --pad 20"),
        ("[cutout.unit]\nF200W = 'zp=26.5'\nothers = 'uJy'", "cutout",
         "--unit F200W=zp=26.5 --unit uJy"),
        ("[cutout.err]\nF200W = 'wht.fits'", "cutout", "--err F200W=fields/wht.fits"),
        ("[cutout]\nerr = ['F200W=wht.fits', 'ERR']", "cutout",
         "--err F200W=fields/wht.fits --err ERR"),
        ("[cutout]\nrescale-errors = true\nneighbours = 'mask'", "cutout",
         "--rescale-errors --neighbours mask"),
        ("[cutout]\nrescale-errors = false", "cutout", ""),
        ("[fit]\nquantiles = [0.025, 0.5, 0.975]", "fit", "--quantiles 0.025,0.5,0.975"),
        ("[fit]\ntile = '64,32'", "fit", "--tile 64,32"),
        ("[fit]\nmodel = 'own.onnx'\nzero-points = 'zp.ecsv'", "fit",
         "--model fields/own.onnx --zero-points fields/zp.ecsv"),
        ("[plot]\nproperty = ['LOGMSTAR', 'AV']\nrgb = 'out/cubes/*.fits'", "plot",
         "--property LOGMSTAR --property AV --rgb 'fields/out/cubes/*.fits'"),
    ],
)  # fmt: skip  # one case a line
def test_options(make, tables, name, words):
    given = shlex.split(lines(make(tables=tables))[name])
    [start] = [i for i, word in enumerate(given) if word == "-o"]
    options = given[next((i for i, w in enumerate(given) if w.startswith("--")), start) : start]
    assert options == shlex.split(words)


@pytest.mark.parametrize(
    "top, tables, absent, present",
    [
        ('segmap = "seg.fits"', "[bkg]\nsegmap = false", ["bkg F200W --segmap"],
         ["cutout --segmap"]),
        ('segmap = "seg.fits"', "[bkg]\nsegmap = 'other.fits'", ["bkg F200W fields/seg.fits"],
         ["bkg F200W fields/other.fits"]),
        ('segmap = "seg.fits"', "[bkg.segmap]\nF200W = false", ["bkg F200W --segmap"],
         ["bkg F444W --segmap"]),
        ('segmap = "seg.fits"\ntarget = "F444W"', PSFS + "[psfmatch]\ncorrelation = 'none'",
         ["psfmatch F200W --segmap"], ["bkg F200W --segmap"]),
        ('segmap = "seg.fits"', "[cutout]\nid = 3", ["cutout --all"], ["cutout --segmap"]),
        ('segmap = "seg.fits"\ncatalog = "z.ecsv"', "[cutout]\nid = 3\nredshift = 2.5",
         ["cutout --catalog"], ["cutout --redshift"]),
        ('segmap = "seg.fits"', "[cutout]\nposition = ['53.1', '-27.8']\nsize = 3",
         ["cutout --segmap", "cutout --all"], ["cutout --position", "cutout -27.8"]),
        ('model = "tau"', "[sum-mass]\nmodel = 'dirichlet'", ["sum-mass tau"],
         ["sum-mass dirichlet", "fit tau"]),
    ],
)  # fmt: skip  # one case a line
def test_options_that_follow_from_the_field(make, top, tables, absent, present):
    found = lines(make(top, tables))

    def has(text):
        name, _, word = text.rpartition(" ")
        return word in shlex.split(found[name])

    assert [text for text in absent if has(text)] == []
    assert all(map(has, present))


@pytest.mark.parametrize(
    "top, tables, message",
    [
        ("", "[bkg]\nboxes = 50", r"\[bkg\] boxes is not an option of bkg; did you mean box\?"),
        ("", "[fit]\nsnr_min = 5", "snr_min is not an option of fit; did you mean snr-min?"),
        ("", "[bkg]\noutput = 'a'", r"\[bkg\] output cannot be in a field file"),
        ("", "[fit]\npart = '1/2'", r"\[fit\] part cannot be in a field file"),
        ("", "[psfmatch]\npsf = 'a'", r"\[psfmatch\] psf cannot be in a field file"),
        ("", "[bkg]\nbox = '50'", r"\[bkg\] box must be a number, got '50'"),
        ("", "[bkg]\nbox = true", r"\[bkg\] box must be a number, got True"),
        ("", "[bkg]\nbox = 50.5", r"\[bkg\] box has a wrong value: '50.5' is not a valid integer"),
        ("", "[bkg]\nbox = 1",
         r"\[bkg\] box has a wrong value: 1 is not in the range 2<=x<=100000\."),
        ("", "[bkg]\nbox = [50, 60]", r"\[bkg\] box takes one value, not a list"),
        ("", "[bkg]\nbox = 1979-05-27", r"\[bkg\] box must be a number, got datetime"),
        ("", "[bkg]\nsigma = nan", r"\[bkg\] sigma has a wrong value: '?nan'? must be a finite"),
        ("", "[bkg]\nestimator = 'mod'", r"\[bkg\] estimator has a wrong value: 'mod' is not one"),
        ("", "[bkg]\ncoverage = 3.5", "fields/3.5: no such file"),
        ("", "[bkg]\nerr = ''", r"\[bkg\] err is an empty text; leave it out"),
        ("", "[bkg.box]\nF115W = 5", r"\[bkg\] box F115W is no band of the images; it may be F"),
        ("", "[bkg.box]\nF200W = 1", r"\[bkg\] box F200W has a wrong value: 1 is not in the range"),
        ("", "[fit.snr-min]\nF200W = 5", r"\[fit\] snr-min takes one value for all bands"),
        ("", "[fit]\nall-pixels = 1", r"\[fit\] all-pixels must be true or false, got 1"),
        ("", "[fit]\nquantiles = 2", r"\[fit\] quantiles has a wrong value: '2' must be between"),
        ("", "[fit]\nquantiles = ['a']", r"\[fit\] quantiles has a wrong value: 'a' must be numb"),
        ("", "[fit]\nengine = {}", r"\[fit\] engine takes one value for all bands, not a table"),
        ("", '[psfs]\nF200W = "pa.fits"', "psfs has no PSF of F444W; add it, or leave out psfs"),
        ("", PSFS, "target must be given with psfs: the band to whose PSF"),
        ("", PSFS + 'F115W = "a.fits"', r"\[psfs\] F115W has no image; it may be F200W, F444W"),
        ('target = "F440W"', PSFS, r"target F440W has no PSF; did you mean F444W\?"),
        ('target = "F444W"', "", "target goes with psfs, the PSFs by band; give them"),
        ('segmap = "sog.fits"', "", "fields/sog.fits: no such file; check the name and the folder"),
        ('catalog = "."', "", "fields: fields is a folder|fields is a folder; give a file"),
        ('model = "a.onnx"', "", "fields/a.onnx: no such file"),
        ('psfs = "none_*.fits"', "", "no file matches fields/none_"),
    ],
)  # fmt: skip  # one case a line
def test_faults(make, top, tables, message):
    with pytest.raises(PixsedError, match=message) as error:
        make(top, tables)
    assert str(error.value).startswith("fields/f.toml") or "no file matches" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_contact_sheet(make):
    plot = make(tables="[plot]\ncontact-sheet = true\nformat = 'pdf'").all[-1]
    assert plot.output == "fields/out/contact_sheet.pdf"


def test_an_image_that_a_step_writes(tmp_path, make):
    make()
    (tmp_path / "fields" / "f.toml").write_text(
        'output = "out"\n[images]\nF200W = "out/images/F200W_bkg.fits"'
    )
    with pytest.raises(PixsedError, match="images has fields/out/images/F200W_bkg.fits, which a"):
        Steps("fields/f.toml")


@pytest.mark.parametrize(
    "only, top, message",
    [
        ("bkg", "bkg = false", "has bkg = false, so there is nothing for pixsed bkg to do"),
        ("psfmatch", "", "has no psfs, so there is nothing for pixsed psfmatch to do"),
        ("sum-mass", "sum-mass = false", "has sum-mass = false, so there is nothing"),
    ],
)
def test_a_step_that_the_field_has_not(make, only, top, message):
    with pytest.raises(PixsedError, match=message):
        make(top, only=only)


def test_variables_are_in_the_command_line(make, monkeypatch):
    monkeypatch.setenv("PIXSED_BKG_BOX", "77")
    monkeypatch.setenv("PIXSED_FIT_ALL_PIXELS", "1")
    monkeypatch.setenv("PIXSED_FIT_SNR_MIN", "9")
    monkeypatch.setenv("PIXSED_SUM_MASS_SEED", "3")
    found = lines(make(tables="[fit]\nsnr-min = 2"))
    assert "--box 77" in found["bkg F200W"]
    assert "--all-pixels" in found["fit"] and "--snr-min 2" in found["fit"]
    assert "--snr-min 9" not in found["fit"]
    assert "--seed 3" in found["sum-mass"]


def test_variables_have_the_names_of_options(make, monkeypatch):
    monkeypatch.setenv("PIXSED_SUM_MASS_DRAWS", "common")  # the parameter is named noise
    monkeypatch.setenv("PIXSED_CHECK_SNR_MIN", "7")
    assert "--draws common" in lines(make())["sum-mass"]
    steps = make(only="check")
    assert "--snr-min 7" in " ".join(steps.check_words())
    assert "--snr-min 7" not in lines(steps)["fit"]


def test_a_variable_that_asks_for_a_part(make, monkeypatch):
    monkeypatch.setenv("PIXSED_FIT_PART", "1/2")
    with pytest.raises(PixsedError, match="PIXSED_FIT_PART is set, .* as a whole; unset it, or"):
        make()
    assert "--part 2/2" in lines(make(only="fit", given={"part": "2/2"}))["fit"]


def test_options_beside_the_field_come_first(make):
    given = {"box": "30", "fill": "none", "verbose": 2, "overwrite": True}
    found = lines(make(tables="[bkg]\nbox = 50\nsigma = 2", only="bkg", given=given))
    assert "--box 30" in found["bkg F200W"] and "--sigma 2" in found["bkg F200W"]
    assert "--box 50" not in found["bkg F200W"] and "--overwrite" not in found["bkg F200W"]
    assert "--box" not in found["fit"]


def test_the_script_makes_the_folders(make):
    assert script(make())[0] == "mkdir -p fields/out fields/out/images"
    assert script(make("bkg = false"))[0] == "mkdir -p fields/out"
    assert [line.count("--resume") for line in script(make())] == [0, 0, 0, 0, 1, 1]


def test_the_words_of_check(make):
    """The images before matching, all files, and the options of other steps that check has."""
    top = 'segmap = "seg.fits"\ncatalog = "z.ecsv"\nmodel = "broad"\ntarget = "F444W"'
    tables = """
        [bkg]
        box = 50
        segmap = false
        err = {F200W = "wht.fits"}
        [cutout.unit]
        F200W = "uJy"
        [fit]
        snr-min = 3
        error-floor = 0.05
        [check]
        error-floor = 0.1
    """
    steps = make(top, PSFS + tables, only="check", given={"model": "tau", "jobs": 2})
    assert steps.check_words() == shlex.split(
        "'F200W=fields/a.fits[SCI]' F444W=fields/b.fits --segmap fields/seg.fits "
        "--catalog fields/z.ecsv --model tau --err F200W=fields/wht.fits --unit F200W=uJy "
        "--snr-min 3 --error-floor 0.1 --psf F200W=fields/pa.fits "
        "--psf F444W=fields/pb.fits --target F444W --jobs 2"
    )


def test_check_of_one_redshift(make):
    top = 'segmap = "seg.fits"\ncatalog = "z.ecsv"'
    steps = make(top, "[cutout]\nid = 3\nredshift = 2.5", only="check")
    assert steps.check_words()[2:] == "--segmap fields/seg.fits --redshift 2.5".split()


@pytest.mark.parametrize(
    "tables, given, words",
    [
        ("", {"redshift": "2"}, "--redshift 2"),
        ("", {"redshift": "2", "redshift_err": "0.1"}, "--redshift 2 --redshift-err 0.1"),
        ("", {"redshift_map": "z.fits"}, "--redshift-map z.fits"),
        ("", {"catalog": "other.csv"}, "--catalog other.csv"),
        ("[check]\nredshift = 2", {}, "--redshift 2"),
        ("[cutout]\nredshift = 2", {"redshift": "3"}, "--redshift 3"),
        ("[cutout]\nredshift = 2\nredshift-err = 1", {"redshift_map": "z.fits"},
         "--redshift-map z.fits"),
        ("[cutout]\nredshift = 2\nredshift-err = 1", {"catalog": "other.csv"},
         "--catalog other.csv"),
        ("[cutout]\nno-redshift = true", {}, ""),
        ("[cutout]\nno-redshift = false", {}, "--catalog fields/z.ecsv"),
        ("[cutout]\nno-redshift = true", {"redshift": "2"}, "--redshift 2"),
    ],
)  # fmt: skip  # one case an item
def test_redshifts_of_check_replace_the_catalogue(make, tables, given, words):
    top = 'segmap = "seg.fits"\ncatalog = "z.ecsv"'
    steps = make(top, tables, only="check", given=given)
    assert steps.check_words()[2:] == ["--segmap", "fields/seg.fits", *words.split()]


FILE_WORDS = ("SEG", "MAP", "TABLE", "K", "FILE", "FILE.reg", "CUBE", "PSF")


@pytest.mark.parametrize("name", ["bkg", "psfmatch", "cutout", "fit", "sum-mass", "plot", "check"])
def test_options_of_files_are_known(name):
    for option, param in known_options(command_of(name)).items():
        assert (param.metavar in FILE_WORDS) == (option in FILES), option
