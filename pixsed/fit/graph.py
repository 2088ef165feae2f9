"""Cut an ONNX file down to the nodes that some of its outputs need.

A model file holds both the flow and the network of quantiles. onnxruntime computes all outputs of
a file, whichever are asked for: a call for the quantiles alone would take 15 to 30 times as long.
The package ``onnx`` could cut files, but inference does not need it otherwise, and its import
takes longer than this module does. So the few fields that matter are read here, in the wire
format of protocol buffers (https://protobuf.dev/programming-guides/encoding/).
"""

import contextlib

# Field numbers of onnx.proto: of a model; of a graph; of the parts of a graph.
_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _TENSOR_NAME, _VALUE_NAME = 1, 2, 8, 1
_NAME = {_INITIALIZER: _TENSOR_NAME, _INPUT: _VALUE_NAME, _OUTPUT: _VALUE_NAME}
# Bytes of fields of a fixed size, by wire type.
_FIXED = {1: 8, 5: 4}


@contextlib.contextmanager
def _reading():
    """Raise `ValueError` for whatever a damaged file raises where a field is read."""
    try:
        yield
    except (IndexError, StopIteration, TypeError) as error:
        raise ValueError("it is not an ONNX file") from error


@_reading()
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
    _, graph = _read(content)
    return [_name(number, payload) for number, payload, _ in graph if number == _OUTPUT]


@_reading()
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
    model, graph = _read(content)
    names, nodes = _needed(graph, outputs)
    pieces = []
    for i, (number, payload, field) in enumerate(graph):
        if number == _NODE:
            keep = i in nodes
        elif number == _OUTPUT:
            keep = _name(number, payload) in outputs
        elif number in _NAME:
            keep = _name(number, payload) in names
        else:
            keep = number != _VALUE_INFO  # types of intermediate values, some of them gone
        if keep:
            pieces.append(field)
    body = b"".join(pieces)
    new = bytes([_GRAPH << 3 | 2]) + _length(len(body)) + body
    return b"".join(new if number == _GRAPH else field for number, _, field in model)


def _needed(graph, outputs):
    """Return the names of the values that outputs need, and the indices of the nodes."""
    names, nodes = set(outputs), set()
    # Go backwards: a node comes after the nodes whose values it takes.
    for i, (number, payload, _) in reversed(list(enumerate(graph))):
        if number == _NODE:
            fields = list(_fields(payload))
            if names.intersection(_texts(fields, _NODE_OUTPUT)):
                nodes.add(i)
                names.update(_texts(fields, _NODE_INPUT))
    return names, nodes


def _read(content):
    """Return the fields of a model and of its graph."""
    model = list(_fields(memoryview(content)))
    graph = next(payload for number, payload, _ in model if number == _GRAPH)
    return model, list(_fields(graph))


def _fields(data):
    """Yield (number, payload, field) of a message; the payload of a field of fixed size is None."""
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        kind, payload = tag & 7, None
        if kind == 0:
            _, at = _varint(data, at)
        elif kind == 2:
            size, at = _varint(data, at)
            payload = data[at : at + size]
            at += size
        elif kind in _FIXED:
            at += _FIXED[kind]
        else:
            raise ValueError(f"wire type must be 0, 1, 2 or 5, got {kind}")
        if at > len(data):
            raise ValueError("a field must end inside the file")
        yield tag >> 3, payload, data[start:at]


def _varint(data, at):
    """Return an integer of variable length, and the position of its end."""
    value = shift = 0
    while True:
        if shift >= 70:  # without a limit, a damaged file takes a time that grows with its square
            raise ValueError("an integer must have 10 bytes at most")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _length(size):
    """Return the bytes of an integer of variable length."""
    parts = bytearray()
    while size >= 0x80:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])


def _texts(fields, number):
    return [bytes(payload).decode() for n, payload, _ in fields if n == number]


def _name(number, payload):
    return _texts(_fields(payload), _NAME[number])[0]
