"""Cutting of ONNX files, and the reason for it."""

import time

import fakes
import numpy as np
import pytest

from pixsed.fit import graph, runtime


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = fakes.fake_model(tmp_path_factory.mktemp("model") / "m.onnx", quantiles=True)
    return path.read_bytes()


def test_onnxruntime_computes_unrequested_outputs():
    """The reason to cut files: a node that no requested output needs is computed, and fails."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Abs", ["x"], ["asked"]),
        helper.make_node("Reshape", ["x", "shape"], ["other"]),
    ]

    def value(name):
        return helper.make_tensor_value_info(name, kind.FLOAT, None)

    made = helper.make_graph(
        nodes,
        "two outputs",
        [value("x"), helper.make_tensor_value_info("shape", kind.INT64, [1])],
        [value("asked"), value("other")],
    )
    proto = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content = proto.SerializeToString()
    x, impossible = np.ones(3, np.float32), np.array([7])
    with pytest.raises(Exception, match="Reshape"):
        runtime.start(content).run(["asked"], {"x": x, "shape": impossible})
    session = runtime.start(graph.part(content, ["asked"]))
    np.testing.assert_array_equal(session.run(["asked"], {"x": x})[0], x)


def test_a_part_gives_the_values_of_the_whole(content):
    flux = np.random.default_rng(1).uniform(1, 9, (5, 29)).astype(np.float32)
    z = np.ones(5, np.float32)
    feed = {
        "flux": flux,
        "flux_err": flux,
        "redshift": z,
        "redshift_err": z,
        "base": np.zeros((5, 3, 6), np.float32),
    }
    outputs = graph.outputs_of(content)
    assert outputs == ["samples", "flux_model", "quantiles"]
    whole = dict(zip(outputs, runtime.start(content).run(None, feed), strict=True))
    for wanted, inputs in ((["quantiles"], {"flux"}), (["samples", "flux_model"], None)):
        part = runtime.start(graph.part(content, wanted))
        assert [item.name for item in part.get_outputs()] == wanted
        known = {item.name for item in part.get_inputs()}
        assert inputs is None or known == inputs
        found = part.run(wanted, {key: feed[key] for key in known})
        for name, values in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(values, whole[name])
        assert "pixsed" in part.get_modelmeta().custom_metadata_map


def test_a_part_has_only_the_nodes_that_it_needs(content):
    onnx = pytest.importorskip("onnx")
    part = onnx.load_from_string(graph.part(content, ["quantiles"]))
    onnx.checker.check_model(part)
    whole = onnx.load_from_string(content)
    assert len(part.graph.node) < len(whole.graph.node) / 2
    assert {n.op_type for n in part.graph.node}.isdisjoint({"Gather", "Exp", "Sigmoid"})
    assert len(part.graph.initializer) < len(whole.graph.initializer)


@pytest.mark.parametrize("junk", [b"", b"not a model", b"\xff" * 40])
def test_junk_is_not_a_graph(junk):
    with pytest.raises(ValueError):
        graph.part(junk, ["samples"])


def test_a_damaged_file_raises_value_errors_only(content):
    rng, failed = np.random.default_rng(0), 0
    for at in rng.choice(len(content), 1500):
        damaged = bytearray(content)
        damaged[at] = rng.integers(256)
        try:
            graph.part(bytes(damaged), graph.outputs_of(bytes(damaged))[:-1])
        except ValueError:
            failed += 1
    assert failed > 100


@pytest.mark.parametrize("byte", [0xFF, 0x80, 0xFA])
def test_junk_takes_no_time(byte):
    """Integers of any length took a time that grows with the square of the size of the file."""
    start = time.process_time()
    with pytest.raises(ValueError, match="10 bytes at most"):
        graph.outputs_of(bytes([byte]) * 5_000_000)
    assert time.process_time() - start < 1.0
