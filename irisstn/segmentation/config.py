"""The settings of the segmentation, with their defaults."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from irisstn.config import Strict


class SegmentationConfig(Strict):
    """Settings of `irisstn.segmentation.segment`.

    Attributes
    ----------
    working_radius : float
        Iris radius in pixels, 40..400, above which the edges are traced in a reduced picture.
    min_trust : float
        How well the network's maps must fit a pupil and an iris, as intersection over union, 0..1.
    min_sharpness : float
        Fraction of the contrast across the pupil's edge that must lie within a tenth of its radius, 0..1.
    min_usable : float
        Fraction of the iris ring that must be usable, 0..1.
    min_texture : float
        Contrast of the iris's texture in gray levels, see `irisstn.segmentation.texture`, at least 0.
    max_regularity : float
        How far the iris's texture may repeat around the circle, as rings and spokes do, see there, 0..1.
    min_evenness : float
        Median of the local contrast of the iris over its ninth decile, see there, 0..1.
    min_departure : float
        How far the edges of an iris of little texture that no eyelid covers must be from two circles around one point,
        see `irisstn.segmentation.ring_check`, 0..1.
    eye : {"largest", "left", "right"}
        Which eye of several: the one with the largest iris, or the first from one side of the picture.
    turned : {"auto", "0", "90", "180", "270"}
        By how many degrees the picture is turned clockwise; `"auto"` recognises 90 and 270 by the eyelids.
    """

    working_radius: float = Field(
        default=110.0,
        ge=40.0,
        le=400.0,
        description="the edges of an iris larger than this are traced in a reduced picture, px",
    )
    # Of 3757 near-infrared pictures of four sets the least is 0.85; in visible light rings below 0.7 are often wrong.
    min_trust: float = Field(
        default=0.7,
        ge=0.0,
        le=1.0,
        description="how well the network's maps fit a pupil and an iris; below this there is no eye",
    )
    # Real pictures blurred by 0.08 of the iris radius have 0.41..0.47, and rings that are off by 0.015 to 0.02 of it;
    # the faint edges of pupils in visible light have 0.46 where they are in focus.
    min_sharpness: float = Field(
        default=0.42,
        ge=0.0,
        le=1.0,
        description="fraction of the pupil edge's contrast within a tenth of its radius; below this it is too blurred",
    )
    min_usable: float = Field(
        default=0.2, ge=0.0, le=1.0, description="usable fraction of the iris ring; below this the eye counts as closed"
    )
    # Of 685 real pictures of five sets, dim and small ones among them, the least is 1.6; drawn eyes have less than 0.8,
    # or up to 1.5 where noise was compressed by JPEG.
    min_texture: float = Field(
        default=0.9,
        ge=0.0,
        le=255.0,
        description="contrast of the iris's texture in gray levels; below this it is drawn, or the picture has lost it",
    )
    # Of 1074 real and rendered irises of fourteen sets the greatest is 0.50; of drawn rings, targets and wheels the
    # median is above 0.96.
    max_regularity: float = Field(
        default=0.7,
        ge=0.0,
        le=1.0,
        description="how far the iris's texture may repeat around the circle; above this it is rings or spokes",
    )
    # Of the same irises the least is 0.29, and 0.16 after denoising; JPEG of the lowest qualities flattens small irises
    # to less. Drawn coins and dials are below 0.15 where they are not noisy.
    min_evenness: float = Field(
        default=0.15,
        ge=0.0,
        le=1.0,
        description="median of the iris's local contrast over its ninth decile; below this it is flat between edges",
    )
    # Of 15,407 real irises the least but one is 0.0097; drawn discs have 0.003 to 0.009.
    min_departure: float = Field(
        default=0.0085,
        ge=0.0,
        le=1.0,
        description="how far a flat ring that no eyelid covers must be from two circles around one point",
    )
    eye: Literal["largest", "left", "right"] = Field(
        default="largest",
        description="which eye of several: that with the largest iris, or the first from one side of the picture",
    )
    turned: Literal["auto", "0", "90", "180", "270"] = Field(
        default="auto",
        description="degrees by which the picture is turned clockwise; auto recognises 90 and 270 by the eyelids",
    )


def require_config(config: object) -> SegmentationConfig:
    """`config`, or the default for None.

    Raises
    ------
    ValueError
        Where it is something else.
    """
    if config is None:
        return SegmentationConfig()
    if not isinstance(config, SegmentationConfig):
        raise ValueError(f"the settings are a SegmentationConfig, got {type(config).__name__}")
    return config
