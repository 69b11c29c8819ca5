"""Mated and non-mated comparisons of a set of samples, each pair once (terms of ISO/IEC 2382-37)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Float

Ints = NDArray[np.intp]
Distances = Float | NDArray[np.float32]
SmallInts = NDArray[np.signedinteger]


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Distances of all pairs of samples. Smaller = more similar.

    A mated comparison with a sample that failed to enrol has an infinite distance, so error rates are the generalised
    ones of ISO/IEC 19795-1. Non-mated comparisons with such a sample are never accepted and are left out.

    Attributes
    ----------
    mated : Float, shape (G,)
        Distances of mated comparisons.
    non_mated : Float or NDArray[numpy.float32], shape (I,)
        Distances of non-mated comparisons.
    mated_subjects : NDArray[numpy.intp], shape (G,)
        Number of the subject of each mated comparison.
    non_mated_subjects : NDArray[numpy.signedinteger], shape (I, 2)
        Numbers of both subjects; equal where two eyes of one person are compared.
    samples : int
        Number of samples, enrolled or not.
    failed : int
        Number of samples that failed to enrol.
    """

    mated: Float
    non_mated: Distances
    mated_subjects: Ints
    non_mated_subjects: SmallInts
    samples: int
    failed: int

    def __post_init__(self) -> None:
        if self.mated_subjects.shape != self.mated.shape or self.non_mated_subjects.shape != (len(self.non_mated), 2):
            raise ValueError("each comparison needs its subjects: mated_subjects (G,), non_mated_subjects (I, 2)")

    def non_mated_counts(self) -> tuple[Float, Float]:
        """Non-mated distances, ascending, and how often each occurs."""
        ordered = np.sort(self.non_mated)
        last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]  # of equal ones
        return ordered[last].astype(float), np.diff(np.flatnonzero(last) + 1, prepend=0).astype(float)


def compare_all(
    distances: Distances,
    eyes: Sequence[str],
    *,
    subjects: Sequence[str] | None = None,
    failed: Sequence[str] = (),
) -> Comparisons:
    """Sort the pairs of a distance matrix into mated and non-mated comparisons.

    Parameters
    ----------
    distances : Float or NDArray[numpy.float32], shape (N, N)
        Symmetric matrix of distances.
    eyes : sequence of str, length N
        Name of each sample's eye. Two samples of the same eye are mated.
    subjects : sequence of str, length N, or None
        Name of each sample's person. None: each eye is a person of its own.
    failed : sequence of str
        Name of the eye of each sample that failed to enrol.

    Returns
    -------
    Comparisons
        Each pair once.

    Raises
    ------
    ValueError
        Where the lengths differ.

    Examples
    --------
    >>> found = compare_all(np.array([[0, 0.2, 0.5], [0.2, 0, 0.4], [0.5, 0.4, 0]]), ["a", "a", "b"])
    >>> found.mated.tolist(), found.non_mated.tolist()
    ([0.2], [0.5, 0.4])
    """
    n = len(eyes)
    people = eyes if subjects is None else subjects
    if distances.shape != (n, n) or len(people) != n:
        raise ValueError(f"{n} eyes need as many subjects and distances ({n}, {n}), got {distances.shape}")
    names, eye = np.unique(np.asarray(eyes, dtype=str), return_inverse=True)
    person = np.unique(np.asarray(people, dtype=str), return_inverse=True)[1]
    lost = subjects_of_failed(names, eye, person, failed)
    # Row by row and in small types: there may be millions of pairs.
    pairs, same_eye = n * (n - 1) // 2, np.bincount(eye)
    mated, mated_subjects = [np.zeros(0)], [np.zeros(0, np.intp)]
    others = pairs - int((same_eye * (same_eye - 1) // 2).sum())
    non_mated = np.empty(others, np.float32 if distances.dtype == np.float32 else float)
    non_mated_subjects = np.empty((others, 2), np.min_scalar_type(-max(n, 1)))
    end = 0
    for i in range(n):
        rest = eye[i + 1 :]
        mated.append(distances[i, i + 1 :][rest == eye[i]].astype(float))
        mated_subjects.append(np.full(len(mated[-1]), person[i], np.intp))
        row = distances[i, i + 1 :][rest != eye[i]]
        part = slice(end, end := end + len(row))
        non_mated[part], non_mated_subjects[part, 0] = row, person[i]
        non_mated_subjects[part, 1] = person[i + 1 :][rest != eye[i]]
    return Comparisons(
        mated=np.concatenate([*mated, np.full(len(lost), np.inf)]),
        non_mated=non_mated,
        mated_subjects=np.concatenate([*mated_subjects, np.asarray(lost, np.intp)]),
        non_mated_subjects=non_mated_subjects,
        samples=n + len(failed),
        failed=len(failed),
    )


def subjects_of_failed(names: NDArray[np.str_], eye: Ints, person: Ints, failed: Sequence[str]) -> list[int]:
    """The number of the subject of each mated comparison with a sample that failed to enrol.

    Parameters
    ----------
    names : NDArray[numpy.str_], shape (E,)
        The names of the eyes.
    eye, person : NDArray[numpy.intp], shape (N,)
        The number of each sample's eye, in `names`, and of its person.
    failed : sequence of str
        As in `compare_all`.

    Returns
    -------
    list of int
        An eye without an enrolled sample counts as a person of its own.
    """
    present = np.bincount(eye, minlength=len(names))
    owners = np.zeros(len(names), np.intp)
    owners[eye] = person
    number_of = {name: i for i, name in enumerate(names.tolist())}
    free = int(person.max(initial=-1)) + 1
    lost: list[int] = []
    for name, missing in sorted(Counter(failed).items()):
        i = number_of.get(name)
        if i is None:
            free += 1
        number = free - 1 if i is None else int(owners[i])
        held = 0 if i is None else int(present[i])
        lost += [number] * (held * missing + missing * (missing - 1) // 2)
    return lost
