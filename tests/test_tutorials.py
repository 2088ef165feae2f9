"""The commands of the tutorials run as printed, and print what the pages show."""

import os
import re
import subprocess
import sys
import textwrap
from difflib import unified_diff
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "tutorials"

pytestmark = pytest.mark.skipif(not PAGES.is_dir(), reason="not a checkout: docs/ is absent")

# Stands for `pixsed` in the shell: it only records its words, so that the command can be run in
# this process, which has imported the package already.
RECORDER = 'pixsed() { printf \'%s\\037\' "$@" >> "$RECORD"; printf \'\\036\' >> "$RECORD"; }\n'


def console_blocks(page):
    """Return the commands of a page, each with the lines that it prints."""
    found = re.findall(
        r"\.\. code-block:: console\n\n((?:   .*\n|\n)+)", page.read_text(encoding="utf-8") + "\n"
    )
    commands = []
    for line in textwrap.dedent("".join(found)).splitlines():
        if line.startswith("$ "):
            commands.append(([line[2:]], []))
        elif line == ">" or line.startswith("> "):
            commands[-1][0].append(line[2:])
        elif line.strip():
            commands[-1][1].append(line)
    return [("\n".join(lines), printed) for lines, printed in commands]


def run(command, folder, run_cli):
    """Run one command of the shell in a folder; return what it prints, and the folder after it."""
    record, place = folder / ".record", folder / ".place"
    script = f'{RECORDER}{command}\npwd > "$PLACE"\n'
    names = {"RECORD": str(record), "PLACE": str(place)}
    names["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # for python
    done = subprocess.run(
        ["sh", "-c", script], cwd=folder, env=os.environ | names, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    printed = done.stdout + done.stderr
    after = Path(place.read_text().strip())
    place.unlink()
    if record.exists():
        lines = record.read_text().split("\036")[:-1]
        record.unlink()
        for line in lines:
            arguments = line.split("\037")[:-1]
            result = run_cli(*arguments)
            assert result.exit_code == 0, (arguments, result.output, result.exception)
            printed += result.output
    return printed.splitlines(), after


def agrees(pattern, line, rounding=0.011):
    """Tell whether a printed line is that of the page: `...` is any text, numbers may be rounded.

    Other processors and libraries change the last digit of a number.
    """
    number = r"[-+]?\d+\.\d+"
    text = re.escape(re.sub(number, "NUMBER", pattern)).replace(r"\.\.\.", ".*")
    if not re.fullmatch(text, re.sub(number, "NUMBER", line)):
        return False
    if "..." in pattern:
        return True
    pairs = zip(re.findall(number, pattern), re.findall(number, line), strict=True)
    return all(float(a) == pytest.approx(float(b), rel=0.002, abs=rounding) for a, b in pairs)


def differences(expected, printed):
    """Return a text that shows where the printed lines are not those of the page, or ''.

    A line `...` alone stands for any number of lines.
    """
    rest = list(printed)
    skipping = False
    for pattern in expected:
        if pattern.strip() == "...":
            skipping = True
            continue
        while rest and skipping and not agrees(pattern, rest[0]):
            rest.pop(0)
        if not rest or not agrees(pattern, rest[0]):
            return "\n".join(unified_diff(expected, printed, "page", "printed", lineterm=""))
        rest.pop(0)
        skipping = False
    if rest and not skipping:
        return "\n".join(unified_diff(expected, printed, "page", "printed", lineterm=""))
    return ""


@pytest.mark.parametrize(
    "name", ["quickstart", pytest.param("mosaics_to_masses", marks=pytest.mark.slow)]
)
def test_commands_of_the_page(name, run_cli, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    (tmp_path / "data").symlink_to(ROOT / "data")
    commands = console_blocks(PAGES / f"{name}.rst")
    assert sum("pixsed" in command for command, _ in commands) >= 5
    folder, wrong = tmp_path, []
    for command, expected in commands:
        monkeypatch.chdir(folder)
        printed, folder = run(command, folder, run_cli)
        if difference := differences(expected, printed):
            wrong.append(f"$ {command}\n{difference}")
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(
    "pattern, line, same",
    [
        ("a.fits: 692 pixels", "a.fits: 692 pixels", True),
        ("a.fits: 692 pixels", "a.fits: 693 pixels", False),
        ("mass 9.618", "mass 9.619", True),
        ("mass 9.618", "mass 9.718", False),
        ("done (...)", "done (61 per second)", True),
        ("done (...)", "failed (61 per second)", False),
    ],
)
def test_lines_that_agree(pattern, line, same):
    assert agrees(pattern, line) is same


def test_lines_that_are_left_out():
    assert differences(["one", "...", "four"], ["one", "two", "three", "four"]) == ""
    assert differences(["one", "..."], ["one", "two"]) == ""
    assert "+two" in differences(["one"], ["one", "two"])
    assert "-two" in differences(["one", "two"], ["one"])
