"""Blocks of code in the documentation, in README.md and in CONTRIBUTING.md."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SHELL = ("shell", "console", "bash", "sh")
#: A comment of this form before a block says why a test does not run it.
_NOT_RUN = re.compile(r"^\s*\.\. not run: (.+)$")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Attributes
    ----------
    page : `~pathlib.Path`
    line : int
        Its first line in the page, from 1.
    language : str
        ``shell`` for all of `SHELL`.
    code : str
    not_run : str
        Why a test does not run it; empty if it may be run.
    """

    page: Path
    line: int
    language: str
    code: str
    not_run: str


def pages():
    """Return the paths of all pages, without those that are made from the commands."""
    found = [p for p in sorted(DOCS.rglob("*.rst")) if p.parent.name != "command"]
    return [p for p in (*found, ROOT / "README.md", ROOT / "CONTRIBUTING.md") if p.is_file()]


def blocks(page):
    """Return the blocks of a page, in order."""
    lines = page.read_text().splitlines()
    return list(_markdown(page, lines) if page.suffix == ".md" else _rest(page, lines))


def _language(word):
    return "shell" if word in SHELL else word


def _commands(code):
    """Return the commands of a console: the lines after ``$``, with those after ``>``."""
    found = [line[2:] for line in code.splitlines() if re.match(r"\$ |> |>$", line)]
    return "\n".join(found)


def _markdown(page, lines):
    fences = [number for number, line in enumerate(lines) if line.strip().startswith("```")]
    for first, last in zip(fences[::2], fences[1::2], strict=True):
        code = textwrap.dedent("\n".join(lines[first + 1 : last]))
        yield Block(page, first + 2, _language(lines[first].strip("` ")), code, "")
    inside = {n for a, b in zip(fences[::2], fences[1::2], strict=True) for n in range(a, b + 1)}
    indented = [n for n, line in enumerate(lines) if line.startswith("    ") and n not in inside]
    for number in indented:
        # A block is indented after an empty line; lists are indented less.
        if number - 1 not in indented and not lines[number - 1].strip():
            code, end = [], number
            while end < len(lines) and lines[end].startswith("    "):
                code.append(lines[end][4:])
                end += 1
            yield Block(page, number + 1, "shell", "\n".join(code), "")


def _rest(page, lines):
    not_run = ""
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if said := _NOT_RUN.match(line):
            not_run = said[1]
        directive = re.match(r"\s*\.\. code-block:: *(\S+)", line)
        is_directive = line.lstrip().startswith("..")
        if not directive and (is_directive or not line.rstrip().endswith("::")):
            continue
        indent = len(line) - len(line.lstrip())
        end = number
        while end < len(lines) and (
            not lines[end].strip() or len(lines[end]) - len(lines[end].lstrip()) > indent
        ):
            end += 1
        body = [text for text in lines[number:end] if not re.match(r"\s*:[\w-]+:", text)]
        code = textwrap.dedent("\n".join(body)).strip("\n")
        if directive and directive[1] == "console":
            code = _commands(code)
        if code:
            language = _language(directive[1]) if directive else "shell"
            yield Block(page, number + 1, language, code + "\n", not_run)
        not_run, number = "", end
