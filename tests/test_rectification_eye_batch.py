"""A batch of segmented eyes: the rectifier finds in it what it finds in the photographs, with gradients."""

import numpy as np
import pytest
import torch
from builders import perturbed, rendered_eye

from irisstn import EyeBatch, Rectifier, RectifierConfig, batch_of_eyes, normalize
from irisstn.synthetic import RenderedEye

SIZE = (16, 64)


@pytest.fixture(scope="module")
def eyes() -> list[RenderedEye]:
    return [rendered_eye(3), rendered_eye(4, camera="small-320x240")]


@pytest.fixture(scope="module")
def rectifier() -> Rectifier:
    torch.manual_seed(0)
    return perturbed(Rectifier(RectifierConfig(width=8)), 0.05)


@pytest.fixture(scope="module")
def batch(eyes: list[RenderedEye]) -> EyeBatch:
    return batch_of_eyes([eye.image for eye in eyes], [eye.truth for eye in eyes], size=SIZE)


def test_its_transform_is_that_of_the_photographs(
    eyes: list[RenderedEye], rectifier: Rectifier, batch: EyeBatch
) -> None:
    with torch.no_grad():
        warped = rectifier.warp(batch)
    named = rectifier.transform.parameters_by_name(warped.theta)
    for which, eye in enumerate(eyes):
        strip = normalize(eye.image, eye.truth, SIZE)
        assert np.array_equal((batch.strips[which, 0] * 255).round().byte().numpy(), strip.image)
        assert np.array_equal(batch.usable[which, 0].numpy() > 0, strip.usable)
        expected = rectifier.rectify_eye(eye.image, eye.truth, SIZE)
        assert expected.parameters["roll_rad"] != 0
        for name, values in named.items():
            assert float(values[which]) == pytest.approx(expected.parameters[name], abs=1e-5), name
        assert np.abs(warped.grid[which].numpy() - expected.grid).max() < 1e-5
    assert torch.equal(rectifier(batch), warped.image)


def test_gradients_reach_strips_and_weights(rectifier: Rectifier, batch: EyeBatch) -> None:
    strips = batch.strips.clone().requires_grad_()
    rectifier(batch._replace(strips=strips)).square().mean().backward()
    assert strips.grad is not None and strips.grad.abs().sum() > 0
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in rectifier.parameters())
    rectifier.zero_grad()


def test_no_eyes_are_an_empty_batch(rectifier: Rectifier) -> None:
    none = batch_of_eyes([], [], size=SIZE)
    assert [tuple(part.shape) for part in none] == [(0, 1, *SIZE), (0, 1, *SIZE), (0, 5, 64, 256), (0, 2, 5), (0,)]
    assert rectifier(none).shape == (0, 1, *SIZE)


def test_what_does_not_fit_is_refused(eyes: list[RenderedEye], rectifier: Rectifier, batch: EyeBatch) -> None:
    with pytest.raises(ValueError, match="2 and 1"):
        batch_of_eyes([eye.image for eye in eyes], [eyes[0].truth])
    with pytest.raises(ValueError, match="its segmentation"):
        batch_of_eyes([eyes[0].image[1:]], [eyes[0].truth])
    with pytest.raises(ValueError, match="give it alone"):
        rectifier(batch, batch.usable)
    with pytest.raises(ValueError, match=r"pupil shares must be \(B,\)"):
        rectifier(batch._replace(pupil_share=batch.pupil_share[:1]))


def test_a_pupil_share_of_zero_is_unknown(rectifier: Rectifier, batch: EyeBatch) -> None:
    with torch.no_grad():
        some = rectifier.warp(batch._replace(pupil_share=batch.pupil_share * torch.tensor([1.0, 0.0]))).theta
        whole, none = rectifier.warp(batch).theta, rectifier.warp(*batch[:3], eyelids=batch.eyelids).theta
    assert torch.equal(some[0], whole[0]) and torch.equal(some[1], none[1])
    assert not torch.equal(whole[1], none[1])
