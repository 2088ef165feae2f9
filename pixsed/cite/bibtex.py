"""Read ``references.bib``, and write its entries as BibTeX or as plain text."""

import functools
import re
import unicodedata
from importlib import resources
from typing import NamedTuple

from pixsed import __version__

#: An entry of references.bib, which has one field per line.
_ENTRY = re.compile(r"^@(\w+)\{(\w+),\n((?:  \w+ = \{.*\},\n)+)\}$", re.M)
_FIELD = re.compile(r"^  (\w+) = \{(.*)\},$", re.M)
#: LaTeX accents -> combining characters of Unicode.
_ACCENTS = {
    "'": "\u0301",
    "`": "\u0300",
    "~": "\u0303",
    '"': "\u0308",
    "c": "\u0327",
    "H": "\u030b",
}
#: The largest number of authors that `as_text` writes.
_MOST_AUTHORS = 4


class Entry(NamedTuple):
    """An entry of the bibliography.

    Parameters
    ----------
    kind : str
        ``article``, ``inproceedings`` or ``software``.
    key : str
    fields : dict of str
        In the order of the file, in LaTeX.
    """

    kind: str
    key: str
    fields: dict[str, str]


@functools.cache
def entries():
    """Return the entries of the bibliography as a dict of key -> `Entry`."""
    text = (resources.files(__package__) / "references.bib").read_text(encoding="utf-8")
    text = text.replace("{VERSION}", f"{{{__version__}}}")
    found = {}
    for kind, key, lines in _ENTRY.findall(text):
        found[key] = Entry(kind, key, dict(_FIELD.findall(lines)))
    return found


def as_bibtex(entry):
    """Return an entry as BibTeX, in several lines."""
    lines = [f"  {name} = {{{value}}}," for name, value in entry.fields.items()]
    return "\n".join([f"@{entry.kind}{{{entry.key},", *lines, "}"])


def as_text(entry):
    """Return an entry as one line of plain text, as journals of astronomy print references."""
    fields = {name: plain(value) for name, value in entry.fields.items()}
    where = fields.get("journal") or fields.get("booktitle") or fields["title"]
    parts = [f"{_authors(entry.fields['author'])} {fields['year']}", where]
    parts += [fields[name] for name in ("volume", "pages") if name in fields]
    if "version" in fields:
        parts.append(f"version {fields['version']}")
    if "eprint" in fields:
        parts.append(f"arXiv:{fields['eprint']}")
    if "doi" in fields:
        parts.append(f"https://doi.org/{fields['doi']}")
    elif "url" in fields:
        parts.append(fields["url"])
    return ", ".join(parts)


def _authors(text):
    """Return the authors of an entry as ``Conroy, C., Gunn, J. E. & White, M.``."""
    names = [_short_name(name) for name in re.split(r"\s+and\s+", text)]
    if names[-1] == "others" or len(names) > _MOST_AUTHORS:
        first = [name for name in names if name != "others"][:1]
        return f"{first[0]} et al."
    return " & ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _short_name(name):
    """Return ``Family, F. M.`` for ``Family, First M.``; other names as they are."""
    family, comma, given = plain(name).partition(", ")
    initials = [word[0] + "." for word in given.split()]
    return f"{family}, {' '.join(initials)}" if comma else family


def plain(text):
    """Return a LaTeX text of the bibliography in Unicode, without braces and commands."""

    def accented(match):
        letter = match[2].replace("\\i", "i")
        return unicodedata.normalize("NFC", letter + _ACCENTS[match[1]])

    text = re.sub(r"\{\\(['`~\"])\{?(\\?\w)\}?\}", accented, text)
    text = re.sub(r"\{\\([cH]) (\w)\}", accented, text)
    return re.sub(r"[{}]", "", text).replace("\\&", "&").replace("--", "-")
