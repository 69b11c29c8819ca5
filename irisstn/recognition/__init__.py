"""Iris recognition from strips: a small CNN, and iris codes as a baseline.

`StripNet` needs torch, which is imported when it is first used; all else needs numpy only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irisstn.iris_code import IrisCode, distance, distances, encode, roll_between
from irisstn.recognition.calibration import Calibration
from irisstn.recognition.fusion import fuse

if TYPE_CHECKING:
    from irisstn.recognition.network import StripNet, StripNetConfig

__all__ = [
    "Calibration",
    "IrisCode",
    "StripNet",
    "StripNetConfig",
    "distance",
    "distances",
    "encode",
    "fuse",
    "roll_between",
]


def __getattr__(name: str) -> object:
    """Import the CNN when it is first used."""
    if name not in {"StripNet", "StripNetConfig"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from irisstn.recognition import network  # noqa: PLC0415  (it imports torch)

    return getattr(network, name)
