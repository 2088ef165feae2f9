"""Command group: help, imports, exit codes and messages."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import click
import pytest

import pixsed
from pixsed.cli import main as main_module
from pixsed.cli.main import COMMANDS, cli, main
from pixsed.errors import PixsedError


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


def exists(name):
    return importlib.util.find_spec(f"pixsed.cli.{name.replace('-', '_')}") is not None


@pytest.fixture
def failing(monkeypatch):
    """Make `pixsed models` raise what the test puts in the list."""
    errors = []

    @click.command()
    @click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=lambda ctx, param, value: _set_verbosity(value),
    )
    def command():
        raise errors[0]

    def _set_verbosity(value):
        from pixsed.cli import options

        monkeypatch.setitem(options._state, "verbose", value)

    monkeypatch.setattr(main_module.LazyGroup, "get_command", lambda *args: command)
    return errors


@pytest.mark.parametrize("name", COMMANDS)
class TestEveryCommand:
    @pytest.fixture(autouse=True)
    def command(self, name):
        if not exists(name):
            pytest.skip(f"pixsed.cli has no module for {name} yet")
        self.loaded = cli.get_command(click.Context(cli), name)

    def test_short_help_is_the_line_of_the_group(self, name):
        assert self.loaded.get_short_help_str(limit=200) == COMMANDS[name]

    def test_help_ends_with_two_examples(self, name):
        text = self.loaded.get_help(click.Context(self.loaded, info_name=f"pixsed {name}"))
        lines = [line.strip() for line in text.splitlines()]
        assert "Examples:" in lines
        examples = lines[lines.index("Examples:") + 1 :]
        assert sum(line.startswith(f"pixsed {name}") for line in examples) >= 2


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert "Examples:" in text


@pytest.mark.parametrize("args", [["--help"], ["cutout", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(args):
    code = (
        "import sys\nfrom pixsed.cli.main import main\n"
        f"try:\n    main({args!r})\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'scipy', 'astropy', 'onnxruntime', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


class TestExitCodes:
    def test_error_is_one_line(self, failing, capsys):
        failing.append(PixsedError("a.fits has no\n WCS; add one"))
        with pytest.raises(SystemExit) as stop:
            main(["models"])
        assert stop.value.code == 1
        assert capsys.readouterr().err == "pixsed: error: a.fits has no WCS; add one\n"

    def test_traceback_with_vv(self, failing, capsys):
        failing.append(PixsedError("a.fits has no WCS"))
        with pytest.raises(SystemExit) as stop:
            main(["models", "-vv"])
        assert stop.value.code == 1
        err = capsys.readouterr().err
        assert err.startswith("Traceback (most recent call last)")
        assert err.endswith("\npixsed: error: a.fits has no WCS\n")

    def test_defect_is_one_line_too(self, failing, capsys):
        failing.append(ZeroDivisionError("by nothing"))
        with pytest.raises(SystemExit) as stop:
            main(["models"])
        assert stop.value.code == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert err.startswith("pixsed: internal error: ZeroDivisionError: by nothing (run again")

    def test_unknown_command_is_usage(self, capsys):
        with pytest.raises(SystemExit) as stop:
            main(["no-such-command"])
        assert stop.value.code == 2
        assert "No such command" in capsys.readouterr().err

    def test_unknown_option_is_usage(self, capsys):
        with pytest.raises(SystemExit) as stop:
            main(["cutout", "--no-such-option"])
        assert stop.value.code == 2

    def test_file_that_is_not_there(self, capsys, tmp_path):
        with pytest.raises(SystemExit) as stop:
            main(["bkg", str(tmp_path / "none.fits"), "-o", str(tmp_path / "out.fits")])
        assert stop.value.code == 1
        err = capsys.readouterr().err
        assert err.startswith("pixsed: error: ")
        assert err.count("\n") == 1
        assert "none.fits" in err


def test_options_from_the_environment(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("PIXSED_BKG_BOX", "1")
    with pytest.raises(SystemExit) as stop:
        main(["bkg", "a.fits", "-o", str(tmp_path / "out.fits")])
    assert stop.value.code == 2
    assert "'--box': 1 is not in the range" in capsys.readouterr().err


def test_run_as_a_module():
    done = run_python("-m", "pixsed", "--version")
    assert done.returncode == 0
    assert done.stdout.startswith("pixsed, version ")


@pytest.mark.parametrize("args", [["models"], ["--help"], ["fit", "--help"], ["--version"]])
def test_closed_standard_output_is_one_line(args):
    shell = f"{sys.executable} -m pixsed {' '.join(args)} >&-"
    result = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=120)
    assert result.returncode == 1
    assert result.stderr == "pixsed: error: standard output is closed\n"
