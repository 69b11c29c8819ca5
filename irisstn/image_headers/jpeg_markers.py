"""The markers of a JPEG file, up to its first scan."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_PADDING = re.compile(rb"\xff+")  # a step for each byte takes seconds for megabytes of it


def jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """The markers of a JPEG file that begin a segment, until something else stands where a marker must be.

    Yields
    ------
    marker : int
        The second byte of a marker, of which the first one is FF.
    at : int
        Where the marker stands in `data`; the length of its segment follows it.

    Raises
    ------
    IndexError, struct.error
        The file breaks off.
    """
    at = 2
    while True:
        marker = data[at + 1]
        # FF 00 is no marker: libjpeg searches on for one, also within what we would take for a segment.
        if data[at] != 0xFF or marker == 0:
            return
        if marker == 0xFF:
            padding = _PADDING.match(data, at)
            at = padding.end() - 1 if padding else at + 1
        elif marker in _ALONE:
            at += 2
        else:
            yield marker, at
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
