"""Options of all commands that take numbers refuse NaN and infinite values."""

import click
import pytest
from click.testing import CliRunner

from pixsed.cli.main import COMMANDS, cli
from pixsed.cli.options import FiniteFloat, FiniteRange


def options(kind):
    """Return (command, option, values) of every option whose type is one of `kind`."""
    found = []
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        for param in command.params:
            if isinstance(param.type, kind):
                found.append((name, param.opts[-1], param.nargs))
    return found


FLOATS = options(click.types.FloatParamType | click.FloatRange)
INTEGERS = options(click.IntRange)


def refused(command, option, value, nargs=1):
    words = [f"{option}={value}"] if nargs == 1 else [option, *[value] * nargs]
    return CliRunner().invoke(cli, [command, *words])


def test_every_float_is_of_the_shared_types():
    assert len(FLOATS) >= 25
    for name in COMMANDS:
        for param in cli.get_command(click.Context(cli), name).params:
            if isinstance(param.type, click.types.FloatParamType):
                assert isinstance(param.type, FiniteFloat | FiniteRange), (name, param.opts)


@pytest.mark.parametrize(
    "value", ["nan", "inf", "-inf", "NaN", "-nan", "Infinity", "1e400", "-1e999"]
)
@pytest.mark.parametrize(("command", "option", "nargs"), FLOATS)
def test_what_is_not_finite(command, option, nargs, value):
    result = refused(command, option, value, nargs)
    assert result.exit_code == 2
    assert f"Invalid value for '{option}'" in result.stderr or f"'{option}'" in result.stderr
    assert "must be a finite number" in result.stderr or "is not in the range" in result.stderr


@pytest.mark.parametrize("value", ["", "abc", "1,5", "1e", "0x10", "5%"])
@pytest.mark.parametrize(("command", "option", "nargs"), FLOATS)
def test_what_is_no_number(command, option, nargs, value):
    result = refused(command, option, value, nargs)
    assert result.exit_code == 2 and option in result.stderr


@pytest.mark.parametrize("value", ["-1", "1.5", "nan", "inf", "1e3", "", "9" * 40, "-" + "9" * 40])
@pytest.mark.parametrize(("command", "option", "nargs"), INTEGERS)
def test_integers_out_of_range(command, option, nargs, value):
    if value == "9" * 40 and option in UNBOUNDED:
        pytest.skip("as large as one likes")
    result = refused(command, option, value, nargs)
    assert result.exit_code == 2 and option in result.stderr


# Large values are clipped to the number of pixels, tasks or rows.
UNBOUNDED = (
    "--box",
    "--jobs",
    "--max-stars",
    "--epochs",
    "--batch",
    "--patience",
    "--ensemble",
    "--per-bin",
    "-n",
)


@pytest.mark.parametrize("value", ["2**63", "9223372036854775808", "18446744073709551616", "-1"])
@pytest.mark.parametrize("command", [c for c, option, _ in INTEGERS if option == "--seed"])
def test_seeds(command, value):
    assert refused(command, "--seed", value).exit_code == 2


@pytest.mark.parametrize("value", ["-100", "-1e-3", "0", "3", "1e30"])
def test_a_negative_cut_is_a_cut(value, tmp_path):
    """A negative cut is valid: the error is about the input, not about the option."""
    out = str(tmp_path / "m.fits")
    result = CliRunner().invoke(cli, ["fit", "no.fits", "--snr-min", value, "-o", out])
    assert result.exit_code == 1 and "no such file" in str(result.exception)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fit", "--tile", "0"], "--tile"),
        (["fit", "--tile", "²"], "--tile"),
        (["fit", "--tile", "3,"], "--tile"),
        (["fit", "--tile", "1,2,3"], "--tile"),
        (["fit", "--tile", "nan"], "--tile"),
        (["fit", "--tile", "-5"], "--tile"),
        (["fit", "--part", "0/2"], "--part"),
        (["fit", "--part", "3/2"], "--part"),
        (["fit", "--part", "²/3"], "--part"),
        (["fit", "--part", "1/1e3"], "--part"),
        (["fit", "--quantiles", "nan"], "--quantiles"),
        (["fit", "--quantiles", "0"], "--quantiles"),
        (["fit", "--quantiles", "0.5,inf"], "--quantiles"),
        (["fit", "--quantiles", ""], "--quantiles"),
        (["fit", "--quantiles", "0.1;0.2"], "--quantiles"),
        (["fit", "--quantiles", "1"], "--quantiles"),
        (["bin", "--bands", ""], "--bands"),
        (["bin", "--bands", " , "], "--bands"),
        (["plot", "--property", ""], "--property"),
        (["simulate", "--bands", ","], "--bands"),
        (["validate", "--cases", ""], "--cases"),
        (
            ["cutout", "a.fits", "--segmap", "s.fits", "--redshift", "1", "--id", "²", "-o", "x"],
            "--id",
        ),
        (
            [
                "cutout",
                "a.fits",
                "--segmap",
                "s.fits",
                "--redshift",
                "1",
                "--id",
                "1",
                "--pad",
                "nan",
                "-o",
                "x",
            ],
            "--pad",
        ),
        (
            [
                "cutout",
                "a.fits",
                "--position",
                "nan",
                "1",
                "--size",
                "1",
                "--redshift",
                "1",
                "-o",
                "x",
            ],
            "--position",
        ),
        (
            [
                "cutout",
                "a.fits",
                "--position",
                "1",
                "inf",
                "--size",
                "1",
                "--redshift",
                "1",
                "-o",
                "x",
            ],
            "--position",
        ),
    ],
)
def test_numbers_within_a_text(args, message):
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 2 and message in result.stderr
