"""Read any picture to 8-bit gray, within limits that hold before it is decoded; write files atomically."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import ImageError
from irisstn.geometry import Gray
from irisstn.gray_levels import to_gray
from irisstn.image_headers import Header, picture_header

__all__ = [
    "MAX_BYTES",
    "MAX_PIXELS",
    "MAX_SIDE",
    "SUFFIXES",
    "decode_gray",
    "encode_jpeg",
    "encode_png",
    "read_file",
    "read_gray",
    "to_gray",
    "write_bytes_atomic",
    "write_jpeg",
    "write_png",
]

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jpc", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".webp"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
)
MAX_PIXELS = 32_000_000
MAX_SIDE = 32_000  # OpenCV's remap addresses a source of up to 2^15 - 1 pixels a side
MAX_BYTES = 256 << 20
_ROWS_AT_ONCE = 512  # of a picture, where intermediate results take several times its memory
# On iris strips run-length coding is as small as the default strategy and a third faster.
_PNG_GRAY: tuple[int, ...] = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
_PNG_MASK = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_BILEVEL, 1)
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # one filter for all rows: twice as fast as a choice for each, and 6 % larger
    _PNG_GRAY += (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG)


def read_gray(path: Path, *, max_pixels: int = MAX_PIXELS) -> Gray:
    """Read the picture at `path` as (H, W) uint8, turned upright by its EXIF orientation. See `decode_gray`."""
    return decode_gray(read_file(path), max_pixels=max_pixels)


def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a regular file; raises ImageError where it is none, cannot be opened, or is too large."""
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("not a regular file")
            if status.st_size > max_bytes:
                raise ImageError(f"the file has {status.st_size} bytes, more than the limit of {max_bytes}")
            data = file.read(status.st_size + 1)  # not more: Python sets aside what is asked for
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from None
    if len(data) > status.st_size:
        raise ImageError("the file grows while it is read")
    return data


def decode_gray(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Gray:
    """Decode a picture file's content to (H, W) uint8.

    Known formats: PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP, PNM, of any depth, gray, colour, palette or CMYK; the
    first frame or page counts. The EXIF orientation is applied, alpha is laid on black, and the rest is `to_gray`.
    Raises ImageError where `data` is no such picture, is damaged or cut short, or has more than `max_pixels` or a
    side of more than 32,000 pixels; the limits are checked on the header, before decoding.
    """
    header = picture_header(data)
    if header.height * header.width > max_pixels or max(header.height, header.width) > MAX_SIDE:
        raise ImageError(
            f"{header.width}x{header.height} pixels are over the limit of {max_pixels} and {MAX_SIDE} a side"
        )
    picture = _decode(data, header, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if picture.shape[0] * picture.shape[1] > max_pixels:
        raise ImageError(f"the {header.format} file is larger than its header says")
    gray = to_gray(picture)
    del picture  # a deep one takes hundreds of megabytes
    if header.alpha:
        whole = _decode(data, header, cv2.IMREAD_UNCHANGED)
        if whole.ndim == 3 and whole.shape[2] == 4 and whole.shape[:2] == gray.shape:
            gray = _on_black(gray, whole[..., 3])
    return gray


def _decode(data: bytes, header: Header, flags: int) -> NDArray[np.generic]:
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except (cv2.error, MemoryError) as error:
        raise ImageError(f"the {header.format} file cannot be decoded: {' '.join(str(error).split())}") from None
    if picture is None:
        raise ImageError(f"the {header.format} file is damaged or cut short")
    return picture


def _on_black(gray: Gray, alpha: NDArray[np.generic]) -> Gray:
    opaque = 255.0 if alpha.dtype == np.uint8 else 65535.0 if alpha.dtype == np.uint16 else 1.0
    done = np.empty_like(gray)
    for top in range(0, len(gray), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        done[rows] = np.rint(gray[rows] * np.asarray(alpha[rows], np.float32) / opaque)
    return done


def write_png(path: Path, picture: NDArray[np.generic], *, scratch: Path | None = None) -> None:
    """Write `picture` as PNG, atomically: (H, W) or (H, W, 3) BGR uint8, or (H, W) bool (0 and 255 when read)."""
    write_bytes_atomic(path, encode_png(picture), scratch=scratch)


def encode_png(picture: NDArray[np.generic]) -> bytes:
    """The PNG file of `picture`, see `write_png`; the same picture always makes the same bytes."""
    colour = picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    if not colour and (picture.ndim != 2 or picture.dtype not in (np.uint8, np.bool_)):
        raise ValueError(f"a PNG is made of (H, W) uint8 or bool, or BGR, got {picture.shape} of {picture.dtype}")
    if picture.dtype == np.bool_:
        return _encode(".png", np.asarray(picture, np.uint8) * np.uint8(255), _PNG_MASK)
    return _encode(".png", np.ascontiguousarray(picture, np.uint8), _PNG_GRAY)


def write_jpeg(path: Path, picture: Gray, *, quality: int = 90, scratch: Path | None = None) -> None:
    """Write `picture`, (H, W) or (H, W, 3) BGR uint8, as JPEG, atomically."""
    write_bytes_atomic(path, encode_jpeg(picture, quality=quality), scratch=scratch)


def encode_jpeg(picture: Gray, *, quality: int = 90) -> bytes:
    """The JPEG file of `picture`, (H, W) or (H, W, 3) BGR uint8; `quality` 1..100."""
    return _encode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))


def _encode(suffix: str, picture: Gray, options: tuple[int, ...]) -> bytes:
    done, data = cv2.imencode(suffix, picture, options)
    if not done:
        raise ValueError(f"a picture of {picture.shape} cannot be written as {suffix}")
    return bytes(data)


def write_bytes_atomic(path: Path, data: bytes, *, scratch: Path | None = None) -> None:
    """Write `data` to `path` so that the file is either whole or not there, or still the old one.

    The unfinished file lies in `scratch`, a folder of the same file system (default: beside `path`), under a name of
    its own. Parents are made. Raises OSError, and then leaves nothing behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = (scratch or path.parent) / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
