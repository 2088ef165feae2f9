"""Advice to install packages: right for every kind of installation."""

import configparser
import re
from pathlib import Path

import pytest

import pixsed
from pixsed.extras import EXTRAS, install_advice

ROOT = Path(__file__).parents[1]
PACKAGE = Path(pixsed.__file__).parent


@pytest.mark.parametrize(
    ("packages", "text"),
    [
        (("matplotlib",), "pip install matplotlib"),
        (("dask",), "pip install 'dask[distributed]'"),
        (EXTRAS["train"], "pip install onnx onnxscript sbi torch"),
    ],
)
def test_advice(packages, text):
    assert install_advice(*packages) == text


def test_advice_for_what_is_no_extra():
    with pytest.raises(KeyError):
        install_advice("tensorflow")


def test_extras_are_those_of_setup_cfg():
    setup = configparser.ConfigParser()
    if not setup.read(ROOT / "setup.cfg"):
        pytest.skip("not a checkout: setup.cfg is absent")
    declared = setup["options.extras_require"]
    for extra, packages in EXTRAS.items():
        lines = [line for line in declared[extra].splitlines() if line and line[0] != "#"]
        assert sorted(line.split(">=")[0] for line in lines) == sorted(packages)
    assert set(declared) - set(EXTRAS) == {"test", "test_models", "docs"}


def texts():
    """Yield the files that give advice: code, help, documentation and scripts."""
    yield from PACKAGE.rglob("*.py")
    for pattern in ("docs/**/*.rst", "docs/*.sh", "docs/*.py", "data/*", "*.md"):
        yield from (p for p in ROOT.glob(pattern) if p.is_file() and p.suffix != ".fits")


def test_no_advice_names_an_extra_of_pixsed():
    # pixsed may not be on a package index: pip install 'pixsed[plot]' would fail.
    wrong = re.compile(r"pip3? install [^`\n]*\bpixsed\b")
    found = [
        f"{path.name}: {match[0]}"
        for path in texts()
        for match in wrong.finditer(path.read_text(encoding="utf-8"))
        if path.name != "extras.py" and "--find-links" not in match[0]  # from a folder of wheels
    ]
    assert found == []


#: Messages and help of the package that do not come from `install_advice` -> why.
OTHER = {
    "onnxruntime-gpu": "takes the place of a requirement",
    "--no-binary fsps fsps": "is compiled with other spectra",
    "bagpipes==1": "an older release",
    "matplotlib": "in the help of commands",
}


def test_advice_in_code_is_in_one_place():
    for path in PACKAGE.rglob("*.py"):
        if path.name == "extras.py":
            continue
        joined = re.sub(r'"\s*\n\s*f?"', "", path.read_text(encoding="utf-8"))
        for match in re.finditer(r"pip install '?([^'\"`;.,]+)", joined):
            assert any(match[1].startswith(known) for known in OTHER), (path, match[0])
