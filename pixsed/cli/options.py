"""Options shared by several subcommands."""

import contextlib
import functools
import logging
import math
import os
import re
import sys
import warnings

import click

from pixsed.checks import MAX_SEED
from pixsed.cli.described import described_options
from pixsed.cli.log_file import OnceHandler, log_option, logging_to_file, record
from pixsed.environment import NO_VERIFY, variables
from pixsed.models import DEFAULT

_state = {"verbose": 0, "quiet": False}


def verbosity():
    """Return the number of `-v` given."""
    return _state["verbose"]


def show_progress():
    """Return whether to show a progress bar: stderr is a terminal, and `-q` is not given."""
    return not _state["quiet"] and sys.stderr.isatty()


def is_quiet():
    """Return whether `-q` is given."""
    return _state["quiet"]


def say(message):
    """Write a progress message to stderr, unless `-q` is given, and to the file of `--log`."""
    record(message)
    _show(message)


def complain(message):
    """Write the message of an error to stderr, which `-q` does not silence, and to `--log`."""
    record(f"error: {message}")
    click.echo(f"pixsed: error: {message}", err=True)


def _show(message):
    if not _state["quiet"]:
        with contextlib.suppress(OSError):  # a closed stderr does not stop the work
            click.echo(message, err=True)


def _set_quiet(ctx, param, value):
    _state["quiet"] = value
    if value:
        warnings.simplefilter("ignore")


def _set_no_verify(ctx, param, value):
    """Set the variable, which worker processes inherit, until the command ends."""
    if value and not ctx.resilient_parsing:
        ctx.with_resource(variables(**{NO_VERIFY: "1"}))


def _set_verbose(ctx, param, value):
    _state["verbose"] = value
    log = logging.getLogger("pixsed")
    log.setLevel({0: logging.WARNING, 1: logging.INFO}.get(value, logging.DEBUG))
    log.handlers = [OnceHandler(lambda text: _show(f"pixsed: {text}"))] if value else []
    if logging_to_file():
        log.setLevel(min(log.level, logging.INFO))
        log.handlers.append(OnceHandler(record))
    if value and not _state["quiet"] and not sys.warnoptions:
        warnings.simplefilter("default")


def _refuse_empty(context):
    """Raise `click.UsageError` if an option is empty, for example from an unset shell variable."""
    for param in context.command.params:
        if param.nargs > 1:  # these are numbers
            continue
        value = context.params.get(param.name)
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and not text.strip():
                name = param.opts[0] if param.param_type_name == "option" else "a name"
                raise click.UsageError(f"{name} is given without a value (an empty text)")


def quiet_verbose(function):
    """Add `-q`, `-v`, `--log` and `--no-verify`; refuse empty texts; report the options."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        context = click.get_current_context()
        _refuse_empty(context)
        if _state["verbose"] or logging_to_file():
            for line in described_options(context):
                record(line)
                if _state["verbose"]:
                    _show(f"pixsed: {line}")
        return function(*args, **kwargs)

    wrapped = log_option(wrapped)
    wrapped = click.option(
        "--no-verify",
        is_flag=True,
        expose_value=False,
        callback=_set_no_verify,
        help="Read FITS files whose checksums do not verify, or that go on after the last HDU, and "
        "shipped models that differ.",
    )(wrapped)
    wrapped = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set_verbose,
        help="Report more: versions, options, files; twice (-vv) for the traceback of an error.",
    )(wrapped)
    return click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_set_quiet,
        is_eager=True,
        help="Report errors only.",
    )(wrapped)


class _Finite:
    """Mixin for types of options that refuse NaN and infinite values."""

    def convert(self, value, param, ctx):
        found = super().convert(value, param, ctx)
        if not math.isfinite(found):
            self.fail(f"{value!r} must be a finite number.", param, ctx)
        return found


class FiniteFloat(_Finite, click.types.FloatParamType):
    """Type of an option that takes a finite number."""


class FiniteRange(_Finite, click.FloatRange):
    """Type of an option that takes a finite number in a range, as `click.FloatRange`."""


class Names(click.ParamType):
    """Type of an option that takes names separated by commas, as a list.

    Parameters
    ----------
    upper : bool, optional
        Whether to convert them to upper case.
    """

    name = "list"

    def __init__(self, upper=False):
        self._upper = upper

    def convert(self, value, param, ctx):
        if isinstance(value, list):  # click may convert a value twice
            return value
        words = [word.strip() for word in value.split(",") if word.strip()]
        if not words:
            self.fail(f"{value!r} must have at least one name.", param, ctx)
        return [word.upper() for word in words] if self._upper else words


def properties(help):
    """Add the option --property, whose value is the list of all the names that are given."""

    def together(ctx, param, value):
        return [name for names in value for name in names]

    return click.option(
        "--property",
        "properties",
        multiple=True,
        type=Names(upper=True),
        metavar="PROP",
        callback=together,
        help=help,
    )


def output(help="Output file; - for standard output.", required=True, **kwargs):
    """Add `-o/--output` and `--overwrite`; refuse to overwrite an input."""

    def decorate(function):
        @functools.wraps(function)
        def protected(*args, **kwargs):
            from pixsed.io.outputs import protected_arguments

            context = click.get_current_context()
            _check_outputs(context)
            with protected_arguments(*_texts(context)):
                return function(*args, **kwargs)

        protected = click.option(
            "--overwrite", is_flag=True, help="Replace the output if it exists."
        )(protected)
        return click.option(
            "-o",
            "--output",
            required=required,
            type=click.Path(allow_dash=True),
            help=help,
            **kwargs,
        )(protected)

    return decorate


_OUTPUTS = ("output", "plot", "card", "curve", "propose")
#: Options that do not name an input.
_NO_INPUTS = (*_OUTPUTS, "overwrite", "resume")


def _check_outputs(context):
    """Raise `click.UsageError` if two options name the same output."""
    found = {}
    for param in context.command.params:
        path = context.params.get(param.name)
        if param.name not in _OUTPUTS or not isinstance(path, str):
            continue
        other = found.setdefault(os.path.realpath(path), param.opts[0])
        if other != param.opts[0]:
            raise click.UsageError(f"{other} and {param.opts[0]} are both {path}; give two names")


def _texts(context):
    """Return the arguments and options of a command that may name input files."""
    return [
        text
        for name, value in context.params.items()
        for text in (value if isinstance(value, list | tuple) else [value])
        if name not in _NO_INPUTS
    ]


hdu = click.option(
    "--hdu",
    metavar="EXT",
    help="Extension to read, by name or number, if path[EXT] does not give it.",
)

seed = click.option(
    "--seed",
    type=click.IntRange(min=0, max=MAX_SEED),
    default=42,
    show_default=True,
    help="Seed of the random numbers.",
)


def _cores():
    from pixsed.cores import cores

    return cores()


jobs = click.option(
    "--jobs",
    type=click.IntRange(min=1, max=10_000),
    default=_cores,
    show_default="the cores it may use",
    help="Number of processes or threads.",
)

scheduler = click.option(
    "--scheduler",
    metavar="ADDRESS",
    help="Use the workers of this Dask scheduler, such as tcp://host:8786, instead of --jobs.",
)

model = click.option(
    "--model",
    "model",
    default=DEFAULT,
    show_default=True,
    metavar="NAME|FILE",
    help="Name of a shipped model, or an .onnx file.",
)


psf_fwhm = click.option(
    "--psf-fwhm",
    type=FiniteRange(min=0, min_open=True),
    metavar="ARCSEC",
    help="FWHM of the PSF, drawn as a circle.  [default: PSFFWHM of the header, from psfmatch; "
    "without it, no circle]",
)

error_floor = click.option(
    "--error-floor",
    type=FiniteRange(min=0, max=1),
    default=0.0,
    show_default=True,
    metavar="FRACTION",
    help="Fraction of the flux added to the errors in quadrature, for errors of zero points, PSF "
    "matching and models; 0.05 is usual.",
)

zero_points = click.option(
    "--zero-points",
    metavar="TABLE",
    help="Corrections of the data by band: columns BAND, OFFSET (mag, added to the observed "
    "magnitudes) or FACTOR (of the observed fluxes), and FLOOR (fraction added to the errors). "
    "'pixsed ppc --propose' writes such a table.",
)


def noise(default, help):
    """Add `--noise` and `--noise-floor`."""

    def decorate(function):
        function = click.option(
            "--noise-floor",
            type=FiniteRange(min=0),
            default=0.0,
            metavar="FRACTION",
            help="With --noise FILE: fraction of the flux added to the errors in quadrature. If 0, "
            "errors stop growing in the brightest bin, as in the paper.",
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
    """Return the epilog of a `--help`: the examples, kept line by line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def parse_part(ctx, param, value):
    """Return (I, N) for ``I/N``; None if it is not given."""
    if value is None:
        return None
    parts = value.split("/")
    if len(parts) == 2 and all(re.fullmatch(r"[0-9]{1,9}", part) for part in parts):
        number, of = map(int, parts)
        if 1 <= number <= of:
            return number, of
    raise click.BadParameter(f"{value!r} must be I/N, I from 1 to N, as 3/8")


def pairs(option, texts):
    """Return a dict of the NAME=VALUE of an option; NAME is in upper case."""
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name, value = name.strip().upper(), value.strip()
        if not (name and equals and value):
            raise click.UsageError(f"{option} {text!r} must be NAME=VALUE.")
        if name in found:
            raise click.UsageError(f"{option} {name} is given twice; give each band once.")
        found[name] = value
    return found
