"""MNIST digits from a file, and the ways in which the spatial transformers' experiments distort them.

Sources: Jaderberg et al. 2015, "Spatial Transformer Networks", appendix A.4 (R, RTS, P, E); the cluttered canvas as in
oarriaga/STN.keras. Distortions are drawn anew for each call from a generator, so a seed names them.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from math import pi
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

from irisstn.errors import DatasetError
from irisstn.stn import Affine, Projective, Rotation, ThinPlateSpline, sample

SIDE = 28  # pixels of a digit
PLACED_SIDE = 42  # the canvas of RTS
CLUTTER_SIDE = 60
DISTRACTORS = 6
DISTRACTOR_SIDES = (6, 9)  # smallest and largest, pixels
TEST_SEED = 2015  # the test digits are distorted once, alike for every network and seed
_CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


class Digits(NamedTuple):
    """`images` (N, 28, 28) uint8 and `labels` (N,) int64 in 0..9."""

    images: Tensor
    labels: Tensor


def read_digits(path: Path, *, holdout: int = 0) -> tuple[Digits, Digits]:
    """The digits to train on and those to test on, from an .npz with x_train, y_train, x_test and y_test.

    With `holdout` the last so many of the training digits stand in for the test digits, which are then left alone: for
    choosing settings. Raises DatasetError where the file is none or holds something else.
    """
    try:
        with np.load(path) as file:  # pickled arrays are refused
            arrays = {name: file[name] for name in ("x_train", "y_train", "x_test", "y_test")}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} holds no x_train, y_train, x_test, y_test: {error}") from None
    train, test = (_digits(arrays[f"x_{part}"], arrays[f"y_{part}"], f"{path}, {part}") for part in ("train", "test"))
    if holdout:
        if not 0 < holdout < len(train.labels):
            raise DatasetError(f"{path} has {len(train.labels)} training digits: {holdout} cannot be held out")
        return Digits(*(part[:-holdout] for part in train)), Digits(*(part[-holdout:] for part in train))
    return train, test


def as_images(digits: Tensor) -> Tensor:
    """Digits (B, 28, 28) uint8 as images (B, 1, 28, 28) float32 in 0..1."""
    return digits[:, None].float() / 255


def upright(digits: Tensor, generator: Generator) -> Tensor:
    """`digits` (B, 1, 28, 28) as they are."""
    del generator
    return digits


def jitter(digits: Tensor, generator: Generator) -> Tensor:
    """Turned ±10 degrees, scaled 0.9-1.1 and moved ±2 pixels: more of the same digits, for training alone."""
    n = len(digits)
    shift = _uniform(n, -2, 2, generator, columns=2) * 2 / SIDE
    return _place(digits, _uniform(n, -10, 10, generator), _uniform(n, 0.9, 1.1, generator), shift, SIDE)


def rotated(digits: Tensor, generator: Generator, *, degrees: float = 90.0) -> Tensor:
    """R: turned by up to ±`degrees`."""
    rotation = Rotation(bound=None)
    angle = _uniform(len(digits), -degrees, degrees, generator) * pi / 180
    return sample(digits, rotation(angle[:, None], (SIDE, SIDE)))


def placed(digits: Tensor, generator: Generator) -> Tensor:
    """RTS: turned ±45 degrees, scaled 0.7-1.2, and put anywhere on a canvas of 42 x 42."""
    n = len(digits)
    angle, scale = _uniform(n, -45, 45, generator), _uniform(n, 0.7, 1.2, generator)
    free = 1 - scale[:, None] * SIDE / PLACED_SIDE
    return _place(digits, angle, scale, free * _uniform(n, -1, 1, generator, columns=2), PLACED_SIDE)


def projective(digits: Tensor, generator: Generator, *, sd_px: float = 5.0) -> Tensor:
    """P: scaled 0.75-1, and each corner of the picture moved by normal noise of `sd_px` pixels.

    The corners are those of the area that is sampled. Moving the corners of the digit instead by as much would fold or
    shrink every fiftieth digit until nobody could read it, which the paper's 0.8 % of errors rules out.
    """
    n = len(digits)
    scale = _uniform(n, 0.75, 1, generator)[:, None, None]
    noise = torch.randn(n, 4, 2, generator=generator) * sd_px * 2 / SIDE
    homography = Projective(bound=None)
    return sample(digits, homography(_homography(_CORNERS / scale + noise), (SIDE, SIDE)))


def elastic(digits: Tensor, generator: Generator, *, sd_px: float = 1.5) -> Tensor:
    """E: scaled 0.75-1, and the 4 x 4 control points of a thin-plate spline moved by noise of `sd_px` pixels."""
    spline = ThinPlateSpline(points=4, bound=None)
    scale = _uniform(len(digits), 0.75, 1, generator)[:, None]
    noise = torch.randn(len(digits), spline.n_params, generator=generator) * sd_px * 2 / SIDE
    return sample(digits, spline((spline.identity() + noise) / scale, (SIDE, SIDE)))


def cluttered(digits: Tensor, generator: Generator) -> Tensor:
    """Each digit anywhere on a canvas of 60 x 60, with six crops of other digits scattered over it."""
    return clutter(digits, generator)[0]


def clutter(digits: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """The canvases (B, 1, 60, 60) of `cluttered`, and the top left corners (B, 2) of the digits, x before y.

    The crops have sides of 6 to 9 pixels and come from other digits of the batch, so it takes two at least. Where
    pieces overlap, the brighter pixel holds.
    """
    n = len(digits)
    if n < 2:
        raise ValueError("the crops come from other digits: at least two are needed")
    smallest, largest = DISTRACTOR_SIDES
    canvas = torch.zeros(n, CLUTTER_SIDE, CLUTTER_SIDE)
    corners = _whole(n, CLUTTER_SIDE - SIDE + 1, generator, columns=2)
    _lay(canvas, digits[:, 0], corners)
    steps = torch.arange(largest)
    for _ in range(DISTRACTORS):
        others = (torch.arange(n) + 1 + _whole(n, n - 1, generator)) % n
        start = _whole(n, SIDE - largest + 1, generator, columns=2)
        size = smallest + _whole(n, largest - smallest + 1, generator, columns=2)
        crops = digits[
            others[:, None, None], 0, start[:, 1, None, None] + steps[:, None], start[:, 0, None, None] + steps
        ]
        inside = (steps[:, None] < size[:, 1, None, None]) & (steps < size[:, 0, None, None])
        _lay(canvas, crops * inside, _whole(n, CLUTTER_SIDE - largest + 1, generator, columns=2))
    return canvas[:, None], corners


DISTORTIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "upright": upright,
    "jitter": jitter,
    "rotated": rotated,
    "placed": placed,
    "projective": projective,
    "elastic": elastic,
    "cluttered": cluttered,
}
SIDES = {"placed": PLACED_SIDE, "cluttered": CLUTTER_SIDE}  # of the images; all others are as large as the digits


def _digits(images: np.ndarray, labels: np.ndarray, where: str) -> Digits:
    fits = images.shape == (len(labels), SIDE, SIDE) and images.dtype == np.uint8 and labels.ndim == 1 and len(labels)
    if not fits or not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() > 9:
        raise DatasetError(f"{where}: (N, 28, 28) uint8 and N labels in 0..9 are needed, got {images.shape}")
    return Digits(torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)))


def _uniform(n: int, low: float, high: float, generator: Generator, *, columns: int = 0) -> Tensor:
    shape = (n, columns) if columns else (n,)
    return low + (high - low) * torch.rand(shape, generator=generator)


def _whole(n: int, below: int, generator: Generator, *, columns: int = 0) -> Tensor:
    return torch.randint(0, below, (n, columns) if columns else (n,), generator=generator)


def _place(digits: Tensor, degrees: Tensor, scale: Tensor, shift: Tensor, side: int) -> Tensor:
    """Digits turned, scaled and put `shift` (B, 2) units off the middle of a canvas of `side` x `side`."""
    affine = Affine(bound=None)
    cosine, sine = (scale * SIDE / side * wave(degrees * pi / 180) for wave in (torch.cos, torch.sin))
    there = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=-1)
    return sample(digits, affine(affine.inverse(there), (side, side)))


def _homography(corners: Tensor) -> Tensor:
    """The theta (B, 8) of the `Projective` whose output has its corners at `corners` (B, 4, 2) of the input."""
    x, y = _CORNERS.double().expand(len(corners), 4, 2).unbind(-1)
    u, v = corners.double().unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    upper = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=-1)
    lower = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=-1)
    theta: Tensor = torch.linalg.solve(torch.cat([upper, lower], dim=1), torch.cat([u, v], dim=1))
    return theta.float()


def _lay(canvas: Tensor, pieces: Tensor, corners: Tensor) -> None:
    """Lay pieces (B, S, S) on `canvas` (B, H, W) in place, their top left at `corners` (B, 2)."""
    steps = torch.arange(pieces.shape[-1])
    rows = corners[:, 1, None, None] + steps[:, None]
    columns = corners[:, 0, None, None] + steps
    index = (torch.arange(len(canvas))[:, None, None], rows, columns)
    canvas[index] = torch.maximum(canvas[index], pieces)
