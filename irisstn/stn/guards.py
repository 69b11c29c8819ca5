"""Checks for silent failures of spatial transformers: no gradient, or a theta that is not finite.

`is_eager_inference` says where shortcuts for the CPU may be taken, which neither gradients nor graphs allow.

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


def is_eager_inference(tensor: Tensor) -> bool:
    """Whether a computation with a tensor is a plain one on the CPU.

    Parameters
    ----------
    tensor : Tensor
        Any shape.

    Returns
    -------
    bool
        False where gradients are enabled, under autocast, on other devices, and while a graph is compiled, exported or
        traced, for which values of tensors must not decide what is computed.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]  # no types
        return False
    return tensor.device.type == "cpu" and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
