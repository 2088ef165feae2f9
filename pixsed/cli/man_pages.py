"""Man pages of the commands: python -m pixsed.cli.man_pages FOLDER.

They are made when the package is built (setup.py), from the texts of ``--help``.
"""

import re
import sys
import textwrap
from pathlib import Path

from pixsed import __version__
from pixsed.cli.command_reference import command_references

_ENVIRONMENT = (
    "Every option can be set by the environment variable that is named with it; the command line "
    "has precedence. A variable of a flag is 1 or 0."
)
_EXIT_STATUS = (
    "0 on success, 1 after a failure, with one line on standard error, 2 for a wrong command line, "
    "130 after Ctrl-C, and 128 plus the number of another signal."
)


def write_man_pages(folder):
    """Write ``pixsed.1`` and the page of each command to a folder; return their paths.

    Parameters
    ----------
    folder : str or `~pathlib.Path`
        It is made if it does not exist. Pages in it are replaced.

    Returns
    -------
    list of `~pathlib.Path`
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for reference in command_references():
        path = folder / f"{page_name(reference)}.1"
        path.write_text(man_page(reference), encoding="utf-8")
        written.append(path)
    return written


def page_name(reference):
    """Return the name of a command's page: ``pixsed-fit``."""
    return reference.name.replace(" ", "-")


def man_page(reference):
    """Return the man page of a `~pixsed.cli.command_reference.CommandReference`, in roff."""
    name = page_name(reference)
    # Without a date, so that the same source gives the same page.
    lines = [f'.TH {_roff(name.upper())} 1 "" "pixsed {__version__}" "pixsed manual"']
    lines += [".SH NAME", rf"{_roff(name)} \- {_roff(reference.summary)}"]
    lines += [".SH SYNOPSIS", rf"\fB{_roff(reference.name)}\fR {_roff(reference.usage)}"]
    lines += [".SH DESCRIPTION"]
    for number, (text, keep) in enumerate(reference.description):
        lines += [".PP"] * bool(number) + (_kept(text) if keep else _filled(text))
    if reference.commands:
        lines += [".SH COMMANDS"]
        for command, summary in reference.commands:
            lines += [".TP", rf"\fBpixsed\-{_roff(command)}\fR(1)", *_filled(summary)]
    lines += [".SH OPTIONS"]
    for option in reference.options:
        lines += [".TP", _option(option), *_about(option)]
    if reference.examples:
        lines += [".SH EXAMPLES", *_kept("\n".join(reference.examples))]
    lines += [".SH ENVIRONMENT", *_filled(_ENVIRONMENT)]
    lines += [".SH EXIT STATUS", *_filled(_EXIT_STATUS)]
    if name != "pixsed":
        lines += [".SH SEE ALSO", r"\fBpixsed\fR(1)"]
    return "\n".join(lines) + "\n"


def _option(option):
    names = ", ".join(rf"\fB{_roff(name)}\fR" for name in option.names)
    return f"{names} \\fI{_roff(option.metavar)}\\fR" if option.metavar else names


def _about(option):
    """Return the lines below an option: its help, then type, default and variable."""
    # Choices are in the metavar.
    facts = [] if option.kind in ("flag", "text") or "[" in option.metavar else [option.kind]
    facts += ["required"] * option.required + ["may be repeated"] * option.multiple
    facts += [f"default: {option.default}"] * bool(option.default)
    facts += [f"variable: {option.envvar}"] * bool(option.envvar)
    return [*_filled(option.help), *([".br", *_filled(f"[{'; '.join(facts)}]")] if facts else [])]


def _filled(text):
    """Return the lines of a paragraph, which is filled anew when it is shown."""
    lines = textwrap.wrap(text, 72, break_long_words=False, break_on_hyphens=False)
    return [_roff(line) for line in lines]


def _kept(text):
    """Return lines that are shown as they are."""
    return [".nf", *(_roff(line) for line in text.splitlines()), ".fi"]


def _roff(text):
    """Return a text with the characters escaped that mean something in roff."""
    text = text.replace("\\", r"\e").replace("-", r"\-").replace("`", r"\(ga").replace("^", r"\(ha")
    text = text.replace("~", r"\(ti").replace("'", r"\(aq").replace('"', r"\(dq")
    return re.sub(r"^\.", r"\\&.", text)


if __name__ == "__main__":
    for page in write_man_pages(sys.argv[1]):
        print(page)
