"""Shape and bounds of a rectifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from irisstn.config import Strict

if TYPE_CHECKING:
    from irisstn.stn import Transform


RECTIFIER_KIND = "rectifier-4"  # kind and version of the weights


class RectifierConfig(Strict):
    """Shape and bounds of a rectifier.

    The transforms other than "ring" serve for comparison. They have no boundaries as parameters: there `max_shift`
    bounds the shift across the ring.

    Attributes
    ----------
    transform : {"ring", "translation", "affine", "projective", "tps"}
        Family of the transform.
    width : int
        Channels of the localization network, a multiple of 8 in 8..128.
    position : bool
        Whether the network gets the absolute angle. For a ring whose roll is small, the roll is then read off the
        eyelids.
    iterations : int
        Number of estimates of the transform, 1..16; see `irisstn.stn.transformer.compose_iterations`.
    full_circle : bool
        Whether the roll is any angle, equivariant to rotations of the strip, instead of a small one about the upright
        eye.
    max_roll_deg : float
        Bound of the roll in degrees.
    max_shift : float
        Bound of the mean and the centre of either boundary, in ring widths.
    max_oval : float
        Bound of the second order of either boundary, in ring widths.
    antialias : bool
        Whether to average over each cell where the output is smaller than the input.
    """

    transform: Literal["ring", "translation", "affine", "projective", "tps"] = "ring"
    width: int = Field(32, ge=8, le=128, multiple_of=8)
    position: bool = True
    iterations: int = Field(1, ge=1, le=16)
    full_circle: bool = False
    max_roll_deg: float = Field(30.0, gt=0, le=180)
    max_shift: float = Field(0.2, gt=0, le=0.2)
    max_oval: float = Field(0.08, gt=0, lt=0.1)
    antialias: bool = False

    def build_transform(self) -> Transform:
        """Construct the transform.

        Returns
        -------
        Transform
            A transform with the bounds of this configuration.
        """
        from irisstn.stn import Affine, Projective, Ring, ThinPlateSpline, Translation  # noqa: PLC0415  (torch)

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
                    max_shift=self.max_shift,
                    max_oval=self.max_oval,
                    full_circle=self.full_circle,
                )
