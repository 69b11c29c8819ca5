"""Recognising an iris from its strip: a small CNN, and the plain iris code to compare it with.

`StripNet` needs torch, which is imported only when it is asked for; all else needs numpy alone.
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
    if name not in {"StripNet", "StripNetConfig"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from irisstn.recognition import network  # noqa: PLC0415  (torch, only for those who ask for the CNN)

    return getattr(network, name)
