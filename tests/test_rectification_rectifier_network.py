# mypy: disable-error-code="arg-type, call-overload, misc"
"""The rectifier inside a model: batches, gradients, precision, export, and input that it refuses."""

import numpy as np
import pytest
import torch
from builders import perturbed_rectifier
from torch import Tensor, nn

from irisstn.rectification.rectifier import Rectifier
from irisstn.rectification.rectifier_config import RectifierConfig
from irisstn.rectification.ring_context import context_of_eye
from irisstn.stn import require_gradient


@pytest.mark.parametrize("options", [{}, {"transform": "tps", "iterations": 2}])
def test_an_empty_batch_gives_an_empty_batch(options):
    rectifier = perturbed_rectifier(**options)
    assert rectifier(torch.rand(0, 1, 64, 512)).shape == (0, 1, 64, 512)
    warped = rectifier.warp(torch.rand(0, 1, 64, 512), torch.rand(0, 1, 64, 512), size=(16, 64))
    assert warped.usable is not None and warped.image.shape == warped.usable.shape == (0, 1, 16, 64)
    for nothing in (np.zeros((0, 64, 512), np.uint8), np.zeros((0, 1, 64, 512), np.float32), torch.rand(0, 1, 8, 8)):
        assert rectifier.rectify(nothing) == []


def test_gray_levels_to_255_are_refused_with_the_remedy():
    rectifier = Rectifier()
    whole = torch.randint(0, 256, (2, 1, 16, 64), dtype=torch.uint8)
    for wrong in (whole, whole.long(), whole.float(), whole.double()):
        with pytest.raises(ValueError, match="/ 255"):
            rectifier(wrong)
    assert rectifier(whole.float() / 255).shape == whole.shape
    with pytest.raises(ValueError, match="by 255"):
        rectifier.rectify(whole.float())


def test_gradients_reach_the_rectifier_and_its_input():
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rectifier = Rectifier(RectifierConfig(width=8, iterations=2))
            self.head = nn.Linear(16 * 64, 3)

        def forward(self, strips: Tensor) -> Tensor:
            logits: Tensor = self.head(self.rectifier(strips).flatten(1))
            return logits

    model, strips = Model(), torch.rand(2, 1, 16, 64, requires_grad=True)
    model(strips).square().sum().backward()
    assert require_gradient(model.rectifier.stn.localization) > 0
    assert strips.grad is not None and (strips.grad != 0).float().mean() > 0.9
    assert len(list(model.parameters())) > 10 and not list(model.buffers())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_gradients_are_finite_on_flat_and_fully_masked_strips(dtype):
    rectifier = perturbed_rectifier().to(dtype)
    for strips, usable in (
        (torch.full((1, 1, 32, 256), 0.5), None),
        (torch.rand(1, 1, 32, 256), torch.zeros(1, 1, 32, 256)),
    ):
        images = strips.to(dtype).requires_grad_()
        out = rectifier(images, usable)
        out.sum().backward()
        assert torch.isfinite(out).all() and torch.isfinite(images.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision(dtype, strip):
    rectifier = perturbed_rectifier()
    images = torch.from_numpy(strip.image.copy())[None, None].float() / 255
    exact = rectifier(images)
    with torch.autocast("cpu", dtype=dtype):
        assert (rectifier(images) - exact).abs().mean() < 0.02
    assert (rectifier.to(dtype)(images.to(dtype)).float() - exact).abs().mean() < 0.02


def test_it_exports_for_any_batch():
    rectifier = perturbed_rectifier()
    images, usable = torch.rand(2, 1, 32, 256), torch.ones(2, 1, 32, 256)
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(rectifier, (images, usable), dynamic_shapes=({0: batch}, {0: batch}))
    more = torch.rand(5, 1, 32, 256)
    torch.testing.assert_close(program.module()(more, torch.ones_like(more)), rectifier(more, torch.ones_like(more)))


def test_a_damaged_network_is_refused(strip):
    rectifier = perturbed_rectifier()
    with torch.no_grad():
        next(rectifier.parameters()).fill_(float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        rectifier.rectify(strip)


def test_a_given_context_and_given_eyelids_are_used(eye, strip):
    rectifier = perturbed_rectifier()
    images = torch.from_numpy(strip.image.copy())[None, None].float() / 255
    context = torch.from_numpy(context_of_eye(eye.image, eye.truth).planes())[None]
    theta = rectifier.theta_of_context(context)
    assert torch.equal(rectifier.warp(images, context=context).theta, theta)
    assert (rectifier.warp(images).theta - theta).abs().max() > 1e-4
    eyelids = torch.from_numpy(context_of_eye(eye.image, eye.truth).eyelids.copy())[None]
    turned = rectifier.warp(images, context=context, eyelids=eyelids).theta
    assert torch.equal(turned[:, 1:], theta[:, 1:]) and turned[0, 0] != 0 == theta[0, 0]
    with pytest.raises(ValueError, match="eyelids"):
        rectifier.theta_of_context(context, eyelids[:, :1])


def test_it_is_small():
    rectifier = Rectifier()
    assert sum(p.numel() for p in rectifier.parameters()) < 400_000
