"""Random changes to a strip's appearance and mask, for training. The only module that imports albumentations."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from torch import Tensor

from irisstn.geometry import Bool, Gray
from irisstn.rectification.ring_context import Context, ring_rows
from irisstn.results import Strip
from irisstn.training.data.augmentation_config import AugmentationConfig

_MIN_USABLE_FRACTION = 0.35  # of a strip's cells; combined masks that leave less are not applied

if TYPE_CHECKING:
    from typing import TypedDict

    class _Augmented(TypedDict):
        image: Gray
        mask: Gray


def strip_augmentation(config: AugmentationConfig) -> Callable[[Strip, int], Strip]:
    """Make the function that changes single strips.

    Parameters
    ----------
    config : AugmentationConfig
        Probabilities of the changes.

    Returns
    -------
    Callable[[Strip, int], Strip]
        A function (strip, seed) -> strip of the same size; equal seeds give equal strips.
    """
    # albumentations asks a server for its newest version when imported; training must not depend on a network.
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    import albumentations as A  # noqa: PLC0415  (the import takes two seconds)

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
                p=config.brightness_contrast,
            ),
            A.GaussNoise(std_range=(0.01, 0.04), p=config.noise),
            A.CoarseDropout(
                num_holes_range=(1, 4),
                hole_height_range=(0.05, 0.4),
                hole_width_range=(0.005, 0.03),
                fill="random_uniform",
                p=config.unmasked_spots,
            ),
        ]
    )

    def augment(strip: Strip, seed: int) -> Strip:
        photometric.set_random_seed(seed)
        done: _Augmented = photometric(image=strip.image, mask=strip.usable.view(np.uint8))
        usable = strip.usable
        rng = np.random.default_rng((seed, 1))
        if rng.random() < config.masked_gaps:
            usable = usable & ~_random_gap(rng, strip.size)
        image = done["image"]
        if rng.random() < config.random_filters:
            image = _randomly_filtered(rng, image)
        if config.spectra and rng.random() < config.spectra:
            image = _rebalanced(rng, image)
        return Strip(image, usable)

    return augment


def augmentation(
    config: AugmentationConfig,
) -> Callable[[Strip, Context | None, np.random.Generator], tuple[Strip, Context | None]]:
    """Make the function that changes a strip and its context independently of each other.

    Parameters
    ----------
    config : AugmentationConfig
        Probabilities of the changes.

    Returns
    -------
    Callable
        A function (strip, context, rng) -> (strip, context) of the same sizes. A context of None stays None.
    """
    change = strip_augmentation(config)

    def augment(strip: Strip, context: Context | None, rng: np.random.Generator) -> tuple[Strip, Context | None]:
        changed = change(strip, int(rng.integers(2**31)))
        return changed, None if context is None else _augmented_context(context, change, config, rng)

    return augment


def combine_masks(usable: Tensor, fraction: float, rng: np.random.Generator) -> Tensor:
    """Intersect the masks of some strips of a batch with the mask of another strip of the batch.

    The outline of the eyelids then says nothing about the identity. A strip that would have too few usable cells keeps
    its own mask.

    Parameters
    ----------
    usable : Tensor, shape (B, 1, R, T)
        Masks, 1 = usable.
    fraction : float
        Expected fraction of the strips that are changed, 0..1.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Tensor, shape (B, 1, R, T)
        The masks; never usable where the input was not.
    """
    both = usable * usable[torch.from_numpy(rng.permutation(len(usable)))]
    chosen = torch.from_numpy(rng.random(len(usable)) < fraction) & (both.mean((1, 2, 3)) > _MIN_USABLE_FRACTION)
    return torch.where(chosen[:, None, None, None], both, usable)


def _augmented_context(
    context: Context, change: Callable[[Strip, int], Strip], config: AugmentationConfig, rng: np.random.Generator
) -> Context:
    """`context` changed like a strip, and further, so that the STN does not rely on the appearance of rendered skin."""
    changed = change(Strip(context.image, context.usable), int(rng.integers(2**31)))
    image = changed.image
    if rng.random() < config.uneven_light:
        rows, columns = image.shape
        coarse = rng.normal(0, 0.35, (4, 6)).astype(np.float32)
        wrapped = np.concatenate([coarse, coarse, coarse], axis=1)  # the angle is periodic
        light = cv2.resize(wrapped, (3 * columns, rows), interpolation=cv2.INTER_CUBIC)[:, columns : 2 * columns]
        image = np.clip(image * np.exp(light), 0, 255).astype(np.uint8)
    if rng.random() < config.surroundings_hidden:
        ring = ring_rows(image.shape[0])
        flat = np.full_like(image, int(image[ring].mean()))
        flat[ring] = image[ring]
        image = flat
    return replace(context, image=image, usable=changed.usable)


def _randomly_filtered(rng: np.random.Generator, image: Gray) -> Gray:
    """`image` (R, T) mixed with its response to a random filter (Xu et al. 2021, "RandConv"), about middle gray.

    A network trained on rendered texture alone overfits to its statistics; a filter changes these and moves nothing.
    """
    side = int(rng.choice([1, 3, 5, 7]))
    kernel = rng.normal(size=(side, side)) / side
    kernel *= 2 / np.sqrt(np.abs(kernel).sum())
    weight = rng.uniform(0, 1)
    centred = image.astype(np.float32) - float(image.mean())
    wrapped = cv2.copyMakeBorder(centred, 0, 0, side, side, cv2.BORDER_WRAP)
    response = cv2.filter2D(wrapped, cv2.CV_32F, kernel.astype(np.float32))[:, side : side + image.shape[1]]
    return np.clip(128 + weight * centred + (1 - weight) * response, 0, 255).astype(np.uint8)


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


def mirrored(strips: Tensor) -> Tensor:
    """Strips (B, 1, R, T) as a mirror shows their eyes, left for right: the eyelids stay above and below."""
    return strips.flip(3).roll(strips.shape[3] // 2, 3)


def _random_gap(rng: np.random.Generator, size: tuple[int, int]) -> Bool:
    """A rectangle (R, T) from the limbus inward, as eyelids and eyelashes occlude; it wraps around the angle."""
    rows, columns = size
    hidden = np.zeros(size, np.bool_)
    width = int(columns * rng.uniform(0.03, 0.15))
    depth = int(rows * rng.uniform(0.2, 1.0))
    hidden[rows - depth :, :width] = True
    return np.roll(hidden, int(rng.integers(columns)), axis=1)
