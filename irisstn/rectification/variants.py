"""Plausible variants of a rectification, for the augmentation of training data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RING_JITTER = 0.07  # standard deviation of a ring's parameters, as a fraction of their bounds: 2 degrees of roll
JITTER = 0.02  # the same for other transforms, in the parameters' own units


def variant_noise(k: int, parameters: int, seed: int) -> NDArray[np.float64]:
    """Normally distributed noise for the parameters of variants.

    Parameters
    ----------
    k : int
        Number of variants.
    parameters : int
        Number n of parameters.
    seed : int
        Equal seeds give equal variants.

    Returns
    -------
    ndarray, shape (k, n)
        Noise of standard deviation 1.

    Raises
    ------
    ValueError
        For a negative `k`.
    """
    if k < 0:
        raise ValueError(f"the number of variants must not be negative, got {k}")
    return np.random.default_rng(seed).standard_normal((k, parameters))
