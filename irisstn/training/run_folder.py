"""What a run leaves on disk as it goes: metrics, best weights, sample pictures, the page, the checkpoint."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import lightning
import torch
from lightning.pytorch.callbacks import Callback

from irisstn.images import write_bytes_atomic
from irisstn.report.training import write_training_page
from irisstn.training.data.batches import Batch
from irisstn.training.lightning_module import RecognitionModule
from irisstn.visualization.grids import side_by_side
from irisstn.weights import RECOGNIZER, RECTIFIER

ProgressCallback = Callable[[str, int, int], None]


class RunFolderCallback(Callback):
    """Writes after each epoch; everything that it needs to go on is in the checkpoint and metrics.csv.

    Of several processes the first alone writes.
    """

    def __init__(self, run: Path, progress: ProgressCallback) -> None:
        self.run, self.progress = run, progress
        self.checkpoint = run / "checkpoints" / "last.safetensors"
        self.best = float("inf")

    def state_dict(self) -> dict[str, float]:
        """The best validation loss so far."""
        return {"best": self.best}

    def load_state_dict(self, state_dict: dict[str, float]) -> None:
        """Go on from a checkpoint's state."""
        self.best = state_dict["best"]

    def on_train_batch_end(self, trainer: lightning.Trainer, *rest: object) -> None:
        """ProgressCallback how far the epoch is."""
        steps = int(trainer.num_training_batches)
        self.progress(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}", trainer.global_step % steps or steps, steps
        )

    def on_validation_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Figures, pictures and, where they are the best so far, the weights."""
        if not isinstance(pl_module, RecognitionModule):
            raise ValueError("only for RecognitionModule")
        if not trainer.is_global_zero:
            return
        epoch = trainer.current_epoch + 1
        rows = [row for row in read_metrics(self.run) if row["epoch"] < epoch]
        rows.append({"epoch": float(epoch)} | pl_module.figures)
        write_metrics(self.run, rows)
        if pl_module.figures["validation_loss"] < self.best:
            self.best = pl_module.figures["validation_loss"]
            if pl_module.averaged is not None:
                pl_module.averaged.save(self.run / RECOGNIZER)
            if pl_module.rectifier is not None:
                pl_module.rectifier.save(self.run / RECTIFIER)
        self._picture(trainer, pl_module, epoch)
        samples = sorted(path.relative_to(self.run).as_posix() for path in (self.run / "samples").glob("epoch_*.png"))
        write_training_page(self.run, rows, samples)

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """The checkpoint, from all processes; after validation, so that it knows what early stopping knows."""
        trainer.save_checkpoint(self.checkpoint)

    def _picture(self, trainer: lightning.Trainer, module: RecognitionModule, epoch: int) -> None:
        loaders = trainer.val_dataloaders
        if module.rectifier is None or not isinstance(loaders, list):
            return
        batch: Batch = next(iter(loaders[-1]))
        few = Batch(*(part[:8].to(module.device) for part in batch))
        with torch.no_grad():
            warped = module.look(few).warped
        if warped is not None:
            picture = side_by_side(few.images, warped, count=8, wrap=True, zoom=2)
            coded = cv2.imencode(".png", picture)[1].tobytes()  # in colour, for the outline
            write_bytes_atomic(self.run / "samples" / f"epoch_{epoch:03d}.png", coded)


def read_metrics(run: Path) -> list[dict[str, float]]:
    """The rows of RUN/metrics.csv, empty where there is none; fields that are empty are left out."""
    file = run / "metrics.csv"
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(lines)]


def write_metrics(run: Path, rows: list[dict[str, float]]) -> None:
    """Write RUN/metrics.csv, atomically."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    write_bytes_atomic(run / "metrics.csv", text.getvalue().encode())
