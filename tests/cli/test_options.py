import importlib

import click
import pytest

from pixsed.cli.main import COMMANDS
from pixsed.cli.options import Names


@pytest.mark.parametrize(
    "upper, args, expected",
    [
        (False, ["--names", "a, B,,c,"], ["a", "B", "c"]),
        (True, ["--names", "a, B,,c,"], ["A", "B", "C"]),
        (False, [], None),
    ],
)
def test_names(upper, args, expected):
    command = click.Command(
        "c", params=[click.Option(["--names"], type=Names(upper))], callback=lambda names: names
    )
    assert command.main(args, standalone_mode=False) == expected


def test_names_that_come_again():
    option = click.Option(["--names"], type=Names(), multiple=True)
    command = click.Command("c", params=[option], callback=lambda names: names)
    args = ["--names", "a,b", "--names", "c"]
    assert command.main(args, standalone_mode=False) == (["a", "b"], ["c"])


@pytest.mark.parametrize("value", ["", ",", " , "])
def test_names_of_nothing(value):
    option = click.Option(["--names"], type=Names())
    with pytest.raises(click.BadParameter, match="must have at least one name"):
        click.Command("c", params=[option]).main(["--names", value], standalone_mode=False)


def empty_texts():
    """Yield each option of each command that takes text."""
    for name in COMMANDS:
        command = importlib.import_module(f"pixsed.cli.{name.replace('-', '_')}").command
        for param in command.params:
            if param.param_type_name == "option" and param.nargs == 1 and not param.is_flag:
                if isinstance(param.type, click.types.StringParamType | click.Path):
                    yield pytest.param(command, param, id=f"{name} {param.opts[0]}")


@pytest.mark.parametrize(("command", "option"), list(empty_texts()))
@pytest.mark.parametrize("value", ["", " "])
def test_an_unset_variable_of_a_script_is_no_value(run_cli, command, option, value):
    arguments = []
    for param in command.params:
        if param.param_type_name == "argument":
            arguments += ["a.fits"]
        elif param.required and param is not option:
            kind = getattr(param.type, "choices", ["1"])[0]
            arguments += [param.opts[0], kind]
    result = run_cli(command.name, *arguments, option.opts[0], value)
    assert result.exit_code == 2, result.stderr


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("validate", "tau", "s.fits"), ("-o", "--card")),
        (("validate", "tau", "s.fits"), ("-o", "--plot")),
        (("validate", "tau", "s.fits"), ("--card", "--plot")),
    ],
)
@pytest.mark.parametrize("other", ["r.fits", "./r.fits", "link.fits"])
def test_two_outputs_in_one_file(run_cli, tmp_path, monkeypatch, arguments, options, other):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.fits").symlink_to("r.fits")
    names = {"-o": "o.fits"} | dict(zip(options, ("r.fits", other), strict=True))
    given = [word for pair in names.items() for word in pair]
    result = run_cli(*arguments, *given, "--overwrite")
    assert result.exit_code == 2 and "are both" in result.stderr
