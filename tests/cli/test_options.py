import click
import pytest

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
    command = click.Command("c", params=[click.Option(["--names"], type=Names(upper))],
                            callback=lambda names: names)  # fmt: skip
    assert command.main(args, standalone_mode=False) == expected


def test_names_that_come_again():
    option = click.Option(["--names"], type=Names(), multiple=True)
    command = click.Command("c", params=[option], callback=lambda names: names)
    args = ["--names", "a,b", "--names", "c"]
    assert command.main(args, standalone_mode=False) == (["a", "b"], ["c"])
