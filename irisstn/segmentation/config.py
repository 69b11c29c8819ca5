"""The settings of the segmentation, with their defaults. Lengths are shares of the picture or of a radius in it."""

from __future__ import annotations

from pydantic import Field

from irisstn.config import Strict


class SegmentationConfig(Strict):
    """Settings of `irisstn.segmentation.segment`."""

    search_rows: int = Field(
        default=150, ge=80, le=400, description="short side of the picture in the coarse search, px"
    )
    candidates: int = Field(default=6, ge=1, le=32, description="places that the coarse search scores as an eye")
    working_radius: float = Field(
        default=110.0, ge=40.0, le=400.0, description="an iris larger than this is segmented in a reduced picture, px"
    )
    readings: int = Field(default=8, ge=1, le=32, description="pairs of rings whose pupil and limbus are searched")
    min_trust: float = Field(
        default=0.5, ge=0.0, le=1.0, description="trust in the pupil's and limbus's edges below which there is no eye"
    )
    min_sharpness: float = Field(
        default=0.5,
        ge=0.0,
        le=1.0,
        description="share of the pupil's edge within a tenth of its radius: below, too blurred",
    )
    min_limbus: float = Field(default=0.2, ge=0.0, le=1.5, description="score of the limbus below which there is none")
    min_usable: float = Field(
        default=0.2, ge=0.0, le=1.0, description="usable share of the iris ring below which an eye counts as closed"
    )
