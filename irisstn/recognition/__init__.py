"""Iris recognition from strips: a small CNN, and iris codes as a baseline.

`StripNet` needs torch, which is imported when it is first used; all else needs numpy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irisstn.extras import import_public
from irisstn.iris_code import IrisCode, distance, distances, encode, roll_between
from irisstn.recognition.calibration import CODE_SHIFTS, IRIS_CODE, Calibration
from irisstn.recognition.comparison import Comparison, compare, compare_codes, quality_doubts
from irisstn.recognition.config import StripNetConfig, WhiteningConfig, WhiteningFitConfig
from irisstn.recognition.fusion import fuse, fuse_strips
from irisstn.recognition.gallery_search import Candidate, HnswIndex, search

if TYPE_CHECKING:
    from irisstn.recognition.network import StripNet, join
    from irisstn.recognition.onnx_export import export_recognizer
    from irisstn.recognition.whitening import Whitening
    from irisstn.recognition.widening import widen

__all__ = [
    "CODE_SHIFTS",
    "IRIS_CODE",
    "Calibration",
    "Candidate",
    "Comparison",
    "HnswIndex",
    "IrisCode",
    "StripNet",
    "StripNetConfig",
    "Whitening",
    "WhiteningConfig",
    "WhiteningFitConfig",
    "compare",
    "compare_codes",
    "distance",
    "distances",
    "encode",
    "export_recognizer",
    "fuse",
    "fuse_strips",
    "join",
    "quality_doubts",
    "roll_between",
    "search",
    "widen",
]


_MODULES = {
    "export_recognizer": "irisstn.recognition.onnx_export",
    "StripNet": "irisstn.recognition.network",
    "join": "irisstn.recognition.network",
    "Whitening": "irisstn.recognition.whitening",
    "widen": "irisstn.recognition.widening",
}


def __getattr__(name: str) -> object:
    """Import a name that needs torch when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_public(_MODULES[name], name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
