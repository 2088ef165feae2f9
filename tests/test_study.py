"""The study in docs/study.sh: its command lines are valid, and (slow) it makes every figure."""

import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from astropy.table import Table

from pixsed.cli.main import cli

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "docs" / "study.sh"

pytestmark = pytest.mark.skipif(not SCRIPT.is_file(), reason="not a checkout: docs/ is absent")


def run_study(folder, program, **variables):
    """Run the script with a `pixsed` whose shell code is given; return the finished process."""
    executable = folder / "bin" / "pixsed"
    executable.parent.mkdir()
    executable.write_text(f"#!/bin/sh\n{program}\n")
    executable.chmod(0o755)
    path = f"{executable.parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["sh", str(SCRIPT), str(folder / "out")],
        env=os.environ | {"PATH": path} | variables,
        capture_output=True,
        text=True,
    )


def test_command_lines(tmp_path):
    record = tmp_path / "record"
    result = run_study(
        tmp_path, 'printf \'%s\\037\' "$@" >> "$RECORD"\necho >> "$RECORD"', RECORD=str(record)
    )
    assert result.returncode == 0, result.stderr
    lines = [line.split("\037")[:-1] for line in record.read_text().splitlines()]
    names = {name for name, *_ in lines}
    assert names >= set(
        "bkg psfmatch cutout fit rgb plot ds9 corner sfh sum-mass compare ppc profile ssp "
        "simulate validate".split()
    )
    assert len(lines) == len(set(map(tuple, lines))) > 40
    for name, *arguments in lines:
        command = cli.get_command(None, name)
        command.make_context(name, arguments).close()  # raises click.UsageError


def test_without_the_grid(tmp_path):
    result = run_study(tmp_path, '[ "$1" != ssp ]')
    assert result.returncode == 0
    assert "skipped: simulations need the BC03 grid of bagpipes" in result.stdout


@pytest.mark.slow
def test_whole_study(tmp_path):
    start = time.monotonic()
    result = run_study(tmp_path, f'exec "{sys.executable}" -m pixsed "$@"')
    assert result.returncode == 0, result.stderr
    out, figures = tmp_path / "out", tmp_path / "out" / "figures"
    made = {path.name for path in figures.iterdir()}
    expected = {
        f"{name}_{i}.png" for name in ("rgb", "fig05_06_tau", "fig13_dirichlet") for i in (1, 2, 3)
    }
    expected |= {
        f"{name}_{prior}.png"
        for name in ("fig04_08_corner", "fig07", "fig17_sfh")
        for prior in ("tau", "dirichlet")
    }
    expected |= {"priors_masses.png", "priors_pixels.png", "ds9_1.sh"}
    expected |= {"fig14_ppc.png", "fig15_profile.png"}
    if find_spec("bagpipes"):
        expected |= {
            f"validate_{prior}_{kind}.png"
            for prior in ("tau", "dirichlet")
            for kind in ("residuals", "ranks", "coverage", "widths")
        }
        assert (out / "fig16_tau_on_dirichlet.fits").is_file()
    assert expected <= made
    masses = Table.read(out / "fig07_tau.ecsv")
    assert list(masses["BIN"])[0] == "all" and masses["N"][0] == 3
    assert time.monotonic() - start < 600
