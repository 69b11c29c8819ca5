"""Several shots of one eye as one embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEAST_ALIKE = 0.15  # of a shot to the mean of the others; two eyes' embeddings have some 0.0 +- 0.1
_FEWEST = 3  # shots among which one can be told to be an intruder


def fuse(embeddings: ArrayLike, *, least_alike: float = _LEAST_ALIKE) -> NDArray[np.float32]:
    """One embedding (D,) of length 1 for the shots `embeddings` (K, D) of one eye: their mean direction.

    What is chance in one shot averages out, so a gallery of two or three shots errs less. Of three shots or more, one
    whose cosine with the mean of the others is below `least_alike` is left out, the worst one first, while three
    remain: a wrong segmentation, or another eye. Raises ValueError without a shot, or where one is not finite or has
    no length.
    """
    shots = np.asarray(embeddings, np.float64)
    if shots.ndim != 2 or not len(shots) or not np.isfinite(shots).all():
        raise ValueError(f"one or more finite embeddings (K, D) are needed, got {shots.shape}")
    lengths = np.linalg.norm(shots, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError("an embedding has no length")
    shots = shots / lengths
    while len(shots) >= _FEWEST:
        others = shots.sum(0) - shots
        alike = (shots * others).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
        worst = int(np.argmin(alike))
        if alike[worst] >= least_alike:
            break
        shots = np.delete(shots, worst, axis=0)
    mean = shots.sum(0)
    length = float(np.linalg.norm(mean))
    # Opposite shots cancel: then the first one stands for all.
    fused: NDArray[np.float32] = (mean / length if length > 1e-6 else shots[0]).astype(np.float32)
    return fused
