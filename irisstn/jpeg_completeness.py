"""Whether the coded data of a JPEG file reach to its last pixel: decoders fill what is missing with gray."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from irisstn.image_headers.jpeg_markers import JPEG_FRAMES, jpeg_markers

_FILLED = {1: {128}, 3: {128}, 4: {63, 64, 65}}  # by components: levels of pixels whose coded data are missing
_SEQUENTIAL = (0xC0, 0xC1)  # frames that are coded by Huffman codes, in one pass
_RESTARTS = re.compile(rb"\xff[\xd0-\xd7]")
_END_OF_SCAN = re.compile(rb"\xff+[^\x00\xd0-\xd7\xff]")  # the next marker that is no restart marker
# The first byte completes an FF that the data may end with. The others are coded data without meaning.
_MORE_DATA = b"\0" + bytes((37 * place + 11) % 251 for place in range(96))


class _Scan(NamedTuple):
    """The only scan of a JPEG file: its components, where its data begin and end, its number of restart markers."""

    components: int
    start: int
    end: int
    restarts: int


def jpeg_breaks_off(data: bytes, picture: NDArray[np.generic], decode: Callable[[bytes], NDArray[np.generic]]) -> bool:
    """Whether coded data are missing at the end of a JPEG file that has its end marker.

    More data before the end marker change the picture where data are missing, and are ignored where none are. The
    file is decoded twice more only where a corner has the level with which decoders fill. Files of several scans, as
    progressive ones, are not examined.

    Parameters
    ----------
    data : bytes
        The content of the file.
    picture : ndarray, shape (H, W) or (H, W, C)
        Its pixels, in any of the eight orientations.
    decode : callable
        Decodes the content of a JPEG file, without printing what the decoder thinks of data that it does not need.

    Returns
    -------
    bool
        Whether pixels are missing.
    """
    corners = {frozenset(np.ravel(picture[row, column]).tolist()) for row in (0, -1) for column in (0, -1)}
    levels = {level for corner in corners if len(corner) == 1 for level in corner}
    if all(levels.isdisjoint(filled) for filled in _FILLED.values()):
        return False
    scan = _only_scan(data)
    if scan is None or levels.isdisjoint(_FILLED.get(scan.components, ())):
        return False
    if len(_RESTARTS.findall(data, scan.start, scan.end)) < scan.restarts:
        return True
    return not np.array_equal(decode(data), decode(data[: scan.end] + _MORE_DATA + data[scan.end :]))


def _only_scan(data: bytes) -> _Scan | None:
    """The scan of a sequential JPEG file that has one and is closed by an end marker; None for other files."""
    frame = interval = 0
    try:
        for marker, at in jpeg_markers(data):
            if marker in _SEQUENTIAL:
                frame = at + 4
            elif marker in JPEG_FRAMES or marker == 0xD9:
                return None
            elif marker == 0xDD:
                interval = struct.unpack_from(">H", data, at + 4)[0]
            elif marker == 0xDA:
                start = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
                end = _END_OF_SCAN.search(data, start)
                if not frame or end is None or end[0][-1] != 0xD9 or data[at + 4] != data[frame + 5]:
                    return None
                restarts = -(-_units(data, frame) // interval) - 1 if interval else 0
                return _Scan(data[at + 4], start, end.start(), restarts)
    except (IndexError, struct.error):  # it breaks off
        return None
    return None


def _units(data: bytes, frame: int) -> int:
    """The number of units (MCU) that a frame consists of, by its header, which is read after its length."""
    height: int
    width: int
    height, width, components = struct.unpack_from(">HHB", data, frame + 1)
    samplings = [data[frame + 7 + 3 * component] for component in range(components)]
    across, down = max(sampling >> 4 for sampling in samplings), max(sampling & 15 for sampling in samplings)
    if components == 1:  # its sampling says nothing then
        across = down = 1
    return -(-width // (8 * across)) * -(-height // (8 * down))
