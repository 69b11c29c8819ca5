"""Strips as tensors, and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from irisstn.results import Strip


def to_tensors(strips: Sequence[Strip]) -> tuple[Tensor, Tensor]:
    """Stack strips of one size into tensors.

    Parameters
    ----------
    strips : sequence of Strip, length B
        Strips of R x T cells.

    Returns
    -------
    images : Tensor, shape (B, 1, R, T)
        Gray values in 0..1.
    usable : Tensor, shape (B, 1, R, T)
        Masks, 1.0 = usable.
    """
    images = torch.from_numpy(np.stack([strip.image for strip in strips])).float() / 255
    usable = torch.from_numpy(np.stack([strip.usable for strip in strips])).float()
    return images[:, None], usable[:, None]


def to_strips(images: Tensor, usable: Tensor) -> list[Strip]:
    """Split tensors into strips: the inverse of `to_tensors`, rounded to 8 bits.

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
