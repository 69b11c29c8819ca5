"""What a picture shows: a whole eye, an iris ring with all else masked, or a strip; and the mask of a strip."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import Field

from irisstn.batch.jobs.job import JobInput
from irisstn.config import Strict
from irisstn.errors import ImageError, SegmentationError
from irisstn.geometry import Bool, Gray
from irisstn.images import decode_gray
from irisstn.results import Segmentation, Strip
from irisstn.segmentation import (
    InputKind,
    PictureKind,
    SegmentationConfig,
    is_strip,
    require_strip_texture,
    segment_as,
)
from irisstn.strip_conventions import CONVENTIONS, Columns, ConventionName, MaskPolarity, Start, StripConvention

_WIDE = 2.0  # width over height from which on a picture without an eye may be a strip


class StripsConfig(Strict):
    """How strips that another program made are laid out."""

    convention: ConventionName = Field(default="irisstn", description="the program that made the strips")
    columns: Columns | None = Field(
        default=None, description="direction of the columns, as seen in the picture; null: that of the convention"
    )
    start: Start | None = Field(
        default=None, description="where in the picture column 0 lies; null: where the convention has it"
    )
    mask_polarity: MaskPolarity | None = Field(
        default=None, description="what a mask's white and black mean; null: what they mean in the convention"
    )

    def layout(self) -> StripConvention:
        """The convention, changed by what else is given."""
        changes = {"columns": self.columns, "start": self.start, "mask_polarity": self.mask_polarity}
        given: dict[str, Any] = {name: value for name, value in changes.items() if value is not None}
        return replace(CONVENTIONS[self.convention], **given)


def read_picture_as(
    source: JobInput,
    image: Gray,
    given: InputKind,
    config: SegmentationConfig,
    *,
    max_pixels: int,
    layout: StripConvention = CONVENTIONS["irisstn"],
) -> tuple[Segmentation | Strip, PictureKind]:
    """What a picture shows, and its segmentation, or the strip that it is.

    Parameters
    ----------
    source : JobInput
        The input: a strip where it has a mask beside it.
    image : ndarray of uint8, shape (H, W)
        The decoded picture.
    given : {"auto", "eye", "ring", "strip"}
        What the user says that it shows; "auto" decides by evidence, see `irisstn.segmentation.input_kind`.
    config : SegmentationConfig
        Settings of the segmentation.
    max_pixels : int
        Larger masks are refused before they are decoded.
    layout : StripConvention
        Of a strip and its mask.

    Returns
    -------
    Segmentation or Strip
        Of an eye or a ring its segmentation, in the picture's pixels; a strip as in `irisstn.geometry`.
    {"eye", "ring", "strip"}
        What it was read as.

    Raises
    ------
    SegmentationError
        No iris was found, or a strip is blank. The reason says what the picture was read as where that was not given.
    ImageError
        The mask cannot be read, or has another size than the strip.
    """
    if given == "strip" or (given == "auto" and (source.mask is not None or is_strip(image, config))):
        strip = Strip(layout.to_own(image), strip_mask(source, image, max_pixels, layout))
        require_strip_texture(strip)
        return strip, "strip"
    if given == "auto":
        return segment_by_evidence(image, config, if_strip="give --input strip")
    return segment_as(given, image, config)


def segment_by_evidence(
    image: Gray, config: SegmentationConfig, *, if_strip: str
) -> tuple[Segmentation, Literal["eye", "ring"]]:
    """Segment a picture that may show an eye or a cut-out iris.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The decoded picture.
    config : SegmentationConfig
        Settings of the segmentation.
    if_strip : str
        What the user can do where it is a strip, for the reason of a failure.

    Returns
    -------
    Segmentation
        In the picture's pixels.
    {"eye", "ring"}
        What it was read as.

    Raises
    ------
    SegmentationError
        No iris was found. The reason says that an eye was looked for, and names the remedy where the picture is wide.
    """
    try:
        return segment_as("auto", image, config)
    except SegmentationError as error:
        hint = f"; if it is a strip, {if_strip}" if image.shape[1] >= _WIDE * image.shape[0] else ""
        raise SegmentationError(f"{error.reason} (read as an eye{hint})") from None


def strip_mask(
    source: JobInput, image: Gray, max_pixels: int, layout: StripConvention = CONVENTIONS["irisstn"]
) -> Bool:
    """The mask of a strip.

    Parameters
    ----------
    source : JobInput
        The input.
    image : ndarray of uint8, shape (R, T)
        The decoded strip.
    max_pixels : int
        Larger masks are refused before they are decoded.
    layout : StripConvention
        Of the mask.

    Returns
    -------
    ndarray of bool, shape (R, T)
        True = usable, with the columns of `irisstn.geometry`; True everywhere where the input has no mask.

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
    return layout.read_mask(mask)
