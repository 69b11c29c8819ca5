"""Formats that are read where their package is installed: AVIF and HEIC by Pillow and its plugin, DICOM by pydicom."""

from __future__ import annotations

import importlib
import io
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import ImageError, one_line
from irisstn.extras import install_command
from irisstn.geometry import Gray
from irisstn.gray_levels import to_gray
from irisstn.image_decoding import on_black
from irisstn.image_headers.unsupported import unsupported_format

_PACKAGES = {  # module that reads the format, how to install it, suffixes
    "AVIF": ("PIL._avif", 'pip install "pillow>=11.3"', {".avif"}),
    "HEIC": ("pillow_heif", install_command("formats"), {".heic", ".heif"}),
    "DICOM": ("pydicom", install_command("formats"), {".dcm"}),
}
_DEFLATED = b"1.2.840.10008.1.2.1.99"  # all but the head of such a DICOM file is compressed, of an unknown size


def _is_installed(name: str) -> bool:
    try:
        return find_spec(_PACKAGES[name][0]) is not None
    except (ImportError, ValueError):
        return False


OPTIONAL_SUFFIXES = frozenset(
    suffix for name, (_, _, suffixes) in _PACKAGES.items() if _is_installed(name) for suffix in suffixes
)


def optional_format(data: bytes) -> str | None:
    """The format of a picture file, "AVIF", "HEIC" or "DICOM"; None for any other."""
    name = unsupported_format(data) if data[4:8] == b"ftyp" or data[128:132] == b"DICM" else None
    return name if name in _PACKAGES else None


def decode_optional(data: bytes, name: str, *, max_pixels: int, max_side: int) -> Gray:
    """Decode an AVIF, HEIC or DICOM file to 8-bit gray.

    Transparent pixels become black, and the orientation is applied. Of a DICOM file the first frame is read, and its
    depth is that of its bits stored.

    Parameters
    ----------
    data : bytes
        The content of the file.
    name : {"AVIF", "HEIC", "DICOM"}
        What `optional_format` returned.
    max_pixels, max_side : int
        Limits of H W, and of either side, checked before decoding.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The picture.

    Raises
    ------
    ImageError
        Where the package is not installed, and where the file is damaged, too large or of a kind that is not read.
    """
    if not _is_installed(name):
        raise ImageError(
            f"the file is {name}, which needs a package: {_PACKAGES[name][1]}, or save the picture as PNG or TIFF"
        )

    def check(width: int, height: int) -> None:
        if width < 1 or height < 1 or width * height > max_pixels or max(width, height) > max_side:
            raise ImageError(f"{width}x{height} pixels are over the limit of {max_pixels} and {max_side} a side")

    try:
        return _dicom(data, check) if name == "DICOM" else _with_pillow(data, name, check)
    except ImageError:
        raise
    except Exception as error:  # the packages raise errors of their own kinds
        raise ImageError(f"the {name} file cannot be decoded: {one_line(error, 300)}") from None


def _with_pillow(data: bytes, name: str, check: Callable[[int, int], None]) -> Gray:
    from PIL import Image, ImageOps  # noqa: PLC0415  (few files need it)

    if name == "HEIC":
        importlib.import_module("pillow_heif").register_heif_opener()
    with Image.open(io.BytesIO(data), formats=["HEIF" if name == "HEIC" else name]) as image:
        check(*image.size)
        pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGBA"))
    gray = to_gray(np.ascontiguousarray(pixels[..., 0]))
    return on_black(gray, pixels[..., 3])


def _dicom(data: bytes, check: Callable[[int, int], None]) -> Gray:
    if _DEFLATED in data[:4096]:
        raise ImageError("a DICOM file that is deflated as a whole is not read: save it without")
    pydicom = importlib.import_module("pydicom")
    pixels = importlib.import_module("pydicom.pixels")
    head = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
    space, bits = str(head.PhotometricInterpretation), int(head.BitsStored)
    if space not in ("MONOCHROME1", "MONOCHROME2", "RGB") or int(head.get("PixelRepresentation", 0)):
        raise ImageError(f"a DICOM file of {space} or of signed values is not read: save it as gray or RGB")
    check(int(head.Columns), int(head.Rows))
    frame: NDArray[np.generic] = pixels.pixel_array(io.BytesIO(data), index=0)
    level = (frame[..., 0] if frame.ndim == 3 else frame).astype(np.uint32)
    gray = np.asarray(np.minimum(level, (1 << bits) - 1) * 255 // ((1 << bits) - 1), np.uint8)
    return np.asarray(255 - gray, np.uint8) if space == "MONOCHROME1" else gray
