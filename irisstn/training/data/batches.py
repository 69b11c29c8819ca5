"""Batches of strips with known errors: P identities, K strips of each, drawn anew for every (seed, epoch, step)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from irisstn.geometry.ring_transform import NAMES
from irisstn.rectification.eye_batch import batch_of_strips
from irisstn.rectification.ring_context import NO_EYELIDS, Context, without_margin
from irisstn.results import Strip
from irisstn.training.config import TrainConfig
from irisstn.training.data.augmentation import augmentation, combine_masks, mirrored
from irisstn.training.data.boundary_errors import PerturbationConfig, sample_perturbation
from irisstn.training.data.eye_crops import StripSource

Augment = Callable[[Strip, Context | None, np.random.Generator], tuple[Strip, Context | None]]

_NO_TARGET = np.full(len(NAMES), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """Eyes to sample strips from, one for each capture.

    Attributes
    ----------
    eyes : sequence of StripSource, length N
        The captures.
    labels : NDArray[numpy.intp], shape (N,)
        Number of each capture's identity.
    upright : bool
        Whether the roll of every capture is known from an upright head. Otherwise the roll is only known between strips
        of the same capture.
    subjects : tuple of str
        Names of the persons, sorted; none of rendered eyes.
    notes : tuple of str
        How identities were read and what was left out, a line each.
    """

    eyes: Sequence[StripSource]
    labels: NDArray[np.intp]
    upright: bool
    subjects: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.eyes) != len(self.labels):
            raise ValueError(f"{len(self.eyes)} eyes need as many labels, got {len(self.labels)}")


class Batch(NamedTuple):
    """Strips with errors, and the ring parameters that correct them.

    Without an STN the tensors that only it needs hold nothing: contexts is (B, 0), targets is NaN.

    Attributes
    ----------
    images : Tensor, shape (B, 1, R, T)
        Gray values in 0..1.
    usable : Tensor, shape (B, 1, R, T)
        Masks, 1 = usable.
    contexts : Tensor, shape (B, 5, 64, 256)
        Planes of `irisstn.rectification.ring_context`.
    eyelids : Tensor, shape (B, 2, 5)
        Parabolas of the eyelids, `Context.eyelids`; zeros where they are not known.
    labels : Tensor, shape (B,)
        Identities.
    groups : Tensor, shape (B,)
        Strips of one group have the same upright direction: those of an identity, or of a capture.
    targets : Tensor, shape (B, 12)
        Ring parameters in the order of `irisstn.geometry.ring_transform.NAMES`.
    """

    images: Tensor
    usable: Tensor
    contexts: Tensor
    eyelids: Tensor
    labels: Tensor
    groups: Tensor
    targets: Tensor


class StepSampler(Sampler[tuple[int, int]]):
    """The pairs (epoch, step) of one epoch that one of several processes trains on.

    Parameters
    ----------
    steps : int
        Steps in an epoch, over all processes.
    epoch : Callable[[], int]
        Returns the current epoch.
    rank, processes : int
        Number of this process, from 0, and how many there are; they divide the steps evenly.

    Examples
    --------
    >>> list(StepSampler(4, lambda: 7, rank=1, processes=2))
    [(7, 1), (7, 3)]
    """

    def __init__(self, steps: int, epoch: Callable[[], int], *, rank: int = 0, processes: int = 1) -> None:
        self._steps, self._epoch = range(rank, steps, processes), epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for step in self._steps:
            yield self._epoch(), step

    def __len__(self) -> int:
        return len(self._steps)


class BatchDataset(Dataset[Batch]):
    """Training batches by (epoch, step). The same pair always gives the same batch.

    Parameters
    ----------
    config : TrainConfig
        Settings of the run.
    eyes_of_epoch : Callable[[int], Eyes]
        Returns the eyes of an epoch.
    upright : bool
        `Eyes.upright` of these eyes.
    """

    def __init__(self, config: TrainConfig, eyes_of_epoch: Callable[[int], Eyes], *, upright: bool) -> None:
        self._config, self._eyes_of_epoch = config, eyes_of_epoch
        self._strips_per_capture = config.strips_per_capture or (1 if upright else 2)
        self._augment = augmentation(config.augmentation)
        self._epoch = -1
        self._eyes: Eyes | None = None

    def __getitem__(self, index: tuple[int, int]) -> Batch:
        config, (epoch, step) = self._config, index
        if self._eyes is None or epoch != self._epoch:
            self._eyes, self._epoch = self._eyes_of_epoch(epoch), epoch
        eyes = self._eyes
        rng = np.random.default_rng((config.seed, epoch, step))
        known = np.unique(eyes.labels)
        chosen = rng.choice(known, min(config.identities_per_batch, len(known)), replace=False)
        indices: list[int] = []
        for label in chosen:
            captures = np.flatnonzero(eyes.labels == label)
            count = -(-config.strips_per_identity // self._strips_per_capture)
            picked = rng.choice(captures, count, replace=count > len(captures))
            indices += np.repeat(picked, self._strips_per_capture)[: config.strips_per_identity].tolist()
        batch = make_batch(
            eyes,
            indices,
            rng,
            size=config.size,
            perturbation=config.perturbation,
            augment=self._augment,
            strip_only_fraction=config.strip_only_fraction,
            with_context=config.rectifier is not None,
        )
        if config.augmentation.combined_masks:
            batch = batch._replace(usable=combine_masks(batch.usable, config.augmentation.combined_masks, rng))
        if config.augmentation.mirrored:
            seen = np.isin(eyes.labels[indices], chosen[rng.random(len(chosen)) < config.augmentation.mirrored])
            which = torch.from_numpy(seen)[:, None, None, None]
            images, usable = (torch.where(which, mirrored(part), part) for part in (batch.images, batch.usable))
            batch = batch._replace(images=images, usable=usable)
        return batch


def make_batch(
    eyes: Eyes,
    indices: Sequence[int],
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    perturbation: PerturbationConfig,
    augment: Augment | None = None,
    strip_only_fraction: float = 0.0,
    with_context: bool = True,
) -> Batch:
    """Sample one strip, with errors of its own, from each of the eyes at `indices`.

    Parameters
    ----------
    eyes : Eyes
        The captures.
    indices : sequence of int, length B
        Which captures; one may occur several times.
    rng : numpy.random.Generator
        Source of randomness.
    size : tuple of int
        Rows and columns (R, T) of the strips.
    perturbation : PerturbationConfig
        Errors of the strips.
    augment : Augment, optional
        Changes to their appearance, from `augmentation`.
    strip_only_fraction : float
        Fraction of the contexts without surroundings, as for strips whose image is not at hand; 0..1.
    with_context : bool
        False: strips only, for training without an STN.

    Returns
    -------
    Batch
        The strips in the order of `indices`.
    """
    strips: list[Strip] = []
    contexts: list[NDArray[np.float32]] = []
    eyelids: list[NDArray[np.float32]] = []
    targets: list[NDArray[np.floating]] = []
    for index in indices:
        errors = sample_perturbation(rng, perturbation)
        context: Context | None = None
        if with_context:
            strip, context, target = eyes.eyes[index].sample(errors, size)
        else:
            strip, target = eyes.eyes[index].strip(errors, size), _NO_TARGET
        if augment is not None:
            strip, context = augment(strip, context, rng)
        if with_context and rng.random() < strip_only_fraction and context is not None:
            context = without_margin(context)
        strips.append(strip)
        contexts.append(np.zeros(0, np.float32) if context is None else context.planes())
        eyelids.append(NO_EYELIDS if context is None else context.eyelids)
        targets.append(target)
    labels = torch.from_numpy(eyes.labels[list(indices)].astype(np.int64))
    images, usable = batch_of_strips(strips)
    return Batch(
        images=images,
        usable=usable,
        contexts=torch.from_numpy(np.stack(contexts)),
        eyelids=torch.from_numpy(np.stack(eyelids)),
        labels=labels,
        groups=labels if eyes.upright else torch.tensor(list(indices)),
        targets=torch.from_numpy(np.stack(targets).astype(np.float32)),
    )
