"""Compare two runs pair by pair and picture by picture: how the distances of mated pairs change."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation import Scores

_Safety = dict[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Change:
    """How safely a mated pair, or a picture, is recognised in two runs.

    Attributes
    ----------
    names : tuple of str
        The two pictures of the pair, or the one picture.
    before, after : float
        (m - d) / s in either run, where d is the distance of the pair, or the mean distance of the picture from the
        others of its eye, and m and s are mean and standard deviation of the non-mated distances of the run. A larger
        number is a safer recognition. The unit is the same for all kinds of distances.
    """

    names: tuple[str, ...]
    before: float
    after: float

    @property
    def gain(self) -> float:
        """`after` - `before`."""
        return self.after - self.before


def changes(before: Scores, after: Scores) -> list[Change]:
    """The changes from one run to another.

    Parameters
    ----------
    before, after : Scores
        The distances within each run.

    Returns
    -------
    list of Change
        One for each picture that has a mated pair in both runs; the largest gain first.
    """
    first, second = _safety(before), _safety(after)
    return _sorted_changes({(name,): value for name, value in first.items()}, {(n,): v for n, v in second.items()})


def pair_changes(before: Scores, after: Scores) -> list[Change]:
    """The changes of single pairs from one run to another.

    Parameters
    ----------
    before, after : Scores
        The distances within each run.

    Returns
    -------
    list of Change
        One for each mated pair whose pictures are in both runs; the largest gain first.
    """
    return _sorted_changes(_pair_safety(before), _pair_safety(after))


def _sorted_changes(first: _Safety, second: _Safety) -> list[Change]:
    found = [Change(names, first[names], second[names]) for names in sorted(first.keys() & second.keys())]
    return sorted(found, key=lambda change: -change.gain)


def ends(found: list[Change], count: int) -> tuple[list[Change], list[Change]]:
    """The largest gains and the largest losses among sorted changes.

    Parameters
    ----------
    found : list of Change
        What `changes` returned.
    count : int
        How many of each kind, at most.

    Returns
    -------
    gains, losses : list of Change
        The largest first; changes of 0 are in neither.
    """
    gains = [change for change in found if change.gain > 0][:count]
    losses = [change for change in reversed(found) if change.gain < 0][:count]
    return gains, losses


def _pair_safety(scores: Scores) -> _Safety:
    """(m - d) / s, as in `Change`, by the sorted names of each mated pair."""
    labels = _numbers(scores)
    mean, spread = _non_mated(scores.distances, labels)
    safety: _Safety = {}
    for i, name in enumerate(scores.names):
        for j in np.flatnonzero(labels[i + 1 :] == labels[i]) + i + 1:
            names = (name, scores.names[j])
            safety[min(names), max(names)] = (mean - float(scores.distances[i, j])) / spread
    return safety


def _numbers(scores: Scores) -> NDArray[np.intp]:
    """The number of each input's eye."""
    return np.unique([f"{label.subject}/{label.eye}" for label in scores.labels], return_inverse=True)[1]


def _safety(scores: Scores) -> dict[str, float]:
    """(m - d) / s, as in `Change`, by the name of each picture that has a mated pair."""
    labels = _numbers(scores)
    mean, spread = _non_mated(scores.distances, labels)
    safety = {}
    for i, name in enumerate(scores.names):
        same = np.flatnonzero(labels == labels[i])
        others = same[same != i]
        if len(others):
            safety[name] = (mean - float(np.mean(scores.distances[i, others]))) / spread
    return safety


def _non_mated(distances: NDArray[np.float32], labels: NDArray[np.intp]) -> tuple[float, float]:
    """Mean and standard deviation of the non-mated distances, row by row, because the matrix may be a mapped file."""
    parts: Iterable[NDArray[np.float32]] = (row[labels != label] for row, label in zip(distances, labels, strict=True))
    sums = np.array([(len(part), part.sum(dtype=float), np.square(part, dtype=float).sum()) for part in parts])
    count, total, squares = sums.sum(axis=0)
    if not count:
        return 0.0, 1.0
    mean = total / count
    return float(mean), float(np.sqrt(max(squares / count - mean**2, 1e-12)))
