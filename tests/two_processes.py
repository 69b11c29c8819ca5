# mypy: disable-error-code="assignment, misc"
"""A training run in two processes that writes the gradients and weights of each; Lightning starts the script twice.

python two_processes.py RUN EPOCHS [STOP]: with STOP, the first process kills itself after that many epochs.
"""

import copy
import os
import signal
import sys
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file
from training_settings import TOY

from irisstn.training import train


class Notes(Callback):
    """Writes to RUN-notes/: the gradients of the batch of this process, the averaged gradients, and the weights."""

    def __init__(self, run, stop):
        self.folder, self.stop = run.with_name(f"{run.name}-notes"), stop
        self.folder.mkdir(exist_ok=True)
        self.written = []

    def note(self, trainer, what, tensors):
        save_file(tensors, self.folder / f"{what}-{trainer.current_epoch}-{trainer.global_rank}.safetensors")

    def on_train_batch_start(self, trainer, module, batch, index):
        alone = copy.deepcopy(module)  # which does not communicate with the other process
        alone.train()
        parts = alone.losses(batch, alone.predict(batch))
        parts["loss"].backward()
        self.note(trainer, "own", gradients(alone))

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.note(trainer, "averaged", gradients(module))

    def on_train_epoch_end(self, trainer, module):
        weights = {name: weight.detach().clone() for name, weight in module.named_parameters()}
        self.note(trainer, "weights", weights)
        if trainer.is_global_zero and trainer.current_epoch + 1 == self.stop:
            os.kill(os.getpid(), signal.SIGKILL)


def gradients(module):
    return {name: weight.grad.clone() for name, weight in module.named_parameters() if weight.grad is not None}


def main():
    run, epochs, stop = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0
    torch.set_num_threads(1)
    trainer = lightning.Trainer

    def trainer_with_notes(*, callbacks, **options):
        return trainer(callbacks=[*callbacks, Notes(run, stop)], **options)

    lightning.Trainer = trainer_with_notes
    config = TOY.model_copy(update={"epochs": epochs, "rectifier_only_epochs": 0, "devices": 2, "device": "cpu"})
    train(None, run, config)


if __name__ == "__main__":
    main()
