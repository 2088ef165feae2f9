"""Man pages: their text, the characters of roff, and how they are installed."""

import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

import pixsed
from pixsed.cli.command_reference import CommandReference, Parameter, command_references
from pixsed.cli.main import COMMANDS
from pixsed.cli.man_pages import man_page, write_man_pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    return write_man_pages(tmp_path_factory.mktemp("man") / "man1")


def test_a_page_per_command(pages):
    assert [page.name for page in pages] == [
        "pixsed.1",
        *(f"pixsed-{name}.1" for name in COMMANDS),
    ]


def test_sections(pages):
    text = pages[list(COMMANDS).index("fit") + 1].read_text()
    assert text.startswith(f'.TH PIXSED\\-FIT 1 "" "pixsed {pixsed.__version__}"')
    heads = [line[4:] for line in text.splitlines() if line.startswith(".SH ")]
    assert heads == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "OPTIONS",
        "EXAMPLES",
        "ENVIRONMENT",
        "EXIT STATUS",
        "SEE ALSO",
    ]
    assert "\\fB\\-\\-samples\\fR \\fIINTEGER\\fR" in text
    assert "integer from 2 to 20000; default: 128; variable: PIXSED_FIT_SAMPLES" in text
    assert "pixsed fit 531.fits" in text


def test_the_page_of_the_group_has_the_commands(pages):
    text = pages[0].read_text()
    for name, summary in COMMANDS.items():
        assert f"\\fBpixsed\\-{name}\\fR(1)".replace("sum-", "sum\\-") in text
        assert summary.split()[0] in text


def test_field_files_are_described():
    found = {reference.name: reference.description for reference in command_references()}
    for name in ("bkg", "psfmatch", "cutout", "fit", "sum-mass", "check"):
        assert found[f"pixsed {name}"][-1][0].startswith("With FIELD.toml, a field file,")
    assert "FIELD.toml" not in found["pixsed merge"][-1][0]


def test_characters_of_roff():
    option = Parameter(("--x",), "", "flag", "", "", ".hidden 'a' \\b ~c ^d", False, False)
    page = man_page(
        CommandReference("pixsed x", ".y", "", ((".z\nw", True),), (), (option,), (), ())
    )
    lines = page.splitlines()
    assert "\\&.z" in lines and "pixsed\\-x \\- \\&.y" in lines
    assert "\\&.hidden \\(aqa\\(aq \\eb \\(tic \\(had" in lines


@pytest.mark.parametrize("program", ["mandoc", "man"])
def test_formatted_without_warnings(pages, program):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    options = {"mandoc": ["-T", "lint", "-W", "error"], "man": ["--warnings=all", "-l"]}[program]
    for page in pages:
        done = subprocess.run(
            [program, *options, str(page)],
            capture_output=True,
            text=True,
            env=os.environ | {"LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
        )
        assert done.returncode == 0 and not done.stderr, (page.name, done.stdout, done.stderr)


def test_the_build_needs_click_alone(tmp_path):
    # setup.py makes the pages where no other requirement is installed.
    code = (
        "import sys\n"
        "for name in ('numpy', 'astropy', 'scipy', 'onnxruntime', 'photutils', 'tqdm'):\n"
        "    sys.modules[name] = None\n"
        "from pixsed.cli.man_pages import write_man_pages\n"
        f"assert len(write_man_pages({str(tmp_path)!r})) == {len(COMMANDS) + 1}\n"
    )
    place = str(Path(pixsed.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": place},
    )
    assert done.returncode == 0, done.stderr


def test_installed():
    try:
        files = distribution("pixsed").files or []
    except PackageNotFoundError:
        pytest.skip("pixsed is not installed, only importable")
    # The record of a build in the clone has no hashes.
    if not any(file.name == "main.py" and file.hash for file in files):
        pytest.skip("an editable install, which has no man pages")
    found = {file.name for file in files if file.parent.as_posix().endswith("share/man/man1")}
    assert found == {"pixsed.1", *(f"pixsed-{name}.1" for name in COMMANDS)}


def test_references_have_types_defaults_and_variables():
    found = {r.name: {o.names[-1]: o for o in r.options} for r in command_references()}
    fit = found["pixsed fit"]
    assert fit["--engine"].kind == "one of flow, quantile" and fit["--engine"].default == "flow"
    assert fit["--redshift"].kind == "number from 0"
    assert fit["--overwrite"].kind == "flag" and fit["--overwrite"].metavar == ""
    assert fit["--output"].required and fit["--output"].names == ("-o", "--output")
    assert fit["--jobs"].default == "the cores it may use"
    assert fit["--seed"].envvar == "PIXSED_FIT_SEED" and fit["--help"].envvar == ""
    assert found["pixsed sum-mass"]["--model"].envvar == "PIXSED_SUM_MASS_MODEL"
    assert found["pixsed sum-mass"]["--draws"].envvar == "PIXSED_SUM_MASS_DRAWS"
    assert found["pixsed profile"]["--property"].multiple
    assert found["pixsed profile"]["--axis-ratio"].kind == "number above 0 to 1"
