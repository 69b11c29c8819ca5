"""Metric-learning losses for embeddings, from pytorch-metric-learning."""

from __future__ import annotations

import torch
from pytorch_metric_learning import losses
from torch import Tensor, nn

from irisstn.recognition.config import MetricLossConfig


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


class Decorrelation(nn.Module):
    """How much the D numbers of embeddings are correlated: squared correlations of each with all others.

    This is the covariance term of VICReg [1]_ on standardised numbers, as in Barlow Twins [2]_. These methods have
    batches of thousands. The covariance of 64 strips would be mostly noise, so here it is a running mean over batches,
    of which only the last has a gradient.

    Parameters
    ----------
    size : int
        Length D of the embeddings.
    memory : float
        Weight of the earlier batches in the running mean, 0..1.

    References
    ----------
    .. [1] Bardes et al. 2022, "VICReg: variance-invariance-covariance regularization", eq. 3 and 4.
    .. [2] Zbontar et al. 2021, "Barlow Twins: self-supervised learning via redundancy reduction".
    """

    covariance: Tensor
    mean: Tensor
    steps: Tensor

    def __init__(self, size: int, memory: float = 0.98) -> None:
        super().__init__()
        self.memory = memory
        self.register_buffer("covariance", torch.zeros(size, size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Compute the loss, and in training mode update the running mean.

        Parameters
        ----------
        embeddings : Tensor, shape (B, D)
            Embeddings.

        Returns
        -------
        Tensor
            A scalar.
        """
        keep = min(self.memory, float(self.steps) / (float(self.steps) + 1))
        with torch.no_grad():
            self.mean.lerp_(embeddings.mean(0), 1 - keep)
        centred = embeddings - self.mean
        covariance = keep * self.covariance + (1 - keep) * (centred.T @ centred) / len(embeddings)
        if self.training:
            self.steps += 1
            self.covariance = covariance.detach()
        scale = covariance.diagonal().clamp_min(1e-8).rsqrt()
        correlation = covariance * scale[:, None] * scale[None, :]
        shared = (correlation.square().sum() - correlation.diagonal().square().sum()) / len(covariance)
        # The batch has the weight (1 - keep) in the running mean: its gradient is divided by that.
        scaled: Tensor = shared.detach() + (shared - shared.detach()) / (1 - keep)
        return scaled
