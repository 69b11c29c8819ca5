"""An ONNX file without the outputs that are not needed: ONNX Runtime computes all that a file holds.

The file is read and written in protobuf's own encoding, because the package onnx is no dependency of inference.

References
----------
Protocol Buffers, "Encoding"; ONNX, onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_GRAPH = 7  # field of a ModelProto
_NODE, _OUTPUT = 1, 12  # fields of a GraphProto
_TAKEN, _MADE, _ATTRIBUTE = 1, 2, 5  # fields of a NodeProto: the names of its inputs and outputs, and its attributes
_SUBGRAPHS = (6, 11)  # fields of an AttributeProto
_NAME = 1  # field of a ValueInfoProto
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def keep_outputs(content: bytes, outputs: Iterable[str]) -> bytes:
    """Remove from an ONNX file all outputs but some, and the nodes that compute only what is removed.

    Parameters
    ----------
    content : bytes
        The file.
    outputs : iterable of str
        Names of the outputs to keep.

    Returns
    -------
    bytes
        The smaller file. It is `content` itself where one of the outputs does not exist, where a node holds another
        graph, and where the file is damaged, which ONNX Runtime then reports.
    """
    try:
        model = list(_fields(memoryview(content)))
        (graph,) = [value for number, _, value in model if number == _GRAPH]
        smaller = _smaller_graph(graph, set(outputs))
    except (ValueError, IndexError, UnicodeDecodeError):
        return content
    if smaller is None:
        return content
    replaced = _varint(_GRAPH << 3 | _BYTES) + _varint(len(smaller)) + smaller
    return b"".join(replaced if number == _GRAPH else field for number, field, _ in model)


def _smaller_graph(graph: memoryview, outputs: set[str]) -> bytes | None:
    """`graph` with the `outputs` alone; None where it has to stay whole."""
    fields = list(_fields(graph))
    named = {field: _names(value, _NAME)[0] for number, field, value in fields if number == _OUTPUT}
    if not outputs <= set(named.values()):
        return None
    needed, kept = set(outputs), []
    for number, field, value in reversed(fields):  # a node stands after those that compute its inputs
        if number == _OUTPUT and named[field] not in outputs:
            continue
        if number == _NODE:
            if _holds_a_graph(value):
                return None
            if needed.isdisjoint(_names(value, _MADE)):
                continue
            needed.update(_names(value, _TAKEN))
        kept.append(field)
    return b"".join(reversed(kept))


def _holds_a_graph(node: memoryview) -> bool:
    attributes = (value for number, _, value in _fields(node) if number == _ATTRIBUTE)
    return any(number in _SUBGRAPHS for attribute in attributes for number, _, _ in _fields(attribute))


def _names(message: memoryview, wanted: int) -> list[str]:
    """The strings of the field `wanted`."""
    return [str(value, "utf-8") for number, _, value in _fields(message) if number == wanted]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Number, whole field and value of each field. Raises ValueError or IndexError for what is no protobuf message."""
    place = 0
    while place < len(message):
        start = place
        tag, place = _read_varint(message, place)
        kind = tag & 7
        if kind == _VARINT:
            value_start, (_, place) = place, _read_varint(message, place)
        elif kind == _BYTES:
            length, value_start = _read_varint(message, place)
            place = value_start + length
        elif kind in (_FIXED32, _FIXED64):
            value_start, place = place, place + (4 if kind == _FIXED32 else 8)
        else:
            raise ValueError(f"wire type {kind}")
        if place > len(message):
            raise ValueError("cut off")
        yield tag >> 3, message[start:place], message[value_start:place]


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    """A variable-length integer, and the place behind it."""
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("too long a number")


def _varint(value: int) -> bytes:
    """The encoding of a non-negative integer."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
