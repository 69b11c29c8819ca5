"""Lightning's `Trainer.fit` without its remarks, and with Ctrl-C as a KeyboardInterrupt."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
from torch.utils.data import DataLoader


def fit(
    trainer: lightning.Trainer,
    module: lightning.LightningModule,
    training: DataLoader[Any],
    validation: Sequence[DataLoader[Any]],
    *,
    checkpoint: Path | None,
) -> None:
    """Train a module.

    Parameters
    ----------
    trainer : lightning.Trainer
        The trainer.
    module : lightning.LightningModule
        What is trained.
    training : DataLoader
        Training batches.
    validation : sequence of DataLoader
        Validation batches.
    checkpoint : Path or None
        The checkpoint to go on from.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, where Lightning would exit with code 1 and ignore it from then on.
    """
    handler = signal.getsignal(signal.SIGINT)
    with quietly():
        try:
            trainer.fit(module, training, list(validation), ckpt_path=str(checkpoint) if checkpoint else None)
        except SystemExit:
            if not trainer.interrupted:
                raise
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGINT, handler)
            raise KeyboardInterrupt from None


@contextmanager
def quietly() -> Iterator[None]:
    """Silence Lightning's remarks on hardware, and its advice that does not apply here."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Sampling the strips takes a tenth of a step: worker processes would cost more than they save.
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            # A frozen recognizer is in that mode on purpose.
            warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")
            # Lightning calls a torch function by its old name.
            warnings.filterwarnings("ignore", message=".*LeafSpec.*is deprecated", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
