"""A few damaged unfinished files; see damage_parts.py for many."""

import shutil
import signal
import sys
from collections import Counter

import pytest
from damage_parts import COMMANDS, campaign, judge
from kill_commands import content

pytestmark = pytest.mark.machine
ERROR = "pixsed: error: o.fits.part is damaged\n"


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have threads")
@pytest.mark.parametrize("names", [("maps",), ("simulate",), ("sum-mass",)])
def test_a_few(fault_inputs, tmp_path, names):
    folder = shutil.copytree(fault_inputs, tmp_path / "inputs")
    runs = campaign(folder, range(8), names)
    assert not [run for run in runs if run.verdict.isupper()]
    assert Counter(run.verdict for run in runs)["error"] > 1


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_many(fault_inputs, tmp_path, name):
    folder = shutil.copytree(fault_inputs, tmp_path / "inputs")
    runs = campaign(folder, range(100), (name,))
    assert not [run for run in runs if run.verdict.isupper()]


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
