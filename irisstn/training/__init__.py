"""Training the STN and the recognition CNN behind it, end to end.

`train` needs torch, which is imported only when it is asked for; the processes that render eyes do without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from irisstn.training.config import TrainConfig
    from irisstn.training.run import train

__all__ = ["TrainConfig", "train"]


def __getattr__(name: str) -> object:
    if name == "train":
        from irisstn.training.run import train  # noqa: PLC0415

        return train
    if name == "TrainConfig":
        from irisstn.training.config import TrainConfig  # noqa: PLC0415

        return TrainConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
