"""Findings of a dry run, and their collection: errors and warnings of a fit become findings."""

import contextlib
import warnings
from dataclasses import dataclass

import numpy as np
from astropy.table import Table

from pixsed.errors import PixsedWarning, failure_text

OK, WARNING, PROBLEM = "ok", "warning", "problem"
#: Levels of findings, from the best.
LEVELS = (OK, WARNING, PROBLEM)
_COLUMNS = {
    "ITEM": "file that was checked; empty: all inputs together",
    "CHECK": "what was checked",
    "LEVEL": "ok, warning, or problem: a fit would fail or mislead",
    "TEXT": "what was found",
    "MEND": "what to do about it",
}


@dataclass(frozen=True)
class Finding:
    """Result of one check of one input.

    Attributes
    ----------
    item : str
        Name of the file; empty for all inputs together.
    check : str
        Name of the check, such as ``"units"``.
    level : str
        One of `LEVELS`. A ``"problem"`` means that a fit would fail or mislead.
    text : str
        What was found.
    mend : str
        What to do about it; empty if there is nothing to do, or the text says it.
    """

    item: str
    check: str
    level: str
    text: str
    mend: str = ""

    @property
    def message(self):
        """Return the text and what to do, as in the message of an error."""
        return f"{self.text}; {self.mend}" if self.mend else self.text


@dataclass
class Stage:
    """State of a stage of a dry run: whether it came to its end without an error."""

    passed: bool = False


class Findings:
    """Findings in the order in which they are made.

    Attributes
    ----------
    found : list of `Finding`
        Each finding is in it once.
    kinds : dict of str to str
        Items that are checked -> what they are, such as ``"cubes"``.
    item : str
        Item of the findings that are added.
    """

    def __init__(self):
        self.found, self.kinds, self.item = [], {}, ""

    def of(self, item, kind):
        """Return the findings of an item, which are added to these; `kind` is a plural."""
        part = Findings()
        part.found, part.kinds, part.item = self.found, self.kinds, str(item)
        self.kinds[part.item] = kind
        return part

    def add(self, level, check, text, mend=""):
        """Add a finding, unless there is the same one."""
        finding = Finding(self.item, check, level, text, mend)
        if finding not in self.found:
            self.found.append(finding)

    def ok(self, check, text):
        """Add a finding that is good."""
        self.add(OK, check, text)

    def warning(self, check, text, mend):
        """Add a finding that does not keep a fit from being good."""
        self.add(WARNING, check, text, mend)

    def problem(self, check, text, mend):
        """Add a finding because of which a fit would fail or mislead."""
        self.add(PROBLEM, check, text, mend)

    @contextlib.contextmanager
    def stage(self, check, level=WARNING):
        """Do a part of a fit: its error becomes a problem, and its warnings become findings.

        Parameters
        ----------
        check : str
            Name of the check.
        level : str, optional
            Level of the warnings.

        Yields
        ------
        `Stage`
            Tells after the stage whether it passed.
        """
        state, trouble = Stage(), None
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", PixsedWarning)
            try:
                yield state
                state.passed = True
            except Exception as error:  # whatever it is, the other checks are made
                trouble = failure_text(error)
        for warning in caught:
            if issubclass(warning.category, PixsedWarning):
                self.add(level, check, *parted(str(warning.message)))
        if trouble is not None:
            self.problem(check, *parted(trouble))

    @property
    def problems(self):
        """Return the findings of level ``"problem"``."""
        return [finding for finding in self.found if finding.level == PROBLEM]

    def table(self):
        """Return the findings as a table with the columns ITEM, CHECK, LEVEL, TEXT and MEND."""
        names = ("item", "check", "level", "text", "mend")
        rows = [[getattr(finding, name) for finding in self.found] for name in names]
        table = Table()
        for (column, text), values in zip(_COLUMNS.items(), rows, strict=True):
            table[column] = np.array(values, dtype=str)
            table[column].description = text
        return table


def parted(message):
    """Return what is wrong and what to do about it, of the message of an error or a warning.

    Both together, with ``"; "`` between them, are the message in one line.
    """
    clauses = " ".join(message.split()).split("; ")
    at = len(clauses) - 1
    if at > 1 and clauses[at].startswith("it has "):  # a list of names comes last
        at -= 1
    return "; ".join(clauses[: max(at, 1)]), "; ".join(clauses[max(at, 1) :])
