"""Directive ``output-table``: tables of the reference that are made from the code.

The argument is ``properties``, ``dq``, ``flag``, ``cards`` or ``columns``. The last two are in
docs/reference/written.csv, which ``python tests/written.py`` brings up to date.
"""

import csv
from itertools import groupby
from pathlib import Path

from command_pages import plain
from sphinx.util.docutils import SphinxDirective

from pixsed.dq import DQ, NOT_FITTED, Flag
from pixsed.properties import PROPERTIES

TABLE = Path("reference", "written.csv")


def list_table(heads, widths, rows):
    """Return the lines of a list-table; cells are reStructuredText."""
    lines = [".. list-table::", "   :header-rows: 1", f"   :widths: {' '.join(map(str, widths))}"]
    lines.append("")
    for row in [heads, *rows]:
        for number, cell in enumerate(row):
            lines.append(f"   {' ' if number else '*'} - {cell}".rstrip())
    return [*lines, ""]


def properties():
    """Return the lines of the table of properties."""
    rows = [(f"``{key}``", unit, plain(text)) for key, (unit, text) in PROPERTIES.items()]
    return list_table(("property", "unit", "meaning"), (15, 25, 60), rows)


def dq():
    """Return the lines of the table of the bits of DQ."""
    rows = [(f"{b:d}", plain(b.description), "no" if b & NOT_FITTED else "yes") for b in DQ]
    return list_table(("DQ", "meaning", "fitted"), (10, 75, 15), rows)


def flag():
    """Return the lines of the table of the bits of FLAG."""
    rows = [(f"{bit:d}", plain(bit.description)) for bit in Flag]
    return list_table(("FLAG", "meaning"), (10, 90), rows)


def cards(rows):
    """Return the lines of the table of header cards, in alphabetical order."""
    found = sorted((row for row in rows if not row["extension"]), key=lambda row: row["name"])
    cells = [(f"``{row['name']}``", plain(row["meaning"]), _commands(row)) for row in found]
    return list_table(("card", "meaning", "files of"), (15, 55, 30), cells)


def _commands(row):
    # Some are in the files of all commands.
    names = row["commands"].split()
    return "all commands" if len(names) > 12 else ", ".join(f"``{name}``" for name in names)


def columns(rows):
    """Return the lines of the tables of columns, a section for each table."""
    lines = []
    found = [row for row in rows if row["extension"]]

    def table(row):
        return row["commands"].split()[0], row["extension"]

    for (command, extension), group in groupby(sorted(found, key=table), key=table):
        title = f"pixsed {command}: {extension}"
        lines += [title, "-" * len(title), ""]
        cells = [(f"``{r['name']}``", r["unit"], plain(r["meaning"])) for r in group]
        lines += list_table(("column", "unit", "meaning"), (25, 15, 60), cells)
    return lines


class OutputTable(SphinxDirective):
    """A table of the reference."""

    required_arguments = 1

    def run(self):
        """Return the nodes of the table."""
        kind = self.arguments[0]
        made_of_code = {"properties": properties, "dq": dq, "flag": flag}
        if kind in made_of_code:
            lines = made_of_code[kind]()
        else:
            path = Path(self.env.srcdir) / TABLE
            self.env.note_dependency(str(path))
            with open(path, newline="") as file:
                rows = list(csv.DictReader(file))
            lines = {"cards": cards, "columns": columns}[kind](rows)
        return self.parse_text_to_nodes("\n".join(lines), allow_section_headings=True)


def setup(app):
    """Register the directive."""
    app.add_directive("output-table", OutputTable)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
