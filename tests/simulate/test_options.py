"""Options of a simulation."""

import pytest

from pixsed.errors import PixsedError
from pixsed.simulate.options import SimulateOptions


@pytest.mark.parametrize(
    "change, message",
    [
        ({"bands": ["F444W", "F150W", "F444W"]}, "bands must differ, got F444W twice"),
        ({"prior": "flat"}, "prior must be one of tau, dirichlet, .*, got 'flat'"),
        ({"attenuation": "grey"}, "attenuation must be one of .*, got 'grey'"),
        ({"igm": "thick"}, "igm must be one of .*, got 'thick'"),
    ],
)
def test_unknown_values(change, message):
    options = {"prior": "tau", "bands": ["F444W"], "number": 5} | change
    with pytest.raises(PixsedError, match=message):
        SimulateOptions(**options)


def test_cards():
    cards = SimulateOptions("tau", ["F150W", "F444W"], 7, seed=3, jobs=4).cards()
    assert ("BAND2", "F444W", "FLUX element 2") in cards
    assert {key: value for key, value, _ in cards} == {
        "PRIOR": "tau",
        "BAND1": "F150W",
        "BAND2": "F444W",
        "NAXIS2": 7,
        "ATTENUAT": "calzetti",
        "IGM": "inoue14",
        "SEED": 3,
        "BATCH": 50_000,
    }
