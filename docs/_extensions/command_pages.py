"""Write the pages of the commands, docs/reference/command/NAME.rst, before Sphinx reads the pages.

The texts are those of ``--help``, by `pixsed.cli.command_reference`.
"""

import re
from pathlib import Path

from pixsed.cli.command_reference import command_references

FOLDER = Path("reference", "command")
# A row of the table of commands: a command, and the page that describes its use.
_ROW = re.compile(r"^``([\w-]+) .*(:doc:`[^`]+`)\s*$", re.M)
# Options, and addresses such as tcp://host:8786, which would become links.
_LITERAL = re.compile(r"(?<![^\s('])(--?[a-z][\w-]*|\w+://[\w.]+:\d+)(?=[\s.,;:)']|$)")


def plain(text):
    """Return plain text as reStructuredText, with options and addresses as literals."""
    pieces = _LITERAL.split(text)
    for number, piece in enumerate(pieces):
        is_literal = number % 2
        pieces[number] = f"``{piece}``" if is_literal else re.sub(r"([\\*`_|<>])", r"\\\1", piece)
    return "".join(pieces)


def option_lines(option):
    """Return the lines of an option."""
    value = f" {option.metavar}" if option.metavar else ""
    facts = [] if option.kind in ("flag", "text") else [option.kind]
    facts += ["required"] * option.required + ["may be repeated"] * option.multiple
    facts += [f"default: ``{option.default}``"] * bool(option.default)
    facts += [f"variable: ``{option.envvar}``"] * bool(option.envvar)
    return [
        f".. option:: {', '.join(name + value for name in option.names)}",
        "",
        f"   {plain(option.help)}",
        "",
        *([f"   {'; '.join(facts)}", ""] if facts else []),
    ]


def page(reference, described=()):
    """Return the page of a command.

    Parameters
    ----------
    reference : `~pixsed.cli.command_reference.CommandReference`
    described : iterable of str
        Links to the pages that describe its use.
    """
    name = reference.name
    lines = [name, "=" * len(name), "", ".. The texts of --help; do not edit.", ""]
    for text, keep in reference.description:
        lines += ["::", "", *(f"    {line}" for line in text.splitlines()), ""] if keep else []
        lines += [] if keep else [plain(text), ""]
    lines += ["::", "", f"    {name} {reference.usage}", ""]
    if described:
        lines += [f"See also {' and '.join(described)}.", ""]
    lines += ["Options", "-------", f".. program:: {name}", ""]
    for option in reference.options:
        lines += option_lines(option)
    if reference.examples:
        lines += ["Examples", "--------", "::", ""]
        lines += [*(f"    {line}" for line in reference.examples), ""]
    return "\n".join(lines)


def write_pages(app, config):
    """Write the page of every command; leave a page that is the same untouched."""
    source = Path(app.srcdir)
    described = {}
    for name, link in _ROW.findall((source / "reference" / "commands.rst").read_text()):
        links = described.setdefault(f"pixsed {name}", [])
        links += [link] if link not in links else []
    folder = source / FOLDER
    folder.mkdir(exist_ok=True)
    texts = {
        folder / f"{reference.name.replace(' ', '-')}.rst": page(
            reference, described.get(reference.name, ())
        )
        for reference in command_references()
    }
    for old in set(folder.glob("*.rst")) - set(texts):
        old.unlink()
    for path, text in texts.items():
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def setup(app):
    """Write the pages when the configuration is read."""
    app.connect("config-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
