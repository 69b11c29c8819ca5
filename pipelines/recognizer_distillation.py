"""A recogniser of one trunk that gives what several trunks give together, in less time: knowledge distillation.

    python pipelines/recognizer_distillation.py -o OUT --teacher FIRST --teacher SECOND [--teacher THIRD ...] \\
      [--weight W ...] --begin BASE --begin OTHER --config configs/recognizer_student.yaml [--set KEY=VALUE]

Each --teacher is a run or weights of one trunk. What they give for a strip is concatenated with the weights W and
reduced to the directions in which their channels differ most. The student, twice as wide as they or less, begins with
the weights of the two --begin networks and learns to give the same (Hinton et al. 2015, "Distilling the knowledge in a
neural network"). It learns from strips that are noisier, blurred, of lower contrast, turned and more occluded than
those that the teachers see, and so it becomes the more robust. Rendered eyes only.

OUT/views keeps the strips and what the teachers give, OUT/checkpoint.pt the training: a command that was killed goes
on. OUT/recognizer.safetensors results; `pipelines/recognizer_calibration.py` calibrates it.
"""

from __future__ import annotations

import math
import sys
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from distillation_strips import Views, batch_of, degraded, stored_views
from torch import Tensor, nn

from irisstn.config import load_config
from irisstn.files import write_bytes_atomic
from irisstn.progress import StageProgress
from irisstn.recognition import StripNet, Whitening, WhiteningConfig, widen
from irisstn.training import BatchDataset, Eyes, RenderedEyes, TrainConfig
from irisstn.weights import RECOGNIZER

_WARM_UP = 40  # steps
_KEPT_EVERY = 100  # steps from one checkpoint to the next
_EMA = 0.995
_EXPONENT = 0.1  # of the whitening of what the trained linear layer gives
_FITTED = 12  # batches of views that the rotation, the whitening and the first linear layer are fitted to
_RIDGE = 0.02  # of the mean variance, where the first linear layer is fitted


def rotation_of(cells: Tensor, kept: int) -> Tensor:
    """The matrix (C, kept) onto the directions in which channels differ most, turned so that all vary equally.

    The student scales each of its channels to the same variance around the ring, so targets have to have that, too.
    """
    values = cells.double().movedim(1, 3).flatten(0, 2)
    directions = torch.linalg.eigh(values.T @ values / len(values)).eigenvectors.flip(1)[:, :kept]
    hadamard = torch.ones(1, 1, dtype=torch.float64)
    while len(hadamard) < kept:
        hadamard = torch.kron(hadamard, torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64))
    rotation: Tensor = directions @ hadamard / math.sqrt(kept)
    return rotation.float()


def scaled_around(cells: Tensor, usable: Tensor) -> Tensor:
    """Targets (B, D) in the form of the student's embeddings: each channel of the same variance around a ring."""
    seen = F.adaptive_avg_pool2d(usable, (cells.shape[2], cells.shape[3])) + 1e-3
    variance = cells.square().sum(3, keepdim=True) / seen.sum(3, keepdim=True)
    return F.normalize((cells / (variance + 1e-5).sqrt()).flatten(1), dim=1, eps=1e-6)


class Targets:
    """What the student has to give: the teachers' channels, rotated, and their whitened embedding."""

    def __init__(self, views: list[Views], student: StripNet) -> None:
        cells = torch.cat([part.cells for part in views])
        self.rotation = rotation_of(cells, student.config.channels)
        self.fitted = deepcopy(student.whitening)
        self.fitted.fit(self.rotated(cells).flatten(1).numpy())

    def rotated(self, cells: Tensor) -> Tensor:
        """Unit vectors of the rotated channels, as (B, channels, rings, sectors)."""
        turned = torch.einsum("bcrs,ck->bkrs", cells, self.rotation)
        length: Tensor = turned.flatten(1).norm(dim=1)[:, None, None, None]
        return turned / length.clamp_min(1e-6)

    def whitened(self, rotated: Tensor) -> Tensor:
        """The teachers' whitened embeddings, of length 1."""
        return F.normalize(self.fitted(rotated.flatten(1)), dim=1, eps=1e-6)

    def linear(self, views: list[Views]) -> nn.Linear:
        """A linear layer from the student's embeddings to whitened ones, fitted to targets by ridge regression."""
        rotated = self.rotated(torch.cat([part.cells for part in views]))
        scaled = scaled_around(rotated, torch.cat([part.usable for part in views]).float())
        mean, wanted = scaled.mean(0), self.whitened(rotated)
        covariance = (scaled - mean).T @ (scaled - mean) / len(scaled)
        covariance += _RIDGE * covariance.diagonal().mean() * torch.eye(len(mean))
        matrix = torch.linalg.solve(covariance, (scaled - mean).T @ wanted / len(scaled))
        layer = nn.Linear(*matrix.shape)
        with torch.no_grad():
            layer.weight.copy_(matrix.T)
            layer.bias.copy_(-mean @ matrix)
        return layer


def loss_of(student: StripNet, linear: nn.Module, views: Views, targets: Targets, rng: np.random.Generator) -> Tensor:
    """1 - cosine of both forms of the embedding, and the differences of all similarities within the batch."""
    sectors = int(rng.integers(-3, 4))  # a strip turned by whole sectors has the turned features
    columns = sectors * views.images.shape[3] // views.cells.shape[3]
    images, usable = (part.float().roll(columns, 3) for part in (views.images, views.usable))
    rotated = targets.rotated(views.cells.roll(sectors, 3))
    seen = degraded(images / 255, usable, rng)
    found = student.unwhitened(*seen)
    whitened, wanted = F.normalize(linear(found), dim=1), targets.whitened(rotated)
    same = views.labels[:, None] == views.labels
    apart = (whitened @ whitened.T - wanted @ wanted.T).square()
    relational = 0.5 * apart[same & ~torch.eye(len(same), dtype=torch.bool)].mean() + 0.5 * apart[~same].mean()
    cells = 1 - (found * scaled_around(rotated, usable)).sum(1).mean()
    return 1 - (whitened * wanted).sum(1).mean() + 0.5 * cells + 5 * relational


def train(out: Path, student: StripNet, views: list[Views], *, steps: int, identities: int, rate: float) -> StripNet:
    """Train the student, from OUT/checkpoint.pt where there is one; returns the average of its weights over steps."""
    few = views[:_FITTED]
    targets = Targets(few, student)
    linear = targets.linear(few)
    module = nn.ModuleDict({"student": student, "linear": linear}).train()
    average = deepcopy(module).eval()
    parameters = list(student.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01, "lr": rate},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0, "lr": rate},
        {"params": list(linear.parameters()), "weight_decay": 0.0, "lr": rate / 10},
    ]
    optimizer = torch.optim.AdamW(groups)

    def factor(step: int) -> float:
        if step < _WARM_UP:
            return (step + 1) / _WARM_UP
        return 0.5 * (1 + math.cos(math.pi * min((step - _WARM_UP) / max(steps - _WARM_UP, 1), 1.0))) + 1e-3

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    held: dict[str, Any] = {"module": module, "average": average, "optimizer": optimizer, "schedule": schedule}
    checkpoint, done = out / "checkpoint.pt", 0
    if checkpoint.exists():
        stored = torch.load(checkpoint, weights_only=True)
        done = int(stored["done"])
        for name, part in held.items():
            part.load_state_dict(stored[name])
    for step in range(done, steps):
        rng = np.random.default_rng((0xD157, step))
        loss = loss_of(student, linear, batch_of(views, identities, rng), targets, rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        decay = min(_EMA, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, now in zip(average.state_dict().values(), module.state_dict().values(), strict=True):
                mean.lerp_(now, 1 - decay) if mean.is_floating_point() else mean.copy_(now)
        if (step + 1) % _KEPT_EVERY == 0 or step + 1 == steps:
            content = BytesIO()
            torch.save({"done": step + 1} | {name: part.state_dict() for name, part in held.items()}, content)
            write_bytes_atomic(checkpoint, content.getvalue())
            click.echo(f"step {step + 1} of {steps}: loss {loss.item():.3f}")
    return whitened_student(average["student"], average["linear"], few)


def whitened_student(student: nn.Module, linear: nn.Module, views: list[Views]) -> StripNet:
    """The student with its last layer: the linear layer that it was trained with, whitened a little further."""
    assert isinstance(student, StripNet) and isinstance(linear, nn.Linear)
    student.eval()
    with torch.inference_mode():
        seen = [(part.images.float() / 255, part.usable.float()) for part in views]
        found = torch.cat([linear(student.unwhitened(*strips)) for strips in seen])
    further = Whitening(linear.out_features)
    further.fit(found.numpy(), WhiteningConfig(exponent=_EXPONENT))
    with torch.no_grad():
        matrix = linear.weight.double().T @ further.matrix.double()
        offset = (linear.bias - further.mean).double() @ further.matrix.double()
        student.whitening.matrix.copy_(matrix)
        # A whitening's offset is -mean @ matrix; of all means that give it, the shortest one.
        student.whitening.mean.copy_(torch.linalg.lstsq(matrix.T, -offset[:, None]).solution[:, 0])
    return student


@click.command(help=__doc__)
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--teacher", "teachers", multiple=True, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--weight", "weights", multiple=True, type=click.FloatRange(0, min_open=True), help="Of each teacher.")
@click.option(
    "--begin", multiple=True, required=True, type=click.Path(path_type=Path, exists=True), help="Two networks."
)
@click.option("--config", type=click.Path(path_type=Path, exists=True), help="Settings: the student, strips, eyes.")
@click.option("--set", "overrides", metavar="KEY=VALUE", multiple=True, help="Override a setting of the config.")
@click.option("--files", default=160, show_default=True, type=click.IntRange(1), help="Batches of views.")
@click.option(
    "--identities", default=20, show_default=True, type=click.IntRange(2), help="Of each step; 4 strips each."
)
def main(
    *,
    out: Path,
    teachers: tuple[Path, ...],
    weights: tuple[float, ...],
    begin: tuple[Path, ...],
    config: Path | None,
    overrides: tuple[str, ...],
    files: int,
    identities: int,
) -> None:
    """Render, let the teachers embed, train."""
    torch.set_num_threads(1)
    settings = load_config(TrainConfig, config, overrides)
    if settings.recognizer is None or len(begin) != 2 or len(weights) not in (0, len(teachers)):
        raise click.UsageError(
            "give a config with a recognizer, two --begin, and no --weight or one for each --teacher"
        )
    networks = [
        (StripNet.load(path), weight) for path, weight in zip(teachers, weights or [1.0] * len(teachers), strict=True)
    ]
    torch.manual_seed(settings.seed)
    student = widen(StripNet.load(begin[0]), StripNet.load(begin[1]), settings.recognizer)
    with StageProgress(bar=sys.stderr.isatty(), lines=True) as stages:
        with RenderedEyes(settings.rendered, settings.seed, settings.rendered.folder(settings.seed, out)) as source:
            eyes = Eyes(*source.training(0, lambda done, of: stages.update("rendering", done, of)), upright=True)
        dataset = BatchDataset(settings, lambda _: eyes, upright=True)
        views = []
        for number in range(files):
            views.append(stored_views(out / "views" / f"{number}.npz", dataset, number, networks))
            stages.update("views", number + 1, files)
    steps = settings.epochs * settings.steps_per_epoch
    network = train(out, student, views, steps=steps, identities=identities, rate=settings.learning_rate)
    network.save(out / RECOGNIZER)
    click.echo(out / RECOGNIZER)


if __name__ == "__main__":
    main()
