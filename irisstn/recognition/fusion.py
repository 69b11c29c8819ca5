"""Several captures of one eye as one embedding."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LEAST_ALIKE = 0.15  # cosine of a capture with the mean of the others; for different eyes it is 0.0 +- 0.1
_FEWEST = 3  # captures from which on it can be decided which one is of another eye


def fuse(embeddings: ArrayLike, *, least_alike: float = _LEAST_ALIKE) -> NDArray[np.float32]:
    """Fuse the embeddings of several captures of one eye to one: their mean direction.

    Random differences of single captures average out, so a gallery of two or three captures gives fewer errors. Of
    three or more captures, those that differ most from the others are left out, because their segmentation is wrong or
    they show another eye.

    Parameters
    ----------
    embeddings : array_like, shape (K, D)
        Embeddings of the captures, of any length above 0; at least one.
    least_alike : float
        Least cosine of a capture with the mean of the others, -1..1. While there are three captures or more, the one
        with the smallest cosine is left out if it is below this.

    Returns
    -------
    ndarray of float32, shape (D,)
        An embedding of length 1; that of the first capture where opposite ones cancel.

    Raises
    ------
    ValueError
        Where there is no capture, or one is not finite or has length 0.
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
    # Opposite captures cancel to a vector without a direction.
    fused: NDArray[np.float32] = (mean / length if length > 1e-6 else captures[0]).astype(np.float32)
    return fused
