"""Read any picture as 8-bit gray, with limits that are checked before it is decoded; write pictures as PNG or JPEG."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.bilevel_png import encode_bilevel_png
from irisstn.errors import ImageError
from irisstn.files import read_regular_file, write_bytes_atomic
from irisstn.geometry import Gray
from irisstn.gray_levels import to_gray
from irisstn.image_decoding import decode
from irisstn.image_headers import picture_header
from irisstn.optional_formats import OPTIONAL_SUFFIXES, decode_optional, optional_format

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
    "write_png",
]

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jp2", ".j2k", ".jpc", ".tif", ".tiff", ".bmp", ".dib", ".gif", ".webp"}
    | {".pgm", ".ppm", ".pbm", ".pnm"}
    | OPTIONAL_SUFFIXES
)
MAX_PIXELS = 32_000_000
MAX_SIDE = 32_000  # OpenCV's remap addresses a source of up to 2^15 - 1 pixels a side
MAX_BYTES = 256 << 20
_QUICK_PIXELS = 5_000_000  # WebP, JPEG and TIFF files of noise take 20 to 90 ns a pixel, JPEG 2000 ones twice as long
# On iris strips run-length coding gives files as small as the default strategy, and is a third faster.
_PNG_GRAY: tuple[int, ...] = (cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE)
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
    ValueError
        Where `path` is no path.
    """
    if not isinstance(path, str | os.PathLike):
        raise ValueError(f"read_gray takes the path of a file, got {type(path).__name__}: irisstn.to_gray takes arrays")
    return decode_gray(read_file(path), max_pixels=max_pixels)


def read_file(path: Path) -> bytes:
    """Read the content of a regular file of at most `MAX_BYTES`.

    Parameters
    ----------
    path : Path
        The file.

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
        return read_regular_file(path, max_bytes=MAX_BYTES)
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # also where the path holds a NUL character
        raise ImageError(str(error)) from None


def decode_gray(data: bytes, *, max_pixels: int = MAX_PIXELS) -> Gray:
    """Decode the content of a picture file to 8-bit gray.

    The EXIF orientation is applied, transparent pixels become black in every format, a TIFF file in which white is zero
    is read as it looks, a PNM file with the white that it states (65535 states none), and `to_gray` does the rest. Of
    an animation or several pages the first is read.

    Parameters
    ----------
    data : bytes
        A PNG, JPEG, JPEG 2000, TIFF, BigTIFF, BMP, GIF, WebP or PNM file of any depth, gray, colour, palette or CMYK.
        Where their packages are installed also AVIF (Pillow), HEIC (pillow-heif) or DICOM (pydicom).
    max_pixels : int
        Limit of H W, checked on the header before decoding.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The picture.

    Raises
    ------
    ImageError
        Where `data` is not such a picture, is of a kind that cannot be decoded, is damaged or cut short, or has more
        than `max_pixels` pixels or a side of more than 32,000. Beyond 2^27 pixels OpenCV refuses, too, see `irisstn`.
        A JPEG file that was cut short and closed by an end marker is read where it has several scans, as progressive
        ones have, or where at most its last 16x16 pixels are missing.
    ValueError
        Where `data` is not the content of a file.
    """
    if not isinstance(data, bytes | bytearray | memoryview):
        hint = "irisstn.read_gray reads a file, irisstn.to_gray takes arrays"
        raise ValueError(f"decode_gray takes the content of a file as bytes, got {type(data).__name__}: {hint}")
    optional = optional_format(data)
    if optional is not None:
        return decode_optional(data, optional, max_pixels=max_pixels, max_side=MAX_SIDE)
    header = picture_header(data)
    if header.height * header.width > max_pixels or max(header.height, header.width) > MAX_SIDE:
        raise ImageError(
            f"{header.width}x{header.height} pixels are over the limit of {max_pixels} and {MAX_SIDE} a side"
        )
    gray = decode(data, header)
    if gray.size > max_pixels:
        raise ImageError(f"the {header.format} file is larger than its header says")
    return gray


def decoding_may_take_long(data: bytes) -> bool:
    """Whether a decoder may take more than half a second for a picture file; it cannot be interrupted meanwhile.

    Parameters
    ----------
    data : bytes
        The content of the file.

    Returns
    -------
    bool
        By the pixels that its header states, times the scans of a JPEG file. True for AVIF, HEIC and DICOM, False for
        what is refused before it is decoded.
    """
    if optional_format(data) is not None:
        return True
    try:
        header = picture_header(data)
    except ImageError:
        return False
    cost = 2 if header.format == "JPEG 2000" else header.scans
    return header.height * header.width * cost > _QUICK_PIXELS


def write_png(path: Path, picture: NDArray[np.generic]) -> None:
    """Write a picture as PNG, atomically.

    Parameters
    ----------
    path : Path
        The file; missing parent folders are created.
    picture : ndarray
        As in `encode_png`.
    """
    write_bytes_atomic(path, encode_png(picture))


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
        return encode_bilevel_png(np.asarray(picture, np.bool_))
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


def encode_jpeg2000(picture: Gray) -> bytes:
    """Encode a picture as JPEG 2000 without loss, where OpenCV was built with it.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W)
        Gray.

    Returns
    -------
    bytes
        The content of the file.
    """
    return _encode(".jp2", np.ascontiguousarray(picture), (cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000))


def _encode(suffix: str, picture: Gray, options: tuple[int, ...]) -> bytes:
    succeeded, data = cv2.imencode(suffix, picture, options)
    if not succeeded:
        raise ValueError(f"a picture of {picture.shape} cannot be written as {suffix}")
    return bytes(data)
