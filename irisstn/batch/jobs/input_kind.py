"""What a picture shows: a whole eye, an iris ring with all else masked, or a strip; and the mask of a strip."""

from __future__ import annotations

from typing import Literal

import numpy as np

from irisstn.batch.jobs.job import JobInput
from irisstn.errors import ImageError
from irisstn.geometry import Bool, Gray
from irisstn.images import decode_gray
from irisstn.segmentation.masked_image import is_masked_image

PictureKind = Literal["eye", "ring", "strip"]
InputKind = Literal["auto", "eye", "ring", "strip"]
STRIP_ASPECT = 4.0  # width / height from which on a picture is a strip; photographs of eyes are less wide


def kind_of(image: Gray, given: InputKind = "auto") -> PictureKind:
    """What a picture shows.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.
    given : {"auto", "eye", "ring", "strip"}
        What the user says that it shows; "auto" decides by shape and by a uniform frame.

    Returns
    -------
    {"eye", "ring", "strip"}
        A strip is at least four times as wide as high; a ring has a uniform frame; all else is an eye.

    Examples
    --------
    >>> import numpy as np
    >>> kind_of(np.zeros((64, 512), np.uint8))
    'strip'
    """
    if given != "auto":
        return given
    height, width = image.shape
    if width >= STRIP_ASPECT * height:
        return "strip"
    return "ring" if is_masked_image(image) else "eye"


def strip_mask(source: JobInput, image: Gray, max_pixels: int) -> Bool:
    """The mask of a strip.

    Parameters
    ----------
    source : JobInput
        The input.
    image : ndarray of uint8, shape (R, T)
        The decoded strip.
    max_pixels : int
        Larger masks are refused before they are decoded.

    Returns
    -------
    ndarray of bool, shape (R, T)
        True = usable; True everywhere where the input has no mask.

    Raises
    ------
    ImageError
        The mask cannot be read or has another size.
    """
    if source.mask is None:
        return np.ones(image.shape, bool)
    mask = decode_gray(source.mask, max_pixels=max_pixels)
    if mask.shape != image.shape:
        raise ImageError(f"the strip is {image.shape}, its mask {mask.shape}")
    return np.asarray(mask > 127)
