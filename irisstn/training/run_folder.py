"""The files of a training run, written after each epoch: metrics, best weights, sample pictures, page, checkpoint."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import Callback

from irisstn.errors import DatasetError, OutputError, WeightsError
from irisstn.files import set_aside, sync, write_bytes_atomic
from irisstn.outputs.settings import read_settings
from irisstn.progress import ProgressCallback
from irisstn.report.training import PAGE, TrainingAbout, write_training_page
from irisstn.storage.lock import LOCK
from irisstn.training.checkpoints import SafetensorsCheckpoint
from irisstn.training.data.batches import Batch
from irisstn.training.lightning_module import RecognitionModule
from irisstn.visualization.grids import draw_inputs_and_outputs
from irisstn.weights import RECOGNIZER, RECTIFIER

METRICS = "metrics.csv"
_SAMPLES = 8  # strips in a sample picture


class RunFolderCallback(Callback):
    """Lightning callback that writes the run's folder. Of several processes only the first one writes.

    A run continues from the checkpoint and metrics.csv alone.

    Parameters
    ----------
    run : Path
        The folder.
    progress : ProgressCallback
        Called with (stage, done, total) after each batch.
    settings : str
        The digest of the run's settings, which a checkpoint holds.

    Attributes
    ----------
    checkpoint : Path
        File of the last checkpoint.
    best_loss : float
        The lowest validation loss so far.
    about : TrainingAbout or None
        What the run trains on, for its page.
    check_settings : bool
        Whether a checkpoint of other settings is refused: where run.json, which is compared otherwise, was damaged.
    """

    def __init__(self, run: Path, progress: ProgressCallback, settings: str) -> None:
        self.run, self.progress, self.settings = run, progress, settings
        self.check_settings = False
        self.checkpoint = run / "checkpoints" / "last.safetensors"
        self.best_loss = float("inf")
        self.about: TrainingAbout | None = None
        self._began: tuple[int, float] | None = None  # the first epoch of this process, and when it began

    def state_dict(self) -> dict[str, float | str]:
        """Return the state for a checkpoint: the lowest validation loss so far, and the digest of the settings."""
        return {"best": self.best_loss, "settings": self.settings}

    def load_state_dict(self, state_dict: dict[str, float | str]) -> None:
        """Restore the state of a checkpoint. Raises OutputError where it is of a run with other settings."""
        if self.check_settings and state_dict.get("settings") != self.settings:
            raise OutputError(f"{self.checkpoint} is of a run with other settings: give another folder")
        self.best_loss = float(state_dict["best"])

    def set_damaged_aside(self) -> Iterator[str]:
        """Rename the files that cannot be read, so that they are made anew; yields a line about each.

        Without run.json the checkpoint tells whether it is of this run; without the checkpoint the run begins anew.
        """
        files: dict[Path, Callable[[Path], object]] = {
            self.run / "run.json": read_settings,
            self.checkpoint: SafetensorsCheckpoint().load_checkpoint,
            self.run / METRICS: lambda path: read_metrics(path.parent),
        }
        for file, read in files.items():
            try:
                if file.exists():
                    read(file)
            except (OutputError, WeightsError):
                self.check_settings |= file.name == "run.json"
                yield f"{file} was damaged: renamed {set_aside(file)} and made anew"

    def on_train_batch_end(self, trainer: lightning.Trainer, *rest: object) -> None:
        """Report the progress within the epoch."""
        steps = int(trainer.num_training_batches)
        self.progress(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}", trainer.global_step % steps or steps, steps
        )

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write metrics, sample picture and page, and the weights where the validation loss is the lowest so far."""
        if not isinstance(pl_module, RecognitionModule):
            raise ValueError("only for RecognitionModule")
        if not trainer.is_global_zero:
            return
        epoch = 0 if trainer.sanity_checking else trainer.current_epoch + 1
        rows = [row for row in read_metrics(self.run) if row["epoch"] < epoch]
        rows.append({"epoch": float(epoch)} | pl_module.figures)
        write_metrics(self.run, rows)
        if pl_module.figures["validation_loss"] < self.best_loss:
            self.best_loss = pl_module.figures["validation_loss"]
            if pl_module.averaged_recognizer is not None:
                pl_module.averaged_recognizer.save(self.run / RECOGNIZER)
            if pl_module.rectifier is not None:
                pl_module.rectifier.save(self.run / RECTIFIER)
        self._write_sample_picture(trainer, pl_module, epoch)
        samples = sorted(path.relative_to(self.run).as_posix() for path in (self.run / "samples").glob("epoch_*.png"))
        write_training_page(self.run, rows, samples, self.about, seconds_left=self._seconds_left(trainer, epoch))
        sync(self.run / PAGE)  # a finished run is left as it is, so an empty page would stay

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note when this process began to train, from which the time that is left follows."""
        if self._began is None:
            self._began = (trainer.current_epoch, time.monotonic())

    def _seconds_left(self, trainer: lightning.Trainer, done: int) -> float | None:
        """How long the epochs after number `done` take if all go on; None where that is not known, or none is left."""
        if self._began is None or trainer.max_epochs is None:
            return None
        first, began = self._began
        return (time.monotonic() - began) / max(done - first, 1) * (trainer.max_epochs - done) or None

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the checkpoint: in all processes, and after validation, so that early stopping's state is in it."""
        trainer.save_checkpoint(self.checkpoint)

    def _write_sample_picture(self, trainer: lightning.Trainer, module: RecognitionModule, epoch: int) -> None:
        loaders = trainer.val_dataloaders
        if module.rectifier is None or not isinstance(loaders, list):
            return
        batch: Batch = next(iter(loaders[-1]))
        few = Batch(*(part[:_SAMPLES].to(module.device) for part in batch))
        with torch.no_grad():
            warped = module.predict(few).warped
        if warped is not None:
            picture = draw_inputs_and_outputs(few.images, warped, count=_SAMPLES, wrap=True, zoom=2)
            coded = cv2.imencode(".png", picture)[1].tobytes()  # colour, which the outline needs
            write_bytes_atomic(self.run / "samples" / f"epoch_{epoch:03d}.png", coded, durable=True)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """Read metrics.csv of a run.

    Parameters
    ----------
    run : Path
        Folder of the run.

    Returns
    -------
    list of dict of str to float
        One row for each epoch, without its empty fields; no row where there is no file.

    Raises
    ------
    OutputError
        Where the file holds something else.
    """
    file = run / METRICS
    if not file.exists():
        return []
    try:
        with file.open(newline="") as lines:
            rows = [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(lines)]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise OutputError(f"{file} cannot be read: {error}") from None
    if not all("epoch" in row for row in rows):
        raise OutputError(f"{file} cannot be read: a row has no epoch")
    return rows


def write_metrics(run: Path, rows: list[dict[str, float]]) -> None:
    """Write metrics.csv of a run, atomically.

    Parameters
    ----------
    run : Path
        Folder of the run.
    rows : list of dict of str to float
        One row for each epoch; they may differ in their columns.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    write_bytes_atomic(run / METRICS, text.getvalue().encode(), durable=True)


@contextmanager
def removed_where_data_are_refused(out: Path) -> Iterator[None]:
    """Remove the new folder of a run whose data cannot be used: it would refuse the next run, with other data."""
    try:
        yield
    except DatasetError:
        if not (out / METRICS).exists():
            for name in ("run.json", "config.yaml", LOCK):
                (out / name).unlink(missing_ok=True)
            with suppress(OSError):
                out.rmdir()
        raise
