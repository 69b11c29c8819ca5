"""Alignment of a rectified strip with a reference: one comparison instead of a search over shifts."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from irisstn.geometry import TAU
from irisstn.iris_code import COLUMNS, distance, encode, roll_between
from irisstn.results import Strip
from irisstn.stn import Ring, Transform

_NEAR_BOUND = 0.99  # fraction of the roll's bound from which on the roll counts as limited


class Alignment(NamedTuple):
    """A transform that aligns a strip with a reference.

    Attributes
    ----------
    theta : Tensor, shape (1, n)
        The transform.
    at_limit : bool
        Whether a limit of the roll was reached. The best roll may then lie beyond it.
    """

    theta: Tensor
    at_limit: bool


@torch.no_grad()
def align_theta(
    theta: Tensor, transform: Transform, rectified: Strip, reference: Strip, *, max_roll_deg: float
) -> Alignment:
    """Add the roll at which the iris codes of two strips differ least.

    Parameters
    ----------
    theta : Tensor, shape (1, n)
        The transform that `rectified` was sampled with.
    transform : Transform
        A ring.
    rectified, reference : Strip
        The strip to be aligned, and the strip to align it with.
    max_roll_deg : float
        Limit of the added roll in degrees.

    Returns
    -------
    Alignment
        The transform with the added roll.

    Raises
    ------
    ValueError
        Where the transform is not a ring.
    """
    if not isinstance(transform, Ring):
        raise ValueError(f"only a ring can be aligned, not {type(transform).__name__}")
    added = roll_between(encode(rectified), encode(reference), max_roll_deg=max_roll_deg)
    step = transform.identity()[None].double()
    step[0, 0] = added
    aligned = transform.compose(theta.double().cpu(), transform.theta_of(step))
    limit = math.radians(max_roll_deg)
    # The last shift of the search, less the half column by which the peak may lie before it.
    last = (math.floor(limit / TAU * COLUMNS) - 0.5) * TAU / COLUMNS
    at_limit = max_roll_deg < 180 and abs(added) >= last
    if not transform.full_circle:
        at_limit |= abs(float(transform.physical(aligned)[0, 0])) >= _NEAR_BOUND * float(transform.limits[0])
    return Alignment(aligned.to(theta), at_limit)


def alignment_distance(aligned: Strip, reference: Strip) -> float:
    """Distance of the iris codes of two aligned strips, without a search over shifts.

    Parameters
    ----------
    aligned, reference : Strip
        Two strips of any size.

    Returns
    -------
    float
        0 for equal codes, about 0.5 for different eyes, 2 where nothing is usable in both.
    """
    return distance(encode(aligned), encode(reference))
