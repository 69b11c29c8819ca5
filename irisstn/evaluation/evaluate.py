"""Error rates of strips under the plain iris code, and of embeddings under the cosine distance."""

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
    """Error rates of the plain iris code on `strips` (N) of the named `eyes` (N), all pairs.

    `max_shift` columns of 1.4 degrees are searched to either side; 0 = one single comparison. `subjects` and `failed`
    as in `compare_all`, `resamples` as in `error_rates`.
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
    """Error rates of `embeddings` (N, D) of the named `eyes` (N) under the cosine distance, all pairs once."""
    vectors = np.asarray(embeddings, np.float32)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"embeddings must be finite and (N, D), got {vectors.shape}")
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return error_rates(
        compare_all(1 - vectors @ vectors.T, eyes, subjects=subjects, failed=failed), resamples=resamples
    )
