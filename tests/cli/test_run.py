"""`pixsed run`, and the commands of its steps, on a small field."""

import glob
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner
from once import made_once
from small_field import BANDS, DATA, TOML, small_field

from pixsed.cli.main import cli
from pixsed.errors import PixsedError, PixsedWarning, Stopped
from pixsed.models import shipped

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(
        "tau" not in shipped() or not Path(__file__).parents[2].joinpath("data").is_dir(),
        reason="needs the model tau and the mock field of data/",
    ),
]
IMAGES = [f"images/{band}_{end}.fits" for band in BANDS for end in ("bkg", "psfm")]
CUBES = [f"cubes/{number}.fits" for number in (1, 2, 3)]
MAPS = [f"maps/{number}_maps.fits" for number in (1, 2, 3)]
PRODUCTS = [*IMAGES, *CUBES, *MAPS, "masses.ecsv"]
ALL_DONE = "out: done already: bkg of 3 bands, psfmatch of 3 bands, cutout, fit, sum-mass\n"


def invoke(*args):
    return CliRunner().invoke(cli, list(args))


@pytest.fixture(scope="module")
def done_once(tmp_path_factory):
    """Folder of a field that `pixsed run` has gone through, and what it said."""

    def make(folder):
        small_field(folder / "f")
        before = os.getcwd()
        os.chdir(folder / "f")
        try:
            result = invoke("run", "field.toml", "--jobs", "1")
        finally:
            os.chdir(before)
        assert result.exit_code == 0, (result.stderr, result.exception)
        (folder / "said.txt").write_text(result.stderr)

    return made_once(tmp_path_factory, "field", make)


@pytest.fixture
def done(done_once, tmp_path, monkeypatch):
    """Work in a copy of the field that is done, with the same times."""
    shutil.copytree(done_once / "f", tmp_path / "f")
    monkeypatch.chdir(tmp_path / "f")
    return Path("out")


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """Work in the folder of a field of which nothing is done."""
    path = small_field(tmp_path / "f")
    monkeypatch.chdir(path.parent)
    return Path("out")


def change(old, new):
    """Change the field file."""
    text = Path("field.toml").read_text()
    assert old in text
    Path("field.toml").write_text(text.replace(old, new))


def times(folder="out"):
    """Return the times of all products."""
    return {name: os.stat(Path(folder, name)).st_mtime_ns for name in PRODUCTS}


def changed(before):
    """Return the products that were made since."""
    now = {n: os.stat(f"out/{n}").st_mtime_ns for n in PRODUCTS if Path("out", n).exists()}
    return [name for name in now if now[name] != before.get(name)]


def data_of(path):
    """Return all data of a product, as bytes or columns."""
    if path.suffix == ".ecsv":
        table = Table.read(path)
        return [str(table[name].tolist()) for name in table.colnames if name != "FILE"]
    with fits.open(path) as hdus:
        return [hdu.data.tobytes() for hdu in hdus if hdu.data is not None]


def _raises(result, message):
    assert result.exit_code == 1, result.stderr
    with pytest.raises(PixsedError, match=message):
        raise result.exception


def test_a_run(done_once):
    out = done_once / "f" / "out"
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert found == {*PRODUCTS, "steps.json"}
    said = (done_once / "said.txt").read_text()
    steps = [line for line in said.splitlines() if line.startswith("+ ")]
    assert len(steps) == 9
    # Provenance is the command line of the step, not that of the run.
    for name, line in zip([*IMAGES[::2], *IMAGES[1::2]], steps[:6], strict=True):
        assert fits.getheader(out / name)["PIXSCMD"] == line[2:]
    for names, line in ((CUBES, steps[6]), (MAPS, steps[7])):
        assert {fits.getheader(out / name)["PIXSCMD"] for name in names} == {line[2:]}
    assert Table.read(out / "masses.ecsv").meta["PIXSCMD"] == steps[8][2:]
    assert "out/cubes/*.fits --model tau" in steps[7]


def test_the_same_by_hand(done, fresh_copy):
    """The lines of --dry-run, run one by one, give the same data."""
    result = invoke("run", "field.toml", "--dry-run")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "mkdir -p out out/images" and len(lines) == 10
    os.chdir(fresh_copy)
    assert not Path("out").exists()
    for line in lines:
        first, *words = shlex.split(line)
        words = [path for word in words for path in sorted(glob.glob(word)) or [word]]
        if first == "mkdir":
            [Path(word).mkdir() for word in words[1:]]
        else:
            result = invoke(*words)
            assert (first, result.exit_code) == ("pixsed", 0), result.stderr
    for name in PRODUCTS:
        assert data_of(fresh_copy / "out" / name) == data_of(fresh_copy.parent / "f" / "out" / name)


@pytest.fixture
def fresh_copy(tmp_path):
    """Folder of the same field of which nothing is done."""
    return small_field(tmp_path / "g").parent


@pytest.mark.parametrize("where", [".", "..", "/"])
def test_a_second_run_does_nothing(done, monkeypatch, where):
    before, path = times(), Path("field.toml").absolute()
    folder = path.parent
    monkeypatch.chdir(where)
    result = invoke("run", os.path.relpath(path) if where != "/" else str(path))
    assert result.exit_code == 0, result.stderr
    assert result.stderr.endswith(ALL_DONE) and result.stderr.count("\n") == 1
    assert times(folder / "out") == before
    assert invoke("run", str(path), "-q").stderr == ""


@pytest.mark.parametrize(
    "old, new, reason, made",
    [
        ("box = 32", "box = 16", "out/images/F150W_bkg.fits was made with --box 32, now 16 (and 2 "
         "more)", PRODUCTS),
        ("[fit]\n", "[fit]\nseed = 1\n", "out/maps/1_maps.fits was made with --seed 42, now 1",
         MAPS),
        ("[sum-mass]\n", "[sum-mass]\nfaint = 'leave'\n",
         "out/masses.ecsv was made with --faint carry, now leave", ["masses.ecsv"]),
    ],
)  # fmt: skip  # one case an item
def test_changed_options(done, old, new, reason, made):
    before = times()
    change(old, new)
    result = invoke("run", "field.toml")
    assert result.exit_code == 1 and result.exception.args, result.stderr
    assert str(result.exception) == (
        f"{reason}; make outdated products again with --overwrite, or choose another output in the "
        "field file"
    )
    assert changed(before) == []
    result = invoke("run", "field.toml", "--overwrite")
    assert result.exit_code == 0, (result.stderr, result.exception)
    assert sorted(changed(before)) == sorted(made)
    assert invoke("run", "field.toml").stderr == ALL_DONE


def test_options_that_change_nothing(done):
    change("[fit]\n", "[fit]\njobs = 2\nseed = 42\n")
    assert invoke("run", "field.toml", "--jobs", "3").stderr == ALL_DONE


@pytest.mark.parametrize(
    "touched, outdated",
    [
        ("mock_F277W.fits", "out/images/F277W_bkg.fits"),
        ("mock_psf_F277W.fits", "out/images/F277W_psfm.fits"),
        ("mock_catalog.ecsv", "out/cubes/1.fits"),
        ("out/images/F444W_bkg.fits", "out/images/F444W_psfm.fits"),
        ("out/cubes/2.fits", "out/maps/2_maps.fits"),
    ],
)
def test_touched_inputs(done, touched, outdated):
    os.utime(touched)
    result = invoke("run", "field.toml")
    assert result.exit_code == 1
    assert str(result.exception).startswith(f"{outdated} is older than {touched}")


def test_a_touched_cube_is_not_fitted_again(done):
    """The fit compares the content of cubes: the times of the maps are mended."""
    before = {path: data_of(done / path) for path in (*MAPS, "masses.ecsv")}
    inodes = {path: os.stat(done / path).st_ino for path in MAPS}
    os.utime("out/cubes/2.fits")
    result = invoke("run", "field.toml", "--overwrite")
    assert result.exit_code == 0 and result.stderr.count("maps.fits: done already") == 3
    assert {path: os.stat(done / path).st_ino for path in MAPS} == inodes
    assert {path: data_of(done / path) for path in before} == before
    assert invoke("run", "field.toml").stderr == ALL_DONE


@pytest.mark.parametrize(
    "name, keep, message",
    [
        ("images/F150W_bkg.fits", -9000, "is damaged: .* is truncated"),
        ("images/F150W_psfm.fits", -2880, "is damaged: .* is truncated"),
        ("cubes/3.fits", 100, "is damaged: .*HDU 0 has no complete header"),
        ("cubes/3.fits", 0, "is damaged: .* is empty"),
        ("maps/2_maps.fits", -5760, "is damaged"),
        ("masses.ecsv", -500, "is damaged"),
        ("masses.ecsv", 500, "is damaged: .* cannot be read as a table"),
    ],
)
def test_damaged_products(done, name, keep, message):
    path = done / name
    path.write_bytes(path.read_bytes()[:keep])
    result = invoke("run", "field.toml")
    _raises(result, f"{path} {message}.* with --overwrite")


def test_damaged_and_unfinished_products_are_made_again_with_overwrite(done):
    names = [*MAPS, "masses.ecsv"]
    data = {name: data_of(done / name) for name in names}
    damaged = done / MAPS[0]
    damaged.write_bytes(damaged.read_bytes()[:-5760])
    (done / MAPS[1]).unlink()
    (done / "masses.ecsv").unlink()
    unfinished = [done / "maps" / f".2_maps.fits.{end}" for end in ("part", "journal")]
    for path in (*unfinished, done / "masses.ecsv.part"):
        path.write_bytes(b"no journal\nat all\n")
    _raises(invoke("run", "field.toml"), "1_maps.fits is damaged: .* with --overwrite")
    damaged.unlink()
    result = invoke("run", "field.toml")
    _raises(result, "fit failed, as said above|fit, sum-mass failed, as said above")
    assert ".2_maps.fits.journal is damaged" in result.stderr
    damaged.write_bytes(b"SIMPLE")
    with pytest.warns(PixsedWarning) as caught:
        result = invoke("run", "field.toml", "--overwrite")
    assert result.exit_code == 0, (result.stderr, result.exception)
    said = {str(warning.message) for warning in caught}
    assert said == {
        f"out/{path} is damaged, and is begun anew"
        for path in ("maps/.2_maps.fits.part", "masses.ecsv.part")
    }
    assert {name: data_of(done / name) for name in names} == data
    assert not any(path.exists() for path in (*unfinished, done / "masses.ecsv.part"))
    assert invoke("run", "field.toml").stderr == ALL_DONE


def test_a_product_of_another_program(done):
    fits.writeto(done / "images" / "F150W_bkg.fits", np.zeros((3, 3)), overwrite=True)
    _raises(invoke("run", "field.toml"), "F150W_bkg.fits was not made by pixsed")


def test_a_table_that_lacks_a_row(done):
    lines = (done / "masses.ecsv").read_text().splitlines(keepends=True)
    (done / "masses.ecsv").write_text("".join(lines[:-1]))
    _raises(invoke("run", "field.toml"), "masses.ecsv is damaged: it has 2 rows of 3 galaxies")


def test_deleted_middle_products(done):
    """They are made again only where a later step needs them, which is then not done again."""
    before = times()
    data = {name: data_of(done / name) for name in PRODUCTS}
    shutil.rmtree(done / "images")
    (done / "cubes" / "2.fits").unlink()
    assert invoke("run", "field.toml").stderr == ALL_DONE
    (done / "masses.ecsv").unlink()
    result = invoke("run", "field.toml")
    assert result.exit_code == 0, (result.stderr, result.exception)
    assert result.stderr.endswith("out: done already: fit\n")
    assert set(changed(before)) >= {*IMAGES, *CUBES, "masses.ecsv"}
    assert {name: data_of(done / name) for name in PRODUCTS} == data
    assert invoke("run", "field.toml").stderr == ALL_DONE


def test_changed_options_of_deleted_products(done):
    shutil.rmtree(done / "images")
    change("box = 32", "box = 16")
    _raises(invoke("run", "field.toml"), "out/images/F150W_bkg.fits was made with --box 32, now 16")


def test_newer_inputs_of_deleted_products(done):
    shutil.rmtree(done / "images")
    os.utime("mock_F277W.fits")
    _raises(invoke("run", "field.toml"), "out/cubes/1.fits is older than mock_F277W.fits")


def test_a_deleted_map_is_fitted_again(done):
    before = times()
    (done / MAPS[1]).unlink()
    result = invoke("run", "field.toml")
    assert result.exit_code == 0, (result.stderr, result.exception)
    assert changed(before) == [MAPS[1]]
    assert "sum-mass" in result.stderr.splitlines()[-1]


def test_a_cube_too_many(done):
    shutil.copy(done / "cubes" / "1.fits", done / "cubes" / "7.fits")
    (done / "masses.ecsv").unlink()
    result = invoke("run", "field.toml")
    assert result.exit_code == 1
    assert "out/cubes/7.fits is not of a galaxy that cutout selects now; move it away" in (
        result.stderr
    )
    assert not (done / "masses.ecsv").exists()


def test_without_the_record(done):
    (done / "steps.json").unlink()
    _raises(invoke("run", "field.toml"), "out/cubes/ has cubes, and out/steps.json does not say")
    (done / "steps.json").write_text("{}")
    _raises(invoke("run", "field.toml"), "out/steps.json, the record of the steps, cannot be read")


def fail_at(monkeypatch, target, error, call):
    """Make a function raise an error at its n-th call."""
    module, _, name = target.rpartition(".")
    module = __import__(module, fromlist=[name])
    real, calls = getattr(module, name), []

    def wrapped(*args, **kwargs):
        calls.append(args)
        if len(calls) == call:
            raise error
        return real(*args, **kwargs)

    monkeypatch.setattr(module, name, wrapped)


def test_a_failure_stops_the_run_and_names_the_step(fresh):
    Path("mock_F277W.fits").write_bytes(b"not FITS")
    step = (
        r"\(in pixsed bkg 'F277W=mock_F277W.fits\[SCI\]' --segmap mock_seg.fits --box 32 -o out/im"
    )
    _raises(invoke("run", "field.toml"), f"mock_F277W.fits cannot be read as FITS.* {step}")
    assert os.listdir("out/images") == ["F150W_bkg.fits"]


def test_a_wrong_command_line_is_status_2(fresh):
    change("box = 32", "box = 32\nsegmap = false\ndilate = 3")
    result = invoke("run", "field.toml")
    assert result.exit_code == 2
    assert "--dilate grows the sources of --segmap; give it (in pixsed bkg 'F150W=" in result.stderr


def test_a_galaxy_that_fails(done, monkeypatch):
    """The others are fitted, and the steps after it run; the next run tries again."""
    for name in (*MAPS, "masses.ecsv"):
        (done / name).unlink()
    error = PixsedError("cube 2 is odd")
    fail_at(monkeypatch, "pixsed.fit.many_cubes.fit_to_file", error, call=2)
    result = invoke("run", "field.toml", "--jobs", "1")
    _raises(result, "field.toml: fit failed, as said above; the other steps are done")
    assert result.exit_code == 1
    assert "out/cubes/2.fits: cube 2 is odd" in result.stderr
    assert "1 of 3 cubes could not be fitted; the others are in out/maps/ (in pixsed fit" in (
        result.stderr
    )
    assert sorted(os.listdir("out/maps")) == ["1_maps.fits", "3_maps.fits"]
    assert (done / "masses.ecsv").exists()
    result = invoke("run", "field.toml", "--jobs", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count(": done already") == 3  # two maps, and the steps
    assert invoke("run", "field.toml").stderr == ALL_DONE


def test_a_run_that_is_stopped_goes_on(fresh, monkeypatch):
    """Stopped between the cubes, and then between the galaxies of the fit."""
    change("[fit]\n", "[psfmatch]\ncorrelation = 'none'\n[fit]\n")
    fail_at(monkeypatch, "pixsed.io.formats.cube.write_cube", Stopped(2), call=2)
    fail_at(monkeypatch, "pixsed.fit.many_cubes.fit_to_file", Stopped(2), call=3)
    with pytest.raises(Stopped) as error:
        cli.main(["run", "field.toml", "--jobs", "1", "-q"], standalone_mode=False)
    assert error.value.kept.startswith("it was in pixsed cutout F150W=")
    assert len(os.listdir("out/cubes")) == 1
    with pytest.raises(Stopped) as error:
        cli.main(["run", "field.toml", "--jobs", "1", "-q"], standalone_mode=False)
    assert error.value.kept.startswith("it was in pixsed fit out/cubes/*.fits")
    assert sorted(os.listdir("out/cubes")) == ["1.fits", "2.fits", "3.fits"]
    assert sorted(os.listdir("out/maps")) == ["1_maps.fits", "2_maps.fits"]
    result = invoke("run", "field.toml", "--jobs", "1")
    assert result.exit_code == 0 and result.stderr.count("maps.fits: done already") == 2


class TestSingleSteps:
    def test_each_command_runs_its_step(self, fresh):
        change("[fit]\n", "[psfmatch]\ncorrelation = 'none'\n[fit]\n")
        result = invoke("psfmatch", "field.toml")
        _raises(
            result,
            "field.toml: psfmatch needs out/images/F150W_bkg.fits, which is not there; make it "
            "with pixsed bkg, or all with pixsed run",
        )
        for name in ("bkg", "psfmatch", "cutout", "fit", "sum-mass"):
            result = invoke(name, "field.toml")
            assert result.exit_code == 0, (result.stderr, result.exception)
            result = invoke(name, "field.toml", "-q")
            assert (result.exit_code, result.stderr) == (0, "")
        assert invoke("run", "field.toml").stderr == ALL_DONE

    def test_options_beside_the_file(self, done):
        result = invoke("bkg", "field.toml", "--box", "16")
        _raises(result, "out/images/F150W_bkg.fits was made with --box 32, now 16 .and 2 more.;")
        result = invoke("bkg", "field.toml", "--box", "16", "--overwrite")
        assert result.exit_code == 0
        assert "--box 16" in fits.getheader(done / IMAGES[0])["PIXSCMD"]

    def test_parts_of_a_fit(self, done):
        shutil.rmtree(done / "maps")
        assert invoke("fit", "field.toml", "--part", "2/2", "-q").exit_code == 0
        assert os.listdir(done / "maps") == ["2_maps.fits"]
        assert invoke("fit", "field.toml", "--part", "1/2", "-q").exit_code == 0
        assert invoke("run", "field.toml").stderr == ALL_DONE

    @pytest.mark.parametrize(
        "args, message",
        [
            (("bkg", "field.toml", "-o", "a.fits"), "the field file says where its products go"),
            (("fit", "field.toml", "a.fits"), "field.toml is a field file, which has all inputs"),
            (("sum-mass", "field.toml", "--part", "1/2"), "--part makes a table of its own"),
            (("bkg", "field.toml", "--no-such"), "No such option"),
            (("bkg", "field.toml", "--box", "1"), "1 is not in the range"),
        ],
    )
    def test_wrong_command_lines(self, fresh, args, message):
        result = invoke(*args)
        assert result.exit_code == 2 and message in result.stderr

    @pytest.mark.parametrize("name", ["bkg", "psfmatch", "cutout", "fit", "sum-mass"])
    def test_help(self, name):
        result = invoke(name, "field.toml", "--help")
        assert result.exit_code == 0 and "|FIELD.toml" in result.stdout

    def test_a_field_file_that_is_not_there(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for name in ("run", "fit"):
            _raises(invoke(name, "a.toml"), "a.toml: no such file; give the TOML file of a field")


def test_options_of_all_commands_are_passed_on(fresh, monkeypatch):
    change(TOML[TOML.index("[fit]") :], "")
    change("catalog =", "sum-mass = false\ncatalog =")
    result = invoke("bkg", "field.toml", "-q", "--log", "log.txt", "--no-verify")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = Path("log.txt").read_text().splitlines()
    assert sum("bkg --box = 32" in line for line in lines) == 3
    # Those of run, also from the environment.
    monkeypatch.setenv("PIXSED_RUN_QUIET", "1")
    result = invoke("run", "field.toml", "--dry-run", "--seed", "7", "--jobs", "3")
    assert "--seed 7 --jobs 3" in result.stdout.splitlines()[-1]
    assert "--seed" not in result.stdout.splitlines()[1]
    words = []
    monkeypatch.setattr(
        "pixsed.cli.field.execute.Execution._call",
        lambda *args: words.append(args[2]),
    )
    result = invoke("run", "field.toml", "--log", "log.txt", "-v", "--no-verify")
    assert result.stderr == ""
    assert set(words[0]) >= {"--quiet", "--verbose", "--no-verify", "--log"}


@pytest.mark.slow
def test_the_mock_field(tmp_path, monkeypatch):
    """The whole of data/mock_field.toml gives the data of the commands of data/demo.sh."""
    shutil.copytree(DATA, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    result = invoke("run", "data/mock_field.toml")
    assert result.exit_code == 0, (result.stderr, result.exception)
    bands = re.search(r'bands="(.*)"', (DATA / "demo.sh").read_text())[1].split()
    common = ["--mask", "data/mock_seg.fits", "-o"]
    for band in bands:
        words = ["bkg", f"data/mock_{band}.fits", "--dilate", "5", "--box", "50"]
        assert invoke(*words, *common, f"bkg_{band}.fits").exit_code == 0
        words = ["psfmatch", f"bkg_{band}.fits", "--psf", f"data/mock_psf_{band}.fits"]
        words += ["--target", "data/mock_psf_F444W.fits", *common, f"matched_{band}.fits"]
        assert invoke(*words).exit_code == 0
    words = ["cutout", *sorted(glob.glob("matched_*.fits")), "--segmap", "data/mock_seg.fits"]
    words += ["--catalog", "data/mock_catalog.ecsv", "--all", "-o", "cubes"]
    assert invoke(*words).exit_code == 0
    cubes = sorted(glob.glob("cubes/*.fits"))
    assert len(cubes) == 3
    for cube in cubes:
        name = f"{Path(cube).stem}_maps"
        assert invoke("fit", cube, "--model", "tau", "-o", f"{name}.fits").exit_code == 0
        assert data_of(Path(f"{name}.fits")) == data_of(Path(f"mock_field/maps/{name}.fits"))
        assert Path(f"mock_field/pictures/{name}.png").stat().st_size > 10_000
    assert invoke("sum-mass", *cubes, "--model", "tau", "-o", "masses.ecsv").exit_code == 0
    assert data_of(Path("masses.ecsv")) == data_of(Path("mock_field/masses.ecsv"))
    result = invoke("run", "data/mock_field.toml")
    assert "bkg of 10 bands, psfmatch of 10 bands, cutout, fit, sum-mass, plot" in result.stderr
