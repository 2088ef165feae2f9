"""Metadata of a model of a wrong type give one clear line that names the key."""

import json

import pytest

from pixsed.errors import PixsedError
from pixsed.fit.metadata import read_metadata
from pixsed.fit.model import load_model

WRONG = {
    "bands": ["F200W", ["F200W", "F200W"], [], [1], None, {"a": 1}],
    "parameters": [["LOGMSTAR"], [{"unit": "x"}], [{"name": 5}], {}, None],
    "base_dim": [0, -1, 1.5, "6", True, None, 10**9],
    "name": [5, "", "two\nlines", []],
    "redshift_range": [[0.0], [2.0, 1.0], "0 to 7", [0, None], 7],
    "redshift_err_max": [-1, "x", [], None],
    "infer_redshift": [1, "yes", None],
    "filters": [{}, [{"name": "X"}], [{"name": "X", "pivot_um": 0}], [5]],
    "flux_model": [5, []],
    "flux_model.error": ["x", [-1.0], {}, [0.1, 0.1], None],
    "flux_model.draws": [0, "32", None],
    "quantiles": [[], "x"],
    "quantiles.levels": [[0.5, 0.5], [0.0, 0.5], "all", [None]],
    "quantiles.properties": [["AV", "AV"], "AV", [5]],
    "prior": [5, [], "tau"],
    "prior.sfh": [5, None, {}],
    "prior.redshift": [[1], "x", [7, 0]],
    "prior.log_ssfr_floor": ["low", None],
    "prior.coordinates": [5, [5], [{"low": 1}], [{"name": "AV", "low": 2, "high": 1}]],
    "sps": [5, None, []],
    "calibration": [5, []],
    "calibration.common": [5, {"snr": [1.0]}],
    "calibration.common.snr": [["x"], [-1.0], 5, []],
    "calibration.common.LOGSFR": [["x"], None, []],
}


@pytest.fixture(scope="module")
def whole():
    return load_model("tau").metadata


@pytest.mark.parametrize("key", WRONG)
def test_values_of_a_wrong_type(whole, key):
    for value in WRONG[key]:
        changed = json.loads(json.dumps(whole))
        *outer, last = key.split(".")
        inner = changed
        for step in outer:
            inner = inner[step]
        inner[last] = value
        with pytest.raises(PixsedError, match="m.onnx: ") as caught:
            read_metadata(json.dumps(changed), "m.onnx")
        assert key.split(".")[0] in str(caught.value), value


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "null", "[" * 100_000])
def test_what_is_no_metadata(text):
    with pytest.raises(PixsedError, match="m.onnx: its metadata cannot be read; give a file made"):
        read_metadata(text, "m.onnx")


def test_whole(whole):
    assert read_metadata(json.dumps(whole), "m.onnx") == whole
