"""The metadata of an ONNX file, read from its bytes without loading the network.

The file is a protocol buffer: a sequence of fields, each a key (number times 8 plus the kind of its value) and a value,
https://protobuf.dev/programming-guides/encoding. Field 14 of an ONNX model is `metadata_props`, one field for each
entry, with the name in its field 1 and the value in its field 2 (https://onnx.ai/onnx/repo-docs/IR.html).
"""

from __future__ import annotations

from collections.abc import Iterator

_METADATA, _NAME, _VALUE = 14, 1, 2
_VARINT, _BYTES = 0, 2
_FIXED = {1: 8, 5: 4}  # bytes of a number, by the kind of value
_MOST_VARINT_BYTES = 10


def onnx_metadata(content: bytes) -> dict[str, str]:
    """The metadata that an ONNX file holds.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    dict of str to str
        Values by name.

    Raises
    ------
    ValueError
        Where the bytes are no protocol buffer.
    """
    whole = memoryview(content)
    entries = [dict(_fields(value)) for number, value in _fields(whole) if number == _METADATA]
    return {bytes(one.get(_NAME, b"")).decode(): bytes(one.get(_VALUE, b"")).decode() for one in entries}


def _fields(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and bytes of each field; numbers of any kind are passed over."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            _, at = _varint(content, at)
        elif kind in _FIXED:
            at += _FIXED[kind]
        elif kind == _BYTES:
            length, at = _varint(content, at)
            at += length
            if at <= len(content):
                yield key >> 3, content[at - length : at]
        else:
            raise ValueError(f"no protocol buffer: a value of kind {kind}")
    if at > len(content):
        raise ValueError("no protocol buffer: a value ends beyond the file")


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    """The number of variable length that begins at the byte `at`, and where the next value begins."""
    number = 0
    for place, byte in enumerate(content[at : at + _MOST_VARINT_BYTES]):
        number |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return number, at + place + 1
    raise ValueError("no protocol buffer: a number without an end")
