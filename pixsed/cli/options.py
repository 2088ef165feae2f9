"""Options that several subcommands share, each defined once."""

import contextlib
import functools
import logging
import math
import os
import sys
import warnings

import click

from pixsed import __version__

#: Draws of a pixel, at most: a batch of pixels has to fit in memory.
MOST_SAMPLES = 20_000
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
        with contextlib.suppress(OSError):  # the work goes on without its listener
            click.echo(message, err=True)


class _Log(logging.Handler):
    """Writes the lines of the log `pixsed` to stderr, each once."""

    def __init__(self):
        super().__init__()
        self._said = set()

    def emit(self, record):
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            say(f"pixsed: {text}")


def _set_quiet(ctx, param, value):
    _state["quiet"] = value
    if value:
        warnings.simplefilter("ignore")


def _set_verbose(ctx, param, value):
    _state["verbose"] = value
    log = logging.getLogger("pixsed")
    log.setLevel({0: logging.WARNING, 1: logging.INFO}.get(value, logging.DEBUG))
    log.handlers = [_Log()] if value else []
    if value and not _state["quiet"] and not sys.warnoptions:
        warnings.simplefilter("default")


def _tell_of_run(context):
    """Say, with `-v`, what runs, on what versions, and with which options."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    versions = [f"pixsed {__version__}", f"Python {platform.python_version()}"]
    for package in ("numpy", "astropy", "onnxruntime"):
        with contextlib.suppress(PackageNotFoundError):
            versions.append(f"{package} {version(package)}")
    say("pixsed: " + ", ".join(versions))
    for param in context.command.params:
        if param.name in context.params:
            source = context.get_parameter_source(param.name)
            name = param.opts[0] if param.param_type_name == "option" else param.human_readable_name
            how = "" if source is None else f"  [{source.name.lower().replace('_', ' ')}]"
            say(f"pixsed: {context.info_name} {name} = {_shown(context.params[param.name])}{how}")


def _refuse_empty(context):
    """Raise `click.UsageError` if an option has an empty text: of a script's unset variable."""
    for param in context.command.params:
        if param.nargs > 1:  # numbers, checked as such
            continue
        value = context.params.get(param.name)
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and not text.strip():
                name = param.opts[0] if param.param_type_name == "option" else "a name"
                raise click.UsageError(f"{name} is given without a value (an empty text)")


def _shown(value):
    if isinstance(value, list | tuple):
        words = [str(word) for word in value]
        more = f" ... ({len(words)} in all)" if len(words) > 10 else ""
        return " ".join(words[:10]) + more
    return "none" if value is None else str(value)


def quiet_verbose(function):
    """Add `-q` and `-v`; refuse options of an empty text; with `-v`, say what runs."""

    @functools.wraps(function)
    def told(*args, **kwargs):
        context = click.get_current_context()
        _refuse_empty(context)
        if _state["verbose"]:
            _tell_of_run(context)
        return function(*args, **kwargs)

    told = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_verbose,
        help="Say more: versions, options, files; twice for the traceback of an error.",
    )(told)
    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_set_quiet,
        is_eager=True,
        help="Say nothing but errors.",
    )(told)


class _Finite:
    """Refuses NaN and infinite values."""

    def convert(self, value, param, ctx):
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} must be a finite number.", param, ctx)
        return found


class FiniteFloat(_Finite, click.types.FloatParamType):
    """Type of an option that takes a finite number."""


class FiniteRange(_Finite, click.FloatRange):
    """Type of an option that takes a finite number in a range, as of `click.FloatRange`."""


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
        if not words:
            self.fail(f"{value!r} names nothing.", param, ctx)
        return [word.upper() for word in words] if self._upper else words


def output(help="File to write; - for standard output.", **kwargs):
    """Add `-o/--output` (required) and `--overwrite`; what is read is not written over."""

    def decorate(function):
        @functools.wraps(function)
        def protected(*args, **kwargs):
            from pixsed.io.outputs import protected_inputs

            context = click.get_current_context()
            _check_outputs(context)
            with protected_inputs(_files_named(context)):
                return function(*args, **kwargs)

        protected = click.option(
            "--overwrite", is_flag=True, help="Replace the output if it is there."
        )(protected)
        return click.option(
            "-o", "--output", required=True, type=click.Path(allow_dash=True), help=help, **kwargs
        )(protected)

    return decorate


_OUTPUTS = ("output", "plot", "card", "curve")
#: Options that name what is written, or a file that is gone on with.
_NO_INPUTS = (*_OUTPUTS, "overwrite", "resume")


def _check_outputs(context):
    """Raise `click.UsageError` if two options name one file to write."""
    found = {}
    for param in context.command.params:
        path = context.params.get(param.name)
        if param.name not in _OUTPUTS or not isinstance(path, str):
            continue
        other = found.setdefault(os.path.realpath(path), param.opts[0])
        if other != param.opts[0]:
            raise click.UsageError(f"{other} and {param.opts[0]} are both {path}; give two names")


def _files_named(context):
    """Return the input files that a command's arguments and options may name."""
    from pixsed.errors import PixsedError
    from pixsed.io.locate import expand_locations

    paths = []
    for name, value in context.params.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and name not in _NO_INPUTS:
                paths.append(text)
                with contextlib.suppress(PixsedError):
                    paths += [place.path for place in expand_locations([text])]
    return paths


hdu = click.option(
    "--hdu",
    metavar="EXT",
    help="Extension to read, by name or number, where path[EXT] does not say it.",
)

seed = click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**63 - 1),
    default=42,
    show_default=True,
    help="Seed of the random numbers.",
)


def _cores():
    from pixsed.cores import cores

    return cores()


jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=_cores,
    show_default="the cores it may use",
    help="Processes or threads at once.",
)

scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Dask scheduler whose workers do the work, as tcp://host:8786, in place of --jobs.",
)

model = click.option(
    "--model",
    "model",
    default="tau",
    show_default=True,
    metavar="NAME|FILE",
    help="A shipped model's name, or an .onnx file.",
)


error_floor = click.option(
    "--error-floor",
    type=FiniteRange(min=0, max=1),
    default=0.0,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of the flux added to the errors in quadrature, for what they leave out: zero "
    "points, matched PSFs, the models themselves; 0.05 is usual.",
)


def noise(default, help):
    """Add `--noise` and `--noise-floor`."""

    def decorate(function):
        function = click.option(
            "--noise-floor",
            type=FiniteRange(min=0),
            default=0.0,
            metavar="FRACTION",
            help="With a FILE: this fraction of the flux, added in quadrature to the errors; "
            "without it they stop growing in the brightest bin, as in the paper.",
        )(function)
        return click.option(
            "--noise",
            default=default,
            show_default=True,
            metavar="[wide|depth|FILE]",
            help=help,
        )(function)

    return decorate


def examples(*lines):
    """Return the epilog that ends a `--help`: the examples, kept line by line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)
