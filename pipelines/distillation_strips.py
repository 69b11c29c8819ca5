"""Strips for pipelines/recognizer_distillation.py, with what the teachers give for them, and how they are degraded."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from irisstn.files import write_bytes_atomic
from irisstn.recognition import StripNet
from irisstn.training import BatchDataset

_GROUP = 4  # strips of an identity in a batch, of those in a file


class Views(NamedTuple):
    """Strips of the network's size, and what the teachers give for them.

    Attributes
    ----------
    images, usable : Tensor of uint8, shape (N, 1, R, T)
        Gray levels, and 1 = usable.
    cells : Tensor, shape (N, channels of all teachers, rings, sectors)
        Weighted embeddings of the teachers.
    labels : Tensor, shape (N,)
        Identities; strips of one stand together.
    """

    images: Tensor
    usable: Tensor
    cells: Tensor
    labels: Tensor


def stored_views(file: Path, dataset: BatchDataset, number: int, teachers: list[tuple[StripNet, float]]) -> Views:
    """The views of batch `number`, from `file`, which is written where it is missing."""
    if not file.exists():
        batch = dataset[0, number]
        size = teachers[0][0].config.size
        images, usable = (F.adaptive_avg_pool2d(part, size) for part in (batch.images * batch.usable, batch.usable))
        images, usable = (255 * images / usable.clamp_min(1e-3)).round(), (usable > 0.5).float()
        with torch.inference_mode():
            cells = [weight * cells_of(net, net.unwhitened(images / 255, usable)) for net, weight in teachers]
        content = BytesIO()
        np.savez(
            content,
            images=images.byte().numpy(),
            usable=np.packbits(usable.byte().numpy()),
            cells=torch.cat(cells, 1).half().numpy(),
            labels=batch.labels.numpy(),
        )
        write_bytes_atomic(file, content.getvalue())
    with np.load(file) as stored:
        images = torch.from_numpy(stored["images"])
        usable = torch.from_numpy(np.unpackbits(stored["usable"]).reshape(images.shape))
        return Views(images, usable, torch.from_numpy(stored["cells"]).float(), torch.from_numpy(stored["labels"]))


def cells_of(network: StripNet, embeddings: Tensor) -> Tensor:
    """Unwhitened embeddings as features (B, channels, rings, sectors)."""
    return embeddings.view(-1, network.config.channels, network.config.rings, network.config.sectors)


def batch_of(views: list[Views], identities: int, rng: np.random.Generator) -> Views:
    """`identities` identities at random, four strips of each."""
    parts: list[Views] = []
    for _ in range(identities):
        file = views[int(rng.integers(len(views)))]
        label = file.labels[int(rng.integers(len(file.labels)))]
        indices = rng.permutation(np.flatnonzero((file.labels == label).numpy()))[:_GROUP]
        parts.append(Views(*(part[torch.from_numpy(indices)] for part in file)))
    return Views(*(torch.cat(part) for part in zip(*parts, strict=True)))


def degraded(images: Tensor, usable: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Strips (B, 1, R, T) of gray levels 0..1 as a poorer camera and a poorer segmentation give them."""
    count, rows, columns = len(images), images.shape[2], images.shape[3]

    def drawn(low: float, high: float, share: float, otherwise: float) -> Tensor:
        values = np.where(rng.random(count) < share, rng.uniform(low, high, count), otherwise)
        return torch.from_numpy(values.astype(np.float32))[:, None, None, None]

    turned = np.rint(rng.normal(0, 1.3, count) * (rng.random(count) < 0.5)).astype(int).clip(-5, 5)
    images, usable = (
        torch.stack([one.roll(int(by), 2) for one, by in zip(part, turned, strict=True)]) for part in (images, usable)
    )
    mean = (images * usable).sum((2, 3), keepdim=True) / usable.sum((2, 3), keepdim=True).clamp_min(1)
    blur = drawn(0, 0.3, 0.35, 0)
    images = (1 - 2 * blur) * images + blur * (images.roll(1, 3) + images.roll(-1, 3))
    padded = F.pad(images, (0, 0, 1, 1), mode="replicate")
    images = (1 - 2 * blur) * images + blur * (padded[:, :, 2:] + padded[:, :, :-2])
    images = mean + drawn(0.4, 1.2, 0.5, 1) * (images - mean)
    noise = torch.from_numpy(rng.standard_normal(tuple(images.shape), np.float32))
    images = (images + drawn(0, 0.025, 0.5, 0) * noise).clamp(0, 1)
    for i in np.flatnonzero(rng.random(count) < 0.3):  # spots that the mask has missed
        for _ in range(rng.integers(1, 4)):
            height, width = int(rng.integers(2, 14)), int(rng.integers(2, 9))
            top, left = int(rng.integers(rows - height)), int(rng.integers(columns - width))
            images[i, :, top : top + height, left : left + width] = rng.random()
    for i in np.flatnonzero(rng.random(count) < 0.3):  # a part that the mask leaves out, from the limbus inward
        hidden = (np.arange(int(columns * rng.uniform(0.03, 0.15))) + rng.integers(columns)) % columns
        usable[i, :, rows - int(rows * rng.uniform(0.2, 1)) :, hidden] = 0
    return images * usable, usable
