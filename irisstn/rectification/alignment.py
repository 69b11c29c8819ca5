"""Turning a rectified strip onto another one: one comparison in place of a search over shifts."""

from __future__ import annotations

import torch
from torch import Tensor

from irisstn.iris_code import encode, roll_between
from irisstn.results import Strip
from irisstn.stn import Ring, Transform


@torch.no_grad()
def turned_onto(
    theta: Tensor, transform: Transform, rectified: Strip, reference: Strip, *, max_roll_deg: float
) -> Tensor:
    """`theta` (1, n), with which `rectified` was sampled, turned on so that the strip lies on `reference`.

    The turn is that of the least distance between the plain iris codes of both strips. Raises ValueError where the
    transform is no ring.
    """
    if not isinstance(transform, Ring):
        raise ValueError(f"only a ring can be turned, not {type(transform).__name__}")
    turn = transform.identity()[None].double()
    turn[0, 0] = roll_between(encode(rectified), encode(reference), max_roll_deg=max_roll_deg)
    exact = theta.double().cpu()
    return transform.compose(exact, transform.theta_of(turn)).to(theta)
