"""A few pairs of runs that write the same output; see race_commands.py for many."""

import shutil
import sys

import pytest
from race_commands import campaign, judge

pytestmark = pytest.mark.machine
#: Commands for the small count: each writer of files once.
FEW = ("bkg", "fit", "fit table", "sum-mass", "simulate")
ERROR = "pixsed: error: o.fits exists already\n"


@pytest.mark.skipif(sys.platform != "linux", reason="forks processes that have threads")
def test_pairs(fault_inputs, tmp_path):
    folder = shutil.copytree(fault_inputs, tmp_path / "inputs")
    pairs = campaign(folder, range(12), FEW)
    assert not [pair for pair in pairs if pair.verdict.isupper()]
    assert {pair.verdict for pair in pairs} >= {"one", "both"}


@pytest.mark.parametrize(
    ("way", "statuses", "said", "whole", "left", "verdict"),
    [
        ("", (0, 1), ("", ERROR), True, [], "one"),
        ("", (0, 0), ("", ""), True, [], "BOTH"),
        ("--overwrite", (0, 0), ("", ""), True, [], "both"),
        ("--resume", (0, 1), ("", ERROR), True, [], "one"),
        ("--overwrite", (1, 1), (ERROR, ERROR), True, [], "NEITHER"),
        ("--overwrite", (0, 0), ("", ""), False, [], "NOT WHOLE"),
        ("", (1, 0), (ERROR, ""), True, [".o.fits.part"], "LEFT OVER"),
        ("", (0, 1), ("", 2 * ERROR), True, [], "SEVERAL LINES"),
        ("", (0, 1), ("", ""), True, [], "NO MESSAGE"),
        ("", (0, 1), ("", "Traceback"), True, [], "TRACEBACK"),
    ],
)
def test_verdicts(way, statuses, said, whole, left, verdict):
    assert judge(way, statuses, said, whole, left) == verdict
