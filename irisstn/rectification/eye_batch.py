"""A batch of segmented eyes as tensors: all that the rectifier takes in somebody's own training loop.

batch = batch_of_eyes(images, segmentations)
embeddings = network(rectifier(batch))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from irisstn.geometry import Gray
from irisstn.normalization import DEFAULT_SIZE, normalize
from irisstn.rectification.ring_context import CONTEXT_SIZE, NO_EYELIDS, PLANES, context_of_eye, pupil_share
from irisstn.results import Segmentation


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


def _stacked(arrays: Sequence[object], shape: tuple[int, ...]) -> Tensor:
    """Arrays of `shape` as a tensor (B, *shape) of float32; (0, *shape) for none."""
    whole = np.stack([np.asarray(array, np.float32) for array in arrays]) if arrays else np.zeros((0, *shape))
    return torch.from_numpy(whole.astype(np.float32))
