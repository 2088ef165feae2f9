"""Sessions on every supported onnxruntime, and its telemetry."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pixsed
from pixsed.fit import runtime
from pixsed.models import shipped

onnx = pytest.importorskip("onnx", reason="the graphs are built with it")

from pixsed.train.onnx_file import keep_silu  # noqa: E402

DOUBLE, FLOAT = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT
helper = onnx.helper
# Form -> nodes from x to y.
FORMS = {
    "x s": [("Sigmoid", "x", "s"), ("Mul", "x s", "y")],
    "s x": [("Sigmoid", "x", "s"), ("Mul", "s x", "y")],
    "x sigmoid(a x)": [("Mul", "x a", "ax"), ("Sigmoid", "ax", "s"), ("Mul", "x s", "y")],
    "sigmoid(a x) x": [("Mul", "a x", "ax"), ("Sigmoid", "ax", "s"), ("Mul", "s x", "y")],
    "twice": [
        ("Sigmoid", "x", "s"),
        ("Mul", "x s", "u"),
        ("Sigmoid", "u", "v"),
        ("Mul", "v u", "y"),
    ],
    "of a sum": [("Add", "x a", "u"), ("Sigmoid", "u", "s"), ("Mul", "u s", "y")],
    "used again": [("Sigmoid", "x", "s"), ("Mul", "x s", "u"), ("Add", "u s", "y")],
    "another factor": [("Sigmoid", "x", "s"), ("Exp", "x", "u"), ("Mul", "u s", "y")],
    "two sigmoids": [("Sigmoid", "x", "s"), ("Sigmoid", "a", "t"), ("Mul", "s t", "y")],
}


def graph(form, kind):
    nodes = [helper.make_node(op, inputs.split(), [out]) for op, inputs, out in FORMS[form]]

    def value(name):
        return helper.make_tensor_value_info(name, kind, ["N"])

    made = helper.make_graph(
        nodes, form, [value("x")], [value("y")], [helper.make_tensor("a", kind, [1], [1.7])]
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


def run(session, kind):
    x = np.concatenate([np.linspace(-30, 30, 101), [0.0, -800.0, 800.0]])
    return session.run(None, {"x": x.astype(np.float64 if kind == DOUBLE else np.float32)})[0]


def unfused(proto):
    onnxruntime = runtime.load()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def plain(content):
    return runtime.load().InferenceSession(content, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("form", FORMS)
def test_float64_silu_loads_and_is_the_same(form):
    proto = graph(form, DOUBLE)
    expected = run(unfused(proto), DOUBLE)
    keep_silu(proto)
    onnx.checker.check_model(proto)
    assert run(plain(proto.SerializeToString()), DOUBLE).tobytes() == expected.tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_float32_is_left_as_it_is(form):
    proto = graph(form, FLOAT)
    before = proto.SerializeToString()
    keep_silu(proto)
    assert proto.SerializeToString() == before


@pytest.mark.parametrize("name", list(shipped()))
def test_a_shipped_file_alone_loads(name):
    content = shipped()[name].read_bytes()
    assert len(content) < 8_000_000
    assert plain(content).get_outputs()[0].name == "samples"
    proto = onnx.load_from_string(content)
    assert proto.ir_version <= 10 and proto.opset_import[0].version <= 18
    if name.startswith("broad"):  # two Gathers of one array, which onnxruntime 1.20 fuses
        parts = [node.name for node in proto.graph.node if node.op_type in ("Gather", "Slice")]
        assert len(set(parts)) == len(parts)
    # No float64 product of x and its sigmoid, which onnxruntime would fuse: see `keep_silu`.
    made = {out: node for node in proto.graph.node for out in node.output}
    typed = onnx.shape_inference.infer_shapes(proto).graph
    wide = {v.name for v in typed.value_info if v.type.tensor_type.elem_type == DOUBLE}
    for node in proto.graph.node:
        if node.op_type != "Mul" or node.output[0] not in wide:
            continue
        for one, other in (node.input, node.input[::-1]):
            if one in made and made[one].op_type == "Sigmoid":
                assert made[other].op_type == "Neg"


@pytest.mark.parametrize("set_before", [None, "0", "1"])
def test_telemetry_is_off_before_the_import(set_before, tmp_path):
    env = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    if set_before is not None:
        env["ORT_DISABLE_TELEMETRY"] = set_before
    code = (
        "import builtins, os, sys\n"
        "real, seen = builtins.__import__, []\n"
        "def spy(name, *args, **kwargs):\n"
        "    if name == 'onnxruntime' and not seen:\n"
        "        seen.append(os.environ.get('ORT_DISABLE_TELEMETRY'))\n"
        "    return real(name, *args, **kwargs)\n"
        "builtins.__import__ = spy\n"
        "from pixsed.fit.model import Model\n"
        "from pixsed.models import resolve\n"
        "Model(resolve('tau'))\n"
        "print(seen[0])\n"
    )
    env["PYTHONPATH"] = str(Path(pixsed.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [set_before or "1"]


def test_one_module_imports_onnxruntime():
    root = Path(pixsed.__file__).parent
    found = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(("import onnxruntime", "from onnxruntime"))
        or 'import_module("onnxruntime' in line
    }
    assert found == {"fit/runtime.py"}
