"""Compare two runs picture by picture: how the mated distances of each picture change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from irisstn.evaluation import Scores


@dataclass(frozen=True, slots=True)
class Change:
    """How safely a picture is recognised in two runs.

    Attributes
    ----------
    name : str
        The picture.
    before, after : float
        (m - d) / s in either run, where d is the mean distance of the picture from the others of its eye, and m and s
        are mean and standard deviation of the non-mated distances of the run. A larger number is a safer recognition.
        The unit is the same for all kinds of distances.
    """

    name: str
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
    found = [Change(name, first[name], second[name]) for name in sorted(first.keys() & second.keys())]
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


def _safety(scores: Scores) -> dict[str, float]:
    """(m - d) / s, as in `Change`, by the name of each picture that has a mated pair."""
    values, counts = scores.comparisons().non_mated_counts()
    mean = float(np.average(values, weights=counts)) if len(values) else 0.0
    spread = float(np.sqrt(max(np.average((values - mean) ** 2, weights=counts), 1e-12))) if len(values) else 1.0
    eyes = np.unique([f"{label.subject}/{label.eye}" for label in scores.labels], return_inverse=True)[1]
    order = np.argsort(eyes, kind="stable")
    safety = {}
    for members in np.split(order, np.flatnonzero(np.diff(eyes[order])) + 1):
        if len(members) > 1:
            others = scores.among(members)[~np.eye(len(members), dtype=bool)].reshape(len(members), -1)
            for i, distance in zip(members.tolist(), others.mean(axis=1).tolist(), strict=True):
                safety[scores.names[i]] = (mean - distance) / spread
    return safety
