import numpy as np
import pytest
from astropy.table import Table

from pixsed.plots.learning_curve import curve_table, write_curve

HISTORY = [
    {
        "epoch": 1,
        "train": 3.0,
        "held_out": 2.5,
        "by_coordinate": [],
        "quantiles": [1.0, 1.5],
        "seconds": 2.0,
    },
    {
        "epoch": 2,
        "train": 1.0,
        "held_out": 1.2,
        "by_coordinate": [0.2, -1.0],
        "quantiles": [0.9, 1.1],
        "seconds": 3.0,
    },
]


def test_table(tmp_path):
    write_curve([HISTORY, HISTORY], tmp_path / "c.ecsv")
    table = Table.read(tmp_path / "c.ecsv")
    assert list(table["NETWORK"]) == [1, 1, 2, 2] and list(table["STAGE"]) == [1, 2, 1, 2]
    assert np.isnan(table["DENSITY"][0]) and table["DENSITY"][1] == pytest.approx(-0.8)
    assert table["QUANTILES"][0] == 2.5 and table["SECONDS"].unit == "s"
    assert len(curve_table([HISTORY])) == 2


def test_picture(tmp_path):
    pytest.importorskip("matplotlib", reason="pictures are drawn by matplotlib")
    write_curve([HISTORY], tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"
