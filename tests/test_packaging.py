"""What is installed: metadata, extras, and no torch in the way of inference."""

import os
import pkgutil
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

import pytest

import pixsed

# Rooms and modules that a plain install must import, and the one that it need not.
INFERENCE = ("pixsed.cli", "pixsed.io", "pixsed.images", "pixsed.infer", "pixsed.products")
HEAVY = ("torch", "sbi", "onnx", "fsps", "bagpipes", "sedpy", "dense_basis", "matplotlib")


def run_python(*args):
    """Run Python in a process of its own, with the pixsed that is tested and no other."""
    # From another folder: the checkout's own must not hide the installed package.
    place = Path(pixsed.__file__).parents[1]
    return subprocess.run(
        [sys.executable, *args], capture_output=True, text=True, cwd=tempfile.gettempdir(),
        env={**os.environ, "PYTHONPATH": str(place)},
    )  # fmt: skip


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
    assert metadata("pixsed")["License"] == "BSD-3-Clause" or "BSD-3-Clause" in (
        metadata("pixsed")["License-Expression"] or ""
    )


@pytest.mark.usefixtures("installed")
def test_plain_install_is_inference_alone():
    assert requirements() == {
        "astropy", "click", "numpy", "onnxruntime", "photutils", "scipy", "tqdm",
    }  # fmt: skip


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
        "cli", "images", "infer", "io", "models", "products", "simulate", "sps", "train",
    }  # fmt: skip


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
