"""The result of a rectification."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.results import Strip


@dataclass(frozen=True, slots=True, eq=False)
class Rectified:
    """A rectified strip, and the transform that it was sampled with.

    Attributes
    ----------
    strip : Strip
        The rectified strip (R, T).
    parameters : dict of str to float
        The transform's parameters by name; angles in radians. Where an eyelid is known, `roll_read_rad` is the roll
        that was read off the eyelids, `roll_sd_rad` its standard deviation, and `roll_rad` the part of it that was
        corrected. `Rectifier.align` adds `alignment_distance` and `roll_at_limit`.
    outside : float
        Fraction of the cells that were sampled inside the pupil or beyond the limbus of the given ring, 0..1.
    grid : ndarray, shape (R, T, 2)
        Where each cell was sampled on the given strip, in the units of `irisstn.geometry`.
    """

    strip: Strip
    parameters: dict[str, float]
    outside: float
    grid: NDArray[np.floating]
