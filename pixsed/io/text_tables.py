"""Reading of text tables with automatic detection of the separator and the column names."""

import csv
import re

from astropy.io import ascii

from pixsed.errors import PixsedError
from pixsed.io.columns import PLACEHOLDERS

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_LOOK = 20  # lines in which the separator is searched
# Pattern of the first lines -> format of astropy.
_OWN_FORMATS = (
    (re.compile(r"#\s*%ECSV"), "ecsv"),
    (re.compile(r"\\begin\{"), "latex"),
    (re.compile(r"\\|\|.*\n\|\s*(int|long|double|real|float|char|date)\b"), "ipac"),
    (re.compile(r"#\s*1\s+[A-Z][A-Z0-9_]*(\s|$)"), "sextractor"),
    (re.compile(r"Title:|Byte-by-byte", re.IGNORECASE), "mrt"),
    (re.compile(r"=[= ]+\n"), "rst"),
)


def decode(content, path):
    r"""Return the text of a file, without byte-order mark and with ``\n`` at the ends of lines.

    Raises
    ------
    PixsedError
        If it is not UTF-8, or not text.
    """
    if content.startswith(_UTF16) or any(map(_is_half_of_utf16, (content, content[1:]))):
        raise PixsedError(f"{path} is text in UTF-16; save it as UTF-8 (plain CSV), or as FITS")
    if b"\0" in content:
        raise PixsedError(f"{path} cannot be read as a table; give FITS, ECSV, CSV or VOTable")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PixsedError(
            f"{path} cannot be read as a table: line {line} has a letter that is not UTF-8; save "
            "it as UTF-8"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _is_half_of_utf16(content):
    """Return whether every second byte is 0, and the others are letters."""
    start = content[:400]
    return (
        len(start) > 3
        and not start[1::2].strip(b"\0")
        and start[::2].isascii()
        and (0 not in start[::2])
    )


def read_text(text, path, suffix=""):
    """Return the `~astropy.table.Table` of a text.

    ECSV, SExtractor, IPAC and CDS tables are recognised. The columns of other tables are separated
    by commas, semicolons, tabs or blanks; their names are in the first line, or in a comment before
    it. Columns without names are called col1, col2, ...

    Parameters
    ----------
    text : str
    path : str
        File name, for messages.
    suffix : str, optional
        Suffix of the file, in lower case.

    Raises
    ------
    PixsedError
        If there are no rows, or a name comes twice.
    Exception
        Any class, from the readers of astropy.
    """
    lines = text.split("\n")
    if re.fullmatch(r'"?sep=."?', lines[0].strip()):  # written by Excel
        del lines[0]
    start = "\n".join(lines[:_LOOK]).lstrip()
    if not text.strip():
        raise PixsedError(f"{path} is empty; give a table")
    for pattern, form in _OWN_FORMATS:
        if pattern.match(start) or (suffix == ".ecsv" and form == "ecsv"):
            return ascii.read(text, format=form, guess=False)
    begin = next((i for i, line in enumerate(lines) if line.strip() and not _comment(line)), None)
    comments = [line for line in lines[:begin] if line.strip()]
    rows = [line for line in lines[begin:] if line.strip() and not _comment(line)]
    if all(re.match(r"\s*[|+].*[|+]\s*$", line) for line in rows):  # framed
        rows = [line.strip().strip("|") for line in rows if re.search(r"[^-+=|:\s]", line)]
    if not rows:
        raise PixsedError(f"{path} has no rows: all of its lines are comments")
    separator = _separator(rows[:_LOOK], suffix)
    names, skip = _names(comments, rows[0], separator)
    if names and (twice := sorted({name for name in names if names.count(name) > 1})):
        raise PixsedError(f"{path}: column {twice[0]!r} comes twice; rename one of them")
    if not rows[skip:]:
        raise PixsedError(f"{path} has no rows, only names of columns")
    body = "\n".join(rows[skip:]) + "\n"
    names = names or [f"col{i}" for i in range(1, len(split_line(rows[0], separator)) + 1)]
    if separator == "\t":  # only this reader keeps empty fields at the ends of a line
        return ascii.read("\t".join(names) + "\n" + body, format="tab", guess=False)
    if separator == " ":
        body = body.replace("\t", " ")
    return ascii.read(body, format="no_header", delimiter=separator, names=names, guess=False)


def _comment(line):
    return line.lstrip().startswith("#")


def split_line(line, separator):
    """Return the fields of a line, without blanks around them."""
    if separator == " ":
        line = line.replace("\t", " ")
    fields = next(csv.reader([line.strip(" ")], delimiter=separator, skipinitialspace=True), [])
    return [field.strip() for field in fields]


def _separator(body, suffix):
    """Return the separator of columns: the one that occurs equally often in every line."""
    counts = {}
    for separator in (",", ";", "\t", "|"):
        found = [len(split_line(line, separator)) for line in body]
        if found[0] > 1 and (len(set(found)) == 1 or suffix in (".csv", ".tsv", ".tab")):
            counts[separator] = found[0]
    if counts:
        return max(counts, key=counts.get)
    return " "


def _is_value(field):
    try:
        float(field)
    except ValueError:
        return field.lower() in PLACEHOLDERS
    return True


def _names(comments, line, separator):
    """Return the names of the columns, or None, and the number of lines that they take."""
    first = split_line(line, separator)
    if any(map(_is_value, first)):  # data; a comment may have the names
        for comment in reversed(comments):
            names = split_line(comment.lstrip().lstrip("#"), separator)
            if len(names) == len(first) == len(set(names)) and not any(map(_is_value, names)):
                return names, 0
        if all(map(_is_value, first)):
            return None, 0
    return [name or f"col{i}" for i, name in enumerate(first, 1)], 1
