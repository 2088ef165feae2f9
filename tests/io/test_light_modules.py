"""Modules for shell completion, which must be fast, import neither numpy nor astropy."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["hdu_size", "location_text"])
def test_the_import_is_light(module):
    code = f"import sys, pixsed.io.{module}; print({{'numpy', 'astropy'}} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found
