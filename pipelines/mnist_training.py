"""One run of a MNIST experiment: train, test, and write result.json, weights and pictures into its folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from mnist_digits import DISTORTIONS, SIDE, SIDES, TEST_SEED, Digits, as_images
from mnist_networks import Cnn, Network, TransformedCnn, build, count_parameters
from pydantic import Field
from torch import Generator, Tensor

from irisstn.config import Strict
from irisstn.errors import DatasetError, OutputError
from irisstn.images import write_bytes_atomic, write_png
from irisstn.stn import area_outside, require_gradient
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.visualization.grids import side_by_side

Distortion = Literal["upright", "jitter", "rotated", "placed", "projective", "elastic", "cluttered"]
Percent = Annotated[float, Field(gt=0, lt=100)]
Share = Annotated[float, Field(ge=0, lt=1)]
Rate = Annotated[float, Field(gt=0)]
_TEST_BATCH = 500
PICTURES = 6  # digits shown


class MnistConfig(Strict):
    """One experiment: what the digits suffer, the networks, and the budget that both have."""

    title: Annotated[str, Field(min_length=1)] = "digits"
    test: Distortion  # how the test digits are distorted, once
    train: Distortion  # how the training digits are distorted, anew in each epoch
    reference: Percent  # of error, to compare with
    target: Percent  # of error, to reach
    network: Network = Network()
    epochs: Annotated[int, Field(ge=1)] = 5  # what two CPU cores have time for
    batch: Annotated[int, Field(ge=2)] = 128
    rate: Rate = 0.006  # AdamW's, at its peak
    localization_share: Rate = 0.1  # of that rate, for the localization net
    warm: Share = 0.2  # of all steps until the peak; from there the rate falls to 0
    decay: Annotated[float, Field(ge=0)] = 0.05
    smoothing: Share = 0.05  # of the labels
    bfloat16: bool = True


class Result(Strict):
    """What a finished run found."""

    config: MnistConfig
    model: str
    seed: int
    parameters: int
    n_train: int
    n: int  # digits tested
    wrong: tuple[int, ...]  # the indices of those that were read wrongly
    train_seconds: float
    test_seconds: float
    curve: tuple[dict[str, float], ...]  # a row for each epoch

    @property
    def error(self) -> float:
        """Share of wrong digits."""
        return len(self.wrong) / self.n


def run(
    config: MnistConfig, digits: tuple[Digits, Digits], model: str, seed: int, out: Path, *, device: str = "cpu"
) -> Result:
    """Train `model` on the first part of `digits`, test it on the second, and write both below `out`.

    A finished run is read from its folder, one that was ended goes on from its last whole epoch. Raises OutputError
    where the folder's run had another config or other digits.
    """
    train, test = digits
    settings = {"config": config.model_dump(mode="json"), "n_train": len(train.labels), "n": len(test.labels)}
    finished = out / "result.json"
    if finished.is_file():
        result = Result.model_validate_json(finished.read_bytes())
        _same(settings, result.model_dump(mode="json", include=set(settings)), out)
        return result
    torch.manual_seed(seed)
    net = build(config.network, model, SIDES.get(config.test, SIDE)).to(device)
    curve = _train(net, config, train, seed, path=out / "checkpoint.safetensors", settings=settings)
    tested = _distorted(config.test, test)
    begun = time.perf_counter()
    wrong = _wrong(net, tested, test.labels, config.bfloat16)
    result = Result(
        config=config,
        model=model,
        seed=seed,
        parameters=count_parameters(net),
        n_train=len(train.labels),
        n=len(test.labels),
        wrong=tuple(wrong),
        train_seconds=round(sum(row["seconds"] for row in curve), 1),
        test_seconds=round(time.perf_counter() - begun, 2),
        curve=tuple(curve),
    )
    if isinstance(net, TransformedCnn):
        with torch.no_grad():
            seen = net.look(tested[:PICTURES].to(device))
        write_png(out / "pictures.png", side_by_side(tested[:PICTURES], seen, count=PICTURES, zoom=2))
    write_bytes_atomic(finished, (result.model_dump_json() + "\n").encode())
    return result


def _train(
    net: Cnn | TransformedCnn,
    config: MnistConfig,
    digits: Digits,
    seed: int,
    *,
    path: Path,
    settings: dict[str, object],
) -> list[dict[str, float]]:
    """Train `net` in place, keeping a checkpoint at `path`; returns a row of figures per epoch."""
    files = SafetensorsCheckpoint()
    device = next(net.parameters()).device
    optimizer = torch.optim.AdamW(_groups(net, config), weight_decay=config.decay)
    curve: list[dict[str, float]] = []
    if path.is_file():
        state: dict[str, Any] = files.load_checkpoint(path)
        _same(settings, state["settings"], path)
        net.load_state_dict(state["net"])
        optimizer.load_state_dict(state["optimizer"])
        curve = state["curve"]
    steps = len(digits.labels) // config.batch
    if not steps:
        raise DatasetError(f"{len(digits.labels)} digits make no batch of {config.batch}")
    for epoch in range(len(curve), config.epochs):
        generator = Generator().manual_seed(1000 * seed + epoch)
        torch.manual_seed(1000 * seed + epoch)  # for dropout; so a run that was ended goes on as if it had not been
        begun, loss, right = time.perf_counter(), 0.0, 0
        net.train()
        for step, batch in enumerate(_batches(digits, config, generator)):
            images, labels = (part.to(device) for part in batch)
            _set_rate(optimizer, config, (epoch * steps + step) / (config.epochs * steps))
            logits, batch_loss = _step(net, images, labels, config)
            optimizer.step()
            loss, right = loss + float(batch_loss), right + int((logits.argmax(1) == labels).sum())
        row = {"epoch": epoch + 1, "loss": loss / steps, "train_error": 1 - right / (steps * config.batch)}
        if isinstance(net, TransformedCnn):
            row["gradient"] = require_gradient(net.transformer.localization)
            with torch.no_grad():
                row["outside"] = float(area_outside(net.eval().look(images).grid).mean())
        curve.append(row | {"seconds": round(time.perf_counter() - begun, 2)})
        state = {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "curve": curve, "settings": settings}
        files.save_checkpoint(state, path)
    return curve


def _groups(net: Cnn | TransformedCnn, config: MnistConfig) -> list[dict[str, object]]:
    """The optimizer's groups: the localization net learns more slowly than the rest."""
    if not isinstance(net, TransformedCnn):
        return [{"params": list(net.parameters()), "peak": config.rate}]
    slow = list(net.transformer.localization.parameters())
    return [
        {"params": list(net.cnn.parameters()), "peak": config.rate},
        {"params": slow, "peak": config.rate * config.localization_share},
    ]


def _set_rate(optimizer: torch.optim.Optimizer, config: MnistConfig, done: float) -> None:
    share = done / config.warm if done < config.warm else (1 - done) / (1 - config.warm)
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


def _batches(digits: Digits, config: MnistConfig, generator: Generator) -> Iterator[tuple[Tensor, Tensor]]:
    """All digits once, in an order and with distortions of `generator`'s; a last part of a batch is left out."""
    distort = DISTORTIONS[config.train]
    order = torch.randperm(len(digits.labels), generator=generator)
    for start in range(0, len(order) - config.batch + 1, config.batch):
        chosen = order[start : start + config.batch]
        yield distort(as_images(digits.images[chosen]), generator), digits.labels[chosen]


def _step(net: Cnn | TransformedCnn, images: Tensor, labels: Tensor, config: MnistConfig) -> tuple[Tensor, Tensor]:
    net.zero_grad()
    with _precision(images.device, config.bfloat16):
        logits = net(images.to(memory_format=torch.channels_last))
    loss = F.cross_entropy(logits.float(), labels, label_smoothing=config.smoothing)
    torch.autograd.backward(loss)
    return logits.detach(), loss.detach()


def _distorted(name: str, digits: Digits) -> Tensor:
    return DISTORTIONS[name](as_images(digits.images), Generator().manual_seed(TEST_SEED))


@torch.no_grad()
def _wrong(net: Cnn | TransformedCnn, images: Tensor, labels: Tensor, bfloat16: bool) -> list[int]:
    """The indices of those images that `net` reads wrongly."""
    net.eval()
    device = next(net.parameters()).device
    found = []
    for part in torch.split(images, _TEST_BATCH):
        with _precision(device, bfloat16):
            found.append(net(part.to(device, memory_format=torch.channels_last)).argmax(1).cpu())
    return [int(i) for i in (torch.cat(found) != labels).nonzero()]


def _precision(device: torch.device, bfloat16: bool) -> torch.autocast | nullcontext[None]:
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext()


def _same(settings: dict[str, object], found: object, where: Path) -> None:
    if found != settings:
        raise OutputError(f"{where} was made with other settings; give another folder, or delete it")
