"""Pupil, limbus, eyelids, lashes and glints of an eye picture: `segment` composes the stages, with OpenCV alone."""

from irisstn.results import Segmentation
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.input_kind import InputKind, is_strip, segment, segment_as
from irisstn.segmentation.network import weights_hash

__all__ = ["InputKind", "Segmentation", "SegmentationConfig", "is_strip", "segment", "segment_as", "weights_hash"]
