"""Whitening: a linear layer behind a network, in which the directions of its embeddings count more alike.

A network puts most of the variance of its embeddings into few directions. Those are the ones that its training eyes
and cameras made large, and on another camera chance in one of them outweighs agreement in a hundred others. Dividing
each direction by a power of its standard deviation lets more of them count, and retrains nothing.

Sources: Jegou and Chum 2012, "Negative evidences and co-occurrences in image retrieval: the benefit of PCA and
whitening"; Kessy et al. 2018, "Optimal whitening and decorrelation" (the symmetric form, "ZCA", which keeps each float
as near as can be to what it was).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from torch import Tensor, nn

from irisstn.config import Strict

_LEAST = 1e-9  # of a mean variance: below it all embeddings are the same


class WhiteningConfig(Strict):
    """How far embeddings are whitened: eigenvalues w of their covariance become w (w + ridge mean(w))^(-2 exponent)."""

    exponent: float = Field(0.2, ge=0, le=0.5)  # 0 takes the mean away and no more, 0.5 makes all directions alike
    ridge: float = Field(0.1, ge=0)  # of the mean eigenvalue, so that directions of chance are not blown up


class WhiteningFitConfig(WhiteningConfig):
    """The same, and to how many strips a training run fits it."""

    strips: int = Field(2000, ge=2)  # spread over the identities; a few times the embedding's floats


class Whitening(nn.Module):
    """(E - mean) matrix, with `mean` (D,) and `matrix` (D, K); until it is fitted, the first K floats as they are.

    With `kept` 0 K is D, and the matrix symmetric; otherwise K is `kept`, and the floats are the directions in which
    the eyes of the fit differ most.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, size: int, kept: int = 0) -> None:
        super().__init__()
        self.kept = kept
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("matrix", torch.eye(size, kept or size))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Whitened `embeddings` (B, D), as (B, K)."""
        whitened: Tensor = (embeddings - self.mean) @ self.matrix
        return whitened

    def fit(self, embeddings: ArrayLike, config: WhiteningConfig = WhiteningConfig()) -> None:
        """Take mean and matrix from `embeddings` (N, D), not whitened, of many eyes.

        Raises ValueError for another D, for fewer than two, and where these are all the same or not finite.
        """
        mean, matrix = whitening_of(embeddings, config, kept=self.kept)
        if mean.shape != tuple(self.mean.shape):
            raise ValueError(f"embeddings of {len(self.mean)} floats are whitened here, not of {len(mean)}")
        self.mean.copy_(torch.from_numpy(mean))
        self.matrix.copy_(torch.from_numpy(matrix))

    def reset(self) -> None:
        """Back to the identity."""
        self.mean.zero_()
        self.matrix.copy_(torch.eye(*self.matrix.shape))


def whitening_of(
    embeddings: ArrayLike, config: WhiteningConfig = WhiteningConfig(), *, kept: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The mean (D,) of `embeddings` (N, D) and the matrix that whitens them as `config` says.

    It is symmetric, (D, D), where `kept` is 0; otherwise (D, kept), onto the directions of most variance.
    """
    vectors = _finite(embeddings)
    if not 0 <= kept <= vectors.shape[1]:
        raise ValueError(f"0 to {vectors.shape[1]} floats of the embeddings can be kept, got {kept}")
    mean = vectors.mean(0)
    values, directions = np.linalg.eigh(np.cov(vectors.T).reshape(len(mean), len(mean)))
    values = values.clip(0)
    if values.mean() < _LEAST:
        raise ValueError("embeddings that are all the same cannot be whitened")
    # Over its mean, so that the embeddings keep their scale; and not 0 where there is no ridge.
    gain = np.maximum(values / values.mean() + config.ridge, 1e-6) ** -config.exponent
    turned = directions * gain
    return mean, turned[:, -kept:] if kept else turned @ directions.T


def effective_dimensions(embeddings: ArrayLike) -> float:
    """In how many directions `embeddings` (N, D) differ: (sum w)^2 / sum w^2 of their covariance's eigenvalues w.

    The participation ratio: D where all directions have the same variance, 1 where there is one direction. It cannot
    exceed N - 1.
    """
    vectors = _finite(embeddings)
    values = np.linalg.eigvalsh(np.cov(vectors.T).reshape(vectors.shape[1], -1)).clip(0)
    if values.mean() < _LEAST:
        return 0.0
    return float(values.sum() ** 2 / np.square(values).sum())


def _finite(embeddings: ArrayLike) -> NDArray[np.float64]:
    vectors = np.asarray(embeddings, np.float64)
    if vectors.ndim != 2 or len(vectors) < 2 or not np.isfinite(vectors).all():
        raise ValueError(f"two or more finite embeddings (N, D) are needed, got {vectors.shape}")
    return vectors
