# mypy: disable-error-code="arg-type"
"""Batches of strips and eyes for training: they are those of `normalize`, differentiable, and DataLoader takes them."""

import warnings
from functools import partial

import numpy as np
import pytest
import torch
from builders import make_segmentation, random_strip, rendered_eye
from torch.utils.data import DataLoader

from irisstn import EyeBatch, StripBatch, batch_of_eyes, collate, normalize, normalize_batch
from irisstn.geometry import Boundary
from irisstn.synthetic import RenderedEye

SIZE = (16, 64)


@pytest.fixture(scope="module")
def eyes() -> list[RenderedEye]:
    return [rendered_eye(3), rendered_eye(4, 7)]


def pictures(eyes: list[RenderedEye]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(eye.image.copy())[None] for eye in eyes])


@pytest.mark.parametrize("size", [(64, 512), (17, 101)])
def test_it_is_the_rubber_sheet_before_its_rounding(eyes: list[RenderedEye], size: tuple[int, int]) -> None:
    found = normalize_batch(pictures(eyes).float(), [eye.truth for eye in eyes], size=size)
    assert found.strips.shape == found.usable.shape == (2, 1, *size)
    for which, eye in enumerate(eyes):
        expected = normalize(eye.image, eye.truth, size)
        apart = np.abs(found.strips[which, 0].numpy() - expected.image)
        assert apart.max() <= 0.52
        assert np.array_equal(found.usable[which, 0].numpy() > 0, expected.usable)
        assert expected.usable.any()


def test_an_eye_cut_by_the_border_of_the_picture(eyes: list[RenderedEye]) -> None:
    size = eyes[0].image.shape
    low = size[0] - 40
    cut = make_segmentation(Boundary.circle(160, low, 25), Boundary.circle(160, low, 80), size)
    found = normalize_batch(pictures(eyes[:1]).float(), [cut], size=SIZE)
    expected = normalize(eyes[0].image, cut, SIZE)
    assert np.abs(found.strips[0, 0].numpy() - expected.image).max() <= 0.52
    assert np.array_equal(found.usable[0, 0].numpy() > 0, expected.usable)
    assert not expected.usable.all()


def test_the_gradient_in_the_picture_is_right(eyes: list[RenderedEye]) -> None:
    images = pictures(eyes).double().div(255).requires_grad_()
    truths = [eye.truth for eye in eyes]
    weights = torch.rand((2, 1, *SIZE), dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def total(given: torch.Tensor) -> torch.Tensor:
        return (normalize_batch(given, truths, size=SIZE).strips * weights).sum()

    total(images).backward()
    assert images.grad is not None
    step = torch.rand(images.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():  # sampling is linear in the picture
        assert float(total(images + step) - total(images)) == pytest.approx(float((images.grad * step).sum()))
    outside = np.ones(eyes[0].image.shape, bool)
    y, x = np.nonzero(eyes[0].truth.limbus.mask(eyes[0].truth.image_size))
    outside[y.min() - 2 : y.max() + 3, x.min() - 2 : x.max() + 3] = False
    assert (images.grad[0, 0].numpy()[outside] == 0).all()
    assert float(images.grad.abs().sum()) > 0


def test_no_pictures_are_an_empty_batch() -> None:
    found = normalize_batch(torch.zeros(0, 1, 240, 320), [], size=SIZE)
    assert found.strips.shape == found.usable.shape == (0, 1, *SIZE)


def test_what_does_not_fit_is_refused(eyes: list[RenderedEye]) -> None:
    truth = eyes[0].truth
    with pytest.raises(ValueError, match="of floats"):
        normalize_batch(pictures(eyes), [eye.truth for eye in eyes])
    with pytest.raises(ValueError, match="2 and 1"):
        normalize_batch(pictures(eyes).float(), [truth])
    with pytest.raises(ValueError, match="the pictures are"):
        normalize_batch(torch.zeros(1, 1, 20, 30), [truth])


def test_a_loader_of_pictures_and_segmentations_gives_eyes(eyes: list[RenderedEye]) -> None:
    dataset = [(eye.image, eye.truth, number) for number, eye in enumerate(eyes)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ((batch, labels),) = DataLoader(dataset, batch_size=2, collate_fn=partial(collate, size=SIZE))
    assert isinstance(batch, EyeBatch)
    expected = batch_of_eyes([eye.image for eye in eyes], [eye.truth for eye in eyes], size=SIZE)
    assert all(torch.equal(a, b) for a, b in zip(batch, expected, strict=True))
    assert labels.tolist() == [0, 1]


def test_a_loader_of_strips_gives_strips_that_may_be_written_to() -> None:
    strips = [random_strip(seed) for seed in range(3)]
    masks = [strip.usable for strip in strips]  # read-only
    dataset = list(zip(strips, masks, ["a", "b", "c"], strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ((batch, usable, names),) = DataLoader(dataset, batch_size=3, collate_fn=collate)
        alone = collate(strips)
    assert isinstance(batch, StripBatch) and isinstance(alone, StripBatch)
    assert torch.equal(batch.strips, alone.strips)
    assert np.array_equal((batch.strips[1, 0] * 255).round().byte().numpy(), strips[1].image)
    assert np.array_equal(usable.numpy(), np.stack(masks))
    assert names == ["a", "b", "c"]
    batch.strips.zero_()
    assert strips[0].image.any()
    assert batch.to("cpu").usable.all()


def test_samples_that_make_no_batch_are_refused(eyes: list[RenderedEye]) -> None:
    image, truth = eyes[0].image, eyes[0].truth
    with pytest.raises(ValueError, match="at least one"):
        collate([])
    with pytest.raises(ValueError, match="directly before its segmentation"):
        collate([(truth, image)])
    with pytest.raises(ValueError, match="the same number of items"):
        collate([(image, truth), (image, truth, 1)])
    with pytest.raises(ValueError, match="one size"):
        collate([random_strip(1), random_strip(1, (16, 128))])
