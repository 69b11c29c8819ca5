"""Iris-recognition preprocessing: from eye pictures to rectified iris strips.

    image = irisstn.read_gray("eye.png")                 # (H, W) of uint8
    segmentation = irisstn.segment(image)
    strip = irisstn.normalize(image, segmentation)       # the rubber sheet, 64 x 512
    rectified = irisstn.Rectifier.load().rectify(strip)  # only this line imports torch

`irisstn.geometry` states the conventions of axes, angles and masks, `irisstn.errors` lists the exceptions.

OpenCV's own limit of pixels, OPENCV_IO_MAX_IMAGE_PIXELS, is set to 2^27 unless the environment sets it, so that it
refuses a file whose header was misread. It takes effect where this package is imported before cv2.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from irisstn.extras import import_public

if "cv2" not in sys.modules:  # OpenCV reads it when it is loaded
    os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(1 << 27))

__version__: str

if TYPE_CHECKING:
    from irisstn.errors import (
        ConfigError,
        DatasetError,
        ImageError,
        IrisError,
        MissingExtraError,
        OutputError,
        SegmentationError,
        WeightsError,
    )
    from irisstn.geometry import Boundary, Ellipse, Eyelid
    from irisstn.gray_levels import to_gray
    from irisstn.images import read_gray
    from irisstn.normalization import normalize
    from irisstn.pipeline import Pipeline
    from irisstn.quality import Quality, measure_quality
    from irisstn.recognition.onnx_recognizer import OnnxRecognizer
    from irisstn.rectification.collate import collate
    from irisstn.rectification.eye_batch import EyeBatch, StripBatch, batch_of_eyes, batch_of_strips, normalize_batch
    from irisstn.rectification.onnx_rectifier import OnnxRectifier
    from irisstn.rectification.rectified import Rectified
    from irisstn.rectification.rectifier import Rectifier
    from irisstn.rectification.rectifier_config import RectifierConfig
    from irisstn.results import Segmentation, Strip
    from irisstn.segmentation import (
        SegmentationConfig,
        segment,
        segmentation_from_circles,
        segmentation_from_masks,
    )

__all__ = [
    "Boundary",
    "ConfigError",
    "DatasetError",
    "Ellipse",
    "EyeBatch",
    "Eyelid",
    "ImageError",
    "IrisError",
    "MissingExtraError",
    "OnnxRecognizer",
    "OnnxRectifier",
    "OutputError",
    "Pipeline",
    "Quality",
    "Rectified",
    "Rectifier",
    "RectifierConfig",
    "Segmentation",
    "SegmentationConfig",
    "SegmentationError",
    "Strip",
    "StripBatch",
    "WeightsError",
    "batch_of_eyes",
    "batch_of_strips",
    "collate",
    "measure_quality",
    "normalize",
    "normalize_batch",
    "read_gray",
    "segment",
    "segmentation_from_circles",
    "segmentation_from_masks",
    "to_gray",
]

_HOMES = {
    "irisstn.errors": "ConfigError DatasetError ImageError IrisError MissingExtraError OutputError SegmentationError "
    "WeightsError",
    "irisstn.geometry": "Boundary Ellipse Eyelid",
    "irisstn.gray_levels": "to_gray",
    "irisstn.images": "read_gray",
    "irisstn.normalization": "normalize",
    "irisstn.pipeline": "Pipeline",
    "irisstn.quality": "Quality measure_quality",
    "irisstn.rectification.collate": "collate",
    "irisstn.rectification.eye_batch": "EyeBatch StripBatch batch_of_eyes batch_of_strips normalize_batch",
    "irisstn.recognition.onnx_recognizer": "OnnxRecognizer",
    "irisstn.rectification.onnx_rectifier": "OnnxRectifier",
    "irisstn.rectification.rectified": "Rectified",
    "irisstn.rectification.rectifier": "Rectifier",
    "irisstn.rectification.rectifier_config": "RectifierConfig",
    "irisstn.results": "Segmentation Strip",
    "irisstn.segmentation": "SegmentationConfig segment segmentation_from_circles segmentation_from_masks",
}
_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import the module of a public name when the name is first used, because torch takes seconds to import."""
    if name == "__version__":  # reading the metadata takes longer than the rest of this module
        from importlib.metadata import version  # noqa: PLC0415

        return version("irisstn")
    if name not in _HOME:
        raise AttributeError(f"module 'irisstn' has no attribute {name!r}")
    value = import_public(_HOME[name], name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
