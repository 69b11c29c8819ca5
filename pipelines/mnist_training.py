"""One run of an MNIST experiment: train, test, and write result.json, a checkpoint and pictures to its folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from mnist_digits import DISTORTIONS, SIDE, SIDES, TEST_SEED, Digits, as_images
from mnist_networks import Cnn, Network, TransformedCnn, build, count_parameters
from pydantic import Field
from torch import Generator, Tensor

from irisstn.config import Strict
from irisstn.errors import DatasetError
from irisstn.files import write_bytes_atomic
from irisstn.images import write_png
from irisstn.outputs import Json, require_same_settings
from irisstn.stn import area_outside, require_gradient
from irisstn.training import Precision, PrecisionConfig, SafetensorsCheckpoint, choose_precision
from irisstn.visualization import draw_inputs_and_outputs

Distortion = Literal["upright", "jitter", "rotated", "placed", "projective", "elastic", "cluttered"]
_TEST_BATCH_SIZE = 500
_REMEDY = "give another folder, or delete it"
PICTURES = 6  # digits in the pictures


class MnistConfig(PrecisionConfig):
    """Settings of one experiment: distortions, networks, and the training budget of both networks."""

    title: str = Field("digits", min_length=1, description="Title in tables.")
    test_distortion: Distortion = Field(description="Distortion of the test digits, drawn once.")
    train_distortion: Distortion = Field(description="Distortion of the training digits, drawn anew in each epoch.")
    reference_error: float = Field(gt=0, lt=100, description="Published error to compare with, %.")
    target_error: float = Field(gt=0, lt=100, description="Error to reach, %.")
    network: Network = Field(Network(), description="Sizes of the networks.")
    epochs: int = Field(5, ge=1, description="Number of epochs; the default suits two CPU cores.")
    batch_size: int = Field(128, ge=2, description="Digits in a batch.")
    learning_rate: float = Field(0.006, gt=0, description="Peak learning rate of AdamW.")
    localization_rate_fraction: float = Field(
        0.1, gt=0, description="Learning rate of the localization network, as a fraction of the other layers'."
    )
    warmup_fraction: float = Field(
        0.2, ge=0, lt=1, description="Fraction of all steps in which the learning rate rises; then it falls to 0."
    )
    weight_decay: float = Field(0.05, ge=0, description="Weight decay of AdamW.")
    label_smoothing: float = Field(0.05, ge=0, lt=1, description="Label smoothing of the cross-entropy.")


class Result(Strict):
    """Result of a finished run, as result.json stores it."""

    config: MnistConfig = Field(description="Settings of the experiment.")
    model: str = Field(description='"stn" or "cnn".')
    seed: int = Field(description="Seed of the run.")
    precision: Precision | None = Field(
        None, description="Number format of the products, as chosen where the settings say auto; null: not recorded."
    )
    parameters: int = Field(description="Parameters of the network.")
    n_train: int = Field(description="Training digits.")
    n: int = Field(description="Test digits.")
    wrong: tuple[int, ...] = Field(description="Indices of the test digits that were classified wrongly.")
    train_seconds: float = Field(description="Time of training, seconds.")
    test_seconds: float = Field(description="Time of the test, seconds.")
    curve: tuple[dict[str, float], ...] = Field(description="One row for each epoch: loss, training error, seconds.")

    @property
    def error(self) -> float:
        """Fraction of the test digits that were classified wrongly, 0..1."""
        return len(self.wrong) / self.n


def run(
    config: MnistConfig, digits: tuple[Digits, Digits], model: str, seed: int, out: Path, *, device: str = "cpu"
) -> Result:
    """Train and test one network, or read the result of a finished run.

    A run that was interrupted continues from its last complete epoch.

    Parameters
    ----------
    config : MnistConfig
        Settings of the experiment.
    digits : tuple of Digits
        Training and test digits.
    model : str
        "stn" or "cnn".
    seed : int
        Seed of initial weights, batches and training distortions.
    out : Path
        Folder of the run.
    device : str
        Device of torch.

    Returns
    -------
    Result
        The result, which is also in `out`/result.json.

    Raises
    ------
    OutputError
        Where the folder holds a run with other settings.
    DatasetError
        Where the training digits do not fill one batch.
    """
    train, test = digits
    settings: dict[str, Json] = {
        "config": config.model_dump(mode="json"),
        "n_train": len(train.labels),
        "n": len(test.labels),
    }
    finished = out / "result.json"
    if finished.is_file():
        result = Result.model_validate_json(finished.read_bytes())
        held = result.model_dump(mode="json", include=set(settings))
        require_same_settings(held, settings, where=str(out), remedy=_REMEDY)
        return result
    torch.manual_seed(seed)
    net = build(config.network, model, SIDES.get(config.test_distortion, SIDE)).to(device)
    curve, precision = _train(net, config, train, seed, path=out / "checkpoint.safetensors", settings=settings)
    images = _distorted(config.test_distortion, test)
    started = time.perf_counter()
    wrong = _wrong(net, images, test.labels, precision)
    result = Result(
        config=config,
        model=model,
        seed=seed,
        precision=precision,
        parameters=count_parameters(net),
        n_train=len(train.labels),
        n=len(test.labels),
        wrong=tuple(wrong),
        train_seconds=round(sum(row["seconds"] for row in curve), 1),
        test_seconds=round(time.perf_counter() - started, 2),
        curve=tuple(curve),
    )
    if isinstance(net, TransformedCnn):
        with torch.no_grad():
            warped = net.warp(images[:PICTURES].to(device))
        write_png(out / "pictures.png", draw_inputs_and_outputs(images[:PICTURES], warped, count=PICTURES, zoom=2))
    write_bytes_atomic(finished, (result.model_dump_json() + "\n").encode())
    return result


def _train(
    net: Cnn | TransformedCnn,
    config: MnistConfig,
    digits: Digits,
    seed: int,
    *,
    path: Path,
    settings: dict[str, Json],
) -> tuple[list[dict[str, float]], Precision]:
    """Train `net` in place, with a checkpoint at `path`; returns one row for each epoch, and the precision."""
    files = SafetensorsCheckpoint()
    device = next(net.parameters()).device
    optimizer = torch.optim.AdamW(_groups(net, config), weight_decay=config.weight_decay)
    curve: list[dict[str, float]] = []
    precision: Precision | None = None
    if path.is_file():
        state: dict[str, Any] = files.load_checkpoint(path)
        require_same_settings(state["settings"], settings, where=str(path), remedy=_REMEDY)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        curve, precision = state["curve"], state.get("precision")
    if precision is None:
        precision = choose_precision(config.precision, on_gpu=device.type == "cuda")
    steps = len(digits.labels) // config.batch_size
    if not steps:
        raise DatasetError(f"{len(digits.labels)} digits make no batch of {config.batch_size}")
    for epoch in range(len(curve), config.epochs):
        generator = Generator().manual_seed(1000 * seed + epoch)
        torch.manual_seed(1000 * seed + epoch)  # for dropout, so that a run that continues gives the same result
        started, loss, right = time.perf_counter(), 0.0, 0
        net.train()
        for step, batch in enumerate(_batches(digits, config, generator)):
            images, labels = (part.to(device) for part in batch)
            _set_learning_rate(optimizer, config, (epoch * steps + step) / (config.epochs * steps))
            logits, batch_loss = _step(net, images, labels, config, precision)
            optimizer.step()
            loss, right = loss + float(batch_loss), right + int((logits.argmax(1) == labels).sum())
        row = {"epoch": epoch + 1, "loss": loss / steps, "train_error": 1 - right / (steps * config.batch_size)}
        if isinstance(net, TransformedCnn):
            row["gradient"] = require_gradient(net.transformer.localization)
            with torch.no_grad():
                row["outside"] = float(area_outside(net.eval().warp(images).grid).mean())
        curve.append(row | {"seconds": round(time.perf_counter() - started, 2)})
        state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve, "settings": settings}
        files.save_checkpoint(state | {"precision": precision}, path)
    return curve, precision


def _groups(net: Cnn | TransformedCnn, config: MnistConfig) -> list[dict[str, object]]:
    """Parameter groups of the optimizer: the localization network has a learning rate of its own."""
    if not isinstance(net, TransformedCnn):
        return [{"params": list(net.parameters()), "peak": config.learning_rate}]
    return [
        {"params": list(net.cnn.parameters()), "peak": config.learning_rate},
        {
            "params": list(net.transformer.localization.parameters()),
            "peak": config.learning_rate * config.localization_rate_fraction,
        },
    ]


def _set_learning_rate(optimizer: torch.optim.Optimizer, config: MnistConfig, done: float) -> None:
    """Linear warm-up and linear decay; `done` is the fraction of all steps so far."""
    warmup = config.warmup_fraction
    factor = done / warmup if done < warmup else (1 - done) / (1 - warmup)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def _batches(digits: Digits, config: MnistConfig, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """All digits once, in random order with random distortions; the last, incomplete batch is left out."""
    distort = DISTORTIONS[config.train_distortion]
    order = torch.randperm(len(digits.labels), generator=generator)
    for start in range(0, len(order) - config.batch_size + 1, config.batch_size):
        chosen = order[start : start + config.batch_size]
        yield distort(as_images(digits.images[chosen]), generator), digits.labels[chosen]


def _step(
    net: Cnn | TransformedCnn, images: Tensor, labels: Tensor, config: MnistConfig, precision: Precision
) -> tuple[Tensor, Tensor]:
    net.zero_grad()
    with _mixed(images.device, precision):
        logits = net(images.to(memory_format=torch.channels_last))
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
    torch.autograd.backward(loss)
    return logits.detach(), loss.detach()


def _distorted(name: str, digits: Digits) -> Tensor:
    return DISTORTIONS[name](as_images(digits.images), Generator().manual_seed(TEST_SEED))


@torch.no_grad()
def _wrong(net: Cnn | TransformedCnn, images: Tensor, labels: Tensor, precision: Precision) -> list[int]:
    """Indices of the images that `net` classifies wrongly."""
    net.eval()
    device = next(net.parameters()).device
    predicted = []
    for part in torch.split(images, _TEST_BATCH_SIZE):
        with _mixed(device, precision):
            predicted.append(net(part.to(device, memory_format=torch.channels_last)).argmax(1).cpu())
    return [int(i) for i in (torch.cat(predicted) != labels).nonzero()]


def _mixed(device: torch.device, precision: Precision) -> torch.autocast | nullcontext[None]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else nullcontext()
