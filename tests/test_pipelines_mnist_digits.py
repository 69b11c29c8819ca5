# mypy: disable-error-code="arg-type"
"""The MNIST experiments: their digits, read from a file and distorted."""

from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_digits import draw_digits, write_digits
from mnist_digits import (
    CLUTTER_SIDE,
    DISTORTIONS,
    SIDE,
    SIDES,
    as_images,
    clutter,
    elastic,
    placed,
    projective,
    read_digits,
    rotated,
)
from torch import Generator, Tensor

from irisstn.errors import DatasetError


@pytest.fixture(scope="module")
def images() -> Tensor:
    return as_images(torch.from_numpy(draw_digits(64, 3)[0]))


def seeded(seed: int = 1) -> Generator:
    return Generator().manual_seed(seed)


def ink(images: Tensor) -> Tensor:
    return images.sum(dim=(1, 2, 3))


@pytest.mark.parametrize("name", DISTORTIONS)
def test_a_seed_names_a_distortion(name: str, images: Tensor) -> None:
    side = SIDES.get(name, SIDE)
    first = DISTORTIONS[name](images, seeded())
    assert first.shape == (len(images), 1, side, side)
    assert first.dtype == torch.float32
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, DISTORTIONS[name](images, seeded()))
    if name != "upright":
        assert not torch.equal(first, DISTORTIONS[name](images, seeded(2)))


def test_a_rotation_by_0_degrees_changes_nothing(images: Tensor) -> None:
    assert torch.allclose(rotated(images, seeded(), degrees=0), images, atol=1e-5)


def test_digits_are_rotated_by_up_to_90_degrees() -> None:
    dot = torch.zeros(400, 1, SIDE, SIDE)
    dot[:, :, 13:15, 22:24] = 1  # to the right of the centre
    steps = torch.arange(SIDE) - (SIDE - 1) / 2
    turned = rotated(dot, seeded())
    x, y = (turned.sum(dim=(1, axis)) @ steps / ink(turned) for axis in (2, 3))
    angle = torch.atan2(y, x).rad2deg()
    assert torch.allclose(torch.hypot(x, y), torch.tensor(9.0), atol=0.2)
    assert angle.min() < -80
    assert angle.max() > 80
    assert angle.abs().max() < 91


def test_placed_digits_keep_their_ink_on_the_larger_canvas(images: Tensor) -> None:
    ratio = ink(placed(images, seeded())) / ink(images)  # the square of the scale, nothing is cut off
    assert ratio.min() > 0.9 * 0.7**2
    assert ratio.max() < 1.05 * 1.2**2
    assert ratio.max() > 1


@pytest.mark.parametrize("distort", [projective, elastic])
def test_without_noise_digits_are_only_made_smaller(distort, images: Tensor) -> None:
    ratio = ink(distort(images, seeded(), sd_px=0.0)) / ink(images)
    assert ratio.min() > 0.95 * 0.75**2
    assert ratio.max() < 1.05


def test_a_projective_distortion_keeps_lines_straight_and_an_elastic_one_does_not() -> None:
    line = torch.zeros(100, 1, SIDE, SIDE)
    line[:, :, 4:24, 13:15] = 1

    def curvature(image: Tensor) -> float:
        y, x = (image[0] > 0.3).nonzero().T.numpy()
        return float(
            np.linalg.svd(np.stack([x, y]) - np.stack([x, y]).mean(axis=1, keepdims=True))[1][1] / len(x) ** 0.5
        )

    straight, curved = (max(curvature(image) for image in distort(line, seeded())) for distort in (projective, elastic))
    assert straight < 1.2 < curved


def test_the_cluttered_canvas_has_the_digit_at_the_returned_place(images: Tensor) -> None:
    canvas, corners = clutter(images, seeded())
    assert corners.min() >= 0
    assert corners.max() <= CLUTTER_SIDE - SIDE
    assert len(corners.unique(dim=0)) > 50
    for image, place, (x, y) in zip(images[:, 0], canvas[:, 0], corners.tolist(), strict=True):
        found = place[y : y + SIDE, x : x + SIDE]
        assert (found >= image).all()  # nothing of the digit is painted over
        assert (found == image).float().mean() > 0.5
        assert place.sum() > image.sum()  # and found is clutter


def test_clutter_is_six_crops_of_other_digits() -> None:
    flat = (torch.arange(1, 33) / 40).expand(1, SIDE, SIDE, 32).permute(3, 0, 1, 2)
    canvas, corners = clutter(flat, seeded())
    for own, place, (x, y) in zip(flat[:, 0, 0, 0], canvas[:, 0], corners.tolist(), strict=True):
        found = place[y : y + SIDE, x : x + SIDE].clone()
        place[y : y + SIDE, x : x + SIDE] = 0
        assert not (place == own).any()
        assert (found >= own).all()
        levels = place.unique()[1:]
        assert 1 <= len(levels) <= 6
        for level in levels:
            rows, columns = (place == level).nonzero().T
            assert max(rows.max() - rows.min(), columns.max() - columns.min()) < 9 or len(levels) < 6
    with pytest.raises(ValueError, match="at least two"):
        clutter(flat[:1], seeded())


def test_digits_are_read_and_held_out(tmp_path: Path) -> None:
    data = write_digits(tmp_path / "digits.npz")
    train, test = read_digits(data)
    assert (train.images.shape, test.images.shape) == ((320, SIDE, SIDE), (60, SIDE, SIDE))
    assert train.labels.dtype == torch.int64
    shorter, held = read_digits(data, holdout=20)
    assert torch.equal(torch.cat([shorter.images, held.images]), train.images)
    assert len(held.labels) == 20
    with pytest.raises(DatasetError, match="320 training digits"):
        read_digits(data, holdout=320)


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    images, labels = draw_digits(4, 0)
    good = {"x_train": images, "y_train": labels, "x_test": images, "y_test": labels}
    bad = {
        "missing": {k: v for k, v in good.items() if k != "y_test"},
        "floats": good | {"x_train": images / 255},
        "labels": good | {"y_test": labels + 10},
        "pickled": good | {"x_test": np.array([images, None], object)},
    }
    for name, arrays in bad.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, **arrays)
        with pytest.raises(DatasetError, match=name):
            read_digits(path)
    (tmp_path / "text.npz").write_text("no digits")
    for name in ("text.npz", "nowhere.npz"):
        with pytest.raises(DatasetError, match=name):
            read_digits(tmp_path / name)
