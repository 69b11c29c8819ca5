"""Training of the STN and of the recognition CNN behind it, end to end.

`train` and `SafetensorsCheckpoint` need torch, which is imported when they are first used; the processes that render
eyes do without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from irisstn.training.checkpoints import SafetensorsCheckpoint
    from irisstn.training.config import TrainConfig
    from irisstn.training.run import train

__all__ = ["SafetensorsCheckpoint", "TrainConfig", "train"]

_MODULES = {
    "SafetensorsCheckpoint": "irisstn.training.checkpoints",
    "TrainConfig": "irisstn.training.config",
    "train": "irisstn.training.run",
}


def __getattr__(name: str) -> object:
    """Import a public name's module when the name is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
