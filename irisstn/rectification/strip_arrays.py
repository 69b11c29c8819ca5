"""Strips that come as arrays or tensors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from irisstn.results import Strip


def strips_of(strips: NDArray[np.generic] | Tensor, usable: NDArray[np.bool_] | Tensor | None) -> Strip | list[Strip]:
    """Arrays or tensors as strips. Raises ValueError for what `Rectifier.rectify` does not take."""
    gray, mask = (x.detach().cpu().numpy() if isinstance(x, Tensor) else x for x in (strips, usable))
    if gray is None or gray.ndim not in (2, 3, 4) or (gray.ndim == 4 and gray.shape[1] != 1):
        raise ValueError(f"strips must be (R, T), (B, R, T) or (B, 1, R, T), got {strips.shape}")
    if gray.size == 0:
        raise ValueError(f"a strip needs at least one row and one column, got {gray.shape}")
    if mask is not None and mask.shape != gray.shape:
        raise ValueError(f"the mask must be {gray.shape} like the strips, got {mask.shape}")
    if gray.dtype != np.uint8:
        if not np.issubdtype(gray.dtype, np.floating) or not (gray.min() >= 0 and gray.max() <= 1):
            raise ValueError(f"strips must be uint8 or floats in 0..1, got {gray.dtype}")
        gray = np.rint(gray * 255)
    kept = np.ones(gray.shape, bool) if mask is None else np.asarray(mask, np.float32) > 0.5
    if gray.ndim == 2:
        return Strip(gray.astype(np.uint8), kept)
    size = gray.shape[-2:]
    return [Strip(g, m) for g, m in zip(gray.astype(np.uint8).reshape(-1, *size), kept.reshape(-1, *size), strict=True)]
