# mypy: disable-error-code="arg-type"
"""Content of picture files, made for the tests of reading, and the check that a file is refused by its name."""

import io
import struct

import cv2
import numpy as np
import pytest
from PIL import Image

from irisstn.errors import ImageError
from irisstn.images import decode_gray

SMOOTH: np.ndarray = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 64), np.uint8), (0, 0), 3)
DEEP = SMOOTH.astype(np.uint16) * 257
ALPHA = np.full_like(SMOOTH, 255)
ALPHA[:10, :20], ALPHA[10:20] = 0, 128
ON_BLACK = np.rint(SMOOTH * (ALPHA / 255)).astype(np.uint8)


def tiff(pixels: np.ndarray, *more: tuple[int, int, int], big: bool = False, order: str = "<", **change: int) -> bytes:
    """A TIFF file of (H, W) or (H, W, C) pixels; `more` are further tags (number, type, value)."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = {"u": 1, "i": 2, "f": 3, "c": 6}[pixels.dtype.kind]
    tags = {"width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262, "offset": 273}
    tags |= {"channels": 277, "rows": 278, "bytes": 279, "planar": 284, "format": 339}
    data = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    values = {"width": pixels.shape[1], "height": pixels.shape[0], "bits": 8 * pixels.itemsize, "compression": 1}
    values |= {"photometric": 2 if channels > 2 else 1, "offset": 16, "channels": channels, "rows": pixels.shape[0]}
    values |= {"bytes": len(data), "planar": 1, "format": kind} | change
    rows = [(tags[name], 4, value) for name, value in values.items()] + list(more)
    codes, count, offset, size = {3: "H", 4: "I"}, "Q" if big else "H", "Q" if big else "I", 8 if big else 4
    directory = struct.pack(order + count, len(rows))
    for tag, form, value in rows:
        directory += struct.pack(order + "HH" + offset, tag, form, 1)
        directory += struct.pack(order + codes[form], value).ljust(size, b"\0")
    start = 16 + len(data)
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head = mark + (struct.pack(order + "HHQ", 8, 0, start) if big else struct.pack(order + "I", start))
    return head.ljust(16, b"\0") + data + directory + bytes(8)


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def picture_of(mode: str) -> Image.Image:
    gray, alpha = Image.fromarray(SMOOTH), Image.fromarray(ALPHA)
    return Image.merge(mode, (*[gray] * (len(mode) - 1), alpha))


def refused(data: bytes, *words: str) -> None:
    with pytest.raises(ImageError) as raised:
        decode_gray(data)
    for word in words:
        assert word in str(raised.value)
    assert "damaged" not in str(raised.value)
    assert "known format" not in str(raised.value)
