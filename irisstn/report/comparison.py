"""Compare two runs pair by pair and picture by picture: how the distances of mated pairs change."""

from __future__ import annotations

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
    mean, spread = _non_mated(scores)
    safety: _Safety = {}
    for members in _pictures_of_eyes(scores):
        distances = scores.among(members)
        names = [scores.names[member] for member in members]
        for i, j in zip(*np.triu_indices(len(members), 1), strict=True):
            pair = min(names[i], names[j]), max(names[i], names[j])
            safety[pair] = (mean - float(distances[i, j])) / spread
    return safety


def _safety(scores: Scores) -> dict[str, float]:
    """(m - d) / s, as in `Change`, by the name of each picture that has a mated pair."""
    mean, spread = _non_mated(scores)
    safety = {}
    for members in _pictures_of_eyes(scores):
        others = scores.among(members)[~np.eye(len(members), dtype=bool)].reshape(len(members), -1)
        for i, distance in zip(members.tolist(), others.mean(axis=1).tolist(), strict=True):
            safety[scores.names[i]] = (mean - distance) / spread
    return safety


def _non_mated(scores: Scores) -> tuple[float, float]:
    """Mean and standard deviation of the non-mated distances."""
    values, counts = scores.comparisons().non_mated_counts()
    if not len(values):
        return 0.0, 1.0
    mean = float(np.average(values, weights=counts))
    return mean, float(np.sqrt(max(np.average((values - mean) ** 2, weights=counts), 1e-12)))


def _pictures_of_eyes(scores: Scores) -> list[NDArray[np.intp]]:
    """The numbers of the pictures of each eye that has several."""
    eyes = np.unique([f"{label.subject}/{label.eye}" for label in scores.labels], return_inverse=True)[1]
    order = np.argsort(eyes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(eyes[order])) + 1)
    return [members for members in groups if len(members) > 1]
