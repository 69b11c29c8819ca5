"""Pupil, limbus, eyelids, lashes and glints of an eye picture: `segment` composes the stages, with OpenCV alone."""

from irisstn.results import Segmentation
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.network import weights_hash
from irisstn.segmentation.segment import segment

__all__ = ["Segmentation", "SegmentationConfig", "segment", "weights_hash"]
