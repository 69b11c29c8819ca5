"""The header of a TIFF or BigTIFF file: the tags of its first directory."""

from __future__ import annotations

import struct

from irisstn.errors import ImageError
from irisstn.image_headers.header import Header

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _CHANNELS = 256, 257, 258, 259, 262, 277
_PLANAR, _TILE_WIDTH, _TILE_HEIGHT, _EXTRA, _SAMPLE_FORMAT = 284, 322, 323, 338, 339
_SIZES = {_WIDTH: "width", _HEIGHT: "height", _TILE_WIDTH: "tile width", _TILE_HEIGHT: "tile height"}
_LISTS = {_BITS, _EXTRA, _SAMPLE_FORMAT}  # a value for each channel
_READ = {*_SIZES, *_LISTS, _COMPRESSION, _PHOTOMETRIC, _CHANNELS, _PLANAR}
_TYPES = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_ENTRIES = 4096
_SMALL_TILE = 1 << 22  # pixels that a tile of any picture may have

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_PHOTOMETRICS = {0, 1, 2, 3, 5, 6, 8}  # white or black is zero, RGB, palette, CMYK, YCbCr, CIELab
_OPENCV_COMPRESSIONS = {1, 2, 3, 4, 5, 7, 8, 32773, 32946}  # none, CCITT (3), LZW, JPEG, Deflate, PackBits, Deflate
_PILLOW_COMPRESSIONS = {34925: "LZMA", 50000: "ZSTD", 50001: "WebP"}
_UNASSOCIATED = 2  # alpha that the colours are to be multiplied by
_KINDS = {1: "integers", 2: "signed integers", 3: "floats", 5: "complex integers", 6: "complex floats"}
_DEPTHS = {1: {1, 2, 4, 8, 10, 12, 14, 16, 32, 64}, 2: {8, 16, 32, 64}, 3: {32, 64}}  # bits that can be decoded


def tiff_header(data: bytes) -> Header:
    """The header of a TIFF or BigTIFF file, which is refused where it would be decoded wrongly."""
    tags = _tags(data)
    width, height = _one(tags, _WIDTH, 0), _one(tags, _HEIGHT, 0)
    tile = _one(tags, _TILE_WIDTH, 0) * _one(tags, _TILE_HEIGHT, 0)
    if tile > max(_SMALL_TILE, 4 * width * height):
        raise ImageError(f"the TIFF file has a tile of {tile} pixels for a picture of {width}x{height}")
    channels, compression = _one(tags, _CHANNELS, 1), _one(tags, _COMPRESSION, 1)
    photometric = _one(tags, _PHOTOMETRIC, _RGB if channels > 2 else 1)
    depths, kinds = set(tags.get(_BITS, (1,))), set(tags.get(_SAMPLE_FORMAT, (1,)))
    bits, kind = max(depths), max(kinds)
    extra = tags.get(_EXTRA, (0,))[0]
    planes = channels > 1 and _one(tags, _PLANAR, 1) == 2
    tiled = _TILE_WIDTH in tags or _TILE_HEIGHT in tags
    reason = None
    if channels not in (1, 2, 3, 4):
        reason = f"{channels} channels"
    elif len(depths) > 1 or len(kinds) > 1:
        reason = "channels of different kinds"
    elif bits not in _DEPTHS.get(kind, ()):
        reason = f"{bits}-bit {_KINDS.get(kind, 'values of an unknown kind')}"
    elif photometric not in _PHOTOMETRICS or (bits > 8 and photometric > _RGB):
        reason = f"{bits} bits with the colour space {photometric}"
    elif planes and (bits > 8 or channels == 2):  # OpenCV would return uninitialised memory
        reason = f"{channels} separate planes of {bits} bits"
    elif compression not in _OPENCV_COMPRESSIONS and compression not in _PILLOW_COMPRESSIONS:
        reason = f"the compression {compression}"
    elif channels == 2 and extra == _UNASSOCIATED and (bits, photometric) != (8, 1):
        reason = f"gray and alpha of {bits} bits"
    elif (bits, kind, photometric) == (8, 2, _WHITE_IS_ZERO):  # OpenCV makes all values negative
        reason = "8-bit signed integers in which white is zero"
    if reason is not None:
        raise ImageError(f"a TIFF file with {reason} is not read: save it as gray or RGB of 8 or 16 bits")
    mixed = channels > 1 and photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO)
    if mixed and not _gray_is_decoded(bits, channels, photometric, extra, planes=planes, tiled=tiled):
        samples = "1 extra sample" if channels == 2 else f"{channels - 1} extra samples"
        raise ImageError(f"a TIFF file of gray with {samples} a pixel is not read: save it as plain gray")
    multiplied = bits <= 8 and channels == 4 and compression in _OPENCV_COMPRESSIONS  # by libtiff, which OpenCV uses
    return Header(
        "TIFF",
        height,
        width,
        alpha=channels in (2, 4) and photometric != _CMYK and extra == _UNASSOCIATED and not multiplied,
        inverted=photometric == _WHITE_IS_ZERO and (bits > 8 or kind != 1),
        all_channels=channels == 4 and bits > 8,
        needs_pillow=bits in (2, 4)
        or compression in _PILLOW_COMPRESSIONS
        or (channels == 2 and extra == _UNASSOCIATED),
    )


def _gray_is_decoded(bits: int, channels: int, photometric: int, extra: int, *, planes: bool, tiled: bool) -> bool:
    """Whether the decoder returns the gray of pixels that have extra samples, too; OpenCV mixes or scrambles some."""
    if channels == 2 and extra == _UNASSOCIATED:  # decoded by Pillow, or refused already
        return True
    if bits == 8 and planes:
        return photometric == _BLACK_IS_ZERO
    if bits == 8:
        return not tiled
    if bits == 16:
        return channels == 2 and photometric == _BLACK_IS_ZERO and not tiled
    return bits > 16 and (channels == 3 or (channels == 4 and extra != _UNASSOCIATED))


def _tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """The values of the tags that matter, by number.

    A tag that is there twice is refused: decoders differ in which of them they read.
    """
    order, big = "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")
    number, offset, inline = (order + "Q", order + "Q", 8) if big else (order + "H", order + "I", 4)
    at = struct.unpack_from(offset, data, inline)[0]
    entries = struct.unpack_from(number, data, at)[0]
    if entries > _MOST_ENTRIES:
        raise ImageError(f"the TIFF file says that it has {entries} tags")
    at += struct.calcsize(number)
    tags: dict[int, tuple[int, ...]] = {}
    for _ in range(entries):
        tag, kind = struct.unpack_from(order + "HH", data, at)
        if tag in _READ:
            count = struct.unpack_from(offset, data, at + 4)[0]
            if tag in tags:
                raise ImageError(f"the TIFF file states its {_SIZES.get(tag, f'tag {tag}')} twice")
            if kind not in _TYPES or count < 1 or (count > 1 and tag not in _LISTS):
                raise ImageError(f"the TIFF file states its {_SIZES.get(tag, f'tag {tag}')} in a wrong type")
            values = order + _TYPES[kind] * min(count, 16)
            place = at + 4 + inline
            if count * struct.calcsize(order + _TYPES[kind]) > inline:
                place = struct.unpack_from(offset, data, place)[0]
            tags[tag] = struct.unpack_from(values, data, place)
        at += 4 + 2 * inline
    return tags


def _one(tags: dict[int, tuple[int, ...]], tag: int, default: int) -> int:
    """The value of a tag that holds one."""
    return tags.get(tag, (default,))[0]
