"""Model files are data: their digest, operators, inputs, outputs and size are checked."""

import fakes
import numpy as np
import pytest

from pixsed.environment import NO_VERIFY
from pixsed.errors import PixsedError
from pixsed.fit import model as model_module
from pixsed.fit.graph_check import check_digest, custom_metadata, signed
from pixsed.fit.model import Model
from pixsed.models import shipped

onnx = pytest.importorskip("onnx")


@pytest.fixture
def changed(tmp_path):
    """Return a function that writes the fake model after a change of its ``onnx.ModelProto``."""

    def write(change):
        path = fakes.fake_model(tmp_path / "m.onnx", quantiles=True)
        proto = onnx.load(path)
        change(proto)
        path.write_bytes(proto.SerializeToString())
        return path

    return write


def loop(proto):
    body = onnx.helper.make_graph([], "body", [], [])
    proto.graph.node.append(onnx.helper.make_node("Loop", ["", ""], ["x"], body=body))


def function(proto):
    proto.functions.add().name = "own"


def outside(proto):
    tensor = proto.graph.initializer[0]
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"


def shape(name, number):
    def change(proto):
        values = [*proto.graph.input, *proto.graph.output]
        value = next(value for value in values if value.name == name)
        value.type.tensor_type.shape.dim[-1].dim_value = number

    return change


def kind(proto):
    proto.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (loop, r"the graph has a loop or a branch \(Loop\)"),
        (function, "the graph has functions of its own"),
        (outside, "its weights are in another file"),
        (lambda p: setattr(p.graph.node[0], "domain", "com.other"), "Not? is not one of|IsNaN is"),
        (lambda p: setattr(p.opset_import[0], "version", 99), "of ONNX 17 to 30, got ONNX 99"),
        (lambda p: setattr(p.opset_import[0], "version", 1), "of ONNX 17 to 30, got ONNX 1;"),
        (lambda p: setattr(p.opset_import[0], "domain", "other"), "got other 17"),
        (lambda p: setattr(p.graph.node[0], "op_type", "NoSuch"), "not an ONNX model that onnxrun"),
        (shape("flux", 28), "flux of the graph must be float with shape any x 29, got"),
        (shape("base", 5), "base of the graph must be float with shape any x any x 6"),
        (kind, "not an ONNX model|flux of the graph must be float with shape any x 29"),
    ],
)
def test_what_is_no_model_of_pixsed(changed, change, match):
    with pytest.raises(PixsedError, match=match) as caught:
        Model(changed(change))
    assert "m.onnx" in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_too_large_for_a_model(tmp_path, monkeypatch):
    monkeypatch.setattr(model_module, "_LARGEST", 100)
    with pytest.raises(PixsedError, match=r"m.onnx is too large for a model \(0 MB\)"):
        Model(fakes.fake_model(tmp_path / "m.onnx"))


def test_digest(tmp_path, monkeypatch):
    path = fakes.fake_model(tmp_path / "m.onnx")
    content = path.read_bytes()
    check_digest(content, path)  # a file without one
    whole = signed(content)
    assert signed(whole) == whole and whole != content
    path.write_bytes(whole)
    before = Model(path)
    rng = np.random.default_rng(1)
    for at in rng.integers(len(whole), size=40) % len(content):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        with pytest.raises(PixsedError, match="m.onnx"):
            Model(path)
    weights = content.index(np.float32(9.0).tobytes())
    path.write_bytes(whole.replace(content[weights : weights + 4], np.float32(9.5).tobytes()))
    with pytest.raises(PixsedError, match="m.onnx is damaged, or was changed: its SHA-256 differs"):
        Model(path)
    monkeypatch.setenv(NO_VERIFY, "1")
    assert Model(path).parameters == before.parameters


@pytest.mark.parametrize("name", shipped())
def test_metadata_are_those_of_onnxruntime(name):
    path = shipped()[name]
    import onnxruntime

    found = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    assert custom_metadata(path.read_bytes(), "pixsed") == found["pixsed"]
    assert custom_metadata(path.read_bytes(), "absent") is None
