"""How far a head is turned, read off the lids, how sure that is, and how much of it to take back.

The rest of a picture tells it, too, but not so that it could be learnt from rendered eyes: a net that saw the skin as
well was better on rendered eyes, and worse on real ones than the formula of this module.

Lids tell a roll to about 1.4 degrees between shots of one eye: they move with gaze and expression, and the eyeball
turns a little in its socket. From eye to eye they differ by five degrees more, which is the same in every shot. Where
heads are nearly upright, such a reading taken back in full turns strips by more than they were turned. So what is taken
back is the mean of what the roll may be, given the reading, its standard deviation and how far heads are tilted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from irisstn.rectification.roll_setting import RollSetting

# Share of pictures whose heads are tilted, and by how much (sd). With more of them, eyes whose lids slope at rest by
# ten degrees or more, one in ten, are taken for tilted: on IIT Delhi's development half that harms.
_TILTED_SHARE, _TILTED_DEG = 0.001, 10.0
_ROUNDS = 10  # of the fixed point: each leaves about a third of the distance
_STEEPEST = math.radians(60)  # of a reading
_FARTHEST = 1.6  # iris radii from the iris's centre, beyond which no lid is followed
_TINY = 1e-6


class RollReading(NamedTuple):
    """What lids tell, (B, 1) each: the angle, its standard deviation between shots of one eye, whether any is known.

    Without a lid the angle is 0.
    """

    angle_rad: Tensor
    sd_rad: Tensor
    known: Tensor


class RollReader(nn.Module):
    """The roll read off `lids` (B, 2, 5); see `irisstn.rectification.ring_context.Context`.

    A lid's edge is a parabola. The eye's vertical axis, turned by the roll, crosses both lids, and the roll is the
    angle at which a weighted mean of their tilts at these two places equals the axis's own. So the reading turns with
    the picture: tilts measured straight above and below the centre find two thirds of a turn, since a bowed lid that is
    turned meets the upright axis where it is less steep. A glance aside tilts both lids against each other, which the
    mean leaves out. A lid that is known alone counts for both.

    It starts with a `gain` of 0: no roll, whatever the lids.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(1))
        self.upper = nn.Parameter(torch.zeros(1))  # logit of the upper lid's share in the mean
        # Of the logarithm of the standard deviation in rad: a constant, and what a radian of disagreement between the
        # lids, an iris radius of opening, and a lid that is missing add to it.
        self.spread = _fitted([math.log(math.radians(1.5)), 0.0, 0.0, 0.0])
        self.between = _fitted([math.radians(5.0)])  # rad: how lids differ from eye to eye (sd)

    def forward(self, lids: Tensor) -> RollReading:
        """The reading, in float32 at least."""
        exact = lids.to(torch.promote_types(lids.dtype, torch.float32))
        known, frame, level, slope, bow = exact.unbind(dim=2)  # (B, 2) each
        share = torch.sigmoid(self.upper.to(exact))
        weight = torch.cat([share, 1 - share]) * known
        weight = weight / weight.sum(dim=1, keepdim=True).clamp(min=_TINY)
        roll = torch.zeros_like(weight[:, :1])
        place = level
        for _ in range(_ROUNDS):
            aside = -place * torch.sin(roll - frame)
            across = torch.cos(roll - frame).clamp(min=0.3)
            place = ((level + aside * (slope + bow * aside)) / across).clamp(-_FARTHEST, _FARTHEST)
            tilt = frame + torch.atan(slope + 2 * bow * aside)
            roll = (weight * tilt).sum(dim=1, keepdim=True).clamp(-_STEEPEST, _STEEPEST)
        both = known.amin(dim=1, keepdim=True)
        apart = both * (tilt[:, :1] - tilt[:, 1:]).abs()
        opening = both * (place[:, 1:] - place[:, :1])
        about = torch.cat([torch.ones_like(roll), apart, opening, 1 - both], dim=1)
        sd = torch.exp((about * self.spread.to(exact)).sum(dim=1, keepdim=True))
        return RollReading(self.gain.to(exact) * roll, sd, known.amax(dim=1, keepdim=True) > 0)

    def taken_back(self, lids: Tensor, setting: RollSetting) -> Tensor:
        """The roll (B, 1) in rad by which strips with these `lids` are turned back."""
        reading: RollReading = self(lids)
        if setting.mode == "full":
            return reading.angle_rad
        if setting.mode == "none":
            return torch.zeros_like(reading.angle_rad)
        return posterior_mean(reading, self.between.to(reading.sd_rad), math.radians(setting.prior_deg))


def _fitted(start: list[float]) -> nn.Parameter:
    """What no loss of a network trains: `irisstn.training.roll_reader` fits it."""
    return nn.Parameter(torch.tensor(start), requires_grad=False)


def posterior_mean(reading: RollReading, between_rad: Tensor, prior_rad: float) -> Tensor:
    """The mean (B, 1) of the roll among an eye's shots, given its `reading`.

    The prior has two parts, both normal: most heads are upright to `prior_rad` (sd), a few are tilted. What lids differ
    by from eye to eye, `between_rad` (sd), makes a large reading less surprising, so it enters the odds between the two
    parts; it blurs no roll among the shots of an eye, being the same in all of them.
    """
    angle, variance = reading.angle_rad, reading.sd_rad.square()
    near, far = prior_rad**2, math.radians(_TILTED_DEG) ** 2
    narrow, broad = near + variance + between_rad.square(), far + variance + between_rad.square()
    odds = math.log(_TILTED_SHARE / (1 - _TILTED_SHARE)) + 0.5 * torch.log(narrow / broad)
    tilted = torch.sigmoid(odds + 0.5 * angle.square() * (1 / narrow - 1 / broad))
    return angle * ((1 - tilted) * near / (near + variance) + tilted * far / (far + variance))
