"""Strips with known errors from somebody's own segmented photographs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from irisstn.geometry import Gray
from irisstn.normalization import DEFAULT_SIZE
from irisstn.results import Segmentation
from irisstn.training.data.batches import Batch, Eyes, make_batch
from irisstn.training.data.boundary_errors import PerturbationConfig
from irisstn.training.data.eye_crops import crop_eye


def perturbed_batch(
    images: Sequence[Gray],
    segmentations: Sequence[Segmentation],
    rng: np.random.Generator,
    *,
    strips_per_eye: int = 2,
    size: tuple[int, int] = DEFAULT_SIZE,
    perturbation: PerturbationConfig = PerturbationConfig(),
) -> Batch:
    """Sample strips with known errors from segmented photographs, for `irisstn.training.rectifier_loss`.

    Parameters
    ----------
    images : sequence of ndarray of uint8, length N
        The photographs, each (H, W) of any size.
    segmentations : sequence of Segmentation, length N
        Their segmentations, which are taken for true.
    rng : numpy.random.Generator
        Source of randomness.
    strips_per_eye : int
        How many strips of each photograph.
    size : tuple of int
        (R, T) of the strips.
    perturbation : PerturbationConfig
        Distribution of the errors.

    Returns
    -------
    Batch
        N times `strips_per_eye` strips; the labels and groups are the numbers of the photographs.

    Raises
    ------
    ValueError
        Where there are no photographs, or not as many segmentations.
    """
    if not images or len(images) != len(segmentations) or strips_per_eye < 1:
        raise ValueError(
            f"photographs with a segmentation each, and strips of each, are needed; got {len(images)}, "
            f"{len(segmentations)} and {strips_per_eye}"
        )
    crops = [crop_eye(image, segmentation) for image, segmentation in zip(images, segmentations, strict=True)]
    eyes = Eyes(crops, np.arange(len(crops), dtype=np.intp), upright=False)
    indices = np.repeat(np.arange(len(crops)), strips_per_eye).tolist()
    return make_batch(eyes, indices, rng, size=size, perturbation=perturbation)
