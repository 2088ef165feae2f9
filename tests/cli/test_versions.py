"""`pixsed --version`: the versions of what matters, without importing it."""

import configparser
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import pixsed
from pixsed.cli import versions


@pytest.fixture
def lines(run_cli):
    result = run_cli("--version")
    assert result.exit_code == 0
    return result.stdout.splitlines()


def test_first_line(lines):
    # Scripts read this line.
    assert lines[0] == f"pixsed, version {pixsed.__version__}"


def test_python_and_platform(lines):
    assert lines[1] == f"Python {platform.python_version()}"
    assert lines[-1] == platform.platform()


@pytest.mark.parametrize("package", [*versions.REQUIRED, *versions.OPTIONAL])
def test_packages(lines, package):
    try:
        assert f"{package} {version(package)}" in lines
    except PackageNotFoundError:
        assert not any(line.startswith(f"{package} ") for line in lines)


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(versions, "REQUIRED", ("numpy", "no-such-package"))
    monkeypatch.setattr(versions, "OPTIONAL", ("no-such-extra",))
    lines = versions.version_lines()
    assert lines[2] == f"numpy {version('numpy')}"
    assert lines[3] == "no-such-package is not installed"
    assert len(lines) == 5


def test_the_names_are_requirements():
    setup = configparser.ConfigParser()
    if not setup.read(Path(__file__).parents[2] / "setup.cfg"):
        pytest.skip("not a checkout: setup.cfg is absent")
    required = setup["options"]["install_requires"]
    extras = "\n".join(setup["options.extras_require"].values())
    for text, names in ((required, versions.REQUIRED), (extras, versions.OPTIONAL)):
        declared = {line.split(">=")[0].split("[")[0] for line in text.splitlines()}
        assert set(names) <= declared
