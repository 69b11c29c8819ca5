"""An ONNX file without the outputs that are not needed: ONNX Runtime computes all that a file holds.

References
----------
ONNX, onnx.proto (ModelProto, GraphProto, NodeProto, AttributeProto).
"""

from __future__ import annotations

from collections.abc import Iterable

from irisstn.onnx_files.protobuf import fields, length_delimited

_GRAPH = 7  # field of a ModelProto
_NODE, _OUTPUT = 1, 12  # fields of a GraphProto
_TAKEN, _MADE, _ATTRIBUTE = 1, 2, 5  # fields of a NodeProto: the names of its inputs and outputs, and its attributes
_SUBGRAPHS = (6, 11)  # fields of an AttributeProto
_NAME = 1  # field of a ValueInfoProto


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
        model = list(fields(memoryview(content)))
        (graph,) = [value for number, _, value in model if number == _GRAPH]
        smaller = _smaller_graph(graph, set(outputs))
    except (ValueError, IndexError):
        return content
    if smaller is None:
        return content
    replaced = length_delimited(_GRAPH, smaller)
    return b"".join(replaced if number == _GRAPH else field for number, field, _ in model)


def _smaller_graph(graph: memoryview, outputs: set[str]) -> bytes | None:
    """`graph` with the `outputs` alone; None where it has to stay whole."""
    parts = list(fields(graph))
    named = {field: _names(value, _NAME)[0] for number, field, value in parts if number == _OUTPUT}
    if not outputs <= set(named.values()):
        return None
    needed, kept = set(outputs), []
    for number, field, value in reversed(parts):  # a node stands after those that compute its inputs
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
    attributes = (value for number, _, value in fields(node) if number == _ATTRIBUTE)
    return any(number in _SUBGRAPHS for attribute in attributes for number, _, _ in fields(attribute))


def _names(message: memoryview, wanted: int) -> list[str]:
    """The strings of the field `wanted`."""
    return [str(value, "utf-8") for number, _, value in fields(message) if number == wanted]
