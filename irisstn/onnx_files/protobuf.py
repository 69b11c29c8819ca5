"""The encoding of ONNX files, which are protocol buffers: messages of numbered fields.

The package onnx is no dependency of inference, so its classes are not at hand.

References
----------
Protocol Buffers, "Encoding", https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Split a message into its fields.

    Parameters
    ----------
    message : memoryview
        The encoded message.

    Yields
    ------
    number : int
        Number of the field.
    field : memoryview
        The whole field.
    value : memoryview
        Its value: a string, a message, or the encoding of a number.

    Raises
    ------
    ValueError
        Where the bytes are no message.
    """
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
            raise ValueError(f"no protocol buffer: wire type {kind}")
        if place > len(message):
            raise ValueError("no protocol buffer: cut off")
        yield tag >> 3, message[start:place], message[value_start:place]


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    """A variable-length integer, and the place behind it."""
    value = shift = 0
    while True:
        if place >= len(message):
            raise ValueError("no protocol buffer: cut off")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("no protocol buffer: too long a number")


def length_delimited(number: int, value: bytes) -> bytes:
    """Encode a field that holds a string or a message.

    Parameters
    ----------
    number : int
        Number of the field.
    value : bytes
        Its value.

    Returns
    -------
    bytes
        The whole field.
    """
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """The encoding of a non-negative integer."""
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
