"""Tests of the weights from which a training starts."""

# ruff: noqa: E402
import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch")
onnx = pytest.importorskip("onnx", reason="models are read by onnx")
pytest.importorskip("onnxscript", reason="export needs onnxscript")

from pixsed.errors import PixsedError
from pixsed.fit.graph_check import signed
from pixsed.simulate.table import read_simulations
from pixsed.train.checkpoint import load_network, read_checkpoint
from pixsed.train.initialise import build_network, start_from
from pixsed.train.weights import read_weights

ABSENT = ("encoder.predict.weight", "encoder.predict.bias", "target_mean", "target_std")


def test_model_has_the_weights_of_its_checkpoint(model_file, checkpoint_file):
    saved = read_checkpoint(checkpoint_file)
    found, expected = read_weights(model_file), read_weights(checkpoint_file)
    assert found.sizes == expected.sizes and found.mass_offset == expected.mass_offset
    assert (found.bands, found.prior) == (expected.bands, expected.prior)
    assert found.training["simulations"] == expected.training["simulations"]
    network = load_network(saved)  # rounded as the export does
    for name, values in network.state_dict().items():
        if name.startswith(("encoder.", "trunk.", "conditioners.")) and name not in ABSENT:
            np.testing.assert_array_equal(found.state[name].double(), values.double(), name)


@pytest.mark.parametrize("kind", ["checkpoint", "model"])
def test_network_started_from_a_file_has_its_density(
    kind, model_file, checkpoint_file, simulations_file, ssp_grid
):
    path = {"checkpoint": checkpoint_file, "model": model_file}[kind]
    simulations = read_simulations(simulations_file)
    weights = read_weights(path)
    network = build_network(simulations, ssp_grid, weights.sizes, seed=3)
    before = start_from(network, weights, simulations)
    assert before[-1]["seed"] == read_checkpoint(checkpoint_file)["training"]["seed"]
    saved = load_network(read_checkpoint(checkpoint_file))
    saved.recalibration, saved.error_floor = network.recalibration, 0.0
    rng = np.random.default_rng(1)
    flux = torch.from_numpy(simulations.flux[:64].astype(np.float32))
    z = torch.from_numpy(rng.uniform(0.1, 7.0, 64).astype(np.float32))
    coordinates = torch.from_numpy(rng.standard_normal((64, network.space.dim)).astype(np.float32))
    inputs = coordinates, flux, 0.1 * flux.abs() + 0.1, z, 0.01 * (1 + z)
    with torch.no_grad():
        found, expected = network.eval().log_prob(*inputs), saved.log_prob(*inputs)
    # Matrices of the saved network are rounded to float16; a few sharp densities change more.
    off = (found - expected).abs() / (1.0 + expected.abs())
    assert off.quantile(0.95) < 0.01


def _changed(path, output, change):
    """Write a model with changed metadata."""
    proto = onnx.load(path)
    entry = next(one for one in proto.metadata_props if one.key == "pixsed")
    metadata = json.loads(entry.value)
    change(metadata)
    entry.value = json.dumps(metadata)
    output.write_bytes(signed(proto.SerializeToString()))
    return output


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda m: m["training"].update(members=3), "consists of several networks; start from a"),
        (lambda m: m.pop("network"), "exported by an older pixsed, without the sizes of its net"),
    ],
)
def test_models_from_which_no_training_starts(change, message, model_file, tmp_path):
    path = _changed(model_file, tmp_path / "other.onnx", change)
    with pytest.raises(PixsedError, match=f"other.onnx.*{message}"):
        read_weights(path)


def test_model_of_other_bands(model_file, simulations_file, ssp_grid, tmp_path):
    def fewer(metadata):
        metadata["bands"] = metadata["bands"][:-1] + ["F435W"]

    path = _changed(model_file, tmp_path / "other.onnx", fewer)
    simulations = read_simulations(simulations_file)
    weights = read_weights(path)
    network = build_network(simulations, ssp_grid, weights.sizes)
    with pytest.raises(PixsedError, match="other.onnx was trained on other bands or another prior"):
        start_from(network, weights, simulations)


def test_model_without_some_weights(model_file, simulations_file, ssp_grid):
    simulations = read_simulations(simulations_file)
    weights = read_weights(model_file)
    network = build_network(simulations, ssp_grid, weights.sizes)
    weights.state.pop("encoder.trunk.norm.weight")
    with pytest.raises(PixsedError, match="holds a network of another shape; train again"):
        start_from(network, weights, simulations)
