"""Shape and bounds of a rectifier."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from irisstn.config import Strict
from irisstn.stn import Affine, Projective, Ring, ThinPlateSpline, Transform, Translation


class RectifierConfig(Strict):
    """Shape and bounds of a rectifier.

    The other transforms are there to compare with. They know of no boundaries, so `max_shift` bounds how far they move
    across the ring, and `max_dilation` is the ring's alone.
    """

    transform: Literal["ring", "translation", "affine", "projective", "tps"] = "ring"
    width: int = Field(32, ge=8, le=128, multiple_of=8)  # channels of the localization net
    position: bool = True  # it sees the absolute angle: a ring's roll is read off the lids, which lie above and below
    iterations: int = Field(1, ge=1, le=16)  # looks, each through what the ones before found
    full_circle: bool = False  # any roll, turning with the strip, in place of a small one about the upright eye
    max_roll_deg: float = Field(30.0, gt=0, le=180)
    max_dilation: float = Field(0.6, gt=0, lt=1)
    max_shift: float = Field(0.2, gt=0, le=0.2)  # ring widths: mean and centre of either boundary
    max_oval: float = Field(0.08, gt=0, lt=0.1)  # ring widths: its second order
    antialias: bool = False  # average over each cell where the output is smaller than the input

    def build_transform(self) -> Transform:
        """The transform that the fields describe."""
        along, across = self.max_roll_deg / 180, 2 * self.max_shift  # in the units of a grid
        linear = (0.3, 0.3, along, 0.3, across, across)
        match self.transform:
            case "translation":
                return Translation((along, across))
            case "affine":
                return Affine(linear)
            case "projective":
                return Projective((*linear, 0.1, 0.1))
            case "tps":
                return ThinPlateSpline(bound=across)
            case "ring":
                return Ring(
                    max_roll_rad=float(np.deg2rad(self.max_roll_deg)),
                    max_dilation=self.max_dilation,
                    max_shift=self.max_shift,
                    max_oval=self.max_oval,
                    full_circle=self.full_circle,
                )
