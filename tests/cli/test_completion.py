"""Completion of command lines by bash, zsh and fish."""

import gzip
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import click
import fakes
import pytest
from astropy.io import fits
from click.shell_completion import ShellComplete, get_completion_class

import pixsed
from pixsed.cli.completion import SHELLS
from pixsed.cli.hdu_names import hdu_names
from pixsed.cli.main import COMMANDS, cli
from pixsed.io.formats.cube import write_cube
from pixsed.models import shipped
from pixsed.properties import PROPERTIES
from pixsed.simulate.priors import PRIORS

BANDS = ["F115W", "F200W", "F277W", "F356W", "F444W"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a folder with a cube, a model and an image."""
    folder = tmp_path_factory.mktemp("completion")
    write_cube(fakes.make_cube(), folder / "cube.fits")
    (folder / "mine.onnx").write_text("")
    image = fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(name="SCI"), fits.ImageHDU(name="WHT")])
    image.writeto(folder / "im.fits")
    return folder


@pytest.fixture
def complete(folder, monkeypatch):
    """Return a function: the completions of a command line, as values, through click's API."""
    monkeypatch.chdir(folder)

    def run(line):
        *args, incomplete = line.split(" ")
        return ShellComplete(cli, {}, "pixsed", "_PIXSED_COMPLETE").get_completions(
            args, incomplete
        )

    return run


def values(items):
    return [item.value for item in items]


def test_commands_with_their_help(complete):
    found = complete("")
    assert values(found) == list(COMMANDS)
    assert {item.value: item.help for item in found} == COMMANDS
    assert values(complete("psf")) == ["psf", "psfmatch"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fit --model ", [*shipped(), "mine.onnx"]),
        ("fit --model br", [name for name in shipped() if name.startswith("br")]),
        ("fit --model m", ["mine.onnx"]),
        ("validate ta", ["tau"]),
        ("models d", ["dirichlet"]),
        ("export --name d", []),
        ("fit im.fits --hdu ", ["SCI", "WHT"]),
        ("fit F115W=im.fits --hdu s", ["SCI"]),
        ("fit im.fits[", ["im.fits[SCI]", "im.fits[WHT]"]),
        ("fit im.fits[w", ["im.fits[WHT]"]),
        ("cutout F115W=im.fits[S", ["F115W=im.fits[SCI]"]),
        ("cutout F115W=i", ["F115W=im.fits"]),
        ("cutout F115W=", ["F115W=cube.fits", "F115W=im.fits", "F115W=mine.onnx"]),
        ("cutout F*=i", ["F*=im.fits"]),
        ("rgb --red F444W=im.fits[W", ["F444W=im.fits[WHT]"]),
        ("fit im.fits --err ", ["SCI", "WHT"]),
        ("bin cube.fits --bands ", BANDS),
        ("bin cube.fits --bands F115W,F2", ["F115W,F200W", "F115W,F277W"]),
        ("rgb cube.fits --bands F444W,F115", ["F444W,F115W"]),
        ("corner cube.fits --unit F4", ["F444W="]),
        ("plot maps.fits --property LOGMS", ["LOGMSTAR"]),
        ("plot maps.fits --property LOGMSTAR,logm", ["LOGMSTAR,LOGMFORM"]),
        ("corner cube.fits --truth METAL", ["METAL="]),
        ("simulate --prior ", list(PRIORS)),
        ("fit --engine ", ["flow", "quantile"]),
        ("cite sum", ["sum-mass"]),
        ("completion ", list(SHELLS)),
        ("profile --radius-unit k", ["kpc"]),
        ("fit --qu", ["--quantiles", "--quiet"]),
    ],
)
def test_values(complete, line, expected):
    assert values(complete(line)) == expected


def test_all_bands_without_a_cube(complete):
    assert {"F070W", "UVIS_F275W"} <= set(values(complete("simulate --bands ")))


def test_all_properties(complete):
    assert values(complete("plot maps.fits --property ")) == list(PROPERTIES)


@pytest.mark.parametrize(
    "line",
    [
        "fit ",
        "fit cu",
        "fit --segmap ",
        "fit cube.fits --catalog ",
        "psfmatch im.fits --psf ",
        "ppc cube.fits --maps ",
        "fit cube.fits --zero-points ",
        "train sims.fits --ssp ",
        "ssp --sps-home ",
        "cite none",
        "fit --log ",
        "compare ",
    ],
)
def test_files_are_completed_by_the_shell(complete, line):
    [item] = complete(line)
    assert item.type == "file"


def test_every_parameter_that_takes_a_file_is_completed():
    # Text without a completion is a number, a name or a column; a new option shows up here.
    context = click.Context(cli, resilient_parsing=True)
    without = set()
    for name in COMMANDS:
        for param in cli.get_command(context, name).params:
            text = isinstance(param.type, click.types.StringParamType)
            if text and not getattr(param, "is_flag", False):
                if not hasattr(param.shell_complete, "func"):
                    without.add(param.opts[-1] if param.opts else param.name)
    columns = {option for option in without if option.endswith("-col")}
    assert without - columns <= {
        *("--id", "--pad", "--position", "--tile", "--quantiles", "--scheduler", "--part"),
        *("--centre", "--radii", "--reff", "--program", "--depth", "--name", "--by"),
        *("--max-bias", "--coverage-range", "--output"),
    }


def test_options_beside_a_field_file_that_is_not_there(complete):
    assert values(complete("fit absent.toml --model-f")) == ["--model-fluxes"]


def test_completion_writes_nothing(complete, folder):
    before = sorted(os.listdir(folder))
    complete("fit --log new.log --no-verify -o out.fits cube.fits --model ")
    assert sorted(os.listdir(folder)) == before
    assert "PIXSED_NO_VERIFY" not in os.environ


class TestHduNames:
    def test_as_astropy(self, folder):
        with fits.open(folder / "cube.fits") as hdulist:
            expected = [hdu.name for hdu in hdulist if hdu.name != "PRIMARY"]
        assert hdu_names(folder / "cube.fits") == expected

    def test_gzipped(self, folder, tmp_path):
        path = tmp_path / "im.fits.gz"
        path.write_bytes(gzip.compress((folder / "im.fits").read_bytes()))
        assert hdu_names(path) == ["SCI", "WHT"]

    @pytest.mark.parametrize("content", [b"", b"text", b"SIMPLE  =", b"\x1f\x8bnot gzip"])
    def test_other_files(self, tmp_path, content):
        path = tmp_path / "file"
        path.write_bytes(content)
        assert hdu_names(path) == []

    def test_damaged(self, folder, tmp_path):
        content = (folder / "im.fits").read_bytes()
        for cut in range(0, len(content), 1000):
            (tmp_path / "cut.fits").write_bytes(content[:cut])
            assert set(hdu_names(tmp_path / "cut.fits")) <= {"SCI", "WHT"}
        (tmp_path / "bad.fits").write_bytes(content.replace(b"NAXIS   =", b"NOXIS   ="))
        assert hdu_names(tmp_path / "bad.fits") == []

    def test_no_such_file(self, tmp_path):
        assert hdu_names(tmp_path / "none.fits") == []


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts(run_cli, shell, monkeypatch):
    made = get_completion_class(shell)(cli, {}, "pixsed", "_PIXSED_COMPLETE")
    result = run_cli("completion", shell)
    assert result.exit_code == 0
    assert result.stdout.strip() == made.source().strip()
    assert f"_PIXSED_COMPLETE={shell}_complete" in result.stdout


def environment(folder):
    """Return the environment of a shell that has this pixsed as a command."""
    command = folder / "bin" / "pixsed"
    command.parent.mkdir(exist_ok=True)
    command.write_text(f"#!{sys.executable}\nfrom pixsed.__main__ import main\nmain()\n")
    command.chmod(0o755)
    place = str(Path(pixsed.__file__).parents[1])
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PYTHONPATH": place, "PATH": path}


#: Shell -> script that prints the completions of ``pixsed fit --model br`` and of ``im.fits[``.
IN_SHELLS = {
    "bash": """
        eval "$(pixsed completion bash)"
        COMP_WORDS=(pixsed fit --model br); COMP_CWORD=3; COMPREPLY=()
        _pixsed_completion pixsed br --model 2>/dev/null; echo "${COMPREPLY[@]}"
        COMP_WORDS=(pixsed fit 'im.fits['); COMP_CWORD=2; COMPREPLY=()
        _pixsed_completion pixsed 'im.fits[' fit 2>/dev/null; echo "${COMPREPLY[@]}"
    """,
    "fish": """
        pixsed completion fish | source
        complete --do-complete 'pixsed fit --model br' | cut -f1 | tr '\\n' ' '; echo
        complete --do-complete 'pixsed fit im.fits[' | cut -f1 | tr '\\n' ' '; echo
    """,
    # zsh completes in its line editor only: compadd is replaced by a function that prints.
    "zsh": """
        autoload -U compinit; compinit -u -d $PWD/bin/dump
        eval "$(pixsed completion zsh)"
        compadd() { print -r -- ${completions} }
        _describe() { print -r -- ${completions_with_descriptions} }
        words=(pixsed fit --model br); CURRENT=4; _pixsed_completion
        words=(pixsed fit 'im.fits['); CURRENT=3; _pixsed_completion
    """,
}


@pytest.mark.parametrize("shell", SHELLS)
def test_in_the_shell(folder, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    script = textwrap.dedent(IN_SHELLS[shell])
    done = subprocess.run(
        [shell, "-c", script],
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(folder),
        timeout=100,
    )
    models, hdus = [line for line in done.stdout.splitlines() if line.strip()][-2:]
    assert set(models.split()) == {name for name in shipped() if name.startswith("br")}, done
    assert hdus.split() == ["im.fits[SCI]", "im.fits[WHT]"], done


def test_completion_imports_nothing_heavy(folder):
    code = (
        "import sys\nfrom pixsed.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'scipy', 'astropy', 'onnxruntime', 'torch'} & set(sys.modules)\n"
        "print('heavy:', *heavy)\n"
    )
    for line in ("pixsed f", "pixsed fit --model t", "pixsed fit cube.fits --hdu F"):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=folder,
            env=environment(folder)
            | {
                "COMP_WORDS": line,
                "COMP_CWORD": str(line.count(" ")),
                "_PIXSED_COMPLETE": "bash_complete",
            },
        )
        assert done.stdout.endswith("heavy:\n") and "plain," in done.stdout, done
