"""The installed package: metadata, extras, and inference without torch."""

import configparser
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import pytest

import pixsed

# Folders and modules that a plain install must import, and the one that it need not.
INFERENCE = ("pixsed.cli", "pixsed.io", "pixsed.images", "pixsed.fit", "pixsed.plots")
HEAVY = ("torch", "sbi", "onnx", "fsps", "bagpipes", "sedpy", "dense_basis", "matplotlib")


def run_python(*args):
    """Run Python in a separate process, with the tested pixsed and no other."""
    # Use another folder: the package of the checkout must not hide the installed one.
    place = Path(pixsed.__file__).parents[1]
    return subprocess.run(
        [sys.executable, *args],
        capture_output=True,
        text=True,
        cwd=tempfile.gettempdir(),
        env={**os.environ, "PYTHONPATH": str(place)},
    )


def requirements(extra=None):
    """Names of the distribution's requirements, of an extra or of none."""
    found = set()
    for line in requires("pixsed"):
        requirement, _, marker = line.partition(";")
        name = requirement.strip()
        for stop in "<>=!~[ ":
            name = name.split(stop)[0]
        belongs = marker.strip().replace("'", '"') or None
        if belongs == (f'extra == "{extra}"' if extra else None):
            found.add(name)
    return found


@pytest.fixture
def installed():
    try:
        version("pixsed")
    except PackageNotFoundError:
        pytest.skip("pixsed is not installed, only importable")


@pytest.mark.usefixtures("installed")
def test_version_and_licence():
    assert version("pixsed") == pixsed.__version__
    assert metadata("pixsed").get("License-Expression") == "BSD-3-Clause"


@pytest.mark.usefixtures("installed")
def test_plain_install_is_inference_alone():
    assert requirements() == {
        "astropy",
        "click",
        "numpy",
        "onnxruntime",
        "photutils",
        "scipy",
        "tqdm",
    }


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("extra", "some"),
    [
        ("plot", {"matplotlib"}),
        ("sps", {"astro-sedpy", "bagpipes", "dense-basis", "fsps"}),
        ("train", {"onnx", "sbi", "torch"}),
        ("dask", {"dask"}),
        ("test", {"pytest"}),
        ("docs", {"sphinx"}),
    ],
)
def test_extras(extra, some):
    assert some <= requirements(extra)


def test_every_room_is_installed():
    rooms = {module.name for module in pkgutil.iter_modules(pixsed.__path__) if module.ispkg}
    assert rooms >= {
        "cli",
        "images",
        "fit",
        "io",
        "models",
        "plots",
        "simulate",
        "sps",
        "train",
    }


@pytest.mark.parametrize("room", INFERENCE)
def test_inference_imports_nothing_of_the_extras(room):
    # In a process of its own: this one may have imported them for other tests.
    code = (
        "import importlib, pkgutil, sys\n"
        f"room = importlib.import_module({room!r})\n"
        "for module in pkgutil.walk_packages(room.__path__, room.__name__ + '.'):\n"
        "    importlib.import_module(module.name)\n"
        f"found = set({HEAVY!r}) & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


def test_no_torch_after_a_command():
    code = (
        "import sys\nfrom pixsed.cli.main import main\n"
        "try:\n    main(['bkg', 'none.fits', '-o', 'out.fits'])\nexcept SystemExit:\n    pass\n"
        "assert 'torch' not in sys.modules\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


ROOT = Path(__file__).parents[1]
#: Requirements whose least releases have no wheels for Python 3.13, so that oldestdeps has later
#: ones there.
NO_WHEELS_313 = {"matplotlib", "numpy", "onnx", "regions", "reproject", "scipy"}


def read_settings(name):
    """Read setup.cfg or tox.ini."""
    if not (ROOT / name).is_file():
        pytest.skip(f"not a source folder: {name} is absent")
    settings = configparser.ConfigParser(interpolation=None)
    settings.read(ROOT / name)
    return settings


def declared():
    """Lines of setup.cfg with requirements."""
    setup = read_settings("setup.cfg")
    texts = setup["options"]["install_requires"], *setup["options.extras_require"].values()
    return {line for text in texts for line in text.splitlines() if line and line[0] != "#"}


def least(line):
    """Return name and least version of a requirement, as ``dask[distributed]>=2024.1``."""
    return re.fullmatch(r"([\w-]+)(?:\[\w+\])?(?:>=([\d.]+))?", line).groups()


def numbers(text):
    """Return a version as numbers, without zeros at the end."""
    return tuple(int(part) for part in re.sub(r"(\.0)+$", "", text).split("."))


@pytest.mark.skipif(
    "oldestdeps" not in os.environ.get("TOX_ENV_NAME", ""), reason="not in tox -e test-oldestdeps"
)
def test_the_oldest_releases_are_installed():
    tested = 0
    for name, oldest in sorted(map(least, declared())):
        if oldest is None or (sys.version_info >= (3, 13) and name in NO_WHEELS_313):
            continue
        try:
            found = version(name)
        except PackageNotFoundError:
            continue
        assert numbers(found) == numbers(oldest), f"{name} {found}, not {oldest}"
        tested += 1
    assert tested > 10


def test_environments_of_tox_require_no_less():
    tox, lines = read_settings("tox.ini"), declared()
    names = {line.split(">=")[0] for line in lines}
    tested = 0
    for section in tox.sections():
        for line in tox[section].get("deps", "").splitlines():
            line = line.split(": ")[-1]
            if line.split(">=")[0] in names and ">=" in line:
                assert line in lines, (section, line)
                tested += 1
    assert tested


def test_hosted_runs_are_environments_of_tox():
    """The hosted configuration is valid YAML, and runs factors that tox.ini knows."""
    yaml = pytest.importorskip("yaml")
    path = ROOT / ".github" / "workflows" / "ci.yml"
    if not path.is_file():
        pytest.skip("not a checkout: .github is absent")
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    tox = read_settings("tox.ini")
    factors = {"test", *re.findall(r"[a-z]+deps", tox["testenv"]["commands"])}
    sections = {name.split(":")[1] for name in tox.sections() if ":" in name}
    toxenvs, uses = set(), []
    for job in workflow["jobs"].values():
        uses += [step["uses"] for step in job["steps"] if "uses" in step]
        matrix = job["strategy"]["matrix"]
        toxenvs |= set(matrix.get("toxenv", []))
        toxenvs |= {entry["toxenv"] for entry in matrix.get("include", [])}
    assert {"codestyle", "docs", "pep517", "demo", "py313-test-alldeps"} <= toxenvs
    for toxenv in toxenvs - sections:
        python, *rest = toxenv.split("-")
        assert python in ("py311", "py312", "py313") and set(rest) <= factors, toxenv
    # A tag can be moved, a commit cannot.
    assert all(re.fullmatch(r"[\w/.-]+@[0-9a-f]{40}", name) for name in uses), uses


def test_description_shows_no_picture_of_this_folder():
    """On a package index the files of docs/ are absent; a picture needs a whole address."""
    try:
        found = metadata("pixsed")
    except PackageNotFoundError:
        pytest.skip("pixsed is not installed, only importable")
    # The backport of importlib.metadata, if a package imports it, leaves no payload.
    text = found["Description"] or found.get_payload()
    assert "# pixsed" in text and "pixsed sum-mass" in text
    assert not re.search(r"!\[[^]]*\]\((?!https:)", text)


# Requirement -> what it is imported as.
MODULES = {
    "astro-sedpy": "sedpy",
    **{
        name: name
        for name in (
            "astropy",
            "click",
            "distributed",
            "matplotlib",
            "numpy",
            "onnx",
            "onnxruntime",
            "onnxscript",
            "photutils",
            "regions",
            "reproject",
            "scipy",
            "torch",
            "tqdm",
        )
    },
}


@pytest.mark.parametrize("name", MODULES)
def test_what_is_installed_is_imported(name):
    # A test that is skipped without a package would hide an incompatible package.
    try:
        version(name)
    except PackageNotFoundError:
        pytest.skip(f"{name} is not installed")
    done = run_python("-c", f"import {MODULES[name]}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "path",
    [
        "settings/dask.yaml",
        "settings/astropy/astropy.cfg",
        "models/broad.onnx",
        "models/broad.md",
        "models/tau.onnx",
        "models/tau.md",
        "models/dirichlet.onnx",
        "models/dirichlet.md",
        "cite/references.bib",
        "sps/inoue14_table2.ecsv",
    ],
)
def test_files_of_the_package(path):
    assert (Path(pixsed.__file__).parent / path).is_file()
