"""A training run in two processes that records gradients and weights of each; a script, as Lightning restarts it.

python two_processes.py RUN EPOCHS [STOP]: with STOP, the first process ends itself after so many epochs.
"""

import copy
import os
import signal
import sys
from pathlib import Path

import torch
from lightning.pytorch.callbacks import Callback
from safetensors.torch import save_file
from training_settings import TOY

import irisstn.training.run as training_run
from irisstn.training.run_folder import RunFolderCallback


class Notes(Callback):
    """Writes to RUN-notes/: the gradients of this process's own batch and the averaged ones, and the weights."""

    def __init__(self, run, stop):
        self.folder, self.stop = run.with_name(f"{run.name}-notes"), stop
        self.folder.mkdir(exist_ok=True)
        self.written = []

    def note(self, trainer, what, tensors):
        save_file(tensors, self.folder / f"{what}-{trainer.current_epoch}-{trainer.global_rank}.safetensors")

    def on_train_batch_start(self, trainer, module, batch, index):
        alone = copy.deepcopy(module)  # without the averaging over processes
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
    made = training_run._trainer

    def with_notes(config, run_folder: RunFolderCallback):
        trainer = made(config, run_folder)
        trainer.callbacks.append(Notes(run, stop))
        return trainer

    training_run._trainer = with_notes
    config = TOY.model_copy(update={"epochs": epochs, "rectifier_only_epochs": 0, "devices": 2, "device": "cpu"})
    training_run.train(None, run, config)


if __name__ == "__main__":
    main()
