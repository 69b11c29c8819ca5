"""MNIST digits from a file, and the distortions of the spatial-transformer experiments.

Each distortion is a function (digits, generator) -> images that draws its parameters from the generator, so equal seeds
give equal images.

References
----------
Jaderberg et al. 2015, "Spatial transformer networks", appendix A.4 (R, RTS, P, E).
The cluttered canvas follows the repository oarriaga/STN.keras.
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
PLACED_SIDE = 42  # pixels of the canvas of RTS
CLUTTER_SIDE = 60  # pixels of the cluttered canvas
DISTRACTORS = 6
DISTRACTOR_SIDES = (6, 9)  # smallest and largest, pixels
TEST_SEED = 2015  # test digits have the same distortions for every network and seed
_CORNERS = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


class Digits(NamedTuple):
    """Digits and their classes.

    Attributes
    ----------
    images : Tensor, shape (N, 28, 28)
        uint8, white on black.
    labels : Tensor, shape (N,)
        int64, 0..9.
    """

    images: Tensor
    labels: Tensor


def read_digits(path: Path, *, holdout: int = 0) -> tuple[Digits, Digits]:
    """Read training and test digits.

    Parameters
    ----------
    path : Path
        An .npz file with x_train, y_train, x_test and y_test.
    holdout : int
        Above 0: the last so many training digits are returned as the test digits, for the choice of settings; the
        file's test digits are not used.

    Returns
    -------
    train, test : Digits
        The digits.

    Raises
    ------
    DatasetError
        Where the file cannot be read or holds something else.
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
    """Convert digits (B, 28, 28) uint8 to images (B, 1, 28, 28) float32 in 0..1."""
    return digits[:, None].float() / 255


def upright(digits: Tensor, generator: Generator) -> Tensor:
    """Return the digits (B, 1, 28, 28) unchanged."""
    del generator
    return digits


def jitter(digits: Tensor, generator: Generator) -> Tensor:
    """Rotate by up to ±10 degrees, scale by 0.9-1.1, shift by up to ±2 pixels: augmentation, for training only."""
    n = len(digits)
    shift = _uniform(n, -2, 2, generator, columns=2) * 2 / SIDE
    return _place(digits, _uniform(n, -10, 10, generator), _uniform(n, 0.9, 1.1, generator), shift, SIDE)


def rotated(digits: Tensor, generator: Generator, *, degrees: float = 90.0) -> Tensor:
    """R: rotate by up to ±`degrees`."""
    rotation = Rotation(bound=None)
    angle = _uniform(len(digits), -degrees, degrees, generator) * pi / 180
    return sample(digits, rotation(angle[:, None], (SIDE, SIDE)))


def placed(digits: Tensor, generator: Generator) -> Tensor:
    """RTS: rotate by up to ±45 degrees, scale by 0.7-1.2, and place anywhere on a canvas of 42 x 42."""
    n = len(digits)
    angle, scale = _uniform(n, -45, 45, generator), _uniform(n, 0.7, 1.2, generator)
    free = 1 - scale[:, None] * SIDE / PLACED_SIDE
    return _place(digits, angle, scale, free * _uniform(n, -1, 1, generator, columns=2), PLACED_SIDE)


def projective(digits: Tensor, generator: Generator, *, sd_px: float = 5.0) -> Tensor:
    """P: scale by 0.75-1, and move each corner of the sampled area by normal noise.

    Noise on the corners of the digit instead would make about 2 % of the digits unreadable, which the 0.8 % error of
    the paper rules out.

    Parameters
    ----------
    digits : Tensor, shape (B, 1, 28, 28)
        Images.
    generator : torch.Generator
        Source of randomness.
    sd_px : float
        Standard deviation of the noise, pixels.

    Returns
    -------
    Tensor, shape (B, 1, 28, 28)
        Distorted images.
    """
    n = len(digits)
    scale = _uniform(n, 0.75, 1, generator)[:, None, None]
    noise = torch.randn(n, 4, 2, generator=generator) * sd_px * 2 / SIDE
    homography = Projective(bound=None)
    return sample(digits, homography(_homography(_CORNERS / scale + noise), (SIDE, SIDE)))


def elastic(digits: Tensor, generator: Generator, *, sd_px: float = 1.5) -> Tensor:
    """E: scale by 0.75-1, and move the 4 x 4 control points of a thin-plate spline by noise of `sd_px` pixels."""
    spline = ThinPlateSpline(points=4, bound=None)
    scale = _uniform(len(digits), 0.75, 1, generator)[:, None]
    noise = torch.randn(len(digits), spline.n_params, generator=generator) * sd_px * 2 / SIDE
    return sample(digits, spline((spline.identity() + noise) / scale, (SIDE, SIDE)))


def cluttered(digits: Tensor, generator: Generator) -> Tensor:
    """Place each digit anywhere on a canvas of 60 x 60, among six crops of other digits."""
    return clutter(digits, generator)[0]


def clutter(digits: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
    """Place digits among crops of 6 to 9 pixels of other digits of the batch; of overlapping pixels the brighter wins.

    Parameters
    ----------
    digits : Tensor, shape (B, 1, 28, 28)
        Images; at least two.
    generator : torch.Generator
        Source of randomness.

    Returns
    -------
    canvases : Tensor, shape (B, 1, 60, 60)
        The images of `cluttered`.
    corners : Tensor, shape (B, 2)
        Top left corner (x, y) of each digit.
    """
    n = len(digits)
    if n < 2:
        raise ValueError("the crops come from other digits: at least two are needed")
    smallest, largest = DISTRACTOR_SIDES
    canvas = torch.zeros(n, CLUTTER_SIDE, CLUTTER_SIDE)
    corners = _integers(n, CLUTTER_SIDE - SIDE + 1, generator, columns=2)
    _paste(canvas, digits[:, 0], corners)
    steps = torch.arange(largest)
    for _ in range(DISTRACTORS):
        others = (torch.arange(n) + 1 + _integers(n, n - 1, generator)) % n
        start = _integers(n, SIDE - largest + 1, generator, columns=2)
        size = smallest + _integers(n, largest - smallest + 1, generator, columns=2)
        crops = digits[
            others[:, None, None], 0, start[:, 1, None, None] + steps[:, None], start[:, 0, None, None] + steps
        ]
        inside = (steps[:, None] < size[:, 1, None, None]) & (steps < size[:, 0, None, None])
        _paste(canvas, crops * inside, _integers(n, CLUTTER_SIDE - largest + 1, generator, columns=2))
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


def _integers(n: int, below: int, generator: Generator, *, columns: int = 0) -> Tensor:
    return torch.randint(0, below, (n, columns) if columns else (n,), generator=generator)


def _place(digits: Tensor, degrees: Tensor, scale: Tensor, shift: Tensor, side: int) -> Tensor:
    """Digits rotated, scaled and placed `shift` (B, 2) units from the centre of a canvas of `side` x `side`."""
    affine = Affine(bound=None)
    cosine, sine = (scale * SIDE / side * wave(degrees * pi / 180) for wave in (torch.cos, torch.sin))
    placed = torch.stack([cosine, -sine, shift[:, 0], sine, cosine, shift[:, 1]], dim=-1)
    return sample(digits, affine(affine.inverse(placed), (side, side)))


def _homography(corners: Tensor) -> Tensor:
    """The theta (B, 8) of the `Projective` whose output has its corners at `corners` (B, 4, 2) of the input."""
    x, y = _CORNERS.double().expand(len(corners), 4, 2).unbind(-1)
    u, v = corners.double().unbind(-1)
    one, zero = torch.ones_like(x), torch.zeros_like(x)
    upper = torch.stack([x, y, one, zero, zero, zero, -u * x, -u * y], dim=-1)
    lower = torch.stack([zero, zero, zero, x, y, one, -v * x, -v * y], dim=-1)
    theta: Tensor = torch.linalg.solve(torch.cat([upper, lower], dim=1), torch.cat([u, v], dim=1))
    return theta.float()


def _paste(canvas: Tensor, pieces: Tensor, corners: Tensor) -> None:
    """Paste pieces (B, S, S) onto `canvas` (B, H, W), in place, with their top left at `corners` (B, 2)."""
    steps = torch.arange(pieces.shape[-1])
    rows = corners[:, 1, None, None] + steps[:, None]
    columns = corners[:, 0, None, None] + steps
    index = (torch.arange(len(canvas))[:, None, None], rows, columns)
    canvas[index] = torch.maximum(canvas[index], pieces)
