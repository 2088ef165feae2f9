"""Checks of ONNX files before they are run: models are data, and nothing but a plain graph.

The fields are those of onnx.proto (https://onnx.ai).
"""

import hashlib

from pixsed.errors import PixsedError
from pixsed.fit.graph import INITIALIZER, NODE, read
from pixsed.fit.protobuf import fields_of, message, reading_onnx, texts

# Field numbers: of a model; of an opset; of parts of a node, an attribute, a tensor and an entry.
_OPSETS, _ENTRIES, _FUNCTIONS = 8, 14, 25
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_OPERATOR, _ATTRIBUTE, _DOMAIN = 4, 5, 7
_SUBGRAPH, _SUBGRAPHS = 6, 11
_EXTERNAL, _LOCATION = 13, 14
_KEY, _VALUE = 1, 2
# Opsets that pixsed export has written, or may write with a later torch.
_LOWEST, _HIGHEST = 17, 30
#: Key of the custom metadata that holds the digest of the rest of the file.
DIGEST_KEY = "sha256"
_ADVICE = "give a file made by pixsed export"


@reading_onnx()
def signed(content):
    """Return an ONNX file with the SHA-256 of its content, which `check_digest` compares.

    Parameters
    ----------
    content : bytes
    """
    rest, _ = _without_digest(content)
    digest = hashlib.sha256(rest).hexdigest().encode()
    return rest + message(_ENTRIES, message(_KEY, DIGEST_KEY.encode()) + message(_VALUE, digest))


@reading_onnx()
def check_digest(content, path):
    """Raise `PixsedError` if an ONNX file has another content than its SHA-256 says.

    No-op for a file without one.

    Parameters
    ----------
    content : bytes
    path : path-like
        The file, for messages.
    """
    rest, digest = _without_digest(content)
    if digest is not None and hashlib.sha256(rest).hexdigest() != digest:
        raise PixsedError(
            f"{path} is damaged, or was changed: its SHA-256 differs; copy it again, export the "
            "model again, or use --no-verify"
        )


def _without_digest(content):
    """Return a file without the entry of its digest, and the digest or None."""
    kept, digest = [], None
    for number, payload, field in fields_of(memoryview(content)):
        if number == _ENTRIES:
            entry = list(fields_of(payload))
            if texts(entry, _KEY) == [DIGEST_KEY]:
                digest = "".join(texts(entry, _VALUE))
                continue
        kept.append(field)
    return b"".join(kept), digest


@reading_onnx()
def custom_metadata(content, key):
    """Return a text of the custom metadata of an ONNX file without starting onnxruntime.

    Parameters
    ----------
    content : bytes
    key : str

    Returns
    -------
    str or None
        None if the file has no such text.

    Raises
    ------
    ValueError
        If it is not an ONNX file.
    """
    for number, payload, _ in fields_of(memoryview(content)):
        if number == _ENTRIES:
            entry = list(fields_of(payload))
            if texts(entry, _KEY) == [key]:
                return "".join(texts(entry, _VALUE))
    return None


@reading_onnx()
def check_graph(content, path):
    """Check that an ONNX file is a model of pixsed as far as its operators go.

    A model is a plain graph of standard operators, with all of its numbers inside the file: it has
    no loops, no branches, no functions, and reads no other files.

    Parameters
    ----------
    content : bytes
    path : path-like
        The file, for messages.

    Raises
    ------
    PixsedError
        If it is another graph.
    ValueError
        If it is not an ONNX file.
    """
    model, graph = read(content)
    if any(number == _FUNCTIONS for number, _, _ in model):
        raise PixsedError(f"{path}: the graph has functions of its own; {_ADVICE}")
    for payload in (payload for number, payload, _ in model if number == _OPSETS):
        opset = list(fields_of(payload))
        domain = "".join(texts(opset, _OPSET_DOMAIN))
        version = next((v for n, v, _ in opset if n == _OPSET_VERSION), 0)
        if domain not in ("", "ai.onnx") or not _LOWEST <= version <= _HIGHEST:
            raise PixsedError(
                f"{path}: the operators must be those of ONNX {_LOWEST} to {_HIGHEST}, got "
                f"{domain or 'ONNX'} {version}; {_ADVICE}"
            )
    for number, payload, _ in graph:
        if number == NODE:
            _check_node(list(fields_of(payload)), path)
        elif number == INITIALIZER:
            tensor = list(fields_of(payload))
            if any(n == _EXTERNAL or n == _LOCATION and value for n, value, _ in tensor):
                raise PixsedError(f"{path}: its weights are in another file; {_ADVICE}")


def _check_node(fields, path):
    operator = "".join(texts(fields, _OPERATOR))
    if "".join(texts(fields, _DOMAIN)) not in ("", "ai.onnx"):
        raise PixsedError(f"{path}: the operator {operator} is not one of ONNX; {_ADVICE}")
    for attribute in (payload for number, payload, _ in fields if number == _ATTRIBUTE):
        if any(number in (_SUBGRAPH, _SUBGRAPHS) for number, _, _ in fields_of(attribute)):
            raise PixsedError(f"{path}: the graph has a loop or a branch ({operator}); {_ADVICE}")
