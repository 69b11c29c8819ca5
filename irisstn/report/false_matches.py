"""The non-mated pairs that are most alike: those that a matcher takes for one eye first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from irisstn.evaluation import CountedComparisons, Scores
from irisstn.evaluation.closest import CLOSEST_KEPT, ClosePair, closer_pairs

_AT_ONCE = 1_000_000  # distances in memory


@dataclass(frozen=True, slots=True)
class FalseMatch:
    """A non-mated pair that is more alike than most.

    Attributes
    ----------
    names : tuple of str
        Both pictures.
    distance : float
        Their distance.
    fmr : float
        The fraction of the non-mated comparisons that are at least as alike, 0..1: the FMR of a threshold just above.
    rejected : float
        The fraction of the mated comparisons that are not more alike, 0..1: the FNMR of a threshold at this distance.
    """

    names: tuple[str, str]
    distance: float
    fmr: float
    rejected: float


def false_matches(scores: Scores, count: int) -> list[FalseMatch]:
    """The `count` non-mated pairs of the smallest distances, the smallest first; fewer where there are fewer.

    Raises ValueError where `count` is more than `CLOSEST_KEPT`.
    """
    if count > CLOSEST_KEPT:
        raise ValueError(f"at most {CLOSEST_KEPT} pairs are kept, not {count}")
    comparisons = scores.comparisons()
    mated, (values, counts) = comparisons.mated, comparisons.non_mated_counts()
    below = np.cumsum(counts)
    closest = comparisons.closest if isinstance(comparisons, CountedComparisons) else _closest(scores)
    found = []
    for distance, first, second in closest[:count]:
        # Of counted comparisons `values` are the middles of narrow intervals: at least this pair itself counts.
        alike = below[min(max(int(np.searchsorted(values, distance, "right")) - 1, 0), len(below) - 1)]
        found.append(
            FalseMatch(
                (scores.names[first], scores.names[second]),
                distance,
                float(max(alike, 1.0) / below[-1]),
                float(np.count_nonzero(mated >= distance) / len(mated)),
            )
        )
    return found


def _closest(scores: Scores) -> Sequence[ClosePair]:
    """The closest non-mated pairs of scores whose distances are in memory."""
    eyes = np.unique([label.eye_name for label in scores.labels], return_inverse=True)[1]
    step = max(1, _AT_ONCE // max(len(eyes), 1))
    found: list[ClosePair] = []
    for start in range(0, len(eyes), step):
        found = closer_pairs(found, scores.rows(start, min(start + step, len(eyes))), start, eyes)
    return found
