"""Sphinx extensions of docs/: math without a network, and the check that nothing needs one."""

import os
import re
import subprocess
import sys

import pytest
from docs_blocks import DOCS

pytestmark = pytest.mark.skipif(not DOCS.is_dir(), reason="not a checkout: docs/ is absent")


def build(folder, text):
    """Build one page with the extensions; return the finished process and the page."""
    pytest.importorskip("sphinx", reason="the documentation is built with sphinx")
    (folder / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(DOCS / '_extensions')!r})\n"
        "extensions = ['mathml', 'offline']\nhtml_math_renderer = 'mathml'\nhtml_theme = 'basic'\n"
    )
    (folder / "index.rst").write_text(text)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-W",
            "--keep-going",
            "-q",
            str(folder),
            str(folder / "b"),
        ],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONWARNINGS": "ignore"},
    )
    return done, (folder / "b" / "index.html").read_text()


def test_math(tmp_path):
    text = (
        "Page\n====\n\n:math:`x^2`\n\n.. math::\n   :label: a\n\n   \\frac{a}{b}\n\nSee :eq:`a`.\n"
    )
    done, page = build(tmp_path, text)
    assert done.returncode == 0, done.stderr
    assert "<msup><mi>x</mi><mn>2</mn></msup>" in re.sub(r"\s*\n\s*", "", page)
    assert "<mfrac>" in page and '<span class="eqno">(1)' in page
    assert "<math" in page and "mathjax" not in page.lower()


def test_warnings(tmp_path):
    text = (
        "Page\n====\n\n:math:`\\nosuch{x}`\n\n"
        '.. raw:: html\n\n   <script src="https://example.org/x.js"></script>\n'
    )
    done, page = build(tmp_path, text)
    assert done.returncode == 1
    assert "math that cannot be rendered" in done.stderr
    assert "index.html loads from the network" in done.stderr
    assert "nosuch{x}" in page
