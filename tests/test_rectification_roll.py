"""The roll that is read off the lids."""

import numpy as np
import pytest
import torch

from irisstn.geometry import Boundary, Eyelid
from irisstn.rectification.ring_context import LID_REACH, context_of_eye, context_of_strip
from irisstn.rectification.roll import RollReader
from irisstn.results import Segmentation, Strip

SHAPE = (240, 320)
# Both lids count alike: the first cosines of the distances, that of the upper lid with the other sign.
HALF = torch.tensor([-1.0, 0.0] * 4 + [1.0, 0.0] * 4) / 8


def seen(*, tilt_rad: float = 0.0, roll_rad: float = 0.0, lids: bool = True) -> torch.Tensor:
    """The planes of an eye whose lids are tilted in a strip that begins at `roll_rad`."""
    pupil, limbus = Boundary.circle(160, 120, 30), Boundary.circle(160, 120, 90)
    upper, lower = (Eyelid(160, 120, tilt_rad, (side * 75.0, 0.0, -side * 0.002)) if lids else None for side in (-1, 1))
    ring = limbus.mask(SHAPE) & ~pupil.mask(SHAPE)
    eye = Segmentation(pupil, limbus, upper, lower, ring, ring)
    planes = context_of_eye(np.full(SHAPE, 90, np.uint8), eye, roll_rad=roll_rad).planes()
    return torch.from_numpy(planes)[None]


def reader(weights: torch.Tensor = HALF) -> RollReader:
    made = RollReader()
    with torch.no_grad():
        made.lids.copy_(weights)
    return made


def test_untrained_it_reads_no_roll():
    assert float(RollReader()(seen(tilt_rad=0.2)).detach()) == 0


def test_it_grows_with_the_tilt_of_the_lids_and_falls_as_the_strip_turns_along():
    read = reader()
    tilts = [float(read(seen(tilt_rad=t)).detach()) for t in (-0.2, -0.1, 0.0, 0.1, 0.2)]
    steps = np.diff(tilts)
    assert steps.min() > 0.02, "each degree more tilt is more roll"
    assert steps.max() < 1.1 * steps.min(), "and nearly as much"
    assert abs(tilts[2]) < 1e-3
    together = float(read(seen(tilt_rad=0.2, roll_rad=0.2)).detach())
    assert abs(together) < 0.1 * tilts[4], "a strip that begins where the lids say shows them level"


def test_one_lid_alone_counts_for_both():
    read, both = reader(), seen(tilt_rad=0.1)
    for plane in (2, 3):
        alone = both.clone()
        alone[:, plane] = LID_REACH
        assert float(read(alone).detach()) == pytest.approx(float(read(both).detach()), rel=0.2)


def test_both_lids_far_away_or_unknown_tell_nothing():
    assert float(reader()(seen(lids=False)).detach()) == pytest.approx(0, abs=1e-6)


def test_a_bare_strip_is_read_by_its_mask_alone():
    usable = np.ones((64, 512), bool)
    usable[32:, 340:430] = False
    planes = torch.from_numpy(context_of_strip(Strip(np.full((64, 512), 90, np.uint8), usable)).planes())[None]
    read = reader()
    assert float(read(planes).detach()) == 0
    with torch.no_grad():
        read.mask.fill_(0.1)
    assert float(read(planes).detach()) != 0
    assert float(read(seen(tilt_rad=0.1)).detach()) == pytest.approx(float(reader()(seen(tilt_rad=0.1)).detach()))


def test_gradients_reach_its_weights_and_half_precision_is_read_in_full():
    read = reader()
    context = seen(tilt_rad=0.1).requires_grad_()
    read(context).sum().backward()
    assert read.lids.grad is not None and read.lids.grad.abs().sum() > 0
    assert context.grad is not None and torch.isfinite(context.grad).all()
    assert read(context.detach().half()).dtype == torch.float32
    exact = float(read(context.detach()).detach())
    with torch.autocast("cpu", torch.bfloat16):
        assert float(read(context.detach()).detach()) == pytest.approx(exact, rel=1e-5)
