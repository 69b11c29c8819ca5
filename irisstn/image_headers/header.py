"""What the header of a picture file says."""

from __future__ import annotations

from typing import NamedTuple


class Header(NamedTuple):
    """The header of a picture file.

    Attributes
    ----------
    format : str
        Name of the format, such as "JPEG 2000".
    height, width : int
        Size in pixels as stored, before any EXIF orientation is applied.
    alpha : bool
        Whether the picture may have an alpha channel by which the decoder does not multiply.
    transparent : int or None
        The gray level, as decoded, of transparent pixels in a gray picture without an alpha channel.
    inverted : bool
        Whether the decoder returns white as zero.
    white : int
        The level of white, as decoded. 255 where the file states none: then that of the bits in use.
    all_channels : bool
        Whether OpenCV decodes the file only together with its fourth channel.
    needs_pillow : bool
        Whether OpenCV cannot decode the file, or drops its alpha channel.
    scans : int
        How often a decoder passes over the pixels; several times in a progressive JPEG file.
    """

    format: str
    height: int
    width: int
    alpha: bool = False
    transparent: int | None = None
    inverted: bool = False
    white: int = 255
    all_channels: bool = False
    needs_pillow: bool = False
    scans: int = 1
