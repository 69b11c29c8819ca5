"""Alignment of a rectified strip with a reference: one comparison instead of a search over shifts."""

from __future__ import annotations

import math

from irisstn.geometry import TAU
from irisstn.iris_code import COLUMNS, distance, encode, roll_between
from irisstn.results import Strip

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
