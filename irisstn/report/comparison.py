"""Compare two runs pair by pair and picture by picture: how the distances of mated pairs change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation import Scores
from irisstn.report.evaluated_runs import EvaluatedRun

_Scores = dict[tuple[str, ...], tuple[float, float]]  # z-normalised and distance, by the names of `Change`


@dataclass(frozen=True, slots=True)
class Change:
    """The z-normalised score of a mated pair, or of a picture, in two runs.

    Attributes
    ----------
    names : tuple of str
        The two pictures of the pair, or the one picture.
    before, after : float
        (m - d) / s in either run, where d is the distance of the pair, or the mean distance of the picture from the
        others of its eye, and m and s are mean and standard deviation of the non-mated distances of the run: the
        larger, the farther from non-mated comparisons. The unit is the same for all kinds of distances.
    distance_before, distance_after : float
        d in either run.
    """

    names: tuple[str, ...]
    before: float
    after: float
    distance_before: float
    distance_after: float

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
    return _sorted_changes(_picture_scores(before), _picture_scores(after))


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
    return _sorted_changes(_pair_scores(before), _pair_scores(after))


@dataclass(frozen=True, slots=True)
class RunComparison:
    """What changed from the run `first` to the run `second`: by mated pairs, and by pictures."""

    first: EvaluatedRun
    second: EvaluatedRun
    pairs: list[Change]
    pictures: list[Change]


def baseline_of(runs: Sequence[EvaluatedRun], run: EvaluatedRun) -> EvaluatedRun:
    """The run that `run` is compared with."""
    earlier = runs[: runs.index(run)]
    return next((one for one in earlier if run.shift is not None and one.shift == run.shift), runs[0])


def compared(first: EvaluatedRun, second: EvaluatedRun) -> RunComparison:
    """What changed from the run `first` to the run `second`."""
    pairs, pictures = pair_changes(first.scores, second.scores), changes(first.scores, second.scores)
    return RunComparison(first, second, pairs, pictures)


def counts_of(found: RunComparison | None) -> dict[str, int | str | None]:
    """The run that was compared with; the number of pictures and of mated pairs, and of those that gained and lost."""
    pictures, pairs = (found.pictures, found.pairs) if found is not None else ([], [])
    return {
        "compared_with": found.first.name if found is not None else None,
        "images": len(pictures),
        "gained": _gains(pictures),
        "lost": _losses(pictures),
        "pairs": len(pairs),
        "pairs_gained": _gains(pairs),
        "pairs_lost": _losses(pairs),
    }


def _gains(found: Sequence[Change]) -> int:
    return sum(change.gain > 0 for change in found)


def _losses(found: Sequence[Change]) -> int:
    return sum(change.gain < 0 for change in found)


def _sorted_changes(first: _Scores, second: _Scores) -> list[Change]:
    found = []
    for names in sorted(first.keys() & second.keys()):
        (before, distance_before), (after, distance_after) = first[names], second[names]
        found.append(Change(names, before, after, distance_before, distance_after))
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


def _pair_scores(scores: Scores) -> _Scores:
    """(m - d) / s and d, as in `Change`, by the sorted names of each mated pair."""
    mean, spread = _non_mated(scores)
    found: _Scores = {}
    for members in _pictures_of_eyes(scores):
        distances = scores.among(members)
        names = [scores.names[member] for member in members]
        for i, j in zip(*np.triu_indices(len(members), 1), strict=True):
            pair = min(names[i], names[j]), max(names[i], names[j])
            found[pair] = (mean - float(distances[i, j])) / spread, float(distances[i, j])
    return found


def _picture_scores(scores: Scores) -> _Scores:
    """(m - d) / s and d, as in `Change`, by the name of each picture that has a mated pair."""
    mean, spread = _non_mated(scores)
    found: _Scores = {}
    for members in _pictures_of_eyes(scores):
        others = scores.among(members)[~np.eye(len(members), dtype=bool)].reshape(len(members), -1)
        for i, distance in zip(members.tolist(), others.mean(axis=1).tolist(), strict=True):
            found[(scores.names[i],)] = (mean - distance) / spread, distance
    return found


def _non_mated(scores: Scores) -> tuple[float, float]:
    """Mean and standard deviation of the non-mated distances."""
    values, counts = scores.comparisons().non_mated_counts()
    if not len(values):
        return 0.0, 1.0
    mean = float(np.average(values, weights=counts))
    return mean, float(np.sqrt(max(np.average((values - mean) ** 2, weights=counts), 1e-12)))


def _pictures_of_eyes(scores: Scores) -> list[NDArray[np.intp]]:
    """The numbers of the pictures of each eye that has several."""
    eyes = np.unique([label.eye_name for label in scores.labels], return_inverse=True)[1]
    order = np.argsort(eyes, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(eyes[order])) + 1)
    return [members for members in groups if len(members) > 1]
