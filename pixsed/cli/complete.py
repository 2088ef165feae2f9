"""Values that the shell completes: models, files and their HDUs, bands, properties, commands."""

import functools
import glob
import os
import re

import click
from click.shell_completion import CompletionItem

from pixsed.cli.hdu_names import hdu_names
from pixsed.io.location_text import split_band

#: Words of metavars that stand for files.
_FILES = re.compile(
    r"\b(CUBE|IMAGE|FIELD|MAPS?|TABLE|SEG|PSF|K|GRID|FILE|CHECKPOINT|SIMULATIONS|TRUTHS|PART|A|B|DIR)\b"
)


def attach(command):
    """Give the parameters of a command the values that the shell completes, in place."""
    for param in command.params:
        values = _values_of(param, command)
        if values is not None:
            param.shell_complete = functools.partial(_complete, values, param)


def _values_of(param, command):
    """Return the function of the values of a parameter; None if click has them, or none."""
    for names, values in _BY_NAME:
        if names & set(param.opts):
            return values
    if getattr(param, "is_flag", False):
        return None
    metavar = param.make_metavar(click.Context(command))
    if metavar == "BAND":
        return bands
    return files if _FILES.search(metavar) else None


def _complete(values, param, ctx, incomplete):
    found = values(ctx, param, incomplete)
    return [item if isinstance(item, CompletionItem) else CompletionItem(item) for item in found]


def models(ctx, param, incomplete):
    """Return the names of shipped models, and .onnx files."""
    from pixsed.models import shipped

    names = [name for name in shipped() if name.startswith(incomplete)]
    found = names + sorted(glob.glob(glob.escape(incomplete) + "*.onnx"))
    return found or files(ctx, param, incomplete)


def shipped_models(ctx, param, incomplete):
    """Return the names of shipped models."""
    from pixsed.models import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


def files(ctx, param, incomplete):
    """Return files, or after ``path[`` the HDUs of a file; ``BAND=`` may come first."""
    name, rest = split_band(incomplete, unfinished=True)
    band = "" if name is None else f"{name}="
    path, bracket, start = rest.rpartition("[")
    if bracket:
        return [f"{band}{path}[{name}]" for name in _starting(hdu_names(path), start)]
    if not band:
        return [CompletionItem(incomplete, type="file")]
    # The shell would complete the whole word, band included.
    paths = sorted(glob.glob(glob.escape(rest) + "*"))
    return [f"{band}{path}{'/' if os.path.isdir(path) else ''}" for path in paths]


def hdus(ctx, param, incomplete):
    """Return the HDUs of the files that the command line names."""
    return _starting(_hdus(ctx), incomplete)


def errors(ctx, param, incomplete):
    """Return the HDUs of the files, then files: values of ``--err``."""
    return [*hdus(ctx, param, incomplete)] or files(ctx, param, incomplete)


def bands(ctx, param, incomplete):
    """Return bands: those of the cube that the command line names, or all; after commas too."""
    return _listed(_bands(ctx), incomplete)


def band_values(ctx, param, incomplete):
    """Return ``BAND=`` of the options by band."""
    if "=" in incomplete:
        return []
    return [f"{band}=" for band in _starting(_bands(ctx), incomplete)]


def properties(ctx, param, incomplete):
    """Return properties, after commas too."""
    from pixsed.properties import PROPERTIES

    return _listed(PROPERTIES, incomplete)


def property_values(ctx, param, incomplete):
    """Return ``PROPERTY=``."""
    return [f"{name}=" for name in properties(ctx, param, incomplete)]


def commands(ctx, param, incomplete):
    """Return commands of pixsed, or files."""
    group = ctx.find_root().command
    found = _starting(group.list_commands(ctx), incomplete)
    return found or files(ctx, param, incomplete)


#: Options and arguments -> function (context, parameter, incomplete text) of their values.
_BY_NAME = (
    ({"--model", "model"}, models),
    ({"--hdu"}, hdus),
    ({"--err"}, errors),
    ({"--bands", "--target-name", "--reference"}, bands),
    ({"--unit", "--err-kind", "--fill"}, band_values),
    ({"--property", "--limit-for"}, properties),
    ({"--truth"}, property_values),
    ({"items"}, commands),
    ({"name"}, shipped_models),
)


def _starting(names, start):
    """Return the names that begin with a text, in any case."""
    return [name for name in names if name.upper().startswith(start.upper())]


def _listed(names, incomplete):
    """Return completions of the last name of a list with commas."""
    before, comma, start = incomplete.rpartition(",")
    given = before.upper().split(",")
    return [f"{before}{comma}{name}" for name in _starting(names, start) if name not in given]


def _paths(ctx):
    """Return the files that the arguments of the command line name."""
    words = list(ctx.args)  # click leaves arguments here if the last option has no value yet
    for param in ctx.command.params:
        value = ctx.params.get(param.name)
        if isinstance(param, click.Argument) and value:
            words += [value] if isinstance(value, str) else value
    found = [split_band(word)[1].partition("[")[0] for word in words]
    return [path for path in found if os.path.isfile(path)]


def _hdus(ctx):
    return list(dict.fromkeys(name for path in _paths(ctx) for name in hdu_names(path)))


def _bands(ctx):
    """Return the bands of the cube that the command line names, else all bands of pixsed."""
    names = _hdus(ctx)
    of_cube = [name for name in names if f"{name}_ERR" in names]
    if of_cube:
        return of_cube
    from pixsed.bands import BY_NAME

    return list(BY_NAME)
