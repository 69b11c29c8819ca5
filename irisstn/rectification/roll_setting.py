"""How much of a roll that was read is taken back: a setting that needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RollMode = Literal["auto", "full", "none"]

ROLL_PRIOR_DEG = 0.7  # chosen on the development halves of two public sets, so that it harms on neither


@dataclass(frozen=True, slots=True)
class RollSetting:
    """How much of a roll that was read is taken back: `mode`, and the prior's standard deviation in degrees.

    `full` takes back all of it, `none` nothing. `auto` takes back the mean of the posterior; `prior_deg` is how far
    heads are tilted between shots of one eye: 0.7 where a rest holds them, 2 where nothing does.
    """

    mode: RollMode = "auto"
    prior_deg: float = ROLL_PRIOR_DEG

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "full", "none"):
            raise ValueError(f"the roll is taken back auto, full or none, got {self.mode!r}")
        if not 0 <= self.prior_deg <= 45:
            raise ValueError(f"the roll's prior must be 0..45 degrees, got {self.prior_deg}")
