"""Metric-learning losses for embeddings, from pytorch-metric-learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pytorch_metric_learning import losses
from torch import nn

from irisstn.config import Strict


class MetricLossConfig(Strict):
    """Which loss, and its parameters.

    `multi-similarity` and `supervised-contrastive` compare the strips of a batch with each other, so the set of
    identities may change during training. `sub-center-arcface` learns several centres for each of a fixed set of
    identities, with an angular margin; outliers can have a centre of their own.

    References
    ----------
    Wang et al. 2019, "Multi-similarity loss with general pair weighting for deep metric learning".
    Khosla et al. 2020, "Supervised contrastive learning".
    Deng et al. 2020, "Sub-center ArcFace: boosting face recognition by large-scale noisy web faces".
    """

    kind: Literal["multi-similarity", "supervised-contrastive", "sub-center-arcface"] = Field(
        "supervised-contrastive", description="The loss."
    )
    temperature: float = Field(0.1, gt=0, description="Temperature of supervised-contrastive.")
    margin_deg: float = Field(20.0, ge=0, lt=90, description="Angular margin of sub-center-arcface, degrees.")
    scale: float = Field(32.0, gt=0, description="Scale of the logits of sub-center-arcface.")


def metric_loss(config: MetricLossConfig, *, identities: int, embedding: int) -> nn.Module:
    """Make a loss.

    Parameters
    ----------
    config : MetricLossConfig
        Which loss.
    identities : int
        Number of training identities; labels are 0 .. identities - 1.
    embedding : int
        Length D of an embedding.

    Returns
    -------
    torch.nn.Module
        A module from embeddings (B, D) and labels (B,) to a scalar.
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
