"""Several captures of one eye as one embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEAST_ALIKE = 0.15  # of a capture to the mean of the others; two eyes' embeddings have some 0.0 +- 0.1
_FEWEST = 3  # captures among which one can be told to be an intruder


def fuse(embeddings: ArrayLike, *, least_alike: float = _LEAST_ALIKE) -> NDArray[np.float32]:
    """One embedding (D,) of length 1 for the captures `embeddings` (K, D) of one eye: their mean direction.

    What is chance in one capture averages out, so a gallery of two or three captures errs less. Of three captures or
    more, one whose cosine with the mean of the others is below `least_alike` is left out, the worst one first, while
    three remain: a wrong segmentation, or another eye. Raises ValueError without a capture, or where one is not finite
    or has no length.
    """
    captures = np.asarray(embeddings, np.float64)
    if captures.ndim != 2 or not len(captures) or not np.isfinite(captures).all():
        raise ValueError(f"one or more finite embeddings (K, D) are needed, got {captures.shape}")
    lengths = np.linalg.norm(captures, axis=1, keepdims=True)
    if not (lengths > 0).all():
        raise ValueError("an embedding has no length")
    captures = captures / lengths
    while len(captures) >= _FEWEST:
        others = captures.sum(0) - captures
        alike = (captures * others).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
        worst = int(np.argmin(alike))
        if alike[worst] >= least_alike:
            break
        captures = np.delete(captures, worst, axis=0)
    mean = captures.sum(0)
    length = float(np.linalg.norm(mean))
    # Opposite captures cancel: then the first one stands for all.
    fused: NDArray[np.float32] = (mean / length if length > 1e-6 else captures[0]).astype(np.float32)
    return fused
