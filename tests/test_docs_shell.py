"""Blocks of code of the documentation: shell is run with commands that only record their words."""

import os
import shutil
import subprocess

import click
import pytest
from docs_blocks import DOCS, ROOT, blocks, pages

from pixsed.cli.main import cli
from pixsed.errors import PixsedError

pytestmark = [
    pytest.mark.skipif(not DOCS.is_dir(), reason="not a checkout: docs/ is absent"),
    pytest.mark.skipif(os.name != "posix", reason="shell"),
]

#: Commands of the blocks, beside those of `SEEN`.
OTHERS = (
    "bash cat cd conda curl dask ds9 exec fitsverify git import man mandoc mkdir mypy parallel "
    "pip pixi pre-commit rm ruff sbatch sh sleep source sphinx-build tox uv wget Xvfb topcat stilts"
).split()
FIELD = ROOT / "data" / "mock_field.toml"
SEEN = ("pixsed", "python", "python3", "pytest")
_RECORD = """#!/bin/sh
line=$(printf '%s\\037' "${0##*/}" "$@"; printf '\\036')
printf %s "$line" >> "$RECORD"  # at once: some commands run side by side
"""


@pytest.fixture(scope="session")
def recorders(tmp_path_factory):
    """Folder of programs that record their name and arguments."""
    folder = tmp_path_factory.mktemp("bin")
    for name in (*OTHERS, *SEEN):
        (folder / name).write_text(_RECORD)
        (folder / name).chmod(0o755)
    # Used by the blocks, and harmless.
    for name in ("sed", "seq"):
        (folder / name).symlink_to(shutil.which(name))
    # Whether the files are there or not.
    (folder / "ls").write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    (folder / "ls").chmod(0o755)
    return folder


def recorded(block, folder, recorders):
    """Return the command lines of a block, as lists of words."""
    record = folder / "record"
    record.write_text("")
    builtins = "cd() { :; }; source() { :; }; export PATH\n"
    done = subprocess.run(
        ["/bin/bash", "-u", "-c", f"{builtins}{block.code}\nwait"],
        cwd=folder,
        env={"PATH": str(recorders), "RECORD": str(record), "PWD": str(folder)}
        | {f"SLURM_{name}": "1" for name in ("ARRAY_TASK_ID", "ARRAY_TASK_COUNT")}
        | {"SLURM_CPUS_PER_TASK": "4", "HOME": str(folder), "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert not done.stderr and done.returncode == 0, f"line {block.line}: {done.stderr}"
    return [line.split("\037")[:-1] for line in record.read_text().split("\036")[:-1]]


def check_pixsed(words):
    """Raise `click.UsageError` if the words of a command line of pixsed are wrong."""
    if not words or words[0].startswith("-"):
        try:
            cli.make_context("pixsed", list(words)).close()
        except click.exceptions.Exit:  # --help, --version
            pass
        return
    command = cli.get_command(click.Context(cli), words[0])
    if command is None:
        raise click.UsageError(f"no command {words[0]}")
    # A field file is read for the options that it gives.
    words = [str(FIELD) if word.endswith(".toml") else word for word in words]
    try:
        command.make_context(words[0], list(words[1:]), auto_envvar_prefix="PIXSED_DOCS").close()
    except click.exceptions.Exit:  # --help
        pass
    except PixsedError as error:  # a field file, which is read with the command line
        assert ".toml: no such file" in str(error)


def check_script(words):
    """Assert that a script of the checkout exists, and names the options that it is given."""
    if words and words[0] == "-m":
        return
    scripts = [word for word in words if word.endswith(".py")]
    if not scripts or not scripts[0].startswith(("tests/", "data/", "docs/")):
        return
    text = (ROOT / scripts[0]).read_text()
    for word in words[words.index(scripts[0]) + 1 :]:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in text, f"{scripts[0]} has no {word}"


@pytest.mark.parametrize("page", pages(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shell_blocks(page, tmp_path, recorders, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fields").mkdir()
    (tmp_path / "fields" / "a.toml").touch()
    from pixsed.cli import options

    monkeypatch.setattr(options, "_state", dict(options._state))
    for block in blocks(page):
        if block.language != "shell":
            continue
        for program, *words in recorded(block, tmp_path, recorders):
            if program == "parallel":
                program, *words = words[: words.index(":::")]
                words = [word.replace("{}", "1") for word in words]
            try:
                if program == "pixsed":
                    check_pixsed(words)
                elif program.startswith("python"):
                    check_script(words)
            except click.UsageError as error:
                pytest.fail(f"line {block.line}: pixsed {' '.join(words)}: {error.message}")


@pytest.mark.parametrize("page", pages(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_python_blocks(page):
    for block in blocks(page):
        if block.language == "python":
            compile(block.code, f"{page.name}, line {block.line}", "exec")


def test_every_block_has_a_language():
    known = {"shell", "python", "text", "toml", "json", "bibtex", "ini", "yaml", "none"}
    found = {(b.page.name, b.line, b.language) for page in pages() for b in blocks(page)}
    assert {place for place in found if place[2] not in known} == set()


def test_a_wrong_command_line_is_found():
    for words in (
        ["fit", "a.fits", "--no-such"],
        ["no-such"],
        ["bkg"],
        ["fit", "a", "--seed", "x"],
    ):
        with pytest.raises(click.UsageError):
            check_pixsed(words)
    check_pixsed(["fit", "a.fits", "-o", "b.fits"])
    check_pixsed(["fit", "--help"])
