"""The header of a JPEG 2000 file: its boxes, as far as the first code stream, and the size segment of that."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from irisstn.errors import ImageError
from irisstn.image_headers.header import Header

_CODE_STREAM = b"\xff\x4f\xff\x51"  # start of code stream, then at once the size segment
_MOST_BOXES = 1000
_OPACITY = 1  # type of a channel that the colours are to be multiplied by; 2 is one that they were multiplied by
_CMYK = 12


def jpeg2000_header(data: bytes) -> Header:
    """The header of a JPEG 2000 file, with or without boxes.

    The size is that of the code stream that the decoder reads: the first `jp2c` box on the highest level. The same
    bytes within another box are skipped.
    """
    stream, in_header = (0, b"") if data.startswith(_CODE_STREAM) else _first_code_stream(data)
    if data[stream : stream + 4] != _CODE_STREAM:
        raise ImageError("the JPEG 2000 file has no size at the start of its code stream")
    width, height, left, top = struct.unpack_from(">IIII", data, stream + 8)
    channels = struct.unpack_from(">H", data, stream + 40)[0]
    if channels > 4:
        raise ImageError(f"a JPEG 2000 file of {channels} channels is not read: save one of them, or a gray picture")
    steps = {struct.unpack_from(">BB", data, stream + 43 + 3 * channel) for channel in range(channels)}
    return Header(
        "JPEG 2000",
        height - top,
        width - left,
        alpha=channels in (2, 4) and _multiplies(in_header),
        needs_pillow=channels == 2 or len(steps) > 1,
    )


def _first_code_stream(data: bytes) -> tuple[int, bytes]:
    """Where the first code stream begins, and the content of the header box before it."""
    in_header = b""
    for kind, start, end in _boxes(data):
        if kind == b"jp2c":
            return start, in_header
        if kind == b"jp2h":
            in_header = data[start:end]
    raise ImageError("the JPEG 2000 file has no code stream")


def _boxes(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box in `data`."""
    at = 0
    for _ in range(_MOST_BOXES):
        if at >= len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if length == 1:  # the length follows in 8 bytes
            length = struct.unpack_from(">Q", data, start)[0]
            start += 8
        end = at + length if length else len(data)
        if end < start:
            raise ImageError("the JPEG 2000 file is damaged: a box is shorter than its header")
        yield kind, start, end
        at = end


def _multiplies(in_header: bytes) -> bool:
    """Whether the last of two or four channels is one that the others are to be multiplied by.

    Without a definition of channels it is, as for other readers, unless the colours are CMYK.
    """
    for kind, start, end in _boxes(in_header):
        content = in_header[start:end]
        if kind == b"cdef":
            count = struct.unpack_from(">H", content)[0]
            return any(struct.unpack_from(">H", content, 4 + 6 * entry)[0] == _OPACITY for entry in range(count))
        if kind == b"colr" and content[:1] == b"\x01" and struct.unpack_from(">I", content, 3)[0] == _CMYK:
            return False
    return True
