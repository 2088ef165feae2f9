"""Comparison of two command lines: do they make the same product?"""

import os
import shlex

import click

from pixsed.cli.field.options import long_name
from pixsed.errors import PixsedError
from pixsed.io.cards import fits_text
from pixsed.io.locate import parse_location

#: Options that do not change what is made.
_EXECUTION = (
    *("overwrite", "resume", "jobs", "tile", "part", "scheduler", "quiet", "verbose", "log"),
    *("no-verify", "help"),
)


def difference(name, command, there, asked, *, inputs=True):
    """Return how two command lines differ in what they make, as text; None if they do not.

    Parameters
    ----------
    name : str
        Name of the command.
    command : `click.Command`
    there : str
        Recorded command line, as PIXSCMD has it.
    asked : str
        Command line now.
    inputs : bool, optional
        Whether to compare the arguments.
    """
    try:
        lines = [shlex.split(fits_text(line)) for line in (there, asked)]
        if [words[1:2] for words in lines] != [[name]] * 2:
            return f"by '{_brief(there)}'"
        before, now = (_values(command, words[2:]) for words in lines)
    except (ValueError, click.UsageError):
        return None if there == fits_text(asked) else f"by '{_brief(there)}'"
    bases = [_folder(values.pop("output", ["."])[0]) for values in (before, now)]
    for param in command.params:
        is_input = param.param_type_name == "argument"
        if is_input and not inputs:
            continue
        key = param.name if is_input else long_name(param)
        a, b = before.get(key, []), now.get(key, [])
        if len(a) == len(b) and all(_same(*pair, *bases) for pair in zip(a, b, strict=True)):
            continue
        if is_input:
            return "from other images"
        return f"with --{key} {_shown(a)}, now {_shown(b)}"
    return None


def _brief(text):
    return text if len(text) <= 80 else text[:77] + "..."


def _shown(values):
    return "not given" if not values else _brief(" ".join(str(value) for value in values))


def _values(command, words):
    """Return long name -> list of values, of arguments and options, defaults included."""
    context = click.Context(command, resilient_parsing=True)
    parsed, left, _ = command.make_parser(click.Context(command)).parse_args(list(words))
    if left:
        raise ValueError
    found = {}
    for param in command.params:
        is_input = param.param_type_name == "argument"
        name = param.name if is_input else long_name(param)
        if name in _EXECUTION:
            continue
        value = parsed.get(param.name)
        if not isinstance(value, str | int | float | tuple | list):
            value = param.get_default(context)
        if not isinstance(value, str | int | float | tuple | list):
            continue
        value = param.type_cast_value(context, value)
        values = list(value) if isinstance(value, tuple | list) else [value]
        found[name] = [] if values == [False] else values
    return found


def _folder(output):
    """Return the folder of an output, which may be a folder."""
    return os.path.dirname(output) if not output.endswith("/") else output.rstrip("/")


def _same(a, b, base_a, base_b):
    """Return whether two values are equal, or the same file as seen from the output."""
    if a == b:
        return True
    if not (isinstance(a, str) and isinstance(b, str)):
        return False
    try:
        (a, b) = (parse_location(text, band=True) for text in (a, b))
    except PixsedError:  # they are no files, such as texts in brackets
        return False
    if (a.band, a.ext, a.ver) != (b.band, b.ext, b.ver):
        return False
    return bool(_views(a.path, base_a) & _views(b.path, base_b))


def _views(path, base):
    """Return the spellings of a path by which it is compared.

    These are the path itself if it is absolute, and the path as seen from the folder `base` if both
    are absolute, or both are relative.
    """
    found = {path} if os.path.isabs(path) else set()
    if os.path.isabs(path) == os.path.isabs(base):
        found.add(os.path.relpath(path, base or "."))
    return found
