"""Read any picture as 8-bit gray, with limits that are checked before it is decoded; write files atomically."""

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
    "write_png",
]

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jpc", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".webp"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
)
MAX_PIXELS = 32_000_000
MAX_SIDE = 32_000  # OpenCV's remap addresses a source of up to 2^15 - 1 pixels a side
MAX_BYTES = 256 << 20
_ROWS_AT_ONCE = 512  # of a picture, where intermediate results need several times its memory
# On iris strips run-length coding gives files as small as the default strategy, and is a third faster.
_PNG_GRAY: tuple[int, ...] = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
_PNG_MASK = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_BILEVEL, 1)
if hasattr(cv2, "IMWRITE_PNG_FILTER"):  # one filter for all rows: twice as fast as a choice for each, and 6 % larger
    _PNG_GRAY += (cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG)


def read_gray(path: Path, *, max_pixels: int = MAX_PIXELS) -> Gray:
    """Read a picture file as 8-bit gray.

    Parameters
    ----------
    path : Path
        The file, of a format that `decode_gray` reads.
    max_pixels : int
        Limit of H W.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The picture, with its EXIF orientation applied.

    Raises
    ------
    ImageError
        Where the file cannot be read or decoded, or exceeds a limit.
    """
    return decode_gray(read_file(path), max_pixels=max_pixels)


def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Read the content of a regular file.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int
        Limit of its size.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    ImageError
        Where `path` is not a regular file, cannot be opened, is too large, or grows while it is read.
    """
    try:
        # Without O_NONBLOCK, opening a FIFO would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("not a regular file")
            if status.st_size > max_bytes:
                raise ImageError(f"the file has {status.st_size} bytes, more than the limit of {max_bytes}")
            data = file.read(status.st_size + 1)  # with a larger count Python would allocate that much
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from None
    if len(data) > status.st_size:
        raise ImageError("the file grows while it is read")
    return data


def decode_gray(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Gray:
    """Decode the content of a picture file to 8-bit gray.

    The EXIF orientation is applied, alpha is blended with black, and `to_gray` does the rest. Of an animation or
    several pages the first is read.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG, JPEG 2000, TIFF, BMP, GIF, WebP or PNM file of any depth, gray, colour, palette or CMYK.
    max_pixels : int
        Limit of H W, checked on the header before decoding.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The picture.

    Raises
    ------
    ImageError
        Where `data` is not such a picture, is damaged or cut short, or has more than `max_pixels` pixels or a side of
        more than 32,000.
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
    del picture  # with 16 bits a channel it may take hundreds of megabytes
    if header.alpha:
        unchanged = _decode(data, header, cv2.IMREAD_UNCHANGED)
        if unchanged.ndim == 3 and unchanged.shape[2] == 4 and unchanged.shape[:2] == gray.shape:
            gray = _on_black(gray, unchanged[..., 3])
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
    """`gray` (H, W) blended with black by `alpha` (H, W) of any depth."""
    opaque = 255.0 if alpha.dtype == np.uint8 else 65535.0 if alpha.dtype == np.uint16 else 1.0
    blended = np.empty_like(gray)
    for top in range(0, len(gray), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        blended[rows] = np.rint(gray[rows] * np.asarray(alpha[rows], np.float32) / opaque)
    return blended


def write_png(path: Path, picture: NDArray[np.generic], *, scratch: Path | None = None) -> None:
    """Write a picture as PNG, atomically.

    Parameters
    ----------
    path : Path
        The file; missing parent folders are created.
    picture, scratch
        As in `encode_png` and `write_bytes_atomic`.
    """
    write_bytes_atomic(path, encode_png(picture), scratch=scratch)


def encode_png(picture: NDArray[np.generic]) -> bytes:
    """Encode a picture as PNG. The same picture always gives the same bytes.

    Parameters
    ----------
    picture : ndarray
        (H, W) or (H, W, 3) BGR of uint8, or (H, W) of bool, which is stored as 0 and 255.

    Returns
    -------
    bytes
        The content of the file.

    Raises
    ------
    ValueError
        For another shape or type.
    """
    colour = picture.ndim == 3 and picture.shape[2] == 3 and picture.dtype == np.uint8
    if not colour and (picture.ndim != 2 or picture.dtype not in (np.uint8, np.bool_)):
        raise ValueError(f"a PNG is made of (H, W) uint8 or bool, or BGR, got {picture.shape} of {picture.dtype}")
    if picture.dtype == np.bool_:
        return _encode(".png", np.asarray(picture, np.uint8) * np.uint8(255), _PNG_MASK)
    return _encode(".png", np.ascontiguousarray(picture, np.uint8), _PNG_GRAY)


def encode_jpeg(picture: Gray, *, quality: int = 90) -> bytes:
    """Encode a picture as JPEG.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W) or (H, W, 3)
        Gray, or BGR.
    quality : int
        1..100.

    Returns
    -------
    bytes
        The content of the file.
    """
    return _encode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, quality))


def _encode(suffix: str, picture: Gray, options: tuple[int, ...]) -> bytes:
    succeeded, data = cv2.imencode(suffix, picture, options)
    if not succeeded:
        raise ValueError(f"a picture of {picture.shape} cannot be written as {suffix}")
    return bytes(data)


def write_bytes_atomic(path: Path, data: bytes, *, scratch: Path | None = None) -> None:
    """Write a file so that at any moment `path` holds the complete new content, or what it held before.

    Parameters
    ----------
    path : Path
        The file; missing parent folders are created.
    data : bytes
        The content.
    scratch : Path, optional
        Folder of the temporary file, in the same file system; by default that of `path`.

    Raises
    ------
    OSError
        Where the file cannot be written; the temporary file is then removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = (scratch or path.parent) / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
