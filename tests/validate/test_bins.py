import numpy as np
import pytest

from pixsed.errors import PixsedError
from pixsed.validate import bins


def test_models_of_high_redshift_have_more_bins():
    names = [bins.bin_name(*b) for b in bins.standard_bins(15.0)]
    assert names[4:] == ["z < 2", "z 2-4", "z 4-7", "z > 7"]
    assert bins.standard_bins(7.5) == bins.BINS


def test_columns_make_bins():
    columns = {"DUSTSLOPE": np.linspace(-1, 1, 101), "FAMILY": np.array(["B", "A "] * 50 + ["A"])}
    found = bins.bins_by(columns, ["dustslope:-0.7,0", "FAMILY"], "t.fits")
    assert [bins.bin_name(*b) for b in found] == [
        "DUSTSLOPE < -0.7",
        "DUSTSLOPE -0.7 to 0",
        "DUSTSLOPE > 0",
        "FAMILY=A",
        "FAMILY=B",
    ]
    inside = bins.rows_in(found, np.ones(101), np.ones(101), columns)
    np.testing.assert_array_equal(inside[:, :3].sum(axis=1), 1)
    assert inside.sum(axis=0).tolist() == [15, 35, 51, 51, 50]


def test_thirds_without_edges_and_nan_in_none():
    columns = {"AV": np.append(np.arange(90.0), np.nan)}
    found = bins.bins_by(columns, ["AV"], "t.fits")
    inside = bins.rows_in(found, np.ones(91), np.ones(91), columns)
    assert inside.sum(axis=0).tolist() == [30, 30, 30] and not inside[-1].any()


@pytest.mark.parametrize(
    "by, message",
    [
        ("AV:x", "--by AV:x: must be a column, or a column with ascending edges; try DUST"),
        ("AV:1,0", "ascending edges"),
        (":1", "must be a column"),
        ("MASS", "t.fits: --by MASS: there is no column MASS; choose from AV, ONE, TEXT"),
        ("ONE", "t.fits: --by ONE: its values must spread .* give edges, as --by ONE:0.5"),
        ("TEXT", "TEXT: a column of text must have 1 to 20 values and takes no edges, got 30"),
        ("TEXT:1", "takes no edges"),
    ],
)
def test_errors(by, message):
    columns = {
        "AV": np.arange(30.0),
        "ONE": np.ones(30),
        "TEXT": np.arange(30).astype(str),
    }
    with pytest.raises(PixsedError, match=message):
        bins.bins_by(columns, [by], "t.fits")
