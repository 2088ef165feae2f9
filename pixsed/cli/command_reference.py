"""Description of the commands and their options as data, for man pages and the documentation.

The texts are those of ``--help``; packages that make such pages from Click were tried first. They
read help texts as reStructuredText (sphinx-click), or leave out examples, environment variables and
commands that are imported when they are called (click-man).
"""

import inspect
import re
from dataclasses import dataclass

import click

from pixsed.cli.field.command import FieldCommand
from pixsed.cli.main import COMMANDS, cli

# A text in which Click keeps the lines begins with this.
_KEEP_LINES = "\b"
_KINDS = {
    "integer": "integer",
    "integer range": "integer",
    "float": "number",
    "float range": "number",
    "path": "file",
    "filename": "file",
    "list": "names separated by commas",
}


@dataclass(frozen=True)
class Parameter:
    """An option or an argument of a command.

    Attributes
    ----------
    names : tuple of str
        Such as ``("-o", "--output")``; of an argument, its metavar.
    metavar : str
        Name of the value; empty for flags.
    kind : str
        Type of the value in words, limits included.
    default : str
        Empty if there is none.
    envvar : str
        Environment variable that sets the option; empty if there is none.
    help : str
        One paragraph of plain text.
    required, multiple : bool
        Whether it must be given, and whether it may be given several times.
    """

    names: tuple
    metavar: str
    kind: str
    default: str
    envvar: str
    help: str
    required: bool
    multiple: bool


@dataclass(frozen=True)
class CommandReference:
    """Description of a command.

    Attributes
    ----------
    name : str
        As it is called: ``pixsed fit``.
    summary : str
        One line.
    usage : str
        Options and arguments as in the first line of ``--help``.
    description : tuple of (str, bool)
        Paragraphs, and whether the lines of each are kept as they are.
    arguments, options : tuple of `Parameter`
    commands : tuple of (str, str)
        Names and summaries of subcommands.
    examples : tuple of str
        Command lines.
    """

    name: str
    summary: str
    usage: str
    description: tuple
    arguments: tuple
    options: tuple
    commands: tuple
    examples: tuple


def command_references():
    """Return the `CommandReference` of ``pixsed`` and of every command, in the order of help."""
    context = click.Context(cli, info_name="pixsed", **cli.context_settings)
    found = [_reference(context, tuple(COMMANDS.items()))]
    for name in COMMANDS:
        command = cli.get_command(context, name)
        found.append(_reference(click.Context(command, parent=context, info_name=name)))
    return found


def _reference(context, commands=()):
    command = context.command
    paragraphs = _paragraphs(command.help)
    if isinstance(command, FieldCommand):
        paragraphs.append((command.field_help(context), False))
    summary = paragraphs[0][0].rstrip(".")
    parameters = [(param, _parameter(param, context)) for param in command.get_params(context)]
    return CommandReference(
        name=context.command_path,
        summary=summary,
        usage=" ".join(command.collect_usage_pieces(context)),
        description=tuple(paragraphs),
        arguments=tuple(p for param, p in parameters if not isinstance(param, click.Option)),
        options=tuple(
            p for param, p in parameters if isinstance(param, click.Option) and not param.hidden
        ),
        commands=commands,
        examples=tuple(_examples(command.epilog)),
    )


def _paragraphs(text):
    """Return (text, whether its lines are kept) of each paragraph of a help text."""
    found = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        keep = paragraph.startswith(_KEEP_LINES)
        lines = paragraph.removeprefix(_KEEP_LINES).strip("\n").splitlines()
        found.append(("\n".join(lines) if keep else " ".join(map(str.strip, lines)), keep))
    return found


def _examples(epilog):
    """Return the command lines of an epilog."""
    _, _, lines = (epilog or "").partition("Examples:\n")
    return [line.strip() for line in lines.splitlines() if line.strip()]


def _parameter(param, context):
    is_option = isinstance(param, click.Option)
    extra = param.get_help_extra(context) if is_option else {}
    is_value = not is_option or not (param.is_flag or param.count)
    is_setting = is_option and not {"--help", "--version"} & set(param.opts)
    # click 8.2 gives -h and --help in no fixed order.
    names = sorted((*param.opts, *param.secondary_opts), key=len)
    return Parameter(
        names=tuple(names) if is_option else (param.make_metavar(context),),
        metavar=param.make_metavar(context).removesuffix(" RANGE")
        if is_option and is_value
        else "",
        kind=_kind(param) if is_value else "flag",
        default=extra.get("default", "").strip("()") or _default(param, context),
        envvar=param.envvar[0] if is_setting else "",
        help=" ".join((getattr(param, "help", "") or "").split()),
        required=param.required,
        multiple=getattr(param, "multiple", False) or param.nargs == -1,
    )


def _default(param, context):
    """Return the default value that ``--help`` does not show."""
    value = param.get_default(context, call=False)
    shown = isinstance(value, int | float | str) and not isinstance(value, bool)
    return str(value) if shown and not getattr(param, "count", False) else ""


def _kind(param):
    """Return the type of a value in words, as ``integer from 2 to 20000``."""
    kind = param.type
    if isinstance(kind, click.Choice):
        return "one of " + ", ".join(map(str, kind.choices))
    text = _KINDS.get(kind.name, "text")
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    limits = []
    if low is not None:
        limits.append(f"above {low:g}" if kind.min_open else f"from {low}")
    if high is not None:
        limits.append(f"below {high:g}" if kind.max_open else f"to {high}")
    if param.nargs > 1:
        text = f"{param.nargs} times {text}"
    return " ".join([text, *limits])
