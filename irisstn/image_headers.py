"""Format and size of a picture file, read from its header before it is decoded.

A file of a few kilobytes can decompress to gigabytes. `picture_header` reads the same fields as the decoder, so that
`irisstn.images` can refuse such a file before it allocates memory. A format that is not supported here never reaches a
decoder.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from irisstn.errors import ImageError

_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length
_PNM = re.compile(rb"P([1-6])((?:\s+|#[^\n]*\n)+)(\d{1,9})((?:\s+|#[^\n]*\n)+)(\d{1,9})\s")


class Header(NamedTuple):
    """The header of a picture file.

    Attributes
    ----------
    format : str
        Name of the format, such as "JPEG 2000".
    height, width : int
        Size in pixels as stored, before any EXIF orientation is applied.
    alpha : bool
        Whether the picture may have an alpha channel.
    """

    format: str
    height: int
    width: int
    alpha: bool = False


def picture_header(data: bytes) -> Header:
    """Read the header of a picture file.

    Parameters
    ----------
    data : bytes
        The content of a PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP or PNM file.

    Returns
    -------
    Header
        Format and size.

    Raises
    ------
    ImageError
        For other formats, and for a header that is damaged, cut short or without a size.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        header = _dispatch(data)
    except (struct.error, IndexError):
        raise ImageError("the file breaks off within its header") from None
    if header is None:
        raise ImageError("not a picture in a known format (PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP, PNM)")
    if header.height < 1 or header.width < 1:
        raise ImageError(f"the {header.format} header says {header.width}x{header.height} pixels")
    return header


def _dispatch(data: bytes) -> Header | None:  # noqa: PLR0911
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        return _jpeg(data)
    if data.startswith((b"II*\0", b"MM\0*")):
        return _tiff(data)
    if data.startswith(b"BM"):
        return _bmp(data)
    if data.startswith((b"GIF87a", b"GIF89a")):
        width, height = struct.unpack_from("<HH", data, 6)
        return Header("GIF", height, width, alpha=True)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if data.startswith((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")):
        return _jpeg2000(data)
    return _pnm(data)


def _png(data: bytes) -> Header:
    width, height, _, colour = struct.unpack_from(">IIBB", data, 16)
    # Decoders allocate the length that a chunk states, up to gigabytes: check first that the chunks fit the file.
    at = 8
    kinds: list[bytes] = []
    while at < len(data) and (not kinds or kinds[-1] != b"IEND"):
        length, kind = struct.unpack_from(">I4s", data, at)
        kinds.append(kind)
        at += 12 + length
    if kinds[0] != b"IHDR" or kinds[-1] != b"IEND" or at > len(data):
        raise ImageError("the PNG file is damaged or cut short")
    return Header("PNG", height, width, alpha=colour in (4, 6) or b"tRNS" in kinds)


def _jpeg(data: bytes) -> Header:
    at = 2
    while True:
        if data[at] != 0xFF:
            raise ImageError("the JPEG file is damaged: no marker where one must be")
        marker = data[at + 1]
        if marker == 0xFF:  # padding
            at += 1
        elif marker in _JPEG_ALONE:
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Header("JPEG", height, width)
        elif marker in (0xDA, 0xD9):
            raise ImageError("the JPEG file has no frame header")
        else:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]


def _tiff(data: bytes) -> Header:
    order = "<" if data[:2] == b"II" else ">"
    at = struct.unpack_from(order + "I", data, 4)[0]
    size = {}
    for entry in range(struct.unpack_from(order + "H", data, at)[0]):
        tag, kind = struct.unpack_from(order + "HH", data, at + 2 + 12 * entry)
        if tag in (256, 257):
            size[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 10 + 12 * entry)[0]
    return Header("TIFF", size.get(257, 0), size.get(256, 0))


def _bmp(data: bytes) -> Header:
    if struct.unpack_from("<I", data, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", data, 18)
    else:
        width, height = struct.unpack_from("<ii", data, 18)
    return Header("BMP", abs(height), abs(width))


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return Header("WebP", height, width, alpha=bool(data[20] & 0x10))
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header("WebP", ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1, alpha=bool(bits >> 28 & 1))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("WebP", height & 0x3FFF, width & 0x3FFF)


def _jpeg2000(data: bytes) -> Header:
    # The decoder reads the size from the SIZ segment of the code stream, not from the boxes around it.
    at = data.find(b"\xff\x4f\xff\x51")
    if at < 0:
        raise ImageError("the JPEG 2000 file has no code stream")
    width, height, left, top = struct.unpack_from(">IIII", data, at + 8)
    return Header("JPEG 2000", height - top, width - left)


def _pnm(data: bytes) -> Header | None:
    found = _PNM.match(data[:4096])
    return Header("PNM", int(found[5]), int(found[3])) if found else None
