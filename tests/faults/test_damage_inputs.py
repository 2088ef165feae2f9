"""A small campaign of damaged and odd inputs; see damage_inputs.py for a large one."""

import shutil
import subprocess
import sys
from collections import Counter

import pytest
from damage_inputs import Run, campaign
from inputs import COMMANDS

pytestmark = pytest.mark.machine
#: Inputs that need training are left to the script.
_FEW = [c for c in COMMANDS if not any(n in c for n in ("small.", "sims.fits", "ssp.fits"))]


@pytest.mark.slow
@pytest.mark.parametrize("command", dict.fromkeys(_FEW))
def test_intact_inputs_are_accepted(fault_inputs, tmp_path, command):
    """Otherwise the campaign would test nothing."""
    shutil.copytree(fault_inputs, tmp_path / "in")
    words = [sys.executable, "-m", "pixsed", *command.split()]
    run = subprocess.run(words, cwd=tmp_path / "in", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have threads")
def test_no_bad_end(fault_inputs, tmp_path):
    folder = shutil.copytree(fault_inputs, tmp_path / "inputs")
    runs = campaign(folder, range(60), _FEW, jobs=1)
    bad = [run for run in runs if run.verdict.isupper()]
    assert not bad, [(run.seed, run.verdict, run.args, run.said) for run in bad]
    ends = Counter(run.verdict for run in runs)
    assert ends["error"] > 20 and ends["result"] > 5


@pytest.mark.parametrize(
    ("status", "said", "left", "damage", "verdict"),
    [
        (0, "", (), False, "result"),
        (0, "", ("o.fits",), True, "SILENT"),
        (1, "pixsed: error: x", (), True, "error"),
        (2, "Error: x", (), False, "usage"),
        (1, "pixsed: internal error: KeyError", (), False, "INTERNAL ERROR"),
        (1, "Traceback (most", (), False, "TRACEBACK"),
        (-14, "", (), False, "HANG"),
        (-24, "", (), False, "HANG"),
        (-11, "", (), False, "CRASH"),
        (1, "pixsed: error: x", ("o.fits",), False, "LEFT OVER"),
        (1, "pixsed: error: x", (".pixsed-1",), False, "LEFT OVER"),
        (1, "pixsed: error: x; go on with --resume", ("o.fits.part",), False, "error"),
        (1, "", (), False, "NO MESSAGE"),
    ],
)
def test_verdicts(status, said, left, damage, verdict):
    run = Run([], "", "", 0, status, said, left, damage)
    assert run.verdict == verdict
