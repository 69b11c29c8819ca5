"""Fixed validation batches: the same strips with the same errors after every epoch."""

from __future__ import annotations

import numpy as np
from torch.utils.data import Dataset

from irisstn.training.config import TrainConfig
from irisstn.training.data.batches import Batch, Eyes, make_batch

CONDITIONS = ("small_errors", "large_errors")  # of the boundaries and the roll, see `PerturbationConfig`
_BATCH_SIZE = 96  # strips


class FixedBatches(Dataset[Batch]):
    """A list of batches as a dataset.

    Parameters
    ----------
    batches : list of Batch
        The batches.
    """

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def __getitem__(self, index: int) -> Batch:
        return self._batches[index]

    def __len__(self) -> int:
        return len(self._batches)


def validation_batches(eyes: Eyes, config: TrainConfig) -> list[FixedBatches]:
    """Sample one strip of every eye under each of the conditions.

    Parameters
    ----------
    eyes : Eyes
        Eyes that training does not use.
    config : TrainConfig
        Seed, size of the strips and size of the errors.

    Returns
    -------
    list of FixedBatches
        One dataset for each of `CONDITIONS`, in that order.
    """
    conditions = []
    for number, condition in enumerate(CONDITIONS):
        perturbation = config.perturbation.model_copy(update={"large_fraction": float(condition == "large_errors")})
        rng = np.random.default_rng((config.seed, number, 0x7E57))
        order = np.argsort(eyes.labels, kind="stable")
        batches = [
            make_batch(
                eyes,
                order[start : start + _BATCH_SIZE].tolist(),
                rng,
                size=config.size,
                perturbation=perturbation,
                with_context=config.rectifier is not None,
            )
            for start in range(0, len(order), _BATCH_SIZE)
        ]
        conditions.append(FixedBatches(batches))
    return conditions
