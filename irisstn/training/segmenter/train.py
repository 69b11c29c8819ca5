"""Training of the segmentation network: render scenes, train, export to ONNX."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
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
from irisstn.extras import require_extra
from irisstn.files import read_regular_file, remove_unfinished, write_bytes_atomic
from irisstn.outputs.records import Json
from irisstn.outputs.settings import require_same_settings
from irisstn.progress import ProgressCallback, no_progress
from irisstn.segmentation.network import SIZE, read_network
from irisstn.storage.lock import locked, make_folder
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.segmenter.examples import draw_batch
from irisstn.training.segmenter.network import PartMapNet, freeze_all_but_occlusion
from irisstn.training.segmenter.onnx_weights import load_folded_weights
from irisstn.training.segmenter.scenes import Scene, render_scenes

METRICS = "metrics.jsonl"
_MAX_SETTINGS = 1 << 20  # bytes
# These two have no type annotations in torch.
_averaged_model: Callable[..., AveragedModel] = AveragedModel
_ema_update: Callable[[float], Callable[..., None]] = get_ema_multi_avg_fn


class SegmenterConfig(Strict):
    """Settings of a training run of the segmentation network."""

    seed: int = Field(0, ge=0, description="Seed of scenes, initial weights and pictures.")
    start: Path | None = Field(
        None,
        description="ONNX file of an earlier version of the network from whose weights the training starts. null: "
        "random weights.",
    )
    scenes_folder: Path | None = Field(
        None, description="Folder that keeps the rendered scenes for other runs. null: in the run's folder."
    )
    occlusion_only: bool = Field(
        False, description="Train the occlusion map of the last layer alone: the other maps stay as they are."
    )
    scenes: int = Field(10_000, ge=1, description="Rendered eyes.")
    steps: int = Field(7_500, ge=1, description="Training steps in all.")
    batch_size: int = Field(32, ge=1, description="Pictures in a step.")
    learning_rate: float = Field(4e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-2, ge=0, description="Weight decay of AdamW.")
    ema_decay: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Decay per step of the exponential moving average of the weights; the average is exported.",
    )
    iris_weight: float = Field(
        3.0, ge=0, description="Additional weight in the cross-entropy of pixels on the iris and up to four beside it."
    )
    dice_weight: float = Field(0.5, ge=0, description="Weight of the Dice loss; the cross-entropy has weight 1.")
    checkpoint_steps: int = Field(500, ge=1, description="Steps between two checkpoints.")
    workers: int = Field(1, ge=1, description="Processes that render.")
    threads: int = Field(1, ge=1, description="CPU threads of torch.")
    bfloat16: bool = Field(
        True,
        description="Mixed precision: twice as fast on CPUs with bfloat16 matrix units (AMX), slower on others.",
    )


def train_segmenter(
    out: Path, config: SegmenterConfig = SegmenterConfig(), *, progress: ProgressCallback = no_progress
) -> Path:
    """Train on rendered eyes and write the weights as ONNX.

    A run that was killed, also by a power cut, continues with the scenes that it has rendered and from its last
    checkpoint.

    Parameters
    ----------
    out : Path
        Folder of the run: config.yaml, scenes/, metrics.jsonl, checkpoint.safetensors, segmenter.onnx.
    config : SegmenterConfig
        Settings of the run.
    progress : ProgressCallback
        Called with (stage, done, total).

    Returns
    -------
    Path
        The weights, `out`/segmenter.onnx.

    Raises
    ------
    OutputError
        Where `out` holds a run with other settings, cannot be written to, or is in use by another run.
    MissingExtraError
        Where the package onnx is missing.
    """
    require_extra("export", "the segmenter's training, which writes ONNX,")
    make_folder(out)
    with locked(out):
        remove_unfinished(out.glob(".*.tmp"))
        _claim(out, config.model_dump(mode="json"))
        return _train(out, config, progress)


def _train(out: Path, config: SegmenterConfig, progress: ProgressCallback) -> Path:
    """Train in a locked folder of these settings; see `train_segmenter`."""
    torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    scenes = render_scenes(
        config.scenes,
        config.seed,
        config.scenes_folder or out / "scenes",
        workers=config.workers,
        progress=lambda done, total: progress("rendering", done, total),
    )
    network = PartMapNet()
    if config.start is not None:
        pictures, _ = draw_batch(scenes, 256, np.random.default_rng((config.seed, 2)))
        load_folded_weights(network, config.start, torch.from_numpy(pictures))
    _set_memory_format(network, torch.channels_last)
    averaged = _averaged_model(network, multi_avg_fn=_ema_update(config.ema_decay), use_buffers=True)
    if config.occlusion_only:
        trained, weight_decay = freeze_all_but_occlusion(network), 0.0
    else:
        trained, weight_decay = list(network.parameters()), config.weight_decay
    optimizer = torch.optim.AdamW(trained, weight_decay=weight_decay)
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
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        averaged.update_parameters(network)
        recent += (float(loss.detach()) - recent) / min(step - first + 1, 100)
        if (step + 1) % config.checkpoint_steps == 0 or step + 1 == config.steps:
            _log(out, step + 1, loss=recent, seconds=time.monotonic() - began)
            _write_checkpoint(file, parts, step + 1)
        progress(f"training, loss {recent:.3f}", step + 1, config.steps)
    return export(averaged.module, out / "segmenter.onnx")


def _set_memory_format(network: torch.nn.Module, memory_format: torch.memory_format) -> None:
    """Store the convolutions' weights in this memory format."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.clone(memory_format=memory_format)


def _step(network: PartMapNet, scenes: list[Scene], step: int, config: SegmenterConfig) -> Tensor:
    pictures, parts = (
        torch.from_numpy(part)
        for part in draw_batch(scenes, config.batch_size, np.random.default_rng((config.seed, 1, step)))
    )
    with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
        logits = network(pictures)
    return part_map_loss(logits.float(), parts, iris_weight=config.iris_weight, dice_weight=config.dice_weight)


def part_map_loss(logits: Tensor, parts: Tensor, *, iris_weight: float, dice_weight: float) -> Tensor:
    """Compute the sum of the cross-entropy and the Dice loss.

    Parameters
    ----------
    logits : Tensor, shape (B, 4, H, W)
        Output of the network.
    parts : Tensor, shape (B, 4, H, W)
        True part maps, 0..1. The occlusion counts on the iris between the eyelids alone.
    iris_weight : float
        Pixels on the iris and up to four beside it count 1 + `iris_weight` times in the cross-entropy.
    dice_weight : float
        Weight of the Dice loss.

    Returns
    -------
    Tensor
        A scalar.

    References
    ----------
    Milletari et al. 2016, "V-Net: fully convolutional neural networks for volumetric medical image segmentation".
    """
    near_iris = F.max_pool2d(parts[:, 1:2], 9, 1, 4)
    weight = (1 + iris_weight * near_iris).repeat(1, 4, 1, 1)
    weight[:, 3:] = (1 + iris_weight) * (parts[:, 1:2] * (1 - parts[:, :1]) * parts[:, 2:3])
    entropy = F.binary_cross_entropy_with_logits(logits, parts, weight=weight)
    probabilities = torch.sigmoid(logits) * (weight > 0)
    overlap, total = (probabilities * parts).sum((2, 3)), (probabilities + parts).sum((2, 3))
    return entropy + dice_weight * (1 - (2 * overlap + 1) / (total + 1)).mean()


def export(network: torch.nn.Module, path: Path) -> Path:
    """Write the network as ONNX, atomically, after a check that OpenCV computes the same output as torch.

    Parameters
    ----------
    network : torch.nn.Module
        A `PartMapNet`.
    path : Path
        The file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    RuntimeError
        Where an output of OpenCV differs by more than 0.001.
    """
    _set_memory_format(network.eval(), torch.contiguous_format)
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
        raise RuntimeError(f"the outputs of OpenCV {cv2.__version__} and torch differ by {error:.2g}")
    write_bytes_atomic(path, content, durable=True)
    return path


def _claim(out: Path, settings: dict[str, Json]) -> None:
    """Make `out` the folder of a run with these `settings`. Raises OutputError where it has others."""
    file = out / "config.yaml"
    if file.exists():
        try:
            held = yaml.safe_load(read_regular_file(file, max_bytes=_MAX_SETTINGS))
        except (OSError, ValueError, yaml.YAMLError):
            held = None
        if not isinstance(held, dict):
            raise OutputError(f"{file} cannot be read: choose another folder")
        require_same_settings({"config": held}, {"config": settings}, where=str(out), remedy="choose another folder")
    write_bytes_atomic(file, yaml.safe_dump(settings, sort_keys=False).encode(), durable=True)


Stateful = torch.nn.Module | torch.optim.Optimizer | torch.optim.lr_scheduler.LRScheduler


def _write_checkpoint(file: Path, parts: dict[str, Stateful], step: int) -> None:
    state: dict[str, object] = {name: part.state_dict() for name, part in parts.items()}
    SafetensorsCheckpoint().save_checkpoint(state | {"step": step}, file)


def _restore(file: Path, parts: dict[str, Stateful]) -> int:
    """Load the checkpoint into `parts`; returns the next step, 0 where there is no checkpoint."""
    if not file.exists():
        return 0
    state: dict[str, Any] = SafetensorsCheckpoint().load_checkpoint(file)
    for name, part in parts.items():
        part.load_state_dict(state[name])
    return int(state["step"])


def _log(out: Path, step: int, **figures: float) -> None:
    """Add a line to metrics.jsonl. Those of later steps, which a kill before the checkpoint leaves, are dropped."""
    file = out / METRICS
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    lines = [line for line in lines if json.loads(line)["step"] < step]
    lines.append(json.dumps({"step": step} | {name: round(value, 4) for name, value in figures.items()}))
    write_bytes_atomic(file, "".join(f"{line}\n" for line in lines).encode(), durable=True)
