"""Error rates of strips with iris codes, and of embeddings with the cosine distance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from irisstn.evaluation.comparisons import compare_all
from irisstn.evaluation.error_rates import RESAMPLES, ErrorRates, error_rates
from irisstn.iris_code import distances, encode
from irisstn.results import Strip


def evaluate_codes(
    strips: Sequence[Strip],
    eyes: Sequence[str],
    *,
    max_shift: int = 0,
    subjects: Sequence[str] | None = None,
    failed: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> ErrorRates:
    """Compute the error rates of iris codes.

    Parameters
    ----------
    strips : sequence of Strip, length N
        The strips, which are encoded here.
    eyes : sequence of str, length N
        Name of each sample's eye.
    max_shift : int
        Columns of 1.4 degrees that are searched to either side. 0: a single comparison.
    subjects, failed
        As in `compare_all`.
    resamples : int
        As in `error_rates`.

    Returns
    -------
    ErrorRates
        The error rates over all pairs.
    """
    matrix = distances([encode(strip) for strip in strips], max_shift=max_shift)
    return error_rates(compare_all(matrix, eyes, subjects=subjects, failed=failed), resamples=resamples)


def evaluate_embeddings(
    embeddings: ArrayLike,
    eyes: Sequence[str],
    *,
    subjects: Sequence[str] | None = None,
    failed: Sequence[str] = (),
    resamples: int = RESAMPLES,
) -> ErrorRates:
    """Compute the error rates of embeddings with the distance 1 - cosine similarity.

    Parameters
    ----------
    embeddings : ArrayLike, shape (N, D)
        The embeddings, of any length.
    eyes : sequence of str, length N
        Name of each sample's eye.
    subjects, failed
        As in `compare_all`.
    resamples : int
        As in `error_rates`.

    Returns
    -------
    ErrorRates
        The error rates over all pairs.

    Raises
    ------
    ValueError
        Where an embedding is not finite, or the shapes do not match.
    """
    vectors = np.asarray(embeddings, np.float32)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"embeddings must be finite and (N, D), got {vectors.shape}")
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return error_rates(
        compare_all(1 - vectors @ vectors.T, eyes, subjects=subjects, failed=failed), resamples=resamples
    )
