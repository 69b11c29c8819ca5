"""Alignment of a rectified strip with a reference: one comparison instead of a search over shifts."""

from __future__ import annotations

import math

import numpy as np

from irisstn.geometry import TAU
from irisstn.iris_code import COLUMNS, IrisCode, distance, encode, roll_between
from irisstn.results import Strip

_SECTORS = 16  # of the iris, each left out once
NEAR_BOUND = 0.99  # fraction of the roll's bound from which on the roll counts as limited


def best_roll(rectified: Strip, reference: Strip, *, max_roll_deg: float) -> tuple[float, bool]:
    """The roll at which the iris codes of two strips differ least.

    Parameters
    ----------
    rectified, reference : Strip
        The strip to be aligned, and the strip to align it with.
    max_roll_deg : float
        Limit of the roll in degrees.

    Returns
    -------
    roll_rad : float
        The roll to be added to that of `rectified`.
    at_limit : bool
        Whether the limit was reached. The best roll may then lie beyond it.
    """
    added = roll_between(encode(rectified), encode(reference), max_roll_deg=max_roll_deg)
    limit = math.radians(max_roll_deg)
    # The last shift of the search, less the half column by which the peak may lie before it.
    last = (math.floor(limit / TAU * COLUMNS) - 0.5) * TAU / COLUMNS
    return added, max_roll_deg < 180 and abs(added) >= last


def roll_sd(rectified: Strip, reference: Strip, *, max_roll_deg: float) -> float:
    """The standard deviation of `best_roll`, by the jackknife: from the rolls found without each sector of the iris.

    Parameters
    ----------
    rectified, reference, max_roll_deg
        As in `best_roll`.

    Returns
    -------
    float
        In radians. It says how well the texture fixes the roll, not whether the strips are of one eye.

    References
    ----------
    Efron 1982, "The jackknife, the bootstrap and other resampling plans", chapter 3.
    """
    code, other = encode(rectified), encode(reference)
    size = COLUMNS // _SECTORS
    rolls = []
    for first in range(0, COLUMNS, size):
        mask = other.mask.copy()
        mask[..., first : first + size] = False
        rolls.append(roll_between(code, IrisCode(other.bits, mask), max_roll_deg=max_roll_deg))
    return math.sqrt((_SECTORS - 1) * float(np.var(rolls)))


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
