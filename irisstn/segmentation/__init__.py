"""Pupil, limbus, eyelids, lashes and glints of an eye picture, with OpenCV: `segment` composes the stages."""

from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.result import Segmentation
from irisstn.segmentation.segment import segment

__all__ = ["Segmentation", "SegmentationConfig", "segment"]
