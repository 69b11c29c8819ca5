"""The precision that a network is trained in: float32, or mixed with bfloat16 where that is faster."""

from __future__ import annotations

import time
from typing import Literal

import torch
import torch.nn.functional as F

from irisstn.training.precision_config import Precision

_REPEATS = 3
_FASTER = 0.7  # of the time in float32 that bfloat16 must stay below, because a whole step converts numbers as well


def choose_precision(wanted: Literal["auto", "float32", "bfloat16"], *, on_gpu: bool) -> Precision:
    """The precision to train in.

    Parameters
    ----------
    wanted : {"auto", "float32", "bfloat16"}
        The setting.
    on_gpu : bool
        Whether the networks run on a CUDA device; else on the processor.

    Returns
    -------
    {"float32", "bfloat16"}
        The setting, or for `"auto"` the faster one: on a GPU by what it supports, else by the time of a convolution.
    """
    if wanted != "auto":
        return wanted
    if on_gpu:
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    seconds: dict[Precision, list[float]] = {"float32": [], "bfloat16": []}
    for _ in range(_REPEATS):  # in turn, so that a load of the machine meets both
        seconds["float32"].append(_time_convolution(torch.float32))
        seconds["bfloat16"].append(_time_convolution(torch.bfloat16))
    return "bfloat16" if min(seconds["bfloat16"]) < _FASTER * min(seconds["float32"]) else "float32"


@torch.no_grad()
def _time_convolution(dtype: torch.dtype) -> float:
    """Seconds that a convolution of 75 million products takes."""
    images = torch.ones(8, 32, 32, 32, dtype=dtype).to(memory_format=torch.channels_last)
    weights = torch.ones(32, 32, 3, 3, dtype=dtype)
    started = time.perf_counter()
    F.conv2d(images, weights, padding=1)
    return time.perf_counter() - started
