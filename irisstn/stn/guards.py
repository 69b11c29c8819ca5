"""Checks for silent failures of spatial transformers: no gradient, or a theta that is not finite.

`irisstn.stn.transform` bounds the parameters; `irisstn.stn.sampler` measures and penalises the area outside the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def require_gradient(module: nn.Module) -> float:
    """Norm of the gradient that the last backward pass left in a module.

    Parameters
    ----------
    module : nn.Module
        Usually a localization network.

    Returns
    -------
    float
        Euclidean norm over all parameters, above 0.

    Raises
    ------
    ValueError
        Where there is no gradient, or it is zero: the loss does not depend on the transform (often because the
        classifier gets the unwarped image, or theta is detached), every sample lies outside the image, or the
        parameters are frozen.
    """
    parameters = list(module.parameters())
    if not parameters:
        raise ValueError(f"{type(module).__name__} has no parameters to train")
    reached = [p.grad for p in parameters if p.grad is not None]
    if not reached:
        raise ValueError(f"no gradient reached {type(module).__name__}: the loss does not depend on it")
    norm = float(torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g.float()) for g in reached])))
    if norm == 0:
        raise ValueError(f"the gradient of {type(module).__name__} is zero: training would not change it")
    return norm


def require_finite(theta: Tensor) -> None:
    """Check that theta is finite; otherwise the grid would sample outside the image. Skipped in compiled graphs.

    Parameters
    ----------
    theta : Tensor
        Any shape.

    Raises
    ------
    ValueError
        Where `theta` has a NaN or an infinite value.
    """
    if torch.compiler.is_compiling():
        return
    if not bool(torch.isfinite(theta).all()):
        raise ValueError("the localization network returned NaN or infinity: its input or its weights are damaged")
