"""Format and size of a picture file, read from its header before it is decoded.

A file of a few kilobytes can decompress to gigabytes. `picture_header` reads the same fields as the decoder, so that
`irisstn.images` can refuse such a file before it allocates memory. Where a file states a field twice, or decoders could
read it in two ways, it is refused. A format that is not supported here never reaches a decoder.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from irisstn.errors import ImageError
from irisstn.image_headers.formats import bmp_header, gif_header, jpeg_header, png_header, pnm_header, webp_header
from irisstn.image_headers.header import Header
from irisstn.image_headers.jpeg2000 import jpeg2000_header
from irisstn.image_headers.tiff import tiff_header
from irisstn.image_headers.unsupported import unsupported_format

__all__ = ["Header", "picture_header"]

_READERS: tuple[tuple[tuple[bytes, ...], Callable[[bytes], Header]], ...] = (
    ((b"\x89PNG\r\n\x1a\n",), png_header),
    ((b"\xff\xd8\xff",), jpeg_header),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), tiff_header),
    ((b"BM",), bmp_header),
    ((b"GIF87a", b"GIF89a"), gif_header),
    ((b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"), jpeg2000_header),
    (tuple(b"P%d" % kind + space for kind in range(1, 7) for space in (b" ", b"\t", b"\n", b"\r")), pnm_header),
)


def picture_header(data: bytes) -> Header:
    """Read the header of a picture file.

    Parameters
    ----------
    data : bytes
        The content of a PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP or PNM file.

    Returns
    -------
    Header
        Format, size and what the decoder must be told.

    Raises
    ------
    ImageError
        For other formats, for kinds of these formats that cannot be decoded, and for a header that is damaged, cut
        short, ambiguous or without a size.
    """
    if not data:
        raise ImageError("the file is empty")
    try:
        header = _read(data)
    except (struct.error, IndexError, OverflowError):  # the last for an offset beyond 2^63
        raise ImageError("the file breaks off within its header") from None
    if header.height < 1 or header.width < 1:
        raise ImageError(f"the {header.format} header says {header.width}x{header.height} pixels")
    return header


def _read(data: bytes) -> Header:
    """The header of `data`, by the bytes that it begins with."""
    for signatures, reader in _READERS:
        if data.startswith(signatures):
            return reader(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return webp_header(data)
    name = unsupported_format(data)
    if name is not None:
        raise ImageError(f"the file is {name}, which is not read: save the picture as PNG or TIFF")
    raise ImageError("not a picture in a known format (PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP, PNM)")
