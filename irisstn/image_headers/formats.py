"""The headers of PNG, JPEG, BMP, GIF, WebP and PNM files."""

from __future__ import annotations

import re
import struct

from irisstn.errors import ImageError
from irisstn.image_headers.header import Header
from irisstn.image_headers.jpeg_markers import JPEG_FRAMES, jpeg_markers

_JPEG_MOST_SCANS = 100  # a progressive file has about 10; each costs the time to decode a whole picture
_PNG_MOST_CHUNKS = 100_000  # OpenCV's encoder makes one of 8 KB, others one for each row; each costs time
_PNG_GRAY_STEP = {1: 255, 2: 85, 4: 17}  # from a level as stored to that decoded
_BMP_MASKED = (3, 6)  # compressions that stand for bit masks, without and with one for alpha
_BMP_MASKS_32 = (0xFF0000, 0xFF00, 0xFF)  # of red, green and blue
_BMP_MASKS_16 = ((0x7C00, 0x3E0, 0x1F), (0xF800, 0x7E0, 0x1F))
# As OpenCV parses it: a comment ends at the first CR or LF, a number at the first character that is no digit.
_PNM_SPACE = rb"\s(?:\s|#[^\r\n]*[\r\n])*"
_PNM = re.compile(rb"P[1-6]" + _PNM_SPACE + rb"(\d{1,9})" + _PNM_SPACE + rb"(\d{1,9})(?=\s)")
_PNM_WHITE = re.compile(_PNM_SPACE + rb"(\d{1,20})\s")
_PNM_ANY_DEPTH = 65535  # most writers of 16 bits state it for any depth, OpenCV among them


def png_header(data: bytes) -> Header:
    """The header of a PNG file, all of whose chunks must fit into it."""
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    # Decoders allocate the length that a chunk states, up to gigabytes: check first that the chunks fit the file.
    at = 8
    chunks: dict[bytes, int] = {}
    kind, count = b"", 0
    while at < len(data) and kind != b"IEND":
        count += 1
        if count > _PNG_MOST_CHUNKS:
            raise ImageError(f"the PNG file has over {_PNG_MOST_CHUNKS} chunks")
        length, kind = struct.unpack_from(">I4s", data, at)
        chunks.setdefault(kind, at + 8)
        at += 12 + length
    if next(iter(chunks), b"") != b"IHDR" or kind != b"IEND" or at > len(data):
        raise ImageError("the PNG file is damaged or cut short")
    transparent = None
    if colour == 0 and b"tRNS" in chunks:  # OpenCV does not make a channel of it
        level: int = struct.unpack_from(">H", data, chunks[b"tRNS"])[0]
        transparent = level * _PNG_GRAY_STEP.get(depth, 1)
    alpha = colour in (4, 6) or (colour != 0 and b"tRNS" in chunks)
    return Header("PNG", height, width, alpha=alpha, transparent=transparent)


def jpeg_header(data: bytes) -> Header:
    """The header of a JPEG file: its first frame header."""
    for marker, at in jpeg_markers(data):
        if marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            scans = data.count(b"\xff\xda", at)
            if scans > _JPEG_MOST_SCANS:
                raise ImageError(f"the JPEG file has {scans} scans, more than the limit of {_JPEG_MOST_SCANS}")
            return Header("JPEG", height, width, scans=max(scans, 1))
        if marker in (0xDA, 0xD9):
            raise ImageError("the JPEG file has no frame header")
    raise ImageError("the JPEG file is damaged: no marker where one must be")


def bmp_header(data: bytes) -> Header:
    """The header of a BMP file."""
    size = struct.unpack_from("<I", data, 14)[0]
    if size == 12:
        width, height = struct.unpack_from("<HH", data, 18)
        return Header("BMP", height, width)
    width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
    if bits in (16, 32) and compression in _BMP_MASKED and not _masks_are_decoded(data, size, bits, compression):
        masks = ", ".join(f"{mask:x}" for mask in struct.unpack_from("<III", data, 54))
        raise ImageError(f"a BMP file of {bits} bits with the bit masks {masks} is not read: save it as PNG")
    # The fourth byte of a pixel is alpha only where a mask says so.
    alpha = size >= 56 and bits == 32 and compression == 3 and struct.unpack_from("<I", data, 66)[0] != 0
    return Header("BMP", abs(height), abs(width), alpha=alpha)


def _masks_are_decoded(data: bytes, size: int, bits: int, compression: int) -> bool:
    """Whether OpenCV reads the colours by the bit masks of a BMP file, or assumes those that the file states."""
    if compression != _BMP_MASKED[0]:
        return False
    masks = struct.unpack_from("<III", data, 54)
    if bits == 16:
        return size == 40 and masks in _BMP_MASKS_16
    return size >= 56 or masks == _BMP_MASKS_32


def gif_header(data: bytes) -> Header:
    """The header of a GIF file."""
    width, height = struct.unpack_from("<HH", data, 6)
    return Header("GIF", height, width, alpha=True)


def webp_header(data: bytes) -> Header:
    """The header of a WebP file."""
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return Header("WebP", height, width, alpha=bool(data[20] & 0x10))
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", data, 21)[0]
        return Header("WebP", ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1, alpha=bool(bits >> 28 & 1))
    width, height = struct.unpack_from("<HH", data, 26)
    return Header("WebP", height & 0x3FFF, width & 0x3FFF)


def pnm_header(data: bytes) -> Header:
    """The header of a PBM, PGM or PPM file."""
    found = _PNM.match(data[: 1 << 16])
    if found is None:
        raise ImageError("the PNM file has no width and height in its header")
    kind = data[1:2]
    if kind in b"14":  # black and white
        return Header("PNM", int(found[2]), int(found[1]))
    stated = _PNM_WHITE.match(data[: 1 << 17], found.end())
    white = int(stated[1]) if stated else 0
    if stated is None or not 1 <= white <= _PNM_ANY_DEPTH:
        raise ImageError("the PNM file has no level of white from 1 to 65535 in its header")
    # OpenCV scales the levels of text files to 255 where they are of 8 bits, and no others.
    if white == _PNM_ANY_DEPTH or (white < 255 and kind in b"23"):
        white = 255
    return Header("PNM", int(found[2]), int(found[1]), white=white)
