"""Genuine and non_mated comparisons of a set of samples, all pairs once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Float

Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Distances of all pairs, smaller = more alike; inf where a sample could not be enrolled.

    `mated` (G,) with the subject's number `mated_subjects` (G,); `non_mated` (I,) with the two subjects' numbers
    `non_mated_subjects` (I, 2), equal where two eyes of one person met. `samples` counts all samples, `failed` those of
    them that could not be enrolled: each of their mated comparisons is in `mated` as inf (ISO/IEC 19795-1 calls
    the result generalised error rates); as non_mated they are never accepted, and left out.
    """

    mated: Float
    non_mated: Float
    mated_subjects: Ints
    non_mated_subjects: Ints
    samples: int
    failed: int

    def __post_init__(self) -> None:
        if self.mated_subjects.shape != self.mated.shape or self.non_mated_subjects.shape != (len(self.non_mated), 2):
            raise ValueError("each comparison needs its subjects: mated (G,), non_mated (I, 2)")


def compare_all(
    distances: Float,
    eyes: Sequence[str],
    *,
    subjects: Sequence[str] | None = None,
    failed: Sequence[str] = (),
) -> Comparisons:
    """The comparisons in a symmetric matrix of `distances` (N, N) between samples of the given `eyes` (N).

    Two samples of the same eye are a mated pair. `subjects` (N) names each sample's person (default: every eye its
    own person); `failed` names the eye of each sample that could not be enrolled. Raises ValueError where the lengths
    differ.
    """
    n = len(eyes)
    people = eyes if subjects is None else subjects
    if distances.shape != (n, n) or len(people) != n:
        raise ValueError(f"{n} eyes need as many subjects and distances ({n}, {n}), got {distances.shape}")
    names, eye = np.unique(np.asarray(eyes, dtype=str), return_inverse=True)
    person = np.unique(np.asarray(people, dtype=str), return_inverse=True)[1]
    first, second = np.triu_indices(n, 1)
    same = eye[first] == eye[second]
    values = np.asarray(distances, float)[first, second]

    lost: list[int] = []  # the subject of each mated pair that a failure to enrol takes away
    owner = dict(zip(names.tolist(), (int(person[np.argmax(eye == i)]) for i in range(len(names))), strict=True))
    for name, missing in sorted(Counter(failed).items()):
        present = int(np.count_nonzero(np.asarray(eyes, dtype=str) == name))
        number = owner.get(name, -1)
        if number < 0:  # an eye of which nothing was enrolled: a person of its own
            number = owner[name] = max([int(person.max(initial=-1)), *owner.values()]) + 1
        lost += [number] * (present * missing + missing * (missing - 1) // 2)
    return Comparisons(
        mated=np.concatenate([values[same], np.full(len(lost), np.inf)]),
        non_mated=values[~same],
        mated_subjects=np.concatenate([person[first[same]], np.asarray(lost, np.intp)]).astype(np.intp),
        non_mated_subjects=np.stack([person[first[~same]], person[second[~same]]], axis=1).astype(np.intp),
        samples=n + len(failed),
        failed=len(failed),
    )
