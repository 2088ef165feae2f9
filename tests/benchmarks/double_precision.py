"""Compare the posteriors of shipped models in float32, as they run, with those in float64.

    python tests/benchmarks/double_precision.py --pixels 10000

Each graph is converted to float64 and run by onnx's reference implementation, since onnxruntime
lacks some operators in float64. For each property it prints the differences of draws and of
medians, in units of the half width of the 68 % interval: median, 99th percentile, largest.
"""

import argparse

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from pixsed.fit import graph
from pixsed.fit.model import load_model

_LINE = "{:10} {:10} draws {:.1e} {:.1e} {:.1e}  medians {:.1e} {:.1e} {:.1e}"
FLOAT, DOUBLE = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE


def in_double(content):
    """Return an ONNX file with all float32 numbers and types turned to float64."""
    proto = onnx.load_from_string(content)
    for value in (*proto.graph.input, *proto.graph.output):
        if value.type.tensor_type.elem_type == FLOAT:
            value.type.tensor_type.elem_type = DOUBLE
    del proto.graph.value_info[:]
    for tensor in proto.graph.initializer:
        _widen(tensor)
    for node in proto.graph.node:
        for attribute in node.attribute:
            if attribute.name == "to" and attribute.i == FLOAT:
                attribute.i = DOUBLE
            if attribute.HasField("t"):
                _widen(attribute.t)
    return proto


def _widen(tensor):
    if tensor.data_type == FLOAT:
        wide = numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))


def observed(model, pixels, seed=1):
    """Return fluxes, errors, redshifts and base normals of pixels like those of the training.

    The fluxes are those that the model predicts for random spectra, with errors of 2 to 30 %.
    """
    rng = np.random.default_rng(seed)
    bands = len(model.bands)
    z = rng.uniform(0.1, model.redshift_range[1] - 0.1, pixels)
    slope = rng.normal(0, 0.8, (pixels, 1)) * np.linspace(-1, 1, bands)
    flux = np.exp(rng.normal(4.0, 1.0, (pixels, 1)) + slope)
    err = flux.mean(axis=1, keepdims=True) * np.exp(rng.uniform(-4, -1.2, (pixels, 1)))
    err = err * np.ones(bands)
    base = np.zeros((pixels, 2, model.base_dim))
    flat = np.full(pixels, 0.0)
    _, predicted = model.sample(flux, err, z, flat, base)
    flux = predicted + rng.normal(size=flux.shape) * err
    missing = rng.random(flux.shape) < 0.2
    flux[missing] = err[missing] = np.nan
    return flux, err, z, flat


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pixels", type=int, default=10_000)
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--model", action="append")
    options = parser.parse_args()
    for name in options.model or ["tau", "dirichlet", "broad", "broad-z"]:
        for row in differences(name, options.pixels, options.draws):
            print(_LINE.format(*row), flush=True)


def differences(name, pixels, draws, chunk=500):
    """Return (model, property, differences of draws, and of medians) of each property."""
    model = load_model(name)
    content = graph.part(model.path.read_bytes(), ["samples"])
    wide = ReferenceEvaluator(in_double(content))
    inputs = observed(model, pixels)
    rng = np.random.default_rng(2)
    by_draw, by_median = [], []
    for start in range(0, pixels, chunk):
        part = [np.asarray(values[start : start + chunk]) for values in inputs]
        # Both get the same float32 numbers.
        part = [values.astype(np.float32) for values in part]
        base = rng.standard_normal((len(part[0]), draws, model.base_dim)).astype(np.float32)
        single, _ = model.sample(*part, base)
        names = ("flux", "flux_err", "redshift", "redshift_err", "base")
        feed = {
            key: values.astype(np.float64)
            for key, values in zip(names, [*part, base], strict=True)
            if key in wide.input_names
        }
        (double,) = wide.run(["samples"], feed)
        low, high = np.quantile(double, [0.16, 0.84], axis=1)
        width = np.maximum(0.5 * (high - low), 1e-6)
        by_draw.append(np.abs(single - double) / width[:, None])
        moved = np.abs(np.median(single, axis=1) - np.median(double, axis=1))
        by_median.append(moved / width)
    for i, parameter in enumerate(model.parameters):
        a = np.concatenate(by_draw)[..., i]
        b = np.concatenate(by_median)[..., i]
        numbers = [f(x) for x in (a, b) for f in (np.median, _percentile, np.max)]
        yield (name, parameter, *numbers)


def _percentile(values):
    return np.percentile(values, 99)


if __name__ == "__main__":
    main()
