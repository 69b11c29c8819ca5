"""Plausible variants of a rectification, for the augmentation of training data."""

from __future__ import annotations

import numpy as np
import torch

from irisstn.rectification.strip_sampling import Estimate
from irisstn.stn import Ring, Transform

_JITTER = 0.07  # standard deviation of a ring's parameters, as a fraction of their bounds: 2 degrees of roll
_JITTER_OTHER = 0.02  # the same for other transforms, in the parameters' own units


def jittered(transform: Transform, estimate: Estimate, k: int, seed: int) -> list[Estimate]:
    """Add normally distributed noise to the parameters of an estimate.

    Parameters
    ----------
    transform : Transform
        The transform that the estimate belongs to.
    estimate : Estimate
        The estimate.
    k : int
        Number of variants.
    seed : int
        Equal seeds give equal variants.

    Returns
    -------
    list of Estimate
        `k` estimates. The `pupil_share` of a ring does not vary: it is known, not estimated.

    Raises
    ------
    ValueError
        For a negative `k`.
    """
    if k < 0:
        raise ValueError(f"the number of variants must not be negative, got {k}")
    physical = transform.physical(estimate.theta).double().cpu()
    spread = torch.full((transform.n_params,), _JITTER_OTHER)
    if isinstance(transform, Ring):
        spread = _JITTER * transform.limits
        spread[transform.names.index("pupil_share")] = 0
    moves = np.random.default_rng(seed).standard_normal((k, transform.n_params))
    thetas = [transform.theta_of(physical + torch.from_numpy(move) * spread).to(estimate.theta) for move in moves]
    return [estimate._replace(theta=theta) for theta in thetas]
