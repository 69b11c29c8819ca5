"""A batch of segmented eyes as tensors: all that the rectifier takes in somebody's own training loop.

batch = batch_of_eyes(images, segmentations)
embeddings = network(rectifier(batch))

`batch_of_strips` and `normalize_batch` give strips and masks alone, `irisstn.collate` calls these in a DataLoader.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from irisstn.geometry import Gray, pixels_to_grid
from irisstn.normalization import DEFAULT_SIZE, mask_at, normalize, ring_grid, ring_positions
from irisstn.rectification.ring_context import CONTEXT_SIZE, NO_EYELIDS, PLANES, context_of_eye, pupil_share
from irisstn.results import Segmentation, Strip
from irisstn.stn import sample


class EyeBatch(NamedTuple):
    """Strips, and what is known of the eyes around them; `Rectifier` takes it as its first argument.

    Attributes
    ----------
    strips : Tensor, shape (B, 1, R, T)
        Gray levels in 0..1.
    usable : Tensor, shape (B, 1, R, T)
        1 on usable cells, 0 elsewhere.
    context : Tensor, shape (B, 5, 64, 256)
        Planes of `irisstn.rectification.ring_context`.
    eyelids : Tensor, shape (B, 2, 5)
        Eyelids as in `irisstn.rectification.ring_context.eyelid_parabolas`; zeros where unknown.
    pupil_share : Tensor, shape (B,)
        Radius of the pupil as a fraction of that of the limbus.
    """

    strips: Tensor
    usable: Tensor
    context: Tensor
    eyelids: Tensor
    pupil_share: Tensor

    def to(self, device: torch.device | str) -> EyeBatch:
        """The same batch on another device."""
        return EyeBatch(*(part.to(device) for part in self))


def batch_of_eyes(
    images: Sequence[Gray], segmentations: Sequence[Segmentation], *, size: tuple[int, int] = DEFAULT_SIZE
) -> EyeBatch:
    """Normalize several eyes to one batch, with what `Rectifier.rectify_eye` reads from each photograph.

    Parameters
    ----------
    images : sequence of ndarray of uint8, length B
        The photographs, each (H, W) of any size.
    segmentations : sequence of Segmentation, length B
        Their segmentations, of `irisstn.segment` or of another program.
    size : tuple of int
        (R, T) of the strips.

    Returns
    -------
    EyeBatch
        On the CPU, in float32. Its transform is that of `rectify_eye`; the strips are sampled once more by the
        rectifier, from the strip instead of the photograph.

    Raises
    ------
    ValueError
        Where the two differ in length, or a photograph does not fit its segmentation.
    """
    if len(images) != len(segmentations):
        raise ValueError(f"each image needs a segmentation, got {len(images)} and {len(segmentations)}")
    pairs = list(zip(images, segmentations, strict=True))
    strips = [normalize(image, segmentation, size) for image, segmentation in pairs]
    contexts = [context_of_eye(image, segmentation) for image, segmentation in pairs]
    return EyeBatch(
        strips=_stacked([strip.image[None] for strip in strips], (1, *size)) / 255,
        usable=_stacked([strip.usable[None] for strip in strips], (1, *size)),
        context=_stacked([context.planes() for context in contexts], (len(PLANES), *CONTEXT_SIZE)),
        eyelids=_stacked([context.eyelids for context in contexts], NO_EYELIDS.shape),
        pupil_share=_stacked([np.float32(pupil_share(segmentation)) for segmentation in segmentations], ()),
    )


class StripBatch(NamedTuple):
    """Strips and their masks; a recognition network takes both: `network(*batch)`.

    Attributes
    ----------
    strips : Tensor, shape (B, 1, R, T)
        Gray levels, in 0..1 or as those of the images that were sampled.
    usable : Tensor, shape (B, 1, R, T)
        1 on usable cells, 0 elsewhere.
    """

    strips: Tensor
    usable: Tensor

    def to(self, device: torch.device | str) -> StripBatch:
        """The same batch on another device."""
        return StripBatch(self.strips.to(device), self.usable.to(device))


def batch_of_strips(strips: Sequence[Strip]) -> StripBatch:
    """Stack strips to one batch of tensors; their read-only arrays are copied.

    Parameters
    ----------
    strips : sequence of Strip, length B
        Strips of one size.

    Returns
    -------
    StripBatch
        On the CPU, in float32, gray levels in 0..1.

    Raises
    ------
    ValueError
        Where there are none, or sizes differ.
    """
    sizes = sorted({strip.size for strip in strips})
    if len(sizes) != 1:
        raise ValueError(f"strips of one size are needed for a batch, got {sizes or 'none'}")
    return StripBatch(
        strips=_stacked([strip.image[None] for strip in strips], (1, *sizes[0])) / 255,
        usable=_stacked([strip.usable[None] for strip in strips], (1, *sizes[0])),
    )


def normalize_batch(
    images: Tensor, segmentations: Sequence[Segmentation], *, size: tuple[int, int] = DEFAULT_SIZE
) -> StripBatch:
    """Normalize several pictures to strips, differentiable in the pictures.

    The cells are sampled where `irisstn.normalize` samples them. For gray levels of 0..255, of an 8-bit picture, the
    strips differ from its own by 0.52 at most, which is its rounding to whole gray levels; the masks are equal.

    Parameters
    ----------
    images : Tensor, shape (N, 1, H, W)
        Floats of any range, on any device.
    segmentations : sequence of Segmentation, length N
        Their segmentations, each of a picture of (H, W). `irisstn.segmentation_from_circles` makes them of boundaries.
    size : tuple of int
        (R, T) of the strips.

    Returns
    -------
    StripBatch
        On the device and in the dtype of the images. The gradient of `strips` reaches the images, not the boundaries.

    Raises
    ------
    ValueError
        For other shapes, images of integers, a different number of segmentations, or ones of another size.
    """
    if images.ndim != 4 or images.shape[1] != 1 or not images.is_floating_point():
        raise ValueError(f"images must be (N, 1, H, W) of floats, got {tuple(images.shape)} of {images.dtype}")
    if len(images) != len(segmentations):
        raise ValueError(f"each image needs a segmentation, got {len(images)} and {len(segmentations)}")
    height, width = images.shape[-2:]
    others = [found.image_size for found in segmentations if found.image_size != (height, width)]
    if others:
        raise ValueError(f"the pictures are {(height, width)}, a segmentation {others[0]}")
    ring = ring_grid(size)
    positions = [ring_positions(found, ring) for found in segmentations]
    masks = [mask_at(found.usable, *where)[None] for found, where in zip(segmentations, positions, strict=True)]
    grids = [pixels_to_grid(np.stack(where, axis=-1), (height, width)) for where in positions]
    grid = torch.from_numpy(np.reshape(grids, (-1, *size, 2))).to(
        images.device, torch.promote_types(images.dtype, torch.float32)
    )
    return StripBatch(strips=sample(images, grid, padding="border"), usable=_stacked(masks, (1, *size)).to(images))


def _stacked(arrays: Sequence[object], shape: tuple[int, ...]) -> Tensor:
    """Arrays of `shape` as a tensor (B, *shape) of float32; (0, *shape) for none."""
    whole = np.stack([np.asarray(array, np.float32) for array in arrays]) if arrays else np.zeros((0, *shape))
    return torch.from_numpy(whole.astype(np.float32))
