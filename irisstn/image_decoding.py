"""Decode picture files whose header has been checked; the pixels as 8-bit gray, laid on black."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import ImageError, one_line
from irisstn.geometry import Gray
from irisstn.gray_levels import to_gray, to_gray_of_white, white_is_zero_to_gray
from irisstn.image_headers import Header
from irisstn.jpeg_completeness import jpeg_breaks_off

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

_ROWS_AT_ONCE = 512  # of a picture, where intermediate results need several times its memory
_PILLOW_NAMES = {"JPEG 2000": "JPEG2000"}  # those that differ from ours
_PILLOW_MODES = frozenset({"L", "LA", "La", "RGB", "RGBA", "RGBa", "I;16", "I;16B", "I", "F"})  # taken as they are


def decode(data: bytes, header: Header) -> Gray:
    """Decode a picture file to 8-bit gray.

    Parameters
    ----------
    data : bytes
        The content of the file.
    header : Header
        Its header, from `irisstn.image_headers.picture_header`, whose size is within the limits.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The picture, turned as its EXIF orientation says, with transparent pixels black.

    Raises
    ------
    ImageError
        Where the file cannot be decoded.
    """
    if header.needs_pillow:
        picture = _with_pillow(data, header)
    elif header.all_channels:
        picture = _with_opencv(data, header, cv2.IMREAD_UNCHANGED)
    else:
        picture = _with_opencv(data, header, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if header.white != 255 and (header.white > 255) == (picture.dtype == np.uint16):
        gray = to_gray_of_white(np.asarray(picture, str(picture.dtype)), header.white)
    else:
        gray = white_is_zero_to_gray(picture) if header.inverted else to_gray(picture)
    if header.transparent is not None and picture.ndim == 2:
        gray[picture == header.transparent] = 0
    if header.alpha:
        alpha = picture[..., 3] if picture.ndim == 3 and picture.shape[2] == 4 else None
        del picture  # with 16 bits a channel it may take hundreds of megabytes
        if alpha is None:
            alpha = _alpha_of(_with_opencv(data, header, cv2.IMREAD_UNCHANGED), gray)
        if alpha is not None:
            gray = on_black(gray, alpha)
    return gray


def _with_opencv(data: bytes, header: Header, flags: int) -> NDArray[np.generic]:
    """The picture as OpenCV decodes it with `flags`."""
    if header.format == "PNM" and data[1:2] in (b"1", b"2", b"3"):
        data += b"\n"  # OpenCV refuses a number that the file ends with
    try:
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if picture is not None and header.format == "JPEG":
            # Pillow, since OpenCV's decoder prints a line about data that it does not need.
            picture = None if jpeg_breaks_off(data, picture, lambda other: _with_pillow(other, header)) else picture
    except (cv2.error, MemoryError) as error:
        raise ImageError(f"the {header.format} file cannot be decoded: {one_line(error)}") from None
    if picture is None:
        raise ImageError(f"the {header.format} file is damaged or cut short")
    return picture


def _with_pillow(data: bytes, header: Header) -> NDArray[np.generic]:
    """The picture as Pillow decodes it: (H, W), or (H, W, 3 or 4) in OpenCV's order of channels."""
    try:
        from PIL import Image  # noqa: PLC0415  (few files need it)
    except ImportError:
        raise ImageError(f"this kind of {header.format} file needs Pillow: pip install pillow") from None
    try:
        with Image.open(io.BytesIO(data), formats=[_PILLOW_NAMES.get(header.format, header.format)]) as image:
            if sorted(image.size) != sorted((header.width, header.height)):  # Pillow turns TIFF files as they say
                raise ImageError(f"Pillow reads {image.size} pixels, not {header.width}x{header.height}")
            return _pillow_pixels(image)
    except ImageError:
        raise
    except Exception as error:  # each of Pillow's decoders raises its own kinds of errors
        raise ImageError(f"the {header.format} file cannot be decoded: {one_line(error)}") from None


def pillow_to_gray(image: PillowImage) -> Gray:
    """A Pillow image as 8-bit gray, as if its file had been read.

    Parameters
    ----------
    image : PIL.Image.Image
        An image of any mode.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        Its pixels, turned as its EXIF orientation says, with transparent pixels black.
    """
    from PIL import ImageOps  # noqa: PLC0415

    upright = ImageOps.exif_transpose(image)
    picture = _pillow_pixels(upright if upright.mode != "P" else upright.convert("RGBA"))
    gray = to_gray(picture)
    return on_black(gray, picture[..., 3]) if picture.ndim == 3 and picture.shape[2] == 4 else gray


def _pillow_pixels(image: PillowImage) -> NDArray[np.generic]:
    """The pixels of a Pillow image: (H, W), or (H, W, 3 or 4) in OpenCV's order of channels."""
    pixels = np.asarray(image if image.mode in _PILLOW_MODES else image.convert("RGB"))
    if pixels.ndim == 2:
        return pixels
    order = [0, 0, 0, 1] if pixels.shape[2] == 2 else [2, 1, 0, 3][: pixels.shape[2]]
    return pixels[..., order]


def _alpha_of(picture: NDArray[np.generic], gray: Gray) -> NDArray[np.generic] | None:
    """The alpha channel of `picture`, turned as `gray` is; None where it has none.

    OpenCV returns alpha only together with pixels that are not turned by the EXIF orientation. So of the eight
    orientations that one is taken whose red channel is most like `gray`.
    """
    if picture.ndim != 3 or picture.shape[2] != 4:
        return None
    red, alpha = to_gray(picture), picture[..., 3]
    if np.array_equal(red, gray):
        return alpha
    turns = [(turn, mirror) for mirror in (1, -1) for turn in range(4)]
    turned = [(np.rot90(red[:, ::mirror], turn), np.rot90(alpha[:, ::mirror], turn)) for turn, mirror in turns]
    fitting = [
        (cv2.norm(np.ascontiguousarray(one), gray, cv2.NORM_L1), other)
        for one, other in turned
        if one.shape == gray.shape
    ]
    return min(fitting, key=lambda pair: pair[0])[1] if fitting else None


def on_black(gray: Gray, alpha: NDArray[np.generic]) -> Gray:
    """`gray` (H, W) multiplied by `alpha` (H, W) of any depth."""
    opaque = float(np.iinfo(str(alpha.dtype)).max) if np.issubdtype(alpha.dtype, np.integer) else 1.0
    blended = np.empty_like(gray)
    for top in range(0, len(gray), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        blended[rows] = np.rint(gray[rows] * np.clip(np.asarray(alpha[rows], np.float32) / opaque, 0, 1))
    return blended
