"""Cut an ONNX file down to the nodes that some of its outputs need.

A model file holds both the flow and the network of quantiles. onnxruntime computes all outputs of
a file, whichever are asked for: a call for the quantiles alone would take 15 to 30 times as long.
So the few fields that matter are read here, by `pixsed.fit.protobuf`.
"""

from pixsed.fit.protobuf import fields_of, message, reading_onnx, texts

# Field numbers of onnx.proto: of a model; of a graph; of the parts of a graph.
_GRAPH = 7
NODE, INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _TENSOR_NAME, _VALUE_NAME = 1, 2, 8, 1
_NAME = {INITIALIZER: _TENSOR_NAME, _INPUT: _VALUE_NAME, _OUTPUT: _VALUE_NAME}


@reading_onnx()
def outputs_of(content):
    """Return the names of the outputs of an ONNX file, in order.

    Parameters
    ----------
    content : bytes

    Raises
    ------
    ValueError
        If it is not an ONNX file.
    """
    _, graph = read(content)
    return [_name(number, payload) for number, payload, _ in graph if number == _OUTPUT]


@reading_onnx()
def part(content, outputs):
    """Return a copy of an ONNX file with some of its outputs and the nodes that they need.

    Parameters
    ----------
    content : bytes
    outputs : sequence of str

    Returns
    -------
    bytes
        The new file, with the metadata of `content`.

    Raises
    ------
    ValueError
        If `content` is not an ONNX file.
    """
    model, graph = read(content)
    names, nodes = _needed(graph, outputs)
    pieces = []
    for i, (number, payload, field) in enumerate(graph):
        if number == NODE:
            keep = i in nodes
        elif number == _OUTPUT:
            keep = _name(number, payload) in outputs
        elif number in _NAME:
            keep = _name(number, payload) in names
        else:
            keep = number != _VALUE_INFO  # types of intermediate values, some of them gone
        if keep:
            pieces.append(field)
    new = message(_GRAPH, b"".join(pieces))
    return b"".join(new if number == _GRAPH else field for number, _, field in model)


def _needed(graph, outputs):
    """Return the names of the values that outputs need, and the indices of the nodes."""
    names, nodes = set(outputs), set()
    # Go backwards: a node comes after the nodes whose values it takes.
    for i, (number, payload, _) in reversed(list(enumerate(graph))):
        if number == NODE:
            fields = list(fields_of(payload))
            if names.intersection(texts(fields, _NODE_OUTPUT)):
                nodes.add(i)
                names.update(texts(fields, _NODE_INPUT))
    return names, nodes


def read(content):
    """Return the fields of a model and of its graph."""
    model = list(fields_of(memoryview(content)))
    graph = next(payload for number, payload, _ in model if number == _GRAPH)
    return model, list(fields_of(graph))


def _name(number, payload):
    return texts(fields_of(payload), _NAME[number])[0]
