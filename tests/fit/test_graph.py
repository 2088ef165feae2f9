import fakes
import numpy as np
import pytest

from pixsed.fit import graph

onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    path = fakes.fake_model(tmp_path_factory.mktemp("model") / "m.onnx", quantiles=True)
    return path.read_bytes()


def session(content):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def test_a_part_gives_what_the_whole_gives(content):
    flux = np.random.default_rng(1).uniform(1, 9, (5, 29)).astype(np.float32)
    z = np.ones(5, np.float32)
    feed = {
        "flux": flux,
        "flux_err": flux,
        "redshift": z,
        "redshift_err": z,
        "base": np.zeros((5, 3, 6), np.float32),
    }
    assert graph.outputs_of(content) == ["samples", "flux_model", "quantiles"]
    whole = dict(zip(graph.outputs_of(content), session(content).run(None, feed), strict=True))
    for wanted, inputs in ((["quantiles"], {"flux"}), (["samples", "flux_model"], None)):
        part = session(graph.part(content, wanted))
        assert [item.name for item in part.get_outputs()] == wanted
        known = {item.name for item in part.get_inputs()}
        assert inputs is None or known == inputs
        found = part.run(wanted, {key: feed[key] for key in known})
        for name, values in zip(wanted, found, strict=True):
            np.testing.assert_array_equal(values, whole[name])
        # The metadata go with it.
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
def test_junk_is_no_graph(junk):
    with pytest.raises((ValueError, StopIteration, IndexError)):
        graph.part(junk, ["samples"])
