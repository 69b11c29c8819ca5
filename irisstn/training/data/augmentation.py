"""What cameras and eyelids do to a strip: blur, noise, light, lashes and glints. The only user of albumentations."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from irisstn.config import Strict
from irisstn.geometry import Bool, Gray
from irisstn.rectification.ring_context import Context, ring_rows
from irisstn.results import Strip

_LEAST_LEFT = 0.35  # share of a strip that stays usable

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
    filters: float = Field(0.0, ge=0, le=1)  # small random filters over the strip: how texture looks matters less
    bands: float = Field(0.0, ge=0, le=1)  # the spectrum along the angle, and the contrast: cameras differ in both
    lids: float = Field(0.0, ge=0, le=1)  # strips that hide what another strip of the batch hides, too
    mirrored: float = Field(0.0, ge=0, le=1)  # identities seen in a mirror: other eyes; a recogniser alone learns so
    shades: float = Field(0.5, ge=0, le=1)  # of the surroundings: light that falls unevenly
    blind: float = Field(0.1, ge=0, le=1)  # surroundings of which only the lids' edges are seen


def strip_augmentation(config: AugmentationConfig) -> Callable[[Strip, int], Strip]:
    """A function (strip, seed) -> strip of the same size; equal seeds give equal strips."""
    # It asks its home for news when imported; training should not depend on a network, nor progress who trains.
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
        image = done["image"]
        if rng.random() < config.filters:
            image = _filtered(rng, image)
        if config.bands and rng.random() < config.bands:
            image = _rebalanced(rng, image)
        return Strip(image, usable)

    return augment


def augmentation(
    config: AugmentationConfig,
) -> Callable[[Strip, Context | None, np.random.Generator], tuple[Strip, Context | None]]:
    """A function (strip, context, rng) -> (strip, context) that changes both, each in its own way; None stays None."""
    change = strip_augmentation(config)

    def augment(strip: Strip, context: Context | None, rng: np.random.Generator) -> tuple[Strip, Context | None]:
        changed = change(strip, int(rng.integers(2**31)))
        return changed, None if context is None else _surroundings(context, change, config, rng)

    return augment


def _surroundings(
    context: Context, change: Callable[[Strip, int], Strip], config: AugmentationConfig, rng: np.random.Generator
) -> Context:
    """`context` changed like a strip, and so that the STN does not come to trust the look of rendered skin."""
    changed = change(Strip(context.image, context.usable), int(rng.integers(2**31)))
    image = changed.image
    if rng.random() < config.shades:
        rows, columns = image.shape
        coarse = rng.normal(0, 0.35, (4, 6)).astype(np.float32)
        wrapped = np.concatenate([coarse, coarse, coarse], axis=1)  # around the circle
        light = cv2.resize(wrapped, (3 * columns, rows), interpolation=cv2.INTER_CUBIC)[:, columns : 2 * columns]
        image = np.clip(image * np.exp(light), 0, 255).astype(np.uint8)
    if rng.random() < config.blind:
        ring = ring_rows(image.shape[0])
        flat = np.full_like(image, int(image[ring].mean()))
        flat[ring] = image[ring]
        image = flat
    return replace(context, image=image, usable=changed.usable)


def _filtered(rng: np.random.Generator, image: Gray) -> Gray:
    """`image` (R, T) mixed with what a random filter makes of it (Xu et al. 2021, "RandConv"), about middle gray.

    A network that is trained on rendered texture alone comes to rely on its look; what lies where is left as it is.
    """
    side = int(rng.choice([1, 3, 5, 7]))
    kernel = rng.normal(size=(side, side)) / side
    kernel *= 2 / np.sqrt(np.abs(kernel).sum())
    share = rng.uniform(0, 1)
    centred = image.astype(np.float32) - float(image.mean())
    wrapped = cv2.copyMakeBorder(centred, 0, 0, side, side, cv2.BORDER_WRAP)
    answer = cv2.filter2D(wrapped, cv2.CV_32F, kernel.astype(np.float32))[:, side : side + image.shape[1]]
    return np.clip(128 + share * centred + (1 - share) * answer, 0, 255).astype(np.uint8)


def _rebalanced(rng: np.random.Generator, image: Gray) -> Gray:
    """`image` (R, T) with other gains of its octaves along the angle, another contrast, and a sensor's noise.

    Measured on real cameras, the share of 4 to 16 cycles a turn lies between 0.29 and 0.56, that of 64 to 128 between
    0.05 and 0.17, and the contrast between 0.05 and 0.14; rendered strips spread far less.
    """
    centred = image.astype(np.float32) - float(image.mean())
    spectrum = np.fft.rfft(centred, axis=1)
    octave = np.log2(np.maximum(np.arange(spectrum.shape[1]), 1.0))
    knots = np.arange(0, 10, 1.5)
    slope = rng.normal(0, 0.25)  # of the logarithm of the gain, an octave
    gain = np.interp(octave, knots, rng.normal(0, 0.35, len(knots)) + slope * (knots - 4))
    changed = np.fft.irfft(spectrum * np.exp(np.clip(gain, -2, 2)), image.shape[1], axis=1)
    # The gains change what is seen, not how strong it is: that is the contrast's part.
    changed *= rng.uniform(0.5, 1.2) * float(centred.std()) / max(float(changed.std()), 1e-3)
    changed += rng.uniform(0, 3) * rng.standard_normal(image.shape, np.float32)
    return np.clip(float(image.mean()) + changed, 0, 255).astype(np.uint8)


def mirrored(usable_or_image: Tensor) -> Tensor:
    """Strips (B, 1, R, T) as a mirror shows their eyes, left for right: the lids stay above and below."""
    return usable_or_image.flip(3).roll(usable_or_image.shape[3] // 2, 3)


def combine_masks(usable: Tensor, share: float, rng: np.random.Generator) -> Tensor:
    """`usable` (B, 1, R, T) of a batch, where about `share` of the strips also hide what another strip hides.

    The outline of lids must not tell whose eye it is. A strip of which too little would be left keeps its own mask.
    """
    both = usable * usable[torch.from_numpy(rng.permutation(len(usable)))]
    chosen = torch.from_numpy(rng.random(len(usable)) < share) & (both.mean((1, 2, 3)) > _LEAST_LEFT)
    return torch.where(chosen[:, None, None, None], both, usable)


def _gap(rng: np.random.Generator, size: tuple[int, int]) -> Bool:
    """A patch (R, T) that reaches in from the limbus, as lids and lashes do; it wraps around the angle."""
    rows, columns = size
    hidden = np.zeros(size, np.bool_)
    width = int(columns * rng.uniform(0.03, 0.15))
    depth = int(rows * rng.uniform(0.2, 1.0))
    hidden[rows - depth :, :width] = True
    return np.roll(hidden, int(rng.integers(columns)), axis=1)
