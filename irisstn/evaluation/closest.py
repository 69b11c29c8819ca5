"""The non-mated pairs of the smallest distances, found block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation.comparisons import Ints

CLOSEST_KEPT = 20  # non-mated pairs that are kept of all

ClosePair = tuple[float, int, int]


def closer_pairs(found: list[ClosePair], block: NDArray[np.float32], start: int, eye: Ints) -> list[ClosePair]:
    """Of the pairs found before and those of a block, the closest ones.

    Parameters
    ----------
    found : list of (float, int, int)
        Distances and numbers of both samples, the smallest distance first, at most
        `CLOSEST_KEPT`.
    block : NDArray[numpy.float32], shape (n, N)
        Distances of the samples from number `start` on from all N samples. Only pairs whose second number is larger are
        looked at: each pair counts once. While `found` holds fewer than `CLOSEST_KEPT`, index arrays of the whole
        block are made, 16 bytes for each distance.
    start : int
        Number of the block's first sample.
    eye : NDArray[numpy.intp], shape (N,)
        Number of each sample's eye; pairs of one eye are mated and left out.

    Returns
    -------
    list of (float, int, int)
        Like `found`. Infinite distances are left out; equal ones are ordered by the numbers.
    """
    first, second = np.nonzero(block <= (found[-1][0] if len(found) == CLOSEST_KEPT else np.inf))
    kept = (first + start < second) & (eye[first + start] != eye[second])
    first, second = first[kept], second[kept]
    values = block[first, second]
    nearest = np.argsort(values, kind="stable")[:CLOSEST_KEPT]
    nearest = nearest[np.isfinite(values[nearest])]
    new = zip(values[nearest].tolist(), (first[nearest] + start).tolist(), second[nearest].tolist(), strict=True)
    return sorted([*found, *new])[:CLOSEST_KEPT]
