"""`train`: one training run, from its data to the weights. A run that was killed continues from its last epoch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import lightning
import numpy as np
import torch
import yaml
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from irisstn.errors import OutputError
from irisstn.files import is_unfinished, remove_unfinished, write_bytes_atomic
from irisstn.outputs.records import Json
from irisstn.outputs.settings import read_settings, record_digest, require_same_settings
from irisstn.progress import ProgressCallback, no_progress
from irisstn.recognition.network import StripNet
from irisstn.rectification.rectifier import Rectifier
from irisstn.report.training import TrainingAbout
from irisstn.storage.lock import LOCK, locked, make_folder
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.config import TrainConfig
from irisstn.training.data.batches import BatchDataset, Eyes, StepSampler
from irisstn.training.data.image_folder import read_eyes
from irisstn.training.data.rendered_eyes import RenderedEyes
from irisstn.training.data.validation import validation_batches
from irisstn.training.fitting import fit, quietly
from irisstn.training.lightning_module import RecognitionModule
from irisstn.training.precision import choose_precision
from irisstn.training.precision_config import Precision
from irisstn.training.run_folder import RunFolderCallback, removed_where_data_are_refused
from irisstn.training.starting_weights import start_from, with_shapes_of_start
from irisstn.training.whitening import StripSettings, calibrate, fit_whitening
from irisstn.weights import CALIBRATION, RECOGNIZER

Settings = Mapping[str, Json]
_REMEDY = "choose another folder"


def train(
    data: Path | None,
    out: Path,
    config: TrainConfig = TrainConfig(),
    *,
    labels: Path | None = None,
    layout: str | None = None,
    progress: ProgressCallback = no_progress,
) -> Path:
    """Train the STN and the recognition CNN behind it, end to end.

    The folder `out` gets config.yaml, metrics.csv, samples/, index.html, and the best weights so far,
    rectifier.safetensors and recognizer.safetensors, or the one that `config` has. At the end the recognizer's
    whitening is fitted (whitening.json) and, where there are eyes enough, its calibration (recognizer.json). A run that
    was killed continues from its last complete epoch; a finished one is left as it is.

    With several devices or nodes this function runs in a process for each. The first process of a node starts the
    others by the command line with which it was started itself, so call this function from a script or use
    `irisstn train`. On several nodes, start it on each as Lightning's cluster environments ask for (torchrun, SLURM, or
    MASTER_ADDR and NODE_RANK), with `data` and `out` on shared storage. Gradients are averaged over the processes; only
    the first one writes files.

    Parameters
    ----------
    data : Path or None
        A folder or list of eye images, or an output of `irisstn segment`. None: eyes are rendered while training runs.
    out : Path
        Folder of the run.
    config : TrainConfig
        Settings of the run.
    labels : Path or None
        CSV or XML file of identities.
    layout : str, optional
        How names tell identities, see `irisstn.datasets.layout_of`; with neither, `irisstn.datasets` finds out.
    progress : ProgressCallback
        Called with (stage, done, total).

    Returns
    -------
    Path
        The folder `out`.

    Raises
    ------
    OutputError
        Where `out` holds a run with other settings, or something else, or another run uses it.
    DatasetError
        Where `data` cannot be used.
    ConfigError
        Where no gradient reached the STN in a whole epoch.
    """
    config = with_shapes_of_start(config)
    settings: Settings = {"config": config.model_dump(mode="json"), "data": str(data) if data is not None else None}
    begun_with = _precision_of(out)
    precision = begun_with or choose_precision(config.precision, on_gpu=_on_gpu(config))
    with quietly():
        run_folder = RunFolderCallback(out, progress, record_digest(settings))
        trainer = _trainer(config, precision, run_folder)
    first = trainer.is_global_zero
    with ExitStack() as stack:
        if first:
            _refuse_other_files(out)
            if not out.exists():
                stack.enter_context(removed_where_data_are_refused(out))
            make_folder(out)
            stack.enter_context(locked(out))
            remove_unfinished(out.rglob(".*.tmp"))
            for line in run_folder.set_damaged_aside():
                progress(line, 1, 1)
                _write_state(out, settings, precision, finished=False)
        else:
            run_folder.progress = progress = no_progress
        if _finished(out, settings):
            progress("finished already", 1, 1)
            if first:
                _remove_rendered_eyes(out)  # which a kill at the very end leaves
            return out
        if first:
            chosen = "as this run began" if begun_with else "chosen for this machine"
            progress(f"precision {precision}" + (f", {chosen}" if config.precision == "auto" else ""), 1, 1)
            _write_state(out, settings, precision, finished=False)
            text = yaml.safe_dump(settings["config"], sort_keys=False)
            write_bytes_atomic(out / "config.yaml", text.encode(), durable=True)
        if config.threads:
            torch.set_num_threads(config.threads)
        source = None if data is None else partial(read_eyes, data, labels=labels, layout=layout, progress=progress)
        with _open_data(source, out, config, progress, first=first) as training_data:
            _fit(trainer, run_folder, training_data, config)
            if first and config.recognizer is not None:
                progress("whitening", 0, 1)
                _finish(out, training_data, config)
        if first:
            _write_state(out, settings, precision, finished=True)
            _remove_rendered_eyes(out)
    progress("finished", 1, 1)
    return out


@dataclass(frozen=True, slots=True)
class _TrainingData:
    """The eyes of each epoch, those for validation, and the number of training identities, and of subjects if known."""

    eyes_of_epoch: Callable[[int], Eyes]
    validation: Eyes
    identities: int
    subjects: int | None = None


@contextmanager
def _open_data(
    read: Callable[..., tuple[Eyes, Eyes]] | None,
    out: Path,
    config: TrainConfig,
    progress: ProgressCallback,
    *,
    first: bool,
) -> Iterator[_TrainingData]:
    if read is not None:
        training, validation = read(validation_fraction=config.validation_fraction, seed=config.seed)
        eyes = len(np.unique(training.labels))
        yield _TrainingData(lambda epoch: training, validation, eyes, len(training.subjects))
        return

    def rendering(done: int, total: int) -> None:
        progress("rendering", done, total)

    folder = config.rendered.folder(config.seed, out)
    with RenderedEyes(config.rendered, config.seed, folder, first=first) as rendered:
        validation = Eyes(*rendered.validation(rendering), upright=True)
        yield _TrainingData(
            lambda epoch: Eyes(*rendered.training(epoch, rendering), upright=True),
            validation,
            config.rendered.identities,
        )


def _on_gpu(config: TrainConfig) -> bool:
    return config.device != "cpu" and torch.cuda.is_available()


def _trainer(config: TrainConfig, precision: Precision, run_folder: RunFolderCallback) -> lightning.Trainer:
    """The trainer. With several processes, its `fit` starts the others of this node."""
    # In the rectifier_only_epochs no gradient reaches the recognizer, which DDP otherwise takes for an error.
    ddp = DDPStrategy(find_unused_parameters=config.rectifier_only_epochs > 0)
    return lightning.Trainer(
        accelerator=config.device,
        devices=config.devices,
        num_nodes=config.nodes,
        strategy=ddp if config.devices * config.nodes > 1 else "auto",
        use_distributed_sampler=False,  # StepSampler divides the batches among the processes
        precision="bf16-mixed" if precision == "bfloat16" else "32-true",
        max_epochs=config.epochs,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        # Weights to start from are validated first, so that a run which makes them worse leaves them as they were.
        num_sanity_val_steps=-1 if config.start is not None else 0,
        gradient_clip_val=1.0,
        # It checks when validation ends: at the end of the epoch it would come after the checkpoint has its state.
        callbacks=[
            run_folder,
            EarlyStopping("validation_loss", patience=config.patience, check_on_train_epoch_end=False),
        ],
        plugins=[SafetensorsCheckpoint()],
        default_root_dir=run_folder.run,
    )


def _fit(trainer: lightning.Trainer, run_folder: RunFolderCallback, data: _TrainingData, config: TrainConfig) -> None:
    torch.manual_seed(config.seed)
    module = RecognitionModule(config, data.identities)
    if config.start is not None:
        start_from(module, config.start, upright=data.validation.upright)
    batches = BatchDataset(config, data.eyes_of_epoch, upright=data.validation.upright)
    held_out = data.validation.labels
    run_folder.about = TrainingAbout(
        data.identities,
        len(np.unique(held_out)),
        len(held_out),
        config.epochs,
        config.model_dump(mode="json"),
        subjects=data.subjects,
        held_out_subjects=data.validation.subjects,
        notes=data.validation.notes,
    )
    steps = StepSampler(
        config.steps_per_epoch, lambda: trainer.current_epoch, rank=trainer.global_rank, processes=trainer.world_size
    )
    fit(
        trainer,
        module,
        DataLoader(batches, batch_size=None, sampler=steps),
        [DataLoader(part, batch_size=None) for part in validation_batches(data.validation, config)],
        checkpoint=run_folder.checkpoint if run_folder.checkpoint.exists() else None,
    )


def _finish(out: Path, data: _TrainingData, config: TrainConfig) -> None:
    """Fit whitening and calibration of the best recogniser of the run, and write it again, with both beside it.

    The whitening is fitted to training eyes, the calibration to those kept for validation.
    """
    network = StripNet.load(out)
    rectifier = Rectifier.load(out) if config.rectifier is not None else None
    settings = StripSettings(config.size, config.perturbation, config.seed)
    if config.whitening is not None and config.freeze != "recognizer":
        last = data.eyes_of_epoch(config.epochs - 1)
        figures = fit_whitening(network, rectifier, last, settings, config.whitening)
        network.save(out / RECOGNIZER)
        write_bytes_atomic(out / "whitening.json", json.dumps(figures, indent=1).encode(), durable=True)
    try:
        calibration = calibrate(network, rectifier, data.validation, settings)
    except ValueError:  # too few eyes for it
        return
    calibration.save(out / CALIBRATION, network.weights_sha256)


def _remove_rendered_eyes(out: Path) -> None:
    shutil.rmtree(out / "eyes", ignore_errors=True)


def _refuse_other_files(out: Path) -> None:
    """Raise OutputError where `out` holds something else than a training run."""
    if not out.is_dir() or (out / "run.json").exists():
        return
    if any(path.name != LOCK and not is_unfinished(path) for path in out.iterdir()):
        raise OutputError(f"{out} is not empty and holds no training run")


def _finished(out: Path, settings: Settings) -> bool:
    """Whether `out` holds this run, finished. Raises OutputError where it holds another one."""
    state = out / "run.json"
    if not state.exists():
        return False
    held = read_settings(state, remedy=_REMEDY)
    known = held.get("settings")
    try:
        if not isinstance(known, dict):
            raise ValueError("it holds no settings")
        # Settings that were added after the run was started have their defaults.
        config: Json = TrainConfig.model_validate(known.get("config")).model_dump(mode="json")
    except ValueError as error:
        raise OutputError(f"{state} is no training run of this version: {error}") from None
    require_same_settings({**known, "config": config}, settings, where=str(out), remedy=_REMEDY)
    return bool(held.get("finished"))


def _precision_of(out: Path) -> Precision | None:
    """The precision that the run in `out` began with; None where it holds no run, or does not tell."""
    with suppress(OutputError):
        held = read_settings(out / "run.json").get("precision") if (out / "run.json").exists() else None
        return "bfloat16" if held == "bfloat16" else "float32" if held == "float32" else None
    return None


def _write_state(out: Path, settings: Settings, precision: Precision, *, finished: bool) -> None:
    text = json.dumps({"settings": settings, "precision": precision, "finished": finished}, indent=1)
    write_bytes_atomic(out / "run.json", text.encode(), durable=True)
