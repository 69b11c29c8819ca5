"""Pupil, limbus, eyelids, eyelashes and specular reflections of an eye picture, with OpenCV alone.

`segment` calls the stages in their order; each stage is a module of this package.
"""

from irisstn.results import Segmentation
from irisstn.segmentation.config import SegmentationConfig
from irisstn.segmentation.network import weights_hash
from irisstn.segmentation.segment import segment

__all__ = ["Segmentation", "SegmentationConfig", "segment", "weights_hash"]
