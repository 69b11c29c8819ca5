"""What cameras and eyelids do to a strip: blur, noise, light, lashes and glints. The only user of albumentations."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from irisstn.config import Strict
from irisstn.geometry import Bool
from irisstn.normalization import Gray, Strip

if TYPE_CHECKING:
    from typing import TypedDict

    class _Augmented(TypedDict):
        image: Gray
        mask: Gray


class AugmentationConfig(Strict):
    """How often (probabilities) and how much a strip is changed. All zeros: not at all."""

    blur: float = Field(0.2, ge=0, le=1)
    noise: float = Field(0.3, ge=0, le=1)
    light: float = Field(0.6, ge=0, le=1)  # brightness, contrast, gamma
    marks: float = Field(0.3, ge=0, le=1)  # dark and bright spots that the mask has missed
    gaps: float = Field(0.4, ge=0, le=1)  # parts that the mask hides


def strip_augmentation(config: AugmentationConfig) -> Callable[[Strip, int], Strip]:
    """A function (strip, seed) -> strip of the same size; equal seeds give equal strips."""
    # It asks its home for news when imported; training should not depend on a network, nor tell who trains.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as A  # noqa: PLC0415  (two seconds, only for those who augment)

    photometric = A.Compose(
        [
            A.OneOf(
                [
                    A.GaussianBlur(blur_limit=0, sigma_limit=(0.4, 1.2)),
                    A.Downscale(scale_range=(0.5, 0.9)),
                ],
                p=config.blur,
            ),
            A.OneOf(
                [A.RandomBrightnessContrast(0.2, 0.35), A.RandomGamma((60, 160))],
                p=config.light,
            ),
            A.GaussNoise(std_range=(0.01, 0.04), p=config.noise),
            A.CoarseDropout(
                num_holes_range=(1, 4),
                hole_height_range=(0.05, 0.4),
                hole_width_range=(0.005, 0.03),
                fill="random_uniform",
                p=config.marks,
            ),
        ]
    )

    def augment(strip: Strip, seed: int) -> Strip:
        photometric.set_random_seed(seed)
        done: _Augmented = photometric(image=strip.image, mask=strip.usable.view(np.uint8))
        usable = strip.usable
        rng = np.random.default_rng((seed, 1))
        if rng.random() < config.gaps:
            usable = usable & ~_gap(rng, strip.size)
        return Strip(done["image"], usable)

    return augment


def _gap(rng: np.random.Generator, size: tuple[int, int]) -> Bool:
    """A patch (R, T) that reaches in from the limbus, as lids and lashes do; it wraps around the angle."""
    rows, columns = size
    hidden = np.zeros(size, np.bool_)
    width = int(columns * rng.uniform(0.03, 0.15))
    depth = int(rows * rng.uniform(0.2, 1.0))
    hidden[rows - depth :, :width] = True
    return np.roll(hidden, int(rng.integers(columns)), axis=1)
