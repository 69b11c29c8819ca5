"""The STN and the recognition CNN behind it as one Lightning module: losses, and validation on unseen eyes."""

from __future__ import annotations

import math
from collections import defaultdict
from copy import deepcopy
from typing import NamedTuple, Self

import lightning
import numpy as np
import torch
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from torch import Tensor

from irisstn.errors import ConfigError
from irisstn.evaluation import ErrorRates, evaluate_codes, evaluate_embeddings
from irisstn.recognition.losses import Decorrelation, metric_loss
from irisstn.recognition.network import StripNet
from irisstn.rectification.rectifier import Rectifier
from irisstn.stn import Ring, Warped, require_gradient
from irisstn.training.config import TrainConfig
from irisstn.training.data.batches import Batch
from irisstn.training.data.strip_tensors import to_strips
from irisstn.training.data.validation import CONDITIONS
from irisstn.training.losses import RING_ROLL, roll_errors, warp_losses


class Predictions(NamedTuple):
    """What the networks compute from a batch.

    Attributes
    ----------
    embeddings : Tensor, shape (B, D), or None
        None where the recognizer was not run.
    warped : Warped or None
        None without an STN.
    ring : Tensor, shape (B, 12), or None
        Parameters of the ring transform, named `irisstn.geometry.ring_transform.NAMES`; None for another transform.
    """

    embeddings: Tensor | None
    warped: Warped | None
    ring: Tensor | None


class RecognitionModule(lightning.LightningModule):
    """The STN, the recognizer, and the losses that train both.

    Parameters
    ----------
    config : TrainConfig
        Settings of the run.
    identities : int
        Number of training identities; labels are 0 .. identities - 1.

    Attributes
    ----------
    rectifier : Rectifier or None
        The STN.
    recognizer : StripNet or None
        The recognition CNN that is trained.
    averaged_recognizer : StripNet or None
        The exponential moving average of its weights, which is validated and saved.
    figures : dict of str to float
        Losses and error rates of the last epoch, the columns of metrics.csv.
    """

    def __init__(self, config: TrainConfig, identities: int) -> None:
        super().__init__()
        self.config = config
        # The whole roll is corrected in training: which part of it to correct later depends on the pictures.
        self.rectifier = Rectifier(config.rectifier).with_roll("full") if config.rectifier is not None else None
        self.recognizer = self.averaged_recognizer = self.metric_loss = self.decorrelation = None
        if config.recognizer is not None:
            self.recognizer = StripNet(config.recognizer)
            self.averaged_recognizer = deepcopy(self.recognizer).requires_grad_(False)
            embedding = config.recognizer.unwhitened_size
            self.metric_loss = metric_loss(config.metric, identities=identities, embedding=embedding)
            self.decorrelation = Decorrelation(embedding) if config.loss_weights.decorrelation else None
        self.figures: dict[str, float] = {}
        self._gradient_epoch = -1  # the last epoch in which a gradient reached the STN
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._validated: dict[str, list[tuple[Batch, Predictions]]] = defaultdict(list)

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; a frozen recognizer stays as in use, so that its batch norms do not change."""
        super().train(mode)
        if self.config.freeze == "recognizer" and self.recognizer is not None:
            self.recognizer.eval()
        return self

    def predict(self, batch: Batch, *, embed: bool = True) -> Predictions:
        """Rectify the strips of a batch, and embed them.

        Parameters
        ----------
        batch : Batch
            The strips.
        embed : bool
            Whether to run the recognizer.

        Returns
        -------
        Predictions
            Embeddings, warped strips and ring parameters.
        """
        images, usable = batch.images, batch.usable
        warped = ring = None
        if self.rectifier is not None:
            warped = self.rectifier.warp(images, usable, batch.contexts, eyelids=batch.eyelids)
            transform = self.rectifier.transform
            ring = transform.physical(warped.theta) if isinstance(transform, Ring) else None
            images, usable = warped.image, usable if warped.usable is None else warped.usable
        recognizer = self.recognizer if self.training else self.averaged_recognizer
        embeddings = recognizer.unwhitened(images, usable).float() if embed and recognizer is not None else None
        return Predictions(embeddings, warped, ring)

    def losses(self, batch: Batch, predictions: Predictions, *, metric: bool = True) -> dict[str, Tensor]:
        """Compute the loss and its terms.

        Parameters
        ----------
        batch : Batch
            Labels and targets.
        predictions : Predictions
            What the networks computed from the batch.
        metric : bool
            Whether to include the recognition loss.

        Returns
        -------
        dict of str to Tensor
            Scalars: the terms by name, and their weighted sum `loss`.
        """
        weights = self.config.loss_weights
        parts: dict[str, Tensor] = {}
        total = torch.zeros((), device=batch.images.device)
        if metric and predictions.embeddings is not None and self.metric_loss is not None:
            parts["metric"] = self.metric_loss(predictions.embeddings, batch.labels)
            total = total + weights.metric * parts["metric"]
        if self.decorrelation is not None and predictions.embeddings is not None and self.training:
            parts["decorrelation"] = self.decorrelation(predictions.embeddings)
            total = total + weights.decorrelation * parts["decorrelation"]
        if predictions.warped is not None and self.rectifier is not None:
            parts |= warp_losses(self.rectifier.transform, predictions.warped, batch, weights)
            total = total + weights.outside * parts["outside"]
            if "ring" in parts:
                total = total + weights.ring * parts["ring"]
        return parts | {"loss": total}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute the loss of one batch."""
        rectifier_only = self.rectifier is not None and self.current_epoch < self.config.rectifier_only_epochs
        parts = self.losses(batch, self.predict(batch, embed=not rectifier_only))
        for name, value in parts.items():
            self._sums[f"train_{name}"].append(float(value.detach()))
        return parts["loss"]

    @torch.no_grad()
    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Update the moving average of the recognizer's weights.

        Raises
        ------
        ConfigError
            At the end of an epoch in which no gradient reached the STN.

        References
        ----------
        Polyak & Juditsky 1992, "Acceleration of stochastic approximation by averaging".
        """
        self._require_learning(last=batch_idx + 1 == self.trainer.num_training_batches)
        if self.recognizer is None or self.averaged_recognizer is None:
            return
        step = self.trainer.global_step
        decay = min(self.config.ema_decay, (1 + step) / (10 + step))  # so that initial weights are soon forgotten
        for average, now in zip(
            self.averaged_recognizer.state_dict().values(), self.recognizer.state_dict().values(), strict=True
        ):
            if average.is_floating_point():
                average.lerp_(now, 1 - decay)
            else:
                average.copy_(now)

    def _require_learning(self, *, last: bool) -> None:
        """Raise ConfigError if no batch of the epoch up to its `last` one brought a gradient to the STN.

        A single batch may well bring none.
        """
        if self.rectifier is None or self.config.freeze == "rectifier" or self._gradient_epoch == self.current_epoch:
            return
        try:
            require_gradient(self.rectifier.stn.localization)
            self._gradient_epoch = self.current_epoch
        except ValueError as error:
            if last:
                raise ConfigError(
                    f"the STN learnt nothing in epoch {self.current_epoch + 1}: {error}. Give a loss that depends on "
                    "it a weight above 0 (loss_weights.ring, or loss_weights.metric after the rectifier_only_epochs), "
                    "or set rectifier to null"
                ) from None

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Store the predictions of one validation batch."""
        self._validated[CONDITIONS[dataloader_idx]].append((batch, self.predict(batch)))

    def on_validation_epoch_end(self) -> None:
        """Compute `figures`; early stopping monitors their `validation_loss`."""
        figures = {name: float(np.mean(values)) for name, values in self._sums.items()}
        figures["learning_rate"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        losses = []
        for condition, validated in self._validated.items():
            measured = self.measure([batch for batch, _ in validated], [predicted for _, predicted in validated])
            figures |= {f"{condition}_{name}": value for name, value in measured.items()}
            losses.append(measured["loss"])
        figures["validation_loss"] = float(np.mean(losses))
        self.figures = figures
        # Every process validates on all eyes; the mean removes the differences of their running batch statistics.
        self.log("validation_loss", figures["validation_loss"], sync_dist=True)
        self._sums.clear()
        self._validated.clear()

    def measure(self, batches: list[Batch], predictions: list[Predictions]) -> dict[str, float]:
        """Measure losses, recognition and roll errors over several batches together.

        Parameters
        ----------
        batches : list of Batch
            The strips.
        predictions : list of Predictions
            What the networks computed from each.

        Returns
        -------
        dict of str to float
            Means of the losses; EER and FNMR (0..1) of single comparisons of embeddings (`cnn_*`) and of iris codes
            before and after rectification (`code_*`, `code_rectified_*`); roll errors in degrees.
        """
        whole = Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
        losses = [
            self.losses(batch, predicted, metric=self._metric_is_pairwise)
            for batch, predicted in zip(batches, predictions, strict=True)
        ]
        figures = {name: float(np.mean([float(part[name].detach()) for part in losses])) for name in losses[0]}
        eyes = [str(label) for label in whole.labels.tolist()]
        embeddings = [predicted.embeddings for predicted in predictions if predicted.embeddings is not None]
        if embeddings:
            vectors = torch.cat(embeddings).detach().cpu().float().numpy()
            figures |= _rates("cnn", evaluate_embeddings(vectors, eyes, resamples=0))
        before = to_strips(whole.images, whole.usable)
        figures |= _rates("code", evaluate_codes(before, eyes, resamples=0))
        warped = [predicted.warped for predicted in predictions if predicted.warped is not None]
        if warped:
            usable = torch.cat([one.usable if one.usable is not None else torch.ones_like(one.image) for one in warped])
            after = to_strips(torch.cat([one.image for one in warped]), usable)
            figures |= _rates("code_rectified", evaluate_codes(after, eyes, resamples=0))
        rings = [predicted.ring for predicted in predictions if predicted.ring is not None]
        if rings:
            figures |= roll_errors(torch.cat(rings)[:, RING_ROLL], whole)
        return figures

    @property
    def _metric_is_pairwise(self) -> bool:
        # ArcFace has centres for the training identities only: it is no measure on others.
        return self.config.metric.kind != "sub-center-arcface"

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Make AdamW with a linear warm-up over a twentieth of the steps and a cosine decay after it."""
        trained = [p for p in self.parameters() if p.requires_grad]
        decayed = [p for p in trained if p.ndim > 1]
        others = [p for p in trained if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        total = self.config.epochs * self.config.steps_per_epoch // self.trainer.world_size
        warmup = max(total // 20, 1)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            return 0.5 * (1 + math.cos(math.pi * min((step - warmup) / max(total - warmup, 1), 1.0))) + 1e-3

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": LRSchedulerConfigType(scheduler=schedule, interval="step")}


def _rates(name: str, rates: ErrorRates) -> dict[str, float]:
    return {f"{name}_eer": rates.eer.value, f"{name}_fnmr": rates.fnmr_at[1e-3].value}
