"""Looks through the bytes of an ONNX model for what we do not run.

An ONNX file is a protocol buffer (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto). It
may name other files that hold its weights, which the runtime would then read relative to the
current directory, and operators that are not ONNX's own. Both are refused before the runtime
sees the bytes. Only the fields needed for that are read, so that serving does without the
package ``onnx``.
"""

from collections.abc import Iterator, Mapping

ALLOWED_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml"})
"""Where operators may come from: ONNX itself and its classical machine learning."""

_NODE_DOMAIN = 7
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14

# Message type -> number of a field -> message type in it: the ways to nodes and tensors.
_FIELDS: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {},
}


class NotOnnxError(ValueError):
    """The bytes are no protocol buffer."""


def problem_in(model: bytes) -> str | None:
    """Why this model is not to be run, or None.

    Raises:
        NotOnnxError: the bytes cannot be read at all.
    """
    pending = [("model", memoryview(model))]
    while pending:
        kind, message = pending.pop()
        children = _FIELDS[kind]
        for number, value in _fields(message):
            if kind == "tensor" and _is_external(number, value):
                return "it keeps weights in another file (external data)"
            if not isinstance(value, memoryview):
                continue
            if kind == "node" and number == _NODE_DOMAIN:
                domain = bytes(value).decode(errors="replace")
                if domain not in ALLOWED_DOMAINS:
                    return f"it uses operators that are not ONNX's own (domain {domain!r})"
            elif number in children:
                pending.append((children[number], value))
    return None


def _is_external(number: int, value: int | memoryview) -> bool:
    return number == _TENSOR_EXTERNAL_DATA or (number == _TENSOR_DATA_LOCATION and value != 0)


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of each field: an int, or the bytes of text, tensors and messages."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        match key & 7:
            case 0:
                value, at = _varint(message, at)
                yield key >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = _varint(message, at)
            case 5:
                length = 4
            case _:
                raise NotOnnxError("it is no protocol buffer")
        if at + length > len(message):
            raise NotOnnxError("it ends too early")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A base-128 number at ``at``, and where it ends."""
    value = shift = 0
    while at < len(message):
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise NotOnnxError("it ends too early")
