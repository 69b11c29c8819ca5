"""Tensors as strips."""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.results import Strip


def to_strips(images: Tensor, usable: Tensor) -> list[Strip]:
    """Split tensors into strips: the inverse of `irisstn.batch_of_strips`, rounded to 8 bits.

    Parameters
    ----------
    images, usable : Tensor, shape (B, 1, R, T)
        Gray values and masks in 0..1. A cell is usable where its mask is above 1/2.

    Returns
    -------
    list of Strip
        The B strips.
    """
    gray = (images.detach().cpu()[:, 0] * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    mask = (usable.detach().cpu()[:, 0] > 0.5).numpy()
    return [Strip(g, m) for g, m in zip(gray, mask, strict=True)]
