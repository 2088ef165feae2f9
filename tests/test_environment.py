"""Commands write only their output, open no network connection, and need no HOME."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import fakes
import numpy as np
import pytest
from astropy.io import fits

import pixsed
from pixsed import environment
from pixsed.io.formats.cube import write_cube

pytestmark = pytest.mark.machine

PLACE = str(Path(pixsed.__file__).parents[1])
#: Variables that a user may have set; the tests set or remove them.
NAMES = (
    "HOME",
    "TMPDIR",
    "XDG_CONFIG_HOME",
    "XDG_CACHE_HOME",
    "ASTROPY_CONFIG_DIR",
    "ASTROPY_CACHE_DIR",
    "DASK_CONFIG",
    "MPLCONFIGDIR",
    "ORT_DISABLE_TELEMETRY",
    "CI",
    "GITHUB_ACTIONS",
)


def environ(**changes):
    """Return an environment without NAMES, and with those of `changes` that are not None."""
    kept = {key: value for key, value in os.environ.items() if key not in NAMES}
    given = {key: str(value) for key, value in changes.items() if value is not None}
    # No bytecode beside the package.
    return {**kept, "PYTHONPATH": PLACE, "PYTHONDONTWRITEBYTECODE": "1", **given}


def run(*args, cwd, before=(), **changes):
    return subprocess.run(
        [*before, sys.executable, "-m", "pixsed", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env=environ(**changes),
    )


def ended_well(done):
    assert done.returncode == 0 and "rror" not in done.stderr, done.stderr
    assert "arning" not in done.stderr and "atplotlib" not in done.stderr, done.stderr


@pytest.fixture
def image(tmp_path, wcs_header):
    """An image of sky, in a folder that any user may write to."""
    tmp_path.chmod(0o777)
    sky = 10 + np.random.default_rng(0).normal(0, 1, (60, 60)).astype("f4")
    path = tmp_path / "sky.fits"
    header = wcs_header(BUNIT="nJy")
    primary = fits.PrimaryHDU()
    primary.header["FILTER"], primary.header["INSTRUME"] = "F444W", "NIRCAM"
    hdus = [
        primary,
        fits.ImageHDU(sky, header, name="SCI"),
        fits.ImageHDU(np.ones_like(sky), header, name="ERR"),
    ]
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture
def places(tmp_path):
    """Values that a variable may have, by kind."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "read-only").mkdir(mode=0o555)
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "with-settings" / "astropy").mkdir(parents=True)
    (tmp_path / "with-settings" / "astropy" / "astropy.cfg").write_text("not a setting\n")
    yield {
        "unset": None,
        "empty text": "",
        "absent": tmp_path / "absent",
        "relative": "absent",
        "empty": tmp_path / "empty",
        "read-only": tmp_path / "read-only",
        "closed": tmp_path / "closed",
        "file": tmp_path / "file",
        "link": tmp_path / "link",
        "in a file": tmp_path / "file" / "x",
        "with settings": tmp_path / "with-settings",
    }
    (tmp_path / "closed").chmod(0o700)


KINDS = (
    "unset",
    "empty text",
    "absent",
    "relative",
    "empty",
    "read-only",
    "closed",
    "file",
    "link",
    "in a file",
    "with settings",
)


@pytest.mark.few(9)
@pytest.mark.parametrize(
    "variable, kind",
    [
        *(("HOME", kind) for kind in KINDS),
        *(
            (variable, kind)
            for kind in ("absent", "closed", "file")
            for variable in ("XDG_CONFIG_HOME", "ASTROPY_CONFIG_DIR", "XDG_CACHE_HOME", "TMPDIR")
        ),
        ("XDG_CONFIG_HOME", "with settings"),
        ("XDG_CONFIG_HOME", "relative"),
    ],
)
def test_variables_of_any_kind(variable, kind, places, image, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    changes = {"HOME": places["empty"], variable: places[kind]}
    ended_well(run("bkg", image, "--box", "20", "-o", "out.fits", cwd=tmp_path, **changes))
    left = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert left == [tmp_path / "out.fits"]


@pytest.fixture(scope="module")
def cube_file(tmp_path_factory):
    """A small cube in a file."""
    path = tmp_path_factory.mktemp("cube") / "cube.fits"
    write_cube(fakes.make_cube(), path)
    return path


@pytest.fixture(scope="module")
def maps_file(cube_file):
    """Maps of that cube."""
    args = "fit", cube_file, "--snr-min", "0", "-o", "maps.fits", "-q"
    ended_well(run(*args, cwd=cube_file.parent, HOME="/nonexistent"))
    return cube_file.parent / "maps.fits"


@pytest.mark.parametrize("kind", ["unset", "empty"])
def test_matplotlib_writes_to_a_temporary_folder(kind, places, maps_file, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "temporary").mkdir()
    before = set(tmp_path.rglob("*"))
    ended_well(
        run(
            "plot",
            maps_file,
            "-o",
            "maps.png",
            cwd=tmp_path,
            HOME=tmp_path / "absent",
            TMPDIR=tmp_path / "temporary",
            MPLCONFIGDIR=places[kind],
        )
    )
    left = set(tmp_path.rglob("*")) - before
    own = tmp_path / kind
    assert {path for path in left if own not in path.parents} == {tmp_path / "maps.png"}
    assert kind != "empty" or any(own.iterdir())


@pytest.mark.parametrize("kind", ["unset", "absent", "empty", "read-only", "file", "in a file"])
def test_folder_of_matplotlib(kind, places, tmp_path):
    pytest.importorskip("matplotlib")
    code = """
from pixsed import environment
environment.prepare_command()
environment.prepare_matplotlib()
import logging
import matplotlib
print(matplotlib.get_cachedir())
print(logging.getLogger("matplotlib.font_manager").isEnabledFor(logging.WARNING))
"""
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
        env=environ(TMPDIR=tmp_path / "temporary", MPLCONFIGDIR=places[kind]),
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    # A user's own folder is used if it can be; as root even a read-only one.
    usable = kind == "empty" or (kind == "read-only" and os.access(places[kind], os.W_OK))
    within = places[kind] if usable else tmp_path / "temporary"
    folder, notices = done.stdout.splitlines()
    assert Path(folder).is_relative_to(within)
    # No notice of a cache that is always built anew.
    assert notices == str(usable)
    assert not any((tmp_path / "temporary").iterdir())


@pytest.mark.parametrize("command", ["models", "fit", "fit with processes"])
def test_nothing_is_written_to_home(command, cube_file, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    args = ["models"]
    if command != "models":
        shutil.copy(cube_file, tmp_path / "second.fits")
        args = [
            "fit",
            cube_file,
            "second.fits",
            "--snr-min",
            "0",
            "-o",
            "maps/",
            "--jobs",
            "2" if "processes" in command else "1",
        ]
    done = run(*args, cwd=tmp_path, HOME=home)
    assert done.returncode == 0, done.stderr
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize("own", [False, True])
def test_dask_writes_no_samples(own, tmp_path):
    pytest.importorskip("distributed")
    code = (
        "from pixsed.cli.main import main\n"
        "try:\n    main(['models', '-q'])\nexcept SystemExit:\n    pass\n"
        "import dask, distributed\nprint(dask.config.get('mine', 'none'))\n"
    )
    settings = tmp_path / ".config" / "dask"
    if own:
        settings.mkdir(parents=True)
        (settings / "mine.yaml").write_text("mine: 7\n")
    before = sorted(tmp_path.rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env=environ(HOME=tmp_path),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == ("7" if own else "none")
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_set(tmp_path):
    code = (
        "import os, sys\n"
        "from pixsed.cli.main import main\n"
        "try:\n    main(['bkg', 'none.fits', '-o', 'out.fits'])\nexcept SystemExit:\n    pass\n"
        "from astropy.utils import data, iers\n"
        "print(os.environ['ORT_DISABLE_TELEMETRY'], data.conf.allow_internet,\n"
        "      iers.conf.auto_download, os.environ['XDG_CONFIG_HOME'])\n"
    )
    # In another folder: -c looks for modules in the present one first.
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environ(HOME="/nonexistent"),
    )
    assert done.returncode == 0, done.stderr
    settings = Path(environment.__file__).parent / "settings"
    assert done.stdout.split() == ["1", "False", "False", str(settings)]
    assert (settings / "astropy" / "astropy.cfg").is_file()


def test_variables_are_restored(monkeypatch):
    monkeypatch.setenv("CI", "before")
    monkeypatch.delenv("TMPDIR", raising=False)
    before = dict(os.environ)
    with pytest.raises(KeyError), environment.variables(CI="inside", TMPDIR="x"):
        assert os.environ["CI"] == "inside" and os.environ["TMPDIR"] == "x"
        raise KeyError
    assert dict(os.environ) == before


def test_nothing_is_set_for_a_library(cube_file):
    code = (
        "import os\nbefore = dict(os.environ)\n"
        "import pixsed\n"
        "options = pixsed.FitOptions(snr_min=0)\n"
        "pixsed.fit_cube(__import__('sys').argv[1], 'tau', options)\n"
        "changed = {k for k in os.environ if os.environ[k] != before.get(k)}\n"
        "print(*changed, set(before) - set(os.environ) or '')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(cube_file)],
        capture_output=True,
        text=True,
        env=environ(HOME="/nonexistent"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["ORT_DISABLE_TELEMETRY"]


# Other users.


def as_user(number):
    """Return the prefix of a command that runs it as another user; skip if it cannot be run."""
    if os.geteuid() != 0:
        pytest.skip("only root runs commands as another user")
    if shutil.which("setpriv") is None:
        pytest.skip("setpriv is not installed")
    words = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
    code = f"import sys; sys.path.insert(0, {PLACE!r}); import pixsed, numpy, astropy"
    tried = subprocess.run(
        [*words, sys.executable, "-c", code], capture_output=True, cwd="/", env=environ(HOME="/tmp")
    )
    if tried.returncode:
        pytest.skip("this Python, or pixsed, is not readable by other users")
    return words


@pytest.fixture
def open_folder(image):
    """A folder that any user may write to, with the image."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="pixsed-test-", dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        path = Path(shutil.copy(image, folder))
        path.chmod(0o644)
        closed = Path(folder) / "closed"
        closed.mkdir(mode=0o700)
        yield Path(folder)


@pytest.mark.parametrize(
    "number, home, xdg",
    [  # nobody; a user that has no entry in passwd
        (65534, "/root", None),
        (65534, None, None),
        (65534, "closed", None),
        (65534, "/nonexistent", "closed"),
        (54321, None, None),
        (54321, "/root", "closed"),
        (54321, "/proc", None),
        (54321, "/", "closed"),
    ],
)
def test_as_another_user(number, home, xdg, open_folder):
    before = as_user(number)
    home, xdg = (str(open_folder / name) if name == "closed" else name for name in (home, xdg))
    done = run(
        "bkg",
        "sky.fits",
        "--box",
        "20",
        "-o",
        "out.fits",
        cwd=open_folder,
        before=before,
        HOME=home,
        XDG_CONFIG_HOME=xdg,
        XDG_CACHE_HOME=xdg,
        MPLCONFIGDIR=xdg,
    )
    ended_well(done)
    assert (open_folder / "out.fits").is_file()


@pytest.mark.parametrize("number", [65534, 54321])
def test_maps_and_pictures_as_another_user(number, cube_file, open_folder):
    pytest.importorskip("matplotlib")
    before = as_user(number)
    Path(shutil.copy(cube_file, open_folder)).chmod(0o644)
    common = dict(cwd=open_folder, before=before, HOME="/root", MPLCONFIGDIR="/root/.config")
    ended_well(run("fit", "cube.fits", "--snr-min", "0", "-q", "-o", "maps.fits", **common))
    ended_well(run("plot", "maps.fits", "-o", "maps.png", **common))
    ended_well(run("models", **common))
