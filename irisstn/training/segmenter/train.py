"""From nothing to the weights of the segmentation's network: render, train, export."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
import yaml
from pydantic import Field
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from irisstn.config import Strict
from irisstn.errors import OutputError
from irisstn.images import write_bytes_atomic
from irisstn.segmentation.network import SIZE, read_network
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.segmenter.examples import draw_batch
from irisstn.training.segmenter.network import PartMapNet
from irisstn.training.segmenter.scenes import Scene, render_scenes

ProgressCallback = Callable[[str, int, int], None]
# Torch gives these no types.
_averaged: Callable[..., AveragedModel] = AveragedModel
_exponentially: Callable[[float], Callable[..., None]] = get_ema_multi_avg_fn


class SegmenterConfig(Strict):
    """A training run of the segmentation's network."""

    seed: int = Field(0, ge=0)
    scenes: int = Field(10_000, ge=1)  # rendered eyes
    steps: int = Field(7_500, ge=1)
    batch: int = Field(32, ge=1)  # pictures in a step
    learning_rate: float = Field(4e-3, gt=0)  # at its highest
    weight_decay: float = Field(1e-2, ge=0)
    average: float = Field(0.998, ge=0, lt=1)  # of the weights over the steps, exponentially; it is what is exported
    near: float = Field(3.0, ge=0)  # how much more pixels on and around the iris count
    dice: float = Field(0.5, ge=0)  # weight of the overlap in the loss, beside the cross-entropy
    every: int = Field(500, ge=1)  # steps between two checkpoints
    workers: int = Field(1, ge=1)  # processes that render
    threads: int = Field(1, ge=1)  # of torch
    bfloat16: bool = True  # twice as fast on CPUs that multiply in it, slower on others


def train_segmenter(
    out: Path, config: SegmenterConfig = SegmenterConfig(), *, progress: ProgressCallback = lambda what, done, of: None
) -> Path:
    """Train on rendered eyes and write `out`/segmenter.onnx; returns that path.

    A run that was killed renders its eyes again, the same ones, and goes on from its last checkpoint. `progress` hears
    (what, done, of). Raises OutputError where `out` holds a run with other settings.
    """
    if find_spec("onnx") is None:
        raise OutputError("the weights are written as ONNX, which needs a package: pip install 'irisstn[onnx]'")
    settings = config.model_dump(mode="json")
    _claim(out, settings)
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    scenes = render_scenes(
        config.scenes, config.seed, workers=config.workers, progress=lambda done, of: progress("rendering", done, of)
    )
    network = PartMapNet()
    _lay_out(network, torch.channels_last)
    averaged = _averaged(network, multi_avg_fn=_exponentially(config.average), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.1
    )
    parts: dict[str, Stateful] = {"network": network, "averaged": averaged, "optimizer": optimizer}
    parts["schedule"] = schedule
    file = out / "checkpoint.safetensors"
    first = _restore(file, parts)
    began, recent = time.monotonic(), 0.0
    for step in range(first, config.steps):
        loss = _step(network, scenes, step, config)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(network)
        recent += (float(loss.detach()) - recent) / min(step - first + 1, 100)
        if (step + 1) % config.every == 0 or step + 1 == config.steps:
            _write_checkpoint(file, parts, step + 1)
            _log(out, step=step + 1, loss=recent, seconds=time.monotonic() - began)
        progress(f"training, loss {recent:.3f}", step + 1, config.steps)
    return export(averaged.module, out / "segmenter.onnx")


def _lay_out(network: torch.nn.Module, order: torch.memory_format) -> None:
    """Lay the convolutions' weights out in this `order` of memory; a vector has but one."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.clone(memory_format=order)


def _step(network: PartMapNet, scenes: list[Scene], step: int, config: SegmenterConfig) -> Tensor:
    pictures, parts = (
        torch.from_numpy(part)
        for part in draw_batch(scenes, config.batch, np.random.default_rng((config.seed, 1, step)))
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        logits = network(pictures)
    return part_map_loss(logits.float(), parts, near=config.near, dice=config.dice)


def part_map_loss(logits: Tensor, parts: Tensor, *, near: float, dice: float) -> Tensor:
    """Cross-entropy of `logits` (B, 3, H, W) against `parts` in 0..1, and their overlap (Milletari et al. 2016).

    Pixels on the iris and up to four beside it count 1 + `near` times.
    """
    around = F.max_pool2d(parts[:, 1:2], 9, 1, 4)
    entropy = F.binary_cross_entropy_with_logits(logits, parts, weight=1 + near * around)
    likely = torch.sigmoid(logits)
    shared, joint = (likely * parts).sum((2, 3)), (likely + parts).sum((2, 3))
    return entropy + dice * (1 - (2 * shared + 1) / (joint + 1)).mean()


def export(network: torch.nn.Module, path: Path) -> Path:
    """Write `network` as ONNX to `path`, atomically, after a check that OpenCV computes what torch does."""
    _lay_out(network.eval(), torch.contiguous_format)
    example = torch.randn(1, 1, *SIZE, generator=torch.Generator().manual_seed(0))
    beside = path.with_suffix(".new.onnx")
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", DeprecationWarning)  # the older exporter wrote the shipped weights
        torch.onnx.export(network, (example,), beside, dynamo=False, opset_version=17, input_names=["picture"])
        expected = network(example).numpy()
    opened = read_network(beside)
    opened.setInput(example.numpy())
    error = float(np.abs(np.asarray(opened.forward()) - expected).max())
    content = beside.read_bytes()
    beside.unlink()
    if error > 1e-3:
        raise RuntimeError(f"OpenCV {cv2.__version__} computes something else than torch: off by {error:.2g}")
    write_bytes_atomic(path, content)
    return path


def _claim(out: Path, settings: dict[str, object]) -> None:
    """Make `out` the folder of a run with these `settings`."""
    file = out / "config.yaml"
    if file.exists() and yaml.safe_load(file.read_text(encoding="utf-8")) != settings:
        raise OutputError(f"{out} holds a training run with other settings; choose another folder")
    out.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(file, yaml.safe_dump(settings, sort_keys=False).encode())


Stateful = torch.nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler


def _write_checkpoint(file: Path, parts: dict[str, Stateful], step: int) -> None:
    state: dict[str, object] = {name: part.state_dict() for name, part in parts.items()}
    SafetensorsCheckpoint().save_checkpoint(state | {"step": step}, file)


def _restore(file: Path, parts: dict[str, Stateful]) -> int:
    """The step to go on from; 0 where there is no checkpoint."""
    if not file.exists():
        return 0
    state: dict[str, Any] = SafetensorsCheckpoint().load_checkpoint(file)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])


def _log(out: Path, **figures: float) -> None:
    line = json.dumps({name: round(value, 4) for name, value in figures.items()})
    with (out / "metrics.jsonl").open("a", encoding="utf-8") as log:
        log.write(line + "\n")
