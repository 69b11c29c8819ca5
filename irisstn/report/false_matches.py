"""The non-mated pairs that are most alike: those that a matcher takes for one eye first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irisstn.evaluation import Scores

_AT_ONCE = 2_000_000  # distances in memory


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
    """The `count` non-mated pairs of the smallest distances, the smallest first; fewer where there are fewer."""
    comparisons = scores.comparisons()
    mated, (values, counts) = comparisons.mated, comparisons.non_mated_counts()
    below = np.cumsum(counts)
    found = []
    for distance, first, second in _closest(scores, count):
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


def _closest(scores: Scores, count: int) -> list[tuple[float, int, int]]:
    """Distance and numbers of both pictures of the closest non-mated pairs, each pair once."""
    eyes = np.unique([f"{label.subject}/{label.eye}" for label in scores.labels], return_inverse=True)[1]
    n = len(eyes)
    step = max(1, _AT_ONCE // max(n, 1))
    best: list[tuple[float, int, int]] = []
    for start in range(0, n, step):
        block = scores.rows(start, min(start + step, n))
        first, second = np.nonzero(block <= (best[-1][0] if len(best) == count else np.inf))
        first += start
        kept = (first < second) & (eyes[first] != eyes[second])
        first, second = first[kept], second[kept]
        values = block[first - start, second]
        for place in np.argsort(values, kind="stable")[:count].tolist():
            if np.isfinite(values[place]):
                best.append((float(values[place]), int(first[place]), int(second[place])))
        best = sorted(best)[:count]
    return best
