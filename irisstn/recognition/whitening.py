"""Whitening: a linear layer behind a network that makes the variances of its embeddings' directions more equal.

A network puts most of the variance of its embeddings into a few directions, which depend on the eyes and cameras that
it was trained on. On another camera a random difference in one of these directions outweighs agreement in a hundred
others. Whitening divides each direction by a power of its standard deviation [1]_, without training the network again.
The symmetric form ("ZCA") changes each number of an embedding as little as possible [2]_.

References
----------
.. [1] Jegou and Chum 2012, "Negative evidences and co-occurrences in image retrieval: the benefit of PCA and
   whitening".
.. [2] Kessy et al. 2018, "Optimal whitening and decorrelation".
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from irisstn.recognition.config import WhiteningConfig

_LEAST = 1e-9  # of a mean variance: below it all embeddings are the same


class Whitening(nn.Module):
    """The linear layer (E - `mean`) `matrix`; until it is fitted, it returns the first K numbers of an embedding.

    Parameters
    ----------
    size : int
        Length D of the embeddings.
    kept : int
        Length K of the whitened embeddings, which then hold the directions of most variance. 0: all D directions, by
        a symmetric matrix.

    Attributes
    ----------
    mean : Tensor, shape (D,)
        Mean of the embeddings.
    matrix : Tensor, shape (D, K)
        The whitening matrix.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, size: int, kept: int = 0) -> None:
        super().__init__()
        self.kept = kept
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("matrix", torch.eye(size, kept or size))

    def forward(self, embeddings: Tensor) -> Tensor:
        """Whiten embeddings.

        Parameters
        ----------
        embeddings : Tensor, shape (B, D)
            Embeddings.

        Returns
        -------
        Tensor, shape (B, K)
            Whitened embeddings, not of length 1.
        """
        whitened: Tensor = (embeddings - self.mean) @ self.matrix
        return whitened

    def fit(self, embeddings: ArrayLike, config: WhiteningConfig = WhiteningConfig()) -> None:
        """Compute mean and matrix from embeddings.

        Parameters
        ----------
        embeddings : array_like, shape (N, D)
            Embeddings of many eyes before the whitening, at least two.
        config : WhiteningConfig
            How far they are whitened.

        Raises
        ------
        ValueError
            For another D, for fewer than two embeddings, and where they are all equal or not finite.
        """
        mean, matrix = whitening_of(embeddings, config, kept=self.kept)
        if mean.shape != tuple(self.mean.shape):
            raise ValueError(f"embeddings of {len(self.mean)} floats are whitened here, not of {len(mean)}")
        self.mean.copy_(torch.from_numpy(mean))
        self.matrix.copy_(torch.from_numpy(matrix))

    def reset(self) -> None:
        """Set mean and matrix back to those of an unfitted layer."""
        self.mean.zero_()
        self.matrix.copy_(torch.eye(*self.matrix.shape))


def whitening_of(
    embeddings: ArrayLike, config: WhiteningConfig = WhiteningConfig(), *, kept: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean of embeddings, and the matrix that whitens them.

    Parameters
    ----------
    embeddings : array_like, shape (N, D)
        Embeddings, at least two.
    config : WhiteningConfig
        How far they are whitened.
    kept : int
        Number K of directions to keep, those of most variance. 0: all, by a symmetric matrix.

    Returns
    -------
    mean : ndarray, shape (D,)
        The mean.
    matrix : ndarray, shape (D, K)
        The matrix.

    Raises
    ------
    ValueError
        For an impossible `kept`, for fewer than two embeddings, and where they are all equal or not finite.
    """
    vectors = _finite(embeddings)
    if not 0 <= kept <= vectors.shape[1]:
        raise ValueError(f"0 to {vectors.shape[1]} floats of the embeddings can be kept, got {kept}")
    mean = vectors.mean(0)
    values, directions = np.linalg.eigh(np.cov(vectors.T).reshape(len(mean), len(mean)))
    values = values.clip(0)
    if values.mean() < _LEAST:
        raise ValueError("embeddings that are all the same cannot be whitened")
    # Divided by the mean, so that the embeddings keep their scale; clamped, because without a ridge it may be 0.
    gain = np.maximum(values / values.mean() + config.ridge, 1e-6) ** -config.exponent
    scaled = directions * gain
    return mean, scaled[:, -kept:] if kept else scaled @ directions.T


def effective_dimensions(embeddings: ArrayLike) -> float:
    """Number of directions in which embeddings differ: the participation ratio of their covariance's eigenvalues.

    Parameters
    ----------
    embeddings : array_like, shape (N, D)
        Embeddings, at least two.

    Returns
    -------
    float
        (sum w)^2 / sum w^2 for the eigenvalues w: D where all directions have the same variance, 1 where there is
        only one direction, 0 where all embeddings are equal. At most N - 1.

    Raises
    ------
    ValueError
        For fewer than two embeddings, and where one is not finite.
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
