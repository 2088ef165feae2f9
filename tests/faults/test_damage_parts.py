"""A few damaged unfinished files; see damage_parts.py for many."""

import shutil
import signal
import sys
from collections import Counter

import pytest
from damage_parts import COMMANDS, STOPS, campaign, judge, make_stopped, small_batches
from forked import run
from kill_commands import content

pytestmark = pytest.mark.machine
ERROR = "pixsed: error: o.fits.part is damaged\n"


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have threads")
@pytest.mark.parametrize("name", ["maps", "simulate", "sum-mass"])
def test_a_few(fault_inputs, tmp_path, name):
    folder = shutil.copytree(fault_inputs, tmp_path / "inputs")
    runs = campaign(folder, range(8), [name])
    assert not [one for one in runs if one.verdict.isupper()]
    assert Counter(one.verdict for one in runs)["error"] > 1
    # Without damage, a run that was stopped goes on, also one that lacked only its name.
    whole, stopped = make_stopped(folder, [name])
    for number in STOPS:
        for file, data in stopped[name, number, "42"].items():
            (folder / file).write_bytes(data)
        words = [*COMMANDS[name].split(), "-q"]
        path = folder / words[words.index("-o") + 1]
        status, said = run(folder, [*words, "--resume"], before=small_batches)
        assert judge(path, whole[name], status, said) == "result", said
        path.unlink()


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_many(fault_inputs, tmp_path, name):
    folder = shutil.copytree(fault_inputs, tmp_path / "inputs")
    runs = campaign(folder, range(100), (name,))
    assert not [one for one in runs if one.verdict.isupper()]


@pytest.mark.parametrize(
    ("status", "said", "output", "left", "verdict"),
    [
        (0, "", b"whole", None, "result"),
        (0, "", b"other", None, "OTHER DATA"),
        (0, "", None, None, "NO OUTPUT"),
        (0, "", b"whole", ".o.fits.journal", "LEFT OVER"),
        (1, ERROR, None, "o.fits.part", "error"),
        (1, ERROR, b"whole", None, "OUTPUT AFTER AN ERROR"),
        (1, 2 * ERROR, None, None, "SEVERAL LINES"),
        (1, "", None, None, "NO MESSAGE"),
        (1, "pixsed: internal error: KeyError", None, None, "INTERNAL ERROR"),
        (1, "Traceback (most", None, None, "TRACEBACK"),
        (-signal.SIGALRM, "", None, None, "HANG"),
    ],
)
def test_verdicts(tmp_path, status, said, output, left, verdict):
    path = tmp_path / "o.fits"
    path.write_bytes(b"whole")
    whole = content(path)
    path.unlink()
    if output is not None:
        path.write_bytes(output)
    if left is not None:
        (tmp_path / left).write_bytes(b"")
    assert judge(path, whole, status, said) == verdict
