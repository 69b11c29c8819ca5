"""The STN and the recognition CNN behind it as one Lightning module: losses, and what is measured on unseen eyes."""

from __future__ import annotations

import math
from collections import defaultdict
from copy import deepcopy
from pathlib import Path
from typing import NamedTuple

import lightning
import numpy as np
import torch
import torch.nn.functional as F
from lightning.pytorch.utilities.types import LRSchedulerConfigType, OptimizerLRSchedulerConfig
from torch import Tensor

from irisstn.errors import ConfigError
from irisstn.evaluation import ErrorRates, evaluate_codes, evaluate_embeddings
from irisstn.recognition.losses import Decorrelation, metric_loss
from irisstn.recognition.network import StripNet
from irisstn.rectification.rectifier import Rectifier
from irisstn.stn import Ring, Warped, outside_penalty, require_gradient
from irisstn.training.config import LossWeights, TrainConfig
from irisstn.training.data.batches import Batch, to_strips

CONDITIONS = ("natural", "stress")  # of the validation batches, in the order of the data loaders


class Found(NamedTuple):
    """What the networks make of a batch."""

    embeddings: Tensor | None  # (B, D); None where the STN learns alone
    warped: Warped | None  # None without an STN
    ring: Tensor | None  # (B, 13), the ring's parameters; None for another transform


class RecognitionModule(lightning.LightningModule):
    """Strips with known errors in; the loss, or figures on validation eyes, out."""

    def __init__(self, config: TrainConfig, identities: int) -> None:
        super().__init__()
        self.config = config
        self.rectifier = Rectifier(config.rectifier) if config.rectifier is not None else None
        self.recognizer = self.averaged = self.metric_loss = self.decorrelation = None
        if config.recognizer is not None:
            self.recognizer = StripNet(config.recognizer)
            self.averaged = deepcopy(self.recognizer).requires_grad_(False)  # what is measured and kept
            embedding = config.recognizer.unwhitened_size
            self.metric_loss = metric_loss(config.metric, identities=identities, embedding=embedding)
            self.decorrelation = Decorrelation(embedding) if config.weights.decorrelation else None
        self.figures: dict[str, float] = {}  # of the epoch that ended last
        self._learnt_in = -1  # the last epoch in which a gradient reached the STN
        self._sums: dict[str, list[float]] = defaultdict(list)
        self._seen: dict[str, list[tuple[Batch, Found]]] = defaultdict(list)

    def start_from(self, weights: Path) -> None:
        """Take the networks' weights from a run's folder, or from a file where there is but one network.

        Raises WeightsError where a file is missing, ConfigError where a network there has another shape.
        """
        for network in (self.rectifier, self.recognizer):
            if network is None:
                continue
            held = type(network).load(weights)
            if held.config != network.config:
                raise ConfigError(f"{weights} holds a {network.FILE} of another shape than the one to be trained")
            network.load_state_dict(held.state_dict())
        if self.recognizer is not None and self.averaged is not None:
            self.recognizer.whitening.reset()  # it is fitted at the end, to what is learnt by then
            self.averaged.load_state_dict(self.recognizer.state_dict())

    def look(self, batch: Batch, *, embed: bool = True) -> Found:
        """Rectify a batch and, with `embed`, embed it."""
        images, usable = batch.images, batch.usable
        warped = ring = None
        if self.rectifier is not None:
            warped = self.rectifier.warp(images, usable, batch.contexts)
            transform = self.rectifier.transform
            ring = transform.physical(warped.theta) if isinstance(transform, Ring) else None
            images, usable = warped.image, usable if warped.usable is None else warped.usable
        recognizer = self.recognizer if self.training else self.averaged
        embeddings = recognizer.unwhitened(images, usable).float() if embed and recognizer is not None else None
        return Found(embeddings, warped, ring)

    def losses(self, batch: Batch, found: Found, *, metric: bool = True) -> dict[str, Tensor]:
        """The loss and its parts, scalars."""
        weights = self.config.weights
        parts: dict[str, Tensor] = {}
        total = torch.zeros((), device=batch.images.device)
        if metric and found.embeddings is not None and self.metric_loss is not None:
            parts["metric"] = self.metric_loss(found.embeddings, batch.labels)
            total = total + weights.metric * parts["metric"]
        if self.decorrelation is not None and found.embeddings is not None and self.training:
            parts["decorrelation"] = self.decorrelation(found.embeddings)
            total = total + weights.decorrelation * parts["decorrelation"]
        if found.warped is not None:
            parts["outside"] = outside_penalty(found.warped.grid, wrap=True).mean()
            total = total + weights.outside * parts["outside"]
        if found.ring is not None:
            parts |= ring_losses(found.ring, batch, weights)
            total = total + weights.ring * parts["ring"]
        return parts | {"loss": total}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch."""
        alone = self.rectifier is not None and self.current_epoch < self.config.alone
        parts = self.losses(batch, self.look(batch, embed=not alone))
        for name, value in parts.items():
            self._sums[f"train_{name}"].append(float(value.detach()))
        return parts["loss"]

    @torch.no_grad()
    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        """Follow the recogniser: steps that are single lucky or unlucky ones are averaged out (Polyak 1992).

        Raises ConfigError at the end of an epoch in which the STN has learnt nothing.
        """
        self._require_learning(last=batch_idx + 1 == self.trainer.num_training_batches)
        if self.recognizer is None or self.averaged is None:
            return
        step = self.trainer.global_step
        keep = min(self.config.average, (1 + step) / (10 + step))  # at first the average is young
        for average, now in zip(
            self.averaged.state_dict().values(), self.recognizer.state_dict().values(), strict=True
        ):
            if average.is_floating_point():
                average.lerp_(now, 1 - keep)
            else:
                average.copy_(now)

    def _require_learning(self, *, last: bool) -> None:
        """Look for a gradient in the STN until a batch of the epoch has brought it one; a single one may well not.

        Raises ConfigError where not even the `last` one did.
        """
        if self.rectifier is None or self._learnt_in == self.current_epoch:
            return
        try:
            require_gradient(self.rectifier.stn.localization)
            self._learnt_in = self.current_epoch
        except ValueError as error:
            if last:
                raise ConfigError(
                    f"the STN learnt nothing in epoch {self.current_epoch + 1}: {error}. Give a loss that reaches it "
                    "some weight (weights.ring, or weights.metric once it is not alone), or set rectifier to null"
                ) from None

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Keep what the figures need."""
        self._seen[CONDITIONS[dataloader_idx]].append((batch, self.look(batch)))

    def on_validation_epoch_end(self) -> None:
        """The figures of this epoch, in `figures`; `validation_loss` is what early stopping watches."""
        figures = {name: float(np.mean(values)) for name, values in self._sums.items()}
        figures["learning_rate"] = float(self.trainer.optimizers[0].param_groups[0]["lr"])
        losses = []
        for condition, seen in self._seen.items():
            measured = self.measure([batch for batch, _ in seen], [found for _, found in seen])
            figures |= {f"{condition}_{name}": value for name, value in measured.items()}
            losses.append(measured["loss"])
        figures["validation_loss"] = float(np.mean(losses))
        self.figures = figures
        # Every process validates on all eyes, so that none waits; what the running statistics differ in is averaged.
        self.log("validation_loss", figures["validation_loss"], sync_dist=True)
        self._sums.clear()
        self._seen.clear()

    def measure(self, batches: list[Batch], found: list[Found]) -> dict[str, float]:
        """Loss, recognition in single comparisons, and roll errors in degrees, over all `batches` together."""
        whole = Batch(*(torch.cat(parts) for parts in zip(*batches, strict=True)))
        losses = [self.losses(batch, one, metric=self._in_batch) for batch, one in zip(batches, found, strict=True)]
        figures = {name: float(np.mean([float(part[name].detach()) for part in losses])) for name in losses[0]}
        eyes = [str(label) for label in whole.labels.tolist()]
        embeddings = [one.embeddings for one in found if one.embeddings is not None]
        if embeddings:
            vectors = torch.cat(embeddings).detach().cpu().float().numpy()
            figures |= _rates("cnn", evaluate_embeddings(vectors, eyes, resamples=0))
        before = to_strips(whole.images, whole.usable)
        figures |= _rates("code", evaluate_codes(before, eyes, resamples=0))
        warped = [one.warped for one in found if one.warped is not None]
        if warped:
            usable = torch.cat([one.usable if one.usable is not None else torch.ones_like(one.image) for one in warped])
            after = to_strips(torch.cat([one.image for one in warped]), usable)
            figures |= _rates("code_rectified", evaluate_codes(after, eyes, resamples=0))
        rings = [one.ring for one in found if one.ring is not None]
        if rings:
            figures |= roll_errors(torch.cat(rings)[:, 0], whole)
        return figures

    @property
    def _in_batch(self) -> bool:
        return self.config.metric.kind != "sub-center-arcface"  # which knows the training identities alone

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW; the learning rate rises over the first twentieth of the steps, then falls along a cosine."""
        learnt = [p for p in self.parameters() if p.requires_grad]
        decayed = [p for p in learnt if p.ndim > 1]
        others = [p for p in learnt if p.ndim <= 1]
        groups = [
            {"params": decayed, "weight_decay": self.config.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(groups, lr=self.config.learning_rate)
        total = self.config.epochs * self.config.steps // self.trainer.world_size
        warm = max(total // 20, 1)

        def rate(step: int) -> float:
            if step < warm:
                return (step + 1) / (warm + 1)
            return 0.5 * (1 + math.cos(math.pi * min((step - warm) / max(total - warm, 1), 1.0))) + 1e-3

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": LRSchedulerConfigType(scheduler=schedule, interval="step")}


def ring_losses(ring: Tensor, batch: Batch, weights: LossWeights) -> dict[str, Tensor]:
    """How far the found parameters `ring` (B, 13) are from the truth: Huber losses in units of typical errors."""
    roll = (ring[:, 0] - batch.targets[:, 0]) / math.radians(weights.roll_scale_deg)
    mean = group_means(roll, batch.groups)
    shape = (ring[:, 2:12] - batch.targets[:, 1:11]) / weights.shape_scale
    share = (ring[:, 12] - batch.targets[:, 11]) / weights.share_scale
    parts = {
        "roll": F.smooth_l1_loss(roll, torch.zeros_like(roll)),
        "agreement": F.smooth_l1_loss(roll, mean),
        "shape": F.smooth_l1_loss(shape, torch.zeros_like(shape)),
    }
    still = (ring[:, 1] / 0.1).square().mean()
    total = weights.shape * parts["shape"] + weights.roll * parts["roll"] + weights.agreement * parts["agreement"]
    aside = weights.dilation * still + weights.pupil_share * share.square().mean()
    return parts | {"ring": total + aside}


def group_means(values: Tensor, groups: Tensor) -> Tensor:
    """For each of `values` (B,), the mean of its group."""
    same = (groups[:, None] == groups[None, :]).to(values)
    mean: Tensor = same @ values / same.sum(dim=1)
    return mean


def roll_errors(roll: Tensor, batch: Batch) -> dict[str, float]:
    """Median absolute errors in degrees: against upright, and among shots of one eye, before and after."""
    truth = batch.targets[:, 0]
    left = truth - roll
    errors = {
        "roll_before_deg": truth,
        "roll_after_deg": left,
        "among_before_deg": truth - group_means(truth, batch.groups),
        "among_after_deg": left - group_means(left, batch.groups),
    }
    return {name: math.degrees(float(error.abs().median())) for name, error in errors.items()}


def _rates(name: str, rates: ErrorRates) -> dict[str, float]:
    return {f"{name}_eer": rates.eer.value, f"{name}_fnmr": rates.fnmr_at[1e-3].value}
