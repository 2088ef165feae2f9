"""Options that several subcommands share, each defined once."""

import sys

import click

_state = {"verbose": 0, "quiet": False}


def verbosity():
    """Return 0, or the number of `-v` given."""
    return _state["verbose"]


def show_progress():
    """Return whether a progress bar is wanted: stderr is a terminal and no `-q`."""
    return not _state["quiet"] and sys.stderr.isatty()


def say(message):
    """Write a line about the work done to stderr, unless `-q` was given."""
    if not _state["quiet"]:
        click.echo(message, err=True)


def _set_state(key):
    def callback(ctx, param, value):
        _state[key] = value
        if key == "quiet" and value:
            import warnings

            from pixsed.errors import PixsedWarning

            warnings.simplefilter("ignore", PixsedWarning)
        return value

    return callback


def quiet_verbose(function):
    """Add `-q` and `-v`."""
    function = click.option(
        "-v", "--verbose", count=True, expose_value=False, callback=_set_state("verbose"),
        help="Say more; twice for the traceback of an error.",
    )(function)
    return click.option(
        "-q", "--quiet", is_flag=True, expose_value=False, callback=_set_state("quiet"),
        help="Say nothing but errors.",
    )(function)


class Names(click.ParamType):
    """Type of an option that takes names with commas between: a list of them.

    Parameters
    ----------
    upper : bool, optional
        Whether they are put in upper case.
    """

    name = "list"

    def __init__(self, upper=False):
        self._upper = upper

    def convert(self, value, param, ctx):
        if isinstance(value, list):  # click converts what is converted
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        return [word.upper() for word in words] if self._upper else words


def output(help="File to write; - for standard output.", **kwargs):
    """Add `-o/--output` (required) and `--overwrite`."""

    def decorate(function):
        function = click.option(
            "--overwrite", is_flag=True, help="Replace the output if it is there."
        )(function)
        return click.option(
            "-o", "--output", required=True, type=click.Path(allow_dash=True), help=help, **kwargs
        )(function)

    return decorate


hdu = click.option(
    "--hdu", metavar="EXT",
    help="Extension to read, by name or number, where path[EXT] does not say it.",
)

seed = click.option(
    "--seed", type=click.IntRange(min=0), default=42, show_default=True,
    help="Seed of the random numbers.",
)


def _cores():
    from pixsed.parallel import cores

    return cores()


jobs = click.option(
    "--jobs", type=click.IntRange(min=1), default=_cores,
    show_default="the cores it may use", help="Processes or threads at once.",
)

scheduler = click.option(
    "--scheduler", metavar="ADDRESS",
    help="Dask scheduler whose workers do the work, as tcp://host:8786, in place of --jobs.",
)

model = click.option(
    "--model", "model", default="tau", show_default=True, metavar="NAME|FILE",
    help="A shipped model's name, or an .onnx file.",
)


error_floor = click.option(
    "--error-floor", type=click.FloatRange(min=0, max=1), default=0.0, show_default=True,
    metavar="SHARE",
    help="Share of the flux added to the errors in quadrature, for what they leave out: zero "
         "points, matched PSFs, the models themselves; 0.05 is usual.",
)


def noise(default, help):
    """Add `--noise` and `--noise-floor`."""

    def decorate(function):
        function = click.option(
            "--noise-floor", type=click.FloatRange(min=0), default=0.0, metavar="SHARE",
            help="With a FILE: this share of the flux, added in quadrature to the errors; "
                 "without it they stop growing in the brightest bin, as in the paper.",
        )(function)
        return click.option(
            "--noise", default=default, show_default=True, metavar="[wide|depth|FILE]", help=help,
        )(function)

    return decorate


def examples(*lines):
    """Return the epilog that ends a `--help`: the examples, kept line by line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
