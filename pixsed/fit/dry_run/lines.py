"""Lines of a report: findings that differ only by file and numbers are one line."""

import re
from pathlib import Path

from pixsed.errors import listed

# Numbers that stand alone: not those of F444W, nor of a name of a file.
_NUMBER = re.compile(r"(?<![\w./-])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w/]|\.\w)")
# Order of the checks in a report; others come last.
_ORDER = (
    "options model read bands units errors depth psf grid columns redshift engine pixels galaxies "
    "rows sample ood time memory disk"
).split()
# Names of files that a line lists.
_LISTED = 3


def report_lines(findings, levels=None):
    """Return the lines of a report, in the order of the checks.

    Parameters
    ----------
    findings : `~pixsed.fit.dry_run.findings.Findings`
    levels : sequence of str, optional
        Levels of the findings that are shown; by default all.

    Returns
    -------
    list of str
        Level, check, what was found and what to do. Findings that are the same, except for the
        file and for numbers, are one line, with the range of the numbers and the number of files.
        Findings of all inputs together have a line each.
    """
    groups = {}
    for finding in findings.found:
        if levels is None or finding.level in levels:
            groups.setdefault(_template(finding, findings.kinds), []).append(finding)
    checks = dict.fromkeys([*_ORDER, *(finding.check for finding in findings.found)])
    order = {check: place for place, check in enumerate(checks)}
    found = sorted(groups.values(), key=lambda group: order[group[0].check])
    width = max((len(group[0].check) for group in found), default=0)
    return [
        f"{group[0].level:7s}  {group[0].check:{width}s}  {_text(group, findings.kinds)}"
        for group in found
    ]


def _bare(finding, text):
    """Return a text without the name of the file at its beginning."""
    if not finding.item or not text.startswith(finding.item):
        return text
    return text.removeprefix(finding.item).lstrip(": ")


def _template(finding, kinds):
    """Return what findings of one line have in common."""
    if not finding.item:
        return finding
    text = _NUMBER.sub("#", _bare(finding, finding.message))
    return finding.level, finding.check, kinds[finding.item], text


def _text(group, kinds):
    """Return the text of findings with one template."""
    first = group[0]
    if len(group) == 1:
        of = [item for item, kind in kinds.items() if kind == kinds.get(first.item)]
        named = first.item and len(of) > 1 and not first.message.startswith(first.item)
        return f"{first.item}: {first.message}" if named else first.message
    text = _with_ranges([_bare(finding, finding.message) for finding in group])
    return f"{_whose(group, kinds)}: {text}"


def _whose(group, kinds):
    """Return the files of findings: ``all 10 images``, or ``2 of 10 images (a.fits, b.fits)``."""
    kind = kinds[group[0].item]
    items = list(dict.fromkeys(finding.item for finding in group))
    number = sum(other == kind for other in kinds.values())
    if len(items) == number:
        return f"all {number} {kind}"
    names = listed([Path(item).name for item in items], _LISTED)
    return f"{len(items)} of {number} {kind} ({names})"


def _with_ranges(texts):
    """Return one text for texts that differ by numbers: each number is the range of them."""
    columns = list(zip(*(_NUMBER.findall(text) for text in texts), strict=True))
    ranges = iter([_range(values) for values in columns])
    return _NUMBER.sub(lambda match: next(ranges), texts[0])


def _range(texts):
    values = sorted(set(texts), key=lambda text: float(text.replace(",", "")))
    return values[0] if len(values) == 1 else f"{values[0]} to {values[-1]}"
