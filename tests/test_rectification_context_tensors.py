# mypy: disable-error-code="arg-type, call-overload, misc"
"""The context as tensors: that of a strip, and warped by a transform."""

import numpy as np
import torch
from torch import Tensor

from irisstn.geometry import Boundary
from irisstn.normalization import normalize
from irisstn.rectification.context_tensors import context_planes, moved_context
from irisstn.rectification.ring_context import LID_REACH, PLANES, context_of_eye, context_of_strip
from irisstn.results import Segmentation
from irisstn.stn import Ring


def test_the_context_of_a_strip_is_the_same_as_a_tensor(eye):
    for size in ((64, 512), (32, 256), (128, 1024)):
        strip = normalize(eye.image, eye.truth, size)
        images = torch.from_numpy(strip.image.copy())[None, None].float() / 255
        usable = torch.from_numpy(strip.usable.copy())[None, None]
        found = context_planes(images, usable)[0].numpy()
        expected = context_of_strip(strip).planes()
        np.testing.assert_array_equal(found[1:], expected[1:])
        np.testing.assert_allclose(found[0], expected[0], atol=0.5 / (strip.image[strip.usable].std() + 1) + 0.01)


def test_a_context_is_warped_by_the_transform(eye):
    context = torch.from_numpy(context_of_eye(eye.image, eye.truth).planes())[None]
    ring = Ring()
    theta = ring.identity()[None]
    torch.testing.assert_close(
        moved_context(context, theta, ring)[..., 1:-1, :], context[..., 1:-1, :], atol=1e-3, rtol=0
    )
    theta = theta.clone()
    theta[0, 0] = 2 * np.pi * 9 / 256
    turned = moved_context(context, ring.theta_of(theta), ring)
    expected = torch.roll(context, -9, dims=-1)
    torch.testing.assert_close(turned[..., 1:-1, :], expected[..., 1:-1, :], atol=2e-2, rtol=0)


def test_unknown_eyelids_stay_unknown_in_a_warped_context(strip):
    ring = Ring()
    physical = ring.identity()[None].clone()
    for name, value in (("roll_rad", 0.123), ("pupil_0", -0.1), ("limbus_0", 0.15)):
        physical[0, ring.names.index(name)] = value
    context = torch.from_numpy(context_of_strip(strip).planes())[None]
    moved = moved_context(context, ring.theta_of(physical), ring)
    eyelids = slice(PLANES.index("below"), PLANES.index("above") + 1)
    assert not torch.equal(moved, context) and (moved[:, eyelids] == LID_REACH).all()


def test_a_context_warped_by_the_correction_is_that_of_the_true_ring(eye):
    truth = eye.truth
    width = truth.limbus.mean_radius - truth.pupil.mean_radius
    wider = Boundary(
        truth.limbus.x, truth.limbus.y, (truth.limbus.cosines[0] + 5, *truth.limbus.cosines[1:]), truth.limbus.sines
    )
    wrong = Segmentation(truth.pupil, wider, truth.upper_lid, truth.lower_lid, truth.iris_mask, truth.usable)
    ring = Ring()
    physical = ring.identity()[None].clone()
    physical[0, ring.names.index("limbus_0")] = -5 / (width + 5)
    true, before = (torch.from_numpy(context_of_eye(eye.image, s).planes())[None] for s in (truth, wrong))
    after = moved_context(before, ring.theta_of(physical), ring)
    rows = slice(10, 52)  # the last ones lie beyond the wrong ring's context

    def error(context: Tensor) -> float:
        return float((context - true)[:, 0, rows].abs().mean())

    assert error(after) < 0.4 * error(before)
