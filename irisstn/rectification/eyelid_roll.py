"""The roll that a pair of eyelids shows, for numpy and torch alike, and how the axis of the opening is added to it."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from irisstn.geometry import TAU, Float32

_ROUNDS = 10  # of the fixed-point iteration: each leaves about a third of the error
_STEEPEST = math.radians(60)  # largest reading, in rad
_FARTHEST = 1.6  # iris radii from the centre of the iris, to which eyelids are extrapolated
_TINY = 1e-6  # keeps the weights finite where no eyelid is known
# The weight of the opening's axis beside the eyelids. Among pictures of one eye both are equally exact: the best weight
# is 0.47 on IIT Delhi's development half and 0.58 on that of CASIA-Iris-Interval.
_AXIS_WEIGHT = 0.5
_MOST_APART = math.radians(20)  # between axis and eyelids, from which on the axis is that of something else


class EyelidRoll(NamedTuple):
    """What `eyelid_roll` finds, arrays or tensors of the kind of its argument.

    Attributes
    ----------
    roll_rad : shape (B, 1)
        The roll; 0 where no eyelid is known.
    tilt_rad, height : shape (B, 2)
        Of each eyelid, where the eye's vertical axis crosses it: its tilt, and its distance below the centre of the
        iris in iris radii.
    """

    roll_rad: Any
    tilt_rad: Any
    height: Any


def eyelid_roll(xp: ModuleType, eyelids: Any, upper_weight: Any) -> EyelidRoll:
    """The angle at which the eye's vertical axis crosses both eyelids at a right angle in the mean.

    Parameters
    ----------
    xp : module
        numpy or torch.
    eyelids : ndarray or Tensor, shape (B, 2, 5)
        Eyelids as in `irisstn.rectification.ring_context.eyelid_parabolas`.
    upper_weight : ndarray or Tensor, shape (1,)
        Weight of the upper eyelid in the mean, 0..1.

    Returns
    -------
    EyelidRoll
        The roll, and where the axis crosses the eyelids.
    """
    known, frame, level, slope, bow = (eyelids[:, :, part] for part in range(5))  # (B, 2) each
    weight = xp.concatenate([upper_weight, 1 - upper_weight]) * known
    weight = weight / (weight[:, :1] + weight[:, 1:]).clip(_TINY, None)
    roll = xp.zeros_like(weight[:, :1])
    height = level
    for _ in range(_ROUNDS):
        aside = -height * xp.sin(roll - frame)
        across = xp.cos(roll - frame).clip(0.3, None)
        height = ((level + aside * (slope + bow * aside)) / across).clip(-_FARTHEST, _FARTHEST)
        tilt = frame + xp.atan(slope + 2 * bow * aside)
        both_tilts = weight * tilt
        roll = (both_tilts[:, :1] + both_tilts[:, 1:]).clip(-_STEEPEST, _STEEPEST)
    return EyelidRoll(roll, tilt, height)


def turned_to_axis(eyelids: Float32, axis_rad: float) -> Float32:
    """Turn a pair of eyelids about the centre of the iris halfway to the axis of the opening between them.

    The roll that is read off them then is the mean of their own and that of the axis.

    Parameters
    ----------
    eyelids : ndarray of float32, shape (2, 5)
        Eyelids as in `irisstn.rectification.ring_context.eyelid_parabolas`.
    axis_rad : float
        Direction of the axis against column 0 of the strip.

    Returns
    -------
    ndarray of float32, shape (2, 5)
        `eyelids` as they are where none is known, or the axis is more than 20 degrees away from their roll.
    """
    if not eyelids.any():
        return eyelids
    own = float(eyelid_roll(np, eyelids[None].astype(np.float64), np.array([0.5])).roll_rad[0, 0])
    apart = math.remainder(axis_rad - own, TAU / 2)
    if abs(apart) > _MOST_APART:
        return eyelids
    turned = eyelids.copy()
    turned[:, 1] += turned[:, 0] * np.float32(_AXIS_WEIGHT * apart)
    return turned
