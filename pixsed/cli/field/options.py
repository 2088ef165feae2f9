"""Options of the commands in a field file, as words of a command line."""

import os
from dataclasses import dataclass

import click

from pixsed.errors import PixsedError
from pixsed.io.formats.field_file import nearest

#: Options of one run, which are no part of the command lines of the steps.
OF_RUN = ("output", "overwrite", "resume", "log", "no-verify", "quiet", "verbose", "help")
#: Options that a field file cannot have, for they are of one run, or follow from its other keys.
RESERVED = (*OF_RUN, "part", "psf", "target")
#: Options whose values are files, relative to the field file.
FILES = (
    *("coverage", "kernel", "segmap", "catalog", "zero-points", "region", "redshift-map"),
    *("rgb",),
)
#: Key of a table by band for all bands that it does not name.
OTHERS = "others"
# Lists of these are one word, separated by commas.
_WITH_COMMAS = ("quantiles", "tile")


@dataclass(frozen=True)
class Given:
    """An option as words of a command line, with the files that it names."""

    words: tuple = ()
    files: tuple = ()


def long_name(param):
    """Return the long name of an option without its dashes, such as ``snr-min``."""
    return max(param.opts, key=len).lstrip("-")


def known_options(command):
    """Return a dict of long name -> option of a command, without `RESERVED`."""
    found = {long_name(p): p for p in command.params if p.param_type_name == "option"}
    return {name: param for name, param in found.items() if name not in RESERVED}


def options_of_file(field, name, command, band=None, bands=(), *, shared=False):
    """Return the options of a command in a field file: long name -> `Given`.

    Parameters
    ----------
    field : `~pixsed.io.formats.field_file.FieldFile`
    name : str
        Name of the command.
    command : `click.Command`
    band : str, optional
        Band of the only image of the command, of which a table by band gives the value.
    bands : sequence of str
        Bands of the field.
    shared : bool, optional
        Leave out options that the command does not have, or not by band: the table is that of
        another command.

    Raises
    ------
    PixsedError
        If an option is not known, or its value is not one that it can have.
    """
    known, found = known_options(command), {}
    for option, value in (field.options.get(name) or {}).items():
        key = f"[{name}] {option}"
        if shared and (option not in known or _is_by_band(value) > _takes_bands(known[option])):
            continue
        if option in RESERVED:
            raise field.error(key, "cannot be in a field file; give it on the command line")
        if option not in known:
            raise field.error(key, f"is not an option of {name}; {nearest(option, known)}")
        param = known[option]
        if not _is_by_band(value):
            found[option] = _given(field, key, param, value)
            continue
        table = _table_by_band(field, key, value, bands)
        if _takes_bands(param):
            parts = [
                _given(field, f"{key} {one}", param, table[one], "" if one == OTHERS else f"{one}=")
                for one in table
            ]
            found[option] = _joined(parts)
        elif band is None:
            raise field.error(key, "takes one value for all bands, not a table by band")
        elif (one := table.get(band, table.get(OTHERS))) is not None:
            found[option] = _given(field, f"{key} {band}", param, one)
    return found


def _is_by_band(value):
    return isinstance(value, dict)


def _takes_bands(param):
    """Return whether an option can be repeated for several bands."""
    return param.multiple and str(param.metavar).startswith("[BAND=]")


def _table_by_band(field, key, value, bands):
    """Return a table by band with the names of bands in upper case."""
    found = {}
    for band in value:
        name = band if band == OTHERS else band.upper()
        if name not in (OTHERS, *bands):
            raise field.error(
                key, f"{band} is no band of the images; {nearest(name, (*bands, OTHERS))}"
            )
        found[name] = value[band]
    return found


def _joined(parts):
    return Given(
        tuple(word for one in parts for word in one.words),
        tuple(file for one in parts for file in one.files),
    )


def _given(field, key, param, value, prefix=""):
    """Return the `Given` of a value of TOML; `prefix` is ``BAND=`` or empty."""
    if value is False:
        return Given()  # leaves the option out, also one that the field would set
    if param.is_flag:
        if value is not True:
            raise field.error(key, f"must be true or false, got {value!r}")
        return Given((f"--{long_name(param)}",))
    name = long_name(param)
    texts = [
        _text(field, key, param, one) for one in (value if isinstance(value, list) else [value])
    ]
    if name in _WITH_COMMAS:
        texts = [",".join(texts)]
    placed = [_placed(field, name, text) for text in texts]
    _check(field, key, param, placed, isinstance(value, list))
    parts = [
        Given((f"--{name}", prefix + text), () if file is None else (file,))
        for text, file in placed
    ]
    if param.nargs > 1:
        return Given((f"--{name}", *(text for text, _ in placed)))
    return _joined(parts)


def _text(field, key, param, value):
    is_number = isinstance(param.type, click.types.IntParamType | click.types.FloatParamType)
    if is_number and not (isinstance(value, int | float) and not isinstance(value, bool)):
        raise field.error(key, f"must be a number, got {value!r}")
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise field.error(key, f"must be a text, got {value!r}")
    if not str(value).strip():
        raise field.error(key, "is an empty text; leave it out")
    return str(value)


def _placed(field, name, text):
    """Return the value of an option, a path as seen from here, and the file that it names."""
    from pixsed.io.locate import parse_location

    if name == "err":  # [BAND=] and an extension, a file, or sky
        placed = field.place(text, band=True)
        path = parse_location(placed, band=True).path
        return (placed, path) if os.path.exists(path) else (text, None)
    if not _is_file(name, text):
        return text, None
    placed = field.place(text)
    return placed, placed


def _is_file(name, text):
    return name in FILES or (name == "model" and text.endswith(".onnx"))


def _check(field, key, param, placed, is_list):
    """Raise `PixsedError` unless the command takes these values."""
    texts = tuple(text for text, _ in placed)
    if param.nargs > 1:
        value = (texts,) if param.multiple else texts
    elif param.multiple:
        value = texts
    elif len(texts) > 1 or (is_list and long_name(param) not in _WITH_COMMAS):
        raise field.error(key, "takes one value, not a list")
    else:
        [value] = texts
    try:
        param.process_value(click.Context(click.Command(key, params=[param])), value)
    except click.UsageError as error:
        raise field.error(key, f"has a wrong value: {error.message}") from None


def options_of_line(command, values):
    """Return the options of a parsed command line: long name -> `Given`.

    Parameters
    ----------
    command : `click.Command`
    values : dict
        Names of options -> values as the parser of click gives them; only those that are given.
    """
    found = {}
    for param in command.params:
        value = values.get(param.name)
        if param.param_type_name != "option" or not isinstance(
            value, str | int | float | list | tuple
        ):
            continue
        name = long_name(param)
        flag = f"--{name}"
        if param.is_flag:
            found[name] = Given((flag,) if value else ())
        elif param.count:
            found[name] = Given((flag,) * value)
        else:
            several = value if param.multiple else [value]
            words = [(flag, *(map(str, one) if param.nargs > 1 else [str(one)])) for one in several]
            files = [one for one in several if _is_file(name, str(one))]
            found[name] = Given(tuple(word for part in words for word in part), tuple(files))
    return found


def options_of_environment(name, command, taken):
    """Return the options of a command that variables such as PIXSED_FIT_SEED set.

    Parameters
    ----------
    name : str
        Name of the command.
    command : `click.Command`
    taken : container of str
        Long names of options that are given otherwise.

    Raises
    ------
    PixsedError
        If a variable asks for a part: the steps after it need all of the field.
    """
    prefix = f"PIXSED_{name.upper().replace('-', '_')}"
    context = click.Context(command, auto_envvar_prefix=prefix)
    values = {}
    for param in command.params:
        if long_name(param) == "part" and "part" not in taken and param.value_from_envvar(context):
            raise PixsedError(
                f"the variable {prefix}_PART is set, and a field is fitted as a whole; unset it, "
                f"or give --part to pixsed {name}"
            )
    for option, param in known_options(command).items():
        if option not in taken and (value := param.value_from_envvar(context)) is not None:
            values[param.name] = param.type_cast_value(context, value) if param.is_flag else value
    return options_of_line(command, values)
