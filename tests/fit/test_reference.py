"""Reference posteriors of a few pixels, which must not change with releases of the requirements.

Make reference.ecsv again only if the numbers are meant to change: python
tests/fit/test_reference.py
"""

import tempfile
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Column, Table, vstack
from click.testing import CliRunner

FOLDER = Path(__file__).parent
PHOTOMETRY, REFERENCE = FOLDER / "reference_photometry.ecsv", FOLDER / "reference.ecsv"
LEVELS = "P16", "P50", "P84"
RUNS = [(model, engine) for model in ("tau", "dirichlet") for engine in ("flow", "quantile")]


def fitted(model, engine, folder):
    """Return the columns that `pixsed fit` adds to the table of photometry, and ID."""
    from pixsed.cli.main import cli

    output = Path(folder) / f"{model}_{engine}.ecsv"
    args = ["fit", PHOTOMETRY, "--model", model, "--engine", engine, "--jobs", 1, "-o", output]
    CliRunner().invoke(cli, list(map(str, args)), catch_exceptions=False)
    found = Table.read(output)
    return found[["ID", *(name for name in found.colnames if name[-3:] in LEVELS)]]


@pytest.mark.parametrize("model, engine", RUNS)
def test_the_same_to_a_thousandth_of_the_width(model, engine, tmp_path):
    reference = Table.read(REFERENCE)
    reference = reference[(reference["MODEL"] == model) & (reference["ENGINE"] == engine)]
    found = fitted(model, engine, tmp_path)
    assert list(found["ID"]) == list(reference["ID"]) and len(found) == 9
    names = [name[:-4] for name in found.colnames if name.endswith("_P50")]
    assert len(names) >= 10
    for name in names:
        expected = np.array([reference[f"{name}_{level}"] for level in LEVELS], dtype=float)
        values = np.array([found[f"{name}_{level}"] for level in LEVELS], dtype=float)
        np.testing.assert_array_equal(np.isnan(values), np.isnan(expected))
        # In units of half the 68 % width, which is 0 for a known redshift.
        width = (expected[2] - expected[0]) / 2
        off = np.nan_to_num(np.abs(values - expected))
        assert np.all(off <= np.nan_to_num(1e-3 * width) + 1e-6), (name, off / width)


if __name__ == "__main__":
    parts = []
    with tempfile.TemporaryDirectory() as place:
        for model, engine in RUNS:
            part = fitted(model, engine, place)
            part.add_columns(
                [Column([model] * len(part)), Column([engine] * len(part))],
                names=["MODEL", "ENGINE"],
                indexes=[0, 0],
            )
            parts.append(part)
    whole = vstack(parts, metadata_conflicts="silent")
    whole.meta.clear()
    formats = {name: "%.7g" for name in whole.colnames if whole[name].dtype.kind == "f"}
    whole.write(REFERENCE, overwrite=True, formats=formats)
