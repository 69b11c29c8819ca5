"""The roll of the head, read off the eyelids, with its standard deviation and the part of it that is corrected.

Other parts of a picture depend on the roll, too, but that could not be learnt from rendered eyes: a network that was
also given the skin was better on rendered eyes, and worse on real ones, than the formula of this module.

Between captures of one eye the eyelids give the roll to about 1.3 degrees (standard deviation), with the axis of the
opening between them (`irisstn.rectification.eyelid_roll`) to about 1.2: they move with gaze and expression, and the
eyeball turns a little in its socket. From eye to eye they differ by five degrees more, equally in every capture. Where
heads are nearly upright, correcting the whole reading would add more roll than it removes. So the posterior mean of the
roll is corrected, given the reading, its standard deviation and a prior of the heads' roll.
"""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from irisstn.geometry import Float32
from irisstn.rectification.eyelid_roll import eyelid_roll
from irisstn.rectification.roll_setting import RollSetting, corrected_roll


class RollReading(NamedTuple):
    """The roll read off the eyelids.

    Attributes
    ----------
    angle_rad : Tensor, shape (B, 1)
        The roll; 0 where no eyelid is known.
    sd_rad : Tensor, shape (B, 1)
        Its standard deviation among captures of one eye.
    known : Tensor of bool, shape (B, 1)
        Whether an eyelid is known.
    """

    angle_rad: Tensor
    sd_rad: Tensor
    known: Tensor


class RollReader(nn.Module):
    """Reads the roll off the eyelids; see `irisstn.rectification.ring_context.Context`.

    An eyelid's edge is a parabola. The eye's vertical axis, rotated by the roll, crosses both eyelids. The roll is the
    angle for which the weighted mean of the eyelids' tilts at these two points equals the angle of the axis. The
    reading is therefore equivariant to rotations of the picture; tilts measured vertically above and below the centre
    give only two thirds of a rotation, because a rotated parabola is less steep there. A sideways gaze tilts the two
    eyelids in opposite directions, which cancels in the mean. Where one eyelid is known, it alone gives the roll.

    Initially `gain` is 0, and so is every reading.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))
        self.upper = nn.Parameter(torch.zeros(1))  # logit of the upper eyelid's weight in the mean
        # Coefficients of the logarithm of the standard deviation in rad: a constant, the difference of the eyelids'
        # tilts in rad, the opening between them in iris radii, and whether an eyelid is missing.
        self.spread = _fitted([math.log(math.radians(1.5)), 0.0, 0.0, 0.0])
        self.between = _fitted([math.radians(5.0)])  # standard deviation from eye to eye, in rad

    def forward(self, eyelids: Tensor) -> RollReading:
        """Read the roll.

        Parameters
        ----------
        eyelids : Tensor, shape (B, 2, 5)
            Eyelids as in `Context.eyelids`.

        Returns
        -------
        RollReading
            In float32 at least.
        """
        exact = eyelids.to(torch.promote_types(eyelids.dtype, torch.float32))
        return RollReading(*_read(torch, exact, self.gain.to(exact), self.upper.to(exact), self.spread.to(exact)))

    def read_eye(self, eyelids: Float32, setting: RollSetting) -> tuple[float, float, float] | None:
        """The reading of one eye and the part of it that is corrected, in numpy: a tenth of the time of `forward`.

        Parameters
        ----------
        eyelids : ndarray, shape (2, 5)
            Eyelids as in `Context.eyelids`.
        setting : RollSetting
            How much of the reading is corrected.

        Returns
        -------
        tuple of float, or None
            The roll, its standard deviation and the part that is corrected, in radians; None where no eyelid is known.
        """
        if not eyelids.any():
            return None
        gain, upper, spread, between = (
            value.detach().double().cpu().numpy() for value in (self.gain, self.upper, self.spread, self.between)
        )
        angle, sd, _ = _read(np, eyelids[None].astype(np.float64), gain, upper, spread)
        return float(angle[0, 0]), float(sd[0, 0]), float(corrected_roll(np, angle, sd, between, setting)[0, 0])

    def correction(self, eyelids: Tensor, setting: RollSetting) -> Tensor:
        """Compute the part of the roll that is corrected.

        Parameters
        ----------
        eyelids : Tensor, shape (B, 2, 5)
            Eyelids as in `Context.eyelids`.
        setting : RollSetting
            How much of the reading is corrected.

        Returns
        -------
        Tensor, shape (B, 1)
            Roll in radians; 0 where no eyelid is known.
        """
        reading = self(eyelids)
        between = self.between.to(reading.sd_rad)
        roll: Tensor = corrected_roll(torch, reading.angle_rad, reading.sd_rad, between, setting)
        return roll


def _read(xp: ModuleType, eyelids: Any, gain: Any, upper: Any, spread: Any) -> tuple[Any, Any, Any]:
    """Roll, standard deviation and whether an eyelid is known, (B, 1) each, by numpy or torch."""
    known = eyelids[:, :, 0]
    roll, tilt, height = eyelid_roll(xp, eyelids, 1 / (1 + xp.exp(-upper)))
    both, any_known = xp.minimum(known[:, :1], known[:, 1:]), xp.maximum(known[:, :1], known[:, 1:]) > 0
    apart = both * xp.abs(tilt[:, :1] - tilt[:, 1:])
    opening = both * (height[:, 1:] - height[:, :1])
    log_sd = spread[0] + spread[1] * apart + spread[2] * opening + spread[3] * (1 - both)
    return gain * roll, xp.exp(log_sd), any_known


def _fitted(start: list[float]) -> nn.Parameter:
    """A parameter that `irisstn.training.roll_reader` fits, instead of the training of the network."""
    return nn.Parameter(torch.tensor(start), requires_grad=False)
