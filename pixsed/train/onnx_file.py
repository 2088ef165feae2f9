"""Changes made to an ONNX graph after its export from torch, before it is written."""

import numpy as np

#: Suffix of the names of weights that `store_small` has stored in a smaller type.
SMALL = "_small"


def forget_source(proto):
    """Remove the exporter's stack traces, which contain local paths, in place."""
    graph = proto.graph
    for part in (proto, graph, *graph.node, *graph.value_info, *graph.initializer):
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]


def forget_inner(proto):
    """Remove shapes of intermediate values, and shorten the names of nodes, in place.

    Only nodes that take parts of arrays keep a name: onnxruntime 1.20 derives from it the names
    of nodes that it fuses, and cannot load a file where two of these are equal.
    """
    del proto.graph.value_info[:]
    for number, node in enumerate(proto.graph.node):
        node.name = f"g{number}" if node.op_type in ("Gather", "Slice") else ""


def keep_silu(proto):
    """Replace float64 x sigmoid(x) by -((-x) sigmoid(x)), which is identical to the bit, in place.

    onnxruntime 1.18 to 1.30 fuses the first form into a node QuickGelu, but has no float64
    kernel for it and cannot load such a file. Float32 nodes are not replaced, because the fused
    node is faster.
    """
    from onnx import TensorProto, helper, shape_inference

    typed = shape_inference.infer_shapes(proto).graph
    wide = {
        v.name
        for v in (*typed.value_info, *typed.input, *typed.output)
        if v.type.tensor_type.elem_type == TensorProto.DOUBLE
    }
    made = {name for node in proto.graph.node if node.op_type == "Sigmoid" for name in node.output}
    nodes = []
    for node in proto.graph.node:
        sigmoid = next((name for name in node.input if name in made & wide), None)
        if node.op_type != "Mul" or sigmoid is None:
            nodes.append(node)
            continue
        (product,), (first, second) = node.output, node.input
        other = second if first == sigmoid else first
        nodes += [
            helper.make_node("Neg", [other], [f"{product}_minus_x"]),
            helper.make_node("Mul", [f"{product}_minus_x", sigmoid], [f"{product}_minus"]),
            helper.make_node("Neg", [f"{product}_minus"], [product]),
        ]
    # Make copies, because deleted nodes cannot be added again.
    nodes = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def store_small(proto):
    """Store weights in the smallest type that holds them exactly, in place.

    They are cast back when the model is loaded. The float64 weights were trained in float32, and
    the matrices that are used once per pixel have already been rounded to float16.
    """
    from onnx import TensorProto, helper, numpy_helper

    wide = {TensorProto.DOUBLE: np.float64, TensorProto.FLOAT: np.float32}
    casts = []
    for tensor in proto.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.data_type not in wide or values.size < 256:
            continue
        with np.errstate(over="ignore"):
            small = next(
                v
                for v in map(values.astype, (np.float16, np.float32, np.float64))
                if np.array_equal(v, values)
            )
        if small.dtype == values.dtype:
            continue
        name, to = tensor.name, tensor.data_type
        tensor.CopyFrom(numpy_helper.from_array(small, f"{name}{SMALL}"))
        casts.append(helper.make_node("Cast", [f"{name}{SMALL}"], [name], to=to))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend(casts + nodes)


def store_once(proto):
    """Store equal weights only once, in place.

    Weights occur twice because the graph contains the encoder in two precisions.
    """
    first, names, kept = {}, {}, []
    for tensor in proto.graph.initializer:
        key = tensor.data_type, tuple(tensor.dims), tensor.raw_data
        if len(tensor.raw_data) < 1024:
            kept.append(tensor)
        elif key in first:
            names[tensor.name] = first[key]
        else:
            first[key] = tensor.name
            kept.append(tensor)
    kept = [type(tensor).FromString(tensor.SerializeToString()) for tensor in kept]
    del proto.graph.initializer[:]
    proto.graph.initializer.extend(kept)
    for node in proto.graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = names.get(name, name)
