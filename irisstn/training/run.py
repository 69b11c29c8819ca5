"""`train`: one run from its data to the weights, which goes on where it was killed."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lightning
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader, Dataset

from irisstn.errors import OutputError
from irisstn.images import write_bytes_atomic
from irisstn.recognition.network import StripNet
from irisstn.rectification.rectifier import Rectifier
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.config import TrainConfig
from irisstn.training.data.batches import Batch, Batches, Eyes, Steps, make_batch
from irisstn.training.data.image_folder import read_eyes
from irisstn.training.data.rendered_eyes import RenderedEyes
from irisstn.training.lightning_module import CONDITIONS, RecognitionModule
from irisstn.training.run_folder import ProgressCallback, RunFolderCallback
from irisstn.training.whitening import StripSettings, calibrate, fit_whitening
from irisstn.weights import CALIBRATION, RECOGNIZER

_VALIDATION_BATCH = 96  # strips
Settings = Mapping[str, object]


def train(
    data: Path | None,
    out: Path,
    config: TrainConfig = TrainConfig(),
    *,
    labels: Path | None = None,
    progress: ProgressCallback = lambda what, done, of: None,
) -> Path:
    """Train the STN and the recognition CNN behind it, end to end; returns `out`, the run's folder.

    `data` is a folder of eye pictures, or the output of `irisstn segment`; identities come from `irisstn.datasets`'
    rules or from the CSV `labels`. None trains on eyes that are rendered as it goes. `out` gets config.yaml,
    metrics.csv, samples/, index.html, and the best weights so far, rectifier.safetensors and recognizer.safetensors, or
    the one that `config` has. At the end the recogniser's whitening is fitted, of which whitening.json tells, and,
    where there are eyes enough, its calibration, recognizer.json. A run that was killed goes on from its last whole
    epoch; a finished one is left as it is. `progress` hears (what, done, of) as it goes.

    With several devices or nodes this function runs in a process for each. The first one starts those of its node, by
    the command line that it was started with, so call it from a script or from `irisstn train`. On several nodes, start
    it on each as Lightning's cluster environments ask for (torchrun, SLURM, or MASTER_ADDR and NODE_RANK), with `data`
    and `out` on storage that they share. Gradients are averaged over the processes' batches; the first one writes.

    Raises OutputError where `out` holds a run with other settings, DatasetError where `data` cannot be used, and
    ConfigError where no loss reached the STN in a whole epoch, so that it would stay where it is.
    """
    settings: Settings = {"config": config.model_dump(mode="json"), "data": str(data) if data is not None else None}
    with _quiet():
        keeper = RunFolderCallback(out, progress)
        trainer = _trainer(config, keeper)
    first = trainer.is_global_zero
    if _finished(out, settings, first=first):
        progress("finished already", 1, 1)
        return out
    if first:
        out.mkdir(parents=True, exist_ok=True)
        _write_state(out, settings, finished=False)
        write_bytes_atomic(out / "config.yaml", yaml.safe_dump(settings["config"], sort_keys=False).encode())
    else:
        keeper.progress = progress = lambda what, done, of: None
    if config.threads:
        torch.set_num_threads(config.threads)
    with _source(data, labels, out, config, progress, first=first) as source:
        _fit(trainer, keeper, source, config)
        if first and config.recognizer is not None:
            progress("whitening", 0, 1)
            _finish(out, source, config)
    if first:
        _write_state(out, settings, finished=True)
        shutil.rmtree(out / "eyes", ignore_errors=True)
    progress("finished", 1, 1)
    return out


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the eyes of each epoch come from, and those to validate with."""

    training: Callable[[int], Eyes]
    validation: Eyes
    identities: int


@contextmanager
def _source(
    data: Path | None, labels: Path | None, out: Path, config: TrainConfig, progress: ProgressCallback, *, first: bool
) -> Iterator[_Source]:
    if data is not None:
        training, validation = read_eyes(
            data, labels=labels, held_out=config.held_out, seed=config.seed, progress=progress
        )
        yield _Source(lambda epoch: training, validation, len(np.unique(training.labels)))
        return
    folder = config.rendered.folder(config.seed, out)
    with RenderedEyes(config.rendered, config.seed, folder, first=first) as rendered:

        def of_epoch(epoch: int) -> Eyes:
            return Eyes(*rendered.training(epoch, lambda done, of: progress("rendering", done, of)), upright=True)

        held_out = Eyes(*rendered.validation(lambda done, of: progress("rendering", done, of)), upright=True)
        yield _Source(of_epoch, held_out, config.rendered.identities)


def _trainer(config: TrainConfig, keeper: RunFolderCallback) -> lightning.Trainer:
    """The trainer; with several processes it knows which one this is, and `fit` starts the others of this node."""
    # While the STN learns alone, the recognizer's weights have no part in the loss.
    several = DDPStrategy(find_unused_parameters=config.alone > 0) if config.devices * config.nodes > 1 else "auto"
    return lightning.Trainer(
        accelerator=config.device,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy=several,
        use_distributed_sampler=False,  # ours shares the batches out
        precision="bf16-mixed" if config.bfloat16 else "32-true",
        max_epochs=config.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        gradient_clip_val=1.0,
        callbacks=[keeper, EarlyStopping("validation_loss", patience=config.patience)],
        plugins=[SafetensorsCheckpoint()],
        default_root_dir=keeper.run,
    )


def _fit(trainer: lightning.Trainer, keeper: RunFolderCallback, source: _Source, config: TrainConfig) -> None:
    torch.manual_seed(config.seed)
    module = RecognitionModule(config, source.identities)
    if config.start is not None:
        module.start_from(config.start)
    batches = Batches.of(config, source.training, upright=source.validation.upright)
    steps = Steps(config.steps, lambda: trainer.current_epoch, rank=trainer.global_rank, processes=trainer.world_size)
    with _quiet():
        trainer.fit(
            module,
            DataLoader(batches, batch_size=None, sampler=steps),
            [DataLoader(part, batch_size=None) for part in _validation(source.validation, config)],
            ckpt_path=str(keeper.checkpoint) if keeper.checkpoint.exists() else None,
        )


def _finish(out: Path, source: _Source, config: TrainConfig) -> None:
    """Fit whitening and calibration of the best recogniser so far, and write it again, with a record of both beside it.

    The whitening is fitted to training eyes, the calibration to those kept for validation.
    """
    network = StripNet.load(out)
    rectifier = Rectifier.load(out) if config.rectifier is not None else None
    settings = StripSettings(config.size, config.perturbation, config.seed)
    if config.whitening is not None:
        last = source.training(config.epochs - 1)
        figures = fit_whitening(network, rectifier, [last], settings, config.whitening)
        network.save(out / RECOGNIZER)
        write_bytes_atomic(out / "whitening.json", json.dumps(figures, indent=1).encode())
    try:
        calibration = calibrate(network, rectifier, source.validation, settings)
    except ValueError:  # too few eyes for it
        return
    calibration.save(out / CALIBRATION, network.weights_sha256)


class _Kept(Dataset[Batch]):
    """Batches that stay as they are."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index]

    def __len__(self) -> int:
        return len(self._batches)


def _validation(eyes: Eyes, config: TrainConfig) -> list[_Kept]:
    """Fixed batches for each condition: nearly right rings, and wrong ones."""
    conditions = []
    for number, condition in enumerate(CONDITIONS):
        perturbation = config.perturbation.model_copy(update={"stress": float(condition == "stress")})
        rng = np.random.default_rng((config.seed, number, 0x7E57))
        order = np.argsort(eyes.labels, kind="stable")
        step = _VALIDATION_BATCH
        batches = [
            make_batch(
                eyes,
                order[i : i + step].tolist(),
                rng,
                size=config.size,
                perturbation=perturbation,
                surroundings=config.rectifier is not None,
            )
            for i in range(0, len(order), step)
        ]
        conditions.append(_Kept(batches))
    return conditions


def _finished(out: Path, settings: Settings, *, first: bool) -> bool:
    """Whether `out` holds this very run, done. Raises OutputError where it holds another one.

    Where this process is not the `first`, that one may just be making the folder.
    """
    state = out / "run.json"
    if not state.exists():
        if first and out.exists() and any(out.iterdir()):
            raise OutputError(f"{out} is not empty and holds no training run")
        return False
    try:
        held = json.loads(state.read_text())
        known, finished = held["settings"], bool(held["finished"])
        # A setting that is newer than the run had its default.
        known["config"] = TrainConfig.model_validate(known["config"]).model_dump(mode="json")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OutputError(f"{state} cannot be read: {error}") from None
    if known != settings:
        raise OutputError(f"{out} holds a training run with other settings; choose another folder")
    return finished


def _write_state(out: Path, settings: Settings, *, finished: bool) -> None:
    text = json.dumps({"settings": settings, "finished": finished}, indent=1)
    write_bytes_atomic(out / "run.json", text.encode())


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning without its remarks on hardware, and without advice that does not apply here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Cutting strips takes a tenth of a step; processes for it would cost more than they give.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # Lightning's own use of a torch function that has a new name.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
