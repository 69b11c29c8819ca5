"""What a rectifier makes of one strip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.results import Strip


@dataclass(frozen=True, slots=True, eq=False)
class Rectified:
    """A rectified `strip`, the transform's `parameters` by name, and `outside`, the share of its cells that lie so.

    The transform's parameters are those that the strip was sampled with. Where lids are known, `roll_read_rad` is the
    roll that was read off them and `roll_sd_rad` its standard deviation; `roll_rad` is what was taken back of it.
    Outside means inside the pupil or beyond the limbus of the ring that was given. `grid` (R, T, 2) is where on the
    given strip each cell was sampled, in the units of `irisstn.geometry`.
    """

    strip: Strip
    parameters: dict[str, float]
    outside: float
    grid: NDArray[np.floating]
