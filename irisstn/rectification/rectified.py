"""The result of a rectification."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Float, ring_to_grid
from irisstn.geometry.ring_transform import move_in_ring
from irisstn.normalization import ring_grid
from irisstn.results import Strip


@dataclass(frozen=True, eq=False)
class RingGrid:
    """The sampling grid of a ring transform, which is computed when it is first asked for: few callers need it.

    Attributes
    ----------
    parameters : ndarray, shape (12,)
        Of the transform, in the order of `irisstn.geometry.ring_transform.NAMES`.
    size : tuple of int
        (R, T) of the strip.
    """

    parameters: Float
    size: tuple[int, int]

    @cached_property
    def points(self) -> Float:
        """The grid (R, T, 2), in the units of `irisstn.geometry`."""
        radius, angle = ring_grid(self.size)
        moved = move_in_ring(np, self.parameters[None], radius[None], angle[None])
        return np.asarray(np.stack(np.broadcast_arrays(*ring_to_grid(*moved)), axis=-1)[0])


@dataclass(frozen=True, slots=True, eq=False)
class Rectified:
    """A rectified strip, and the transform that it was sampled with.

    Attributes
    ----------
    strip : Strip
        The rectified strip (R, T).
    parameters : dict of str to float
        The transform's parameters by name; angles in radians. Where an eyelid is known, `roll_read_rad` is the roll
        that was read off the eyelids and the axis of the opening between them, `roll_sd_rad` its standard deviation,
        and `roll_rad` the part of it that was corrected. `Rectifier.align` adds `alignment_distance` and
        `roll_at_limit`.
    outside : float
        Fraction of the cells that were sampled inside the pupil or beyond the limbus of the given ring, 0..1.
    """

    strip: Strip
    parameters: dict[str, float]
    outside: float
    _grid: NDArray[np.floating] | RingGrid = field(repr=False)

    @property
    def grid(self) -> NDArray[np.floating]:
        """Where each cell was sampled on the given strip, (R, T, 2), in the units of `irisstn.geometry`."""
        return self._grid.points if isinstance(self._grid, RingGrid) else self._grid
