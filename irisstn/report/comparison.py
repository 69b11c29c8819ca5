"""Which images one run recognises better than another: the change of each image's mated distances."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation import Scores


@dataclass(frozen=True, slots=True)
class Change:
    """How far an image `name` is from the other images of its eye, in two runs.

    `before` and `after` are means of distances in standard deviations of the non_mated distances below their mean, so
    that runs with different kinds of distances can be told apart: the larger, the safer it is recognised.
    """

    name: str
    before: float
    after: float

    @property
    def gain(self) -> float:
        """By how much it is recognised more safely."""
        return self.after - self.before


def changes(before: Scores, after: Scores) -> list[Change]:
    """The images that both runs have and that have a mated pair in both, best gain first."""
    first, second = _safety(before), _safety(after)
    found = [Change(name, first[name], second[name]) for name in sorted(first.keys() & second.keys())]
    return sorted(found, key=lambda change: -change.gain)


def ends(found: list[Change], count: int) -> tuple[list[Change], list[Change]]:
    """The `count` changes with the largest gain above 0, and the `count` with the largest loss, worst first."""
    helped = [change for change in found if change.gain > 0][:count]
    hurt = [change for change in reversed(found) if change.gain < 0][:count]
    return helped, hurt


def _safety(scores: Scores) -> dict[str, float]:
    labels = np.unique([f"{label.subject}/{label.eye}" for label in scores.labels], return_inverse=True)[1]
    mean, spread = _non_mated(scores.distances, labels)
    safety = {}
    for i, name in enumerate(scores.names):
        same = np.flatnonzero(labels == labels[i])
        others = same[same != i]
        if len(others):
            safety[name] = (mean - float(np.mean(scores.distances[i, others]))) / spread
    return safety


def _non_mated(distances: NDArray[np.float32], labels: NDArray[np.intp]) -> tuple[float, float]:
    """Mean and deviation of the non_mated distances, row by row, so that the matrix may lie on disk."""
    parts: Iterable[NDArray[np.float32]] = (row[labels != label] for row, label in zip(distances, labels, strict=True))
    sums = np.array([(len(part), part.sum(dtype=float), np.square(part, dtype=float).sum()) for part in parts])
    count, total, squares = sums.sum(axis=0)
    if not count:
        return 0.0, 1.0
    mean = total / count
    return float(mean), float(np.sqrt(max(squares / count - mean**2, 1e-12)))
