"""Training of the STN and of the recognition CNN behind it, end to end.

Most public names need torch, which is imported when they are first used; the processes that render eyes do without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irisstn.extras import import_public

if TYPE_CHECKING:
    from irisstn.training.checkpoints import SafetensorsCheckpoint
    from irisstn.training.config import LossWeights, TrainConfig
    from irisstn.training.data.batches import Batch, BatchDataset, Eyes
    from irisstn.training.data.degradation import DegradationConfig, degrade
    from irisstn.training.data.perturbed_batch import perturbed_batch
    from irisstn.training.data.rendered_eyes import RenderedEyes
    from irisstn.training.losses import rectifier_loss
    from irisstn.training.precision import choose_precision
    from irisstn.training.precision_config import Precision, PrecisionConfig
    from irisstn.training.roll_reader import EyelidSamples, error_over_sd, fit_roll_reader, spread_within_eyes
    from irisstn.training.run import train
    from irisstn.training.whitening import StripSettings, calibrate, fit_whitening

__all__ = [
    "Batch",
    "BatchDataset",
    "DegradationConfig",
    "EyelidSamples",
    "Eyes",
    "LossWeights",
    "Precision",
    "PrecisionConfig",
    "RenderedEyes",
    "SafetensorsCheckpoint",
    "StripSettings",
    "TrainConfig",
    "calibrate",
    "choose_precision",
    "degrade",
    "error_over_sd",
    "fit_roll_reader",
    "fit_whitening",
    "perturbed_batch",
    "rectifier_loss",
    "spread_within_eyes",
    "train",
]

_MODULES = {
    "Batch": "irisstn.training.data.batches",
    "BatchDataset": "irisstn.training.data.batches",
    "DegradationConfig": "irisstn.training.data.degradation",
    "degrade": "irisstn.training.data.degradation",
    "LossWeights": "irisstn.training.config",
    "perturbed_batch": "irisstn.training.data.perturbed_batch",
    "rectifier_loss": "irisstn.training.losses",
    "Precision": "irisstn.training.precision_config",
    "PrecisionConfig": "irisstn.training.precision_config",
    "choose_precision": "irisstn.training.precision",
    "Eyes": "irisstn.training.data.batches",
    "EyelidSamples": "irisstn.training.roll_reader",
    "RenderedEyes": "irisstn.training.data.rendered_eyes",
    "SafetensorsCheckpoint": "irisstn.training.checkpoints",
    "StripSettings": "irisstn.training.whitening",
    "TrainConfig": "irisstn.training.config",
    "calibrate": "irisstn.training.whitening",
    "error_over_sd": "irisstn.training.roll_reader",
    "fit_roll_reader": "irisstn.training.roll_reader",
    "fit_whitening": "irisstn.training.whitening",
    "spread_within_eyes": "irisstn.training.roll_reader",
    "train": "irisstn.training.run",
}


def __getattr__(name: str) -> object:
    """Import a public name's module when the name is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_public(_MODULES[name], name)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
