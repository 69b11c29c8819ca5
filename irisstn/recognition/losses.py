"""Losses that teach embeddings to keep identities apart, by pytorch-metric-learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pytorch_metric_learning import losses
from torch import nn

from irisstn.config import Strict


class MetricLossConfig(Strict):
    """Which loss, and how strict.

    `multi-similarity` (Wang et al. 2019) and `supervised-contrastive` (Khosla et al. 2020) compare the strips of a
    batch with each other, so any number of identities may come and go. `sub-center-arcface` (Deng et al. 2020) learns
    centres for a fixed set of identities, with an angular margin, and lets odd strips settle in a centre of their own.
    """

    kind: Literal["multi-similarity", "supervised-contrastive", "sub-center-arcface"] = "supervised-contrastive"
    temperature: float = Field(0.1, gt=0)  # of the contrastive loss
    margin_deg: float = Field(20.0, ge=0, lt=90)  # of sub-center-arcface
    scale: float = Field(32.0, gt=0)  # of sub-center-arcface


def metric_loss(config: MetricLossConfig, *, identities: int, embedding: int) -> nn.Module:
    """The loss that `config` names, a module from embeddings (B, D) and labels (B,) to a scalar.

    `identities` is how many labels there are, 0 .. identities - 1; `embedding` is D.
    """
    loss: nn.Module
    if config.kind == "multi-similarity":
        loss = losses.MultiSimilarityLoss(alpha=2.0, beta=40.0, base=0.5)
    elif config.kind == "supervised-contrastive":
        loss = losses.SupConLoss(temperature=config.temperature)
    else:
        loss = losses.SubCenterArcFaceLoss(
            num_classes=identities, embedding_size=embedding, margin=config.margin_deg, scale=config.scale
        )
    return loss
