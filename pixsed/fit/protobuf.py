"""Fields of messages in the wire format of protocol buffers, as in ONNX files.

The package ``onnx`` could read them, but inference does not need it otherwise, and its import takes
longer than this module does. See https://protobuf.dev/programming-guides/encoding/.
"""

import contextlib

# Bytes of fields of a fixed size, by wire type.
_FIXED = {1: 8, 5: 4}


@contextlib.contextmanager
def reading_onnx():
    """Raise `ValueError` for whatever a damaged file raises where a field is read."""
    try:
        yield
    except (IndexError, StopIteration, TypeError, UnicodeDecodeError) as error:
        raise ValueError("it is not an ONNX file") from error


def fields_of(data):
    """Yield (number, payload, field) of a message.

    The payload is an integer or a memoryview, and None for a field of fixed size.
    """
    at = 0
    while at < len(data):
        start = at
        tag, at = _varint(data, at)
        kind, payload = tag & 7, None
        if kind == 0:
            payload, at = _varint(data, at)
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


def message(number, payload):
    """Return a field of a message, with its number and length."""
    tag = _varint_bytes(number << 3 | 2)
    return tag + _varint_bytes(len(payload)) + bytes(payload)


def _varint_bytes(size):
    """Return the bytes of an integer of variable length."""
    parts = bytearray()
    while size >= 0x80:
        parts.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*parts, size])


def texts(fields, number):
    """Return the texts of the fields of one number."""
    found = [payload for n, payload, _ in fields if n == number]
    if not all(isinstance(payload, memoryview) for payload in found):
        raise ValueError("a text must be a field of bytes")
    return [bytes(payload).decode() for payload in found]
