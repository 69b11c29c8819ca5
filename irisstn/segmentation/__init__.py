"""Pupil, limbus, eyelids, eyelashes and specular reflections of an eye picture, with OpenCV alone.

`segment` reads whole eyes and cut-out irises; `segment_eye` calls the stages of a whole eye in their order, and each
stage is a module of this package.
"""

from irisstn.results import Segmentation
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.given_boundaries import segmentation_from_circles, segmentation_from_masks
from irisstn.segmentation.input_kind import InputKind, PictureKind, is_strip, segment, segment_as
from irisstn.segmentation.network import weights_hash
from irisstn.segmentation.segment import segment_eye
from irisstn.segmentation.texture import require_strip_texture

__all__ = [
    "InputKind",
    "PictureKind",
    "Segmentation",
    "SegmentationConfig",
    "is_strip",
    "require_strip_texture",
    "segment",
    "segment_as",
    "segment_eye",
    "segmentation_from_circles",
    "segmentation_from_masks",
    "weights_hash",
]
