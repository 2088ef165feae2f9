"""Part of an ONNX file: the nodes that some of its outputs need.

onnxruntime computes every output of a file, whichever are asked for, and the package that edits
ONNX files is not needed for inference otherwise; so the few fields that matter are read here, in
the wire format of protocol buffers.
"""

# Field numbers of onnx.proto.
_GRAPH = 7
_NODE, _INITIALIZER, _INPUT, _OUTPUT, _VALUE_INFO = 1, 5, 11, 12, 13
_NODE_INPUT, _NODE_OUTPUT, _TENSOR_NAME, _VALUE_NAME = 1, 2, 8, 1


def _varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _fields(data):
    """Yield (number, payload or None, whole field) of a message; payload of those with a length."""
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
        elif kind in (1, 5):
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"wire type {kind}")
        if at > len(data):
            raise ValueError("a field goes past the end")
        yield tag >> 3, payload, data[start:at]


def _texts(message, number):
    return [bytes(p).decode() for n, p, _ in _fields(message) if n == number]


def _length(size):
    parts = bytearray()
    while size >= 0x80:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])


def outputs_of(content):
    """Return the names of a file's outputs, in order."""
    graph = next(p for n, p, _ in _fields(memoryview(content)) if n == _GRAPH)
    return [_texts(p, _VALUE_NAME)[0] for n, p, _ in _fields(graph) if n == _OUTPUT]


def part(content, outputs):
    """Return an ONNX file with some of the outputs of another, and what they need.

    Parameters
    ----------
    content : bytes
    outputs : sequence of str

    Returns
    -------
    bytes

    Raises
    ------
    ValueError, StopIteration, IndexError, UnicodeDecodeError
        If it is no ONNX file.
    """
    model = list(_fields(memoryview(content)))
    graph = list(_fields(next(p for n, p, _ in model if n == _GRAPH)))
    nodes = [
        (i, _texts(p, _NODE_INPUT), _texts(p, _NODE_OUTPUT))
        for i, (n, p, _) in enumerate(graph)
        if n == _NODE
    ]
    names, kept = set(outputs), set()
    for i, inputs, made in reversed(nodes):  # a node comes after those that it needs
        if names.intersection(made):
            kept.add(i)
            names.update(inputs)
    named = {_INITIALIZER: _TENSOR_NAME, _INPUT: _VALUE_NAME}
    pieces = []
    for i, (number, payload, whole) in enumerate(graph):
        if number == _NODE and i not in kept:
            continue
        if number in named and _texts(payload, named[number])[0] not in names:
            continue
        if number == _VALUE_INFO:
            continue
        if number == _OUTPUT and _texts(payload, _VALUE_NAME)[0] not in outputs:
            continue
        pieces.append(bytes(whole))
    body = b"".join(pieces)
    key = bytes([_GRAPH << 3 | 2])
    return b"".join(
        key + _length(len(body)) + body if number == _GRAPH else bytes(whole)
        for number, _, whole in model
    )
