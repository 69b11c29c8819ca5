"""The settings of the segmentation, with their defaults. Lengths are shares of the picture or of a radius in it."""

from __future__ import annotations

from pydantic import Field

from irisstn.config import Strict


class SegmentationConfig(Strict):
    """Settings of `irisstn.segmentation.segment`."""

    working_radius: float = Field(
        default=110.0,
        ge=40.0,
        le=400.0,
        description="the edges of an iris larger than this are traced in a reduced picture, px",
    )
    min_trust: float = Field(
        default=0.6,
        ge=0.0,
        le=1.0,
        description="how well what is seen fits a pupil and an iris; below, there is no eye",
    )
    min_sharpness: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="share of the pupil's edge within a tenth of its radius: below, too blurred",
    )
    min_usable: float = Field(
        default=0.2, ge=0.0, le=1.0, description="usable share of the iris ring below which an eye counts as closed"
    )
