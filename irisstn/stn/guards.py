"""Checks against the silent failures of spatial transformers: no gradient, or a theta that is no number.

Bounds stand in `transform`, the monitor and penalty of the area outside the image in `sampler`.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def require_gradient(module: nn.Module) -> float:
    """The norm of the gradient that the last backward pass left in `module`'s parameters.

    Raises ValueError where there is none: the loss does not depend on the transform (often the classifier was fed the
    unwarped image, or theta was detached), every sample lies outside the image, or the parameters are frozen.
    """
    parameters = list(module.parameters())
    if not parameters:
        raise ValueError(f"{type(module).__name__} has no parameters that could learn")
    reached = [p.grad for p in parameters if p.grad is not None]
    if not reached:
        raise ValueError(f"no gradient reached {type(module).__name__}: the loss does not depend on it")
    norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g.float()) for g in reached])))
    if norm == 0:
        raise ValueError(f"the gradient of {type(module).__name__} is zero: it would stay where it is")
    return norm


def require_finite(theta: Tensor) -> None:
    """Raise ValueError where `theta` holds NaN or infinity: the grid would sample nowhere, and stay blank.

    Not checked where a graph is compiled or exported.
    """
    if torch.compiler.is_compiling():
        return
    if not bool(torch.isfinite(theta).all()):
        raise ValueError("the localization net gave NaN or infinity: its input or its weights are damaged")
