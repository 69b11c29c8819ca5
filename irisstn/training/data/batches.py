"""Batches of strips with known errors: P identities, K strips of each, drawn anew for every (seed, epoch, step)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from irisstn.rectification.ring_context import Context, without_margin
from irisstn.results import Strip
from irisstn.training.config import TrainConfig
from irisstn.training.data.augmentation import augmentation, combine_masks, mirrored
from irisstn.training.data.boundary_errors import TARGET_NAMES, PerturbationConfig, draw
from irisstn.training.data.eye_crops import StripSource

Augment = Callable[[Strip, Context | None, np.random.Generator], tuple[Strip, Context | None]]


_NO_TARGET = np.full(len(TARGET_NAMES), np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class Eyes:
    """Eyes (N) to cut strips from and their identities' numbers, `labels` (N,).

    `upright` says that every roll is known from an upright head; otherwise only strips of one photograph have a known
    roll to each other.
    """

    eyes: Sequence[StripSource]
    labels: NDArray[np.intp]
    upright: bool

    def __post_init__(self) -> None:
        if len(self.eyes) != len(self.labels):
            raise ValueError(f"{len(self.eyes)} eyes need as many labels, got {len(self.labels)}")


class Batch(NamedTuple):
    """Strips with errors on them, and the ring parameters that undo these.

    What only an STN needs is empty where there is none: contexts (B, 0), targets NaN.
    """

    images: Tensor  # (B, 1, R, T) in 0..1
    usable: Tensor  # (B, 1, R, T) in 0..1
    contexts: Tensor  # (B, 5, 64, 256), see irisstn.rectification.ring_context
    labels: Tensor  # (B,) identities
    groups: Tensor  # (B,) strips of one group must agree about the roll: an identity, or a photograph
    targets: Tensor  # (B, 12), see irisstn.training.data.boundary_errors.TARGET_NAMES


class Steps(Sampler[tuple[int, int]]):
    """The pairs (epoch, step) of one epoch for the process `rank` of `processes`, which divide `steps` evenly.

    `epoch` tells which one it is when the first pair is asked for.
    """

    def __init__(self, steps: int, epoch: Callable[[], int], *, rank: int = 0, processes: int = 1) -> None:
        self._steps, self._epoch = range(rank, steps, processes), epoch

    def __iter__(self) -> Iterator[tuple[int, int]]:
        for step in self._steps:
            yield self._epoch(), step

    def __len__(self) -> int:
        return len(self._steps)


class Batches(Dataset[Batch]):
    """Training batches by (epoch, step); the same pair always gives the same batch."""

    def __init__(
        self,
        eyes_of: Callable[[int], Eyes],
        *,
        size: tuple[int, int],
        identities: int,
        strips: int,
        views: int,
        perturbation: PerturbationConfig,
        augment: Augment,
        bare: float,
        seed: int,
        worn: float = 0.0,
        mirror: float = 0.0,
        surroundings: bool = True,
    ) -> None:
        """`eyes_of` gives an epoch's eyes.

        A batch holds `strips` strips of each of `identities` identities, `views` of them of the same photograph. A
        share `bare` of the contexts has no margin, like those of strips without their photograph; a share `worn` of
        the strips hides what another strip of the batch hides, too. All strips of a share `mirror` of the identities
        are mirrored, which makes another eye of each. Without `surroundings` batches hold strips alone.
        """
        self._eyes_of, self._size, self._identities, self._strips = eyes_of, size, identities, strips
        self._views, self._perturbation, self._augment = views, perturbation, augment
        self._bare, self._seed, self._worn, self._mirror = bare, seed, worn, mirror
        self._surroundings = surroundings
        self._epoch, self._eyes = -1, None

    _eyes: Eyes | None

    @classmethod
    def of(cls, config: TrainConfig, eyes_of: Callable[[int], Eyes], *, upright: bool) -> Self:
        """The batches of a run with `config`; `upright` is that of the eyes, see `Eyes`."""
        return cls(
            eyes_of,
            size=config.size,
            identities=config.identities,
            strips=config.strips,
            views=config.views or (1 if upright else 2),
            perturbation=config.perturbation,
            augment=augmentation(config.augmentation),
            bare=config.bare,
            seed=config.seed,
            worn=config.augmentation.lids,
            mirror=config.augmentation.mirrored,
            surroundings=config.rectifier is not None,
        )

    def __getitem__(self, index: tuple[int, int]) -> Batch:
        epoch, step = index
        if self._eyes is None or epoch != self._epoch:
            self._eyes, self._epoch = self._eyes_of(epoch), epoch
        eyes = self._eyes
        rng = np.random.default_rng((self._seed, epoch, step))
        known = np.unique(eyes.labels)
        chosen = rng.choice(known, min(self._identities, len(known)), replace=False)
        where: list[int] = []
        for label in chosen:
            shots = np.flatnonzero(eyes.labels == label)
            count = -(-self._strips // self._views)
            picked = rng.choice(shots, count, replace=count > len(shots))
            where += np.repeat(picked, self._views)[: self._strips].tolist()
        batch = make_batch(
            eyes,
            where,
            rng,
            size=self._size,
            perturbation=self._perturbation,
            augment=self._augment,
            bare=self._bare,
            surroundings=self._surroundings,
        )
        if self._worn:
            batch = batch._replace(usable=combine_masks(batch.usable, self._worn, rng))
        if self._mirror:
            seen = np.isin(eyes.labels[where], chosen[rng.random(len(chosen)) < self._mirror])
            which = torch.from_numpy(seen)[:, None, None, None]
            images, usable = (torch.where(which, mirrored(part), part) for part in (batch.images, batch.usable))
            batch = batch._replace(images=images, usable=usable)
        return batch


def make_batch(
    eyes: Eyes,
    where: Sequence[int],
    rng: np.random.Generator,
    *,
    size: tuple[int, int],
    perturbation: PerturbationConfig,
    augment: Augment | None = None,
    bare: float = 0.0,
    surroundings: bool = True,
) -> Batch:
    """Strips of `size` of the eyes with the indices `where`, each with errors of its own; see `Batches`."""
    strips: list[Strip] = []
    contexts: list[NDArray[np.float32]] = []
    targets: list[NDArray[np.floating]] = []
    for index in where:
        errors = draw(rng, perturbation)
        context: Context | None = None
        if surroundings:
            strip, context, target = eyes.eyes[index].sample(errors, size)
        else:
            strip, target = eyes.eyes[index].strip(errors, size), _NO_TARGET
        if augment is not None:
            strip, context = augment(strip, context, rng)
        if surroundings and rng.random() < bare and context is not None:
            context = without_margin(context)
        strips.append(strip)
        contexts.append(np.zeros(0, np.float32) if context is None else context.planes())
        targets.append(target)
    labels = torch.from_numpy(eyes.labels[list(where)].astype(np.int64))
    images, usable = to_tensors(strips)
    return Batch(
        images=images,
        usable=usable,
        contexts=torch.from_numpy(np.stack(contexts)),
        labels=labels,
        groups=labels if eyes.upright else torch.tensor(list(where)),
        targets=torch.from_numpy(np.stack(targets).astype(np.float32)),
    )


def to_tensors(strips: Sequence[Strip]) -> tuple[Tensor, Tensor]:
    """Images (B, 1, R, T) in 0..1 and masks (B, 1, R, T) of strips of one size."""
    images = torch.from_numpy(np.stack([strip.image for strip in strips])).float() / 255
    usable = torch.from_numpy(np.stack([strip.usable for strip in strips])).float()
    return images[:, None], usable[:, None]


def to_strips(images: Tensor, usable: Tensor) -> list[Strip]:
    """The inverse of `to_tensors`, rounded; a cell is usable where its mask is above 1/2."""
    gray = (images.detach().cpu()[:, 0] * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    mask = (usable.detach().cpu()[:, 0] > 0.5).numpy()
    return [Strip(g, m) for g, m in zip(gray, mask, strict=True)]
