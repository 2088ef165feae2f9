"""Validation of a model from Python."""

import subprocess
import sys
from dataclasses import fields, replace

import pytest

from pixsed.errors import PixsedError
from pixsed.validate.options import ValidateOptions
from pixsed.validate.validate import validate_model

OPTIONS = ValidateOptions(number=100, samples=50, cases=("paper",))
#: Another value of every option that must not change the report.
WORK = {
    "jobs": 2,
    "max_miss": 1.0,
    "max_joint": 1.0,
    "min_p": 0.0,
    "max_bias": {"": 9.0},
    "coverage": (0.0, 1.0),
    "limit_for": ("AV",),
    "max_engine": 9.0,
}


def test_unknown_case():
    with pytest.raises(PixsedError, match="no case 'most'; choose from paper, .*, ood"):
        ValidateOptions(cases=["most"])


def test_report(model_file, simulations_file):
    lines, steps = [], []
    report = validate_model(
        model_file,
        simulations_file,
        OPTIONS,
        echo=lines.append,
        progress=lambda case, done, total: steps.append((case, done, total)),
    )
    assert lines[0].startswith("paper: 100 simulations, mean S/N > 1, noise depth, JOINT of ")
    assert {(case, total) for case, _, total in steps} == {("paper", 100)}
    assert sum(done for _, done, _ in steps) == 100
    report.check_limits()
    hdus = report.hdulist()
    assert "TESTS" in hdus and hdus[0].header["NSAMP"] == 50
    with pytest.raises(PixsedError, match="misses by"):
        replace(report, options=replace(OPTIONS, max_miss=1e-4)).check_limits()


def test_options_of_the_work_change_no_table(model_file, simulations_file):
    work = [o.name for o in fields(ValidateOptions) if not o.metadata["changes_data"]]
    assert work == list(WORK)
    first, second = (
        validate_model(model_file, simulations_file, options).hdulist()
        for options in (OPTIONS, replace(OPTIONS, **WORK))
    )
    assert [hdu.name for hdu in first] == [hdu.name for hdu in second]
    for one, two in zip(first[1:], second[1:], strict=True):
        assert one.data.tobytes() == two.data.tobytes()


def test_it_imports_neither_commands_nor_pictures():
    code = (
        "import sys, pixsed.validate.validate; "
        "assert not [m for m in sys.modules if m.startswith(('pixsed.cli', 'pixsed.plots', "
        "'pixsed.train', 'click', 'matplotlib', 'torch'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
