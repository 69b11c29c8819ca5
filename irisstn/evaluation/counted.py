"""Comparisons of many samples, counted: the pairs of 100,000 samples do not fit into memory.

Mated comparisons are few and kept as they are. Non-mated distances are counted in narrow intervals, and for each
subject in wider ones, for the bootstrap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation.closest import ClosePair, closer_pairs
from irisstn.evaluation.comparisons import Ints, subjects_of_failed
from irisstn.geometry import Float

_BINS = 1 << 16  # intervals of distances, over twice the range of those that were looked at first
_THRESHOLDS = 400  # at which the comparisons of each subject are counted
_AT_ONCE = 4_000_000  # distances in memory
_COUNTED_AT_ONCE = 1_000_000  # distances; counting them takes ten times their memory
_FIRST_BLOCKS = 16  # of rows, evenly spread, that set the intervals

Rows = Callable[[int, int], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class CountedComparisons:
    """Distances of all pairs of samples, those of non-mated ones counted; see `Comparisons`.

    Attributes
    ----------
    mated : Float, shape (G,)
        Distances of mated comparisons.
    mated_subjects : NDArray[numpy.intp], shape (G,)
        Number of the subject of each mated comparison.
    values : Float, shape (B,)
        Middles of the intervals of non-mated distances, ascending.
    counts : Float, shape (B,)
        Number of non-mated comparisons in each interval; halves where rounding moves one order of a pair to the next.
    thresholds : Float, shape (T,)
        Distances, ascending.
    by_subject : NDArray[numpy.float32], shape (S, T + 1)
        Number of non-mated comparisons of each subject before, between and beyond the thresholds.
    closest : tuple of (float, int, int)
        Distances and numbers of both samples of the `CLOSEST_KEPT` closest non-mated pairs, the smallest first.
    samples, failed : int
        Number of samples, and of those that failed to enrol.
    """

    mated: Float
    mated_subjects: Ints
    values: Float
    counts: Float
    thresholds: Float
    by_subject: NDArray[np.float32]
    closest: tuple[ClosePair, ...]
    samples: int
    failed: int

    def non_mated_counts(self) -> tuple[Float, Float]:
        """Non-mated distances, ascending, and how often each occurs."""
        held = self.counts > 0
        return self.values[held], self.counts[held]

    def figures(self, fmr_levels: Sequence[float]) -> list[float]:
        """[EER, FNMR at each level], exact to the width of an interval."""
        half = (self.values[1] - self.values[0]) / 2 if len(self.values) > 1 else 0.0
        fmr = np.concatenate([[0.0], np.cumsum(self.counts) / self.counts.sum()])
        edges = np.append(self.values - half, self.values[-1] + half)
        fnmr = 1 - np.searchsorted(np.sort(self.mated), edges, "left") / len(self.mated)
        return _figures(fmr, fnmr, fmr_levels)

    def resampled_figures(self, weights: Iterator[Float], fmr_levels: Sequence[float]) -> Iterator[list[float]]:
        """The `figures` where subject s counts as often as each of `weights` says; NaN where there are no such pairs.

        A pair of subjects a and b counts w_a + w_b - 1 times in place of w_a w_b: their difference is of second order,
        and for thousands of subjects negligible beside the width of the interval.
        """
        order = np.argsort(self.mated)
        mated, subjects = self.mated[order], self.mated_subjects[order]
        below = np.searchsorted(mated, self.thresholds, "left")
        all_pairs = self.by_subject.sum(axis=0, dtype=float) / 2
        exact, plain = np.array(self.figures(fmr_levels)), None
        for weight in chain([np.ones(len(self.by_subject))], weights):
            pairs = np.maximum(weight.astype(np.float32) @ self.by_subject - all_pairs, 0)
            accepted = np.concatenate([[0.0], np.cumsum(weight[subjects])])
            if pairs.sum() <= 0 or accepted[-1] <= 0:
                yield [float("nan")] * (1 + len(fmr_levels))
                continue
            fmr = np.cumsum(pairs)[:-1] / pairs.sum()
            found = np.array(_figures(fmr, 1 - accepted[below] / accepted[-1], fmr_levels))
            if plain is None:  # what the wider intervals change
                plain = found
            else:
                yield np.clip(found + exact - plain, 0, 1).tolist()


def count_all(
    rows: Rows,
    among: Callable[[Ints], NDArray[np.float32]],
    eyes: Sequence[str],
    *,
    subjects: Sequence[str],
    failed: Sequence[str] = (),
) -> CountedComparisons:
    """Compare all pairs of samples block by block and count them.

    Parameters
    ----------
    rows : callable
        The distances of the samples from the first number up to the second one from all N samples: (n, N).
    among : callable
        The distances among some samples, given by their numbers (k,): (k, k).
    eyes, subjects : sequence of str, length N
        As in `compare_all`.
    failed : sequence of str
        As in `compare_all`.

    Returns
    -------
    CountedComparisons
        Each pair once. At most some 100 MB are taken at a time, and 2 KB for each subject.

    Raises
    ------
    ValueError
        Where a distance is NaN.
    """
    eye_names, eye = np.unique(np.asarray(eyes, dtype=str), return_inverse=True)
    person = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)[1]
    mated, first, second = _mated(among, eye)
    lost = subjects_of_failed(eye_names, eye, person, failed)
    lowest, step, thresholds = _intervals(rows, len(eye), mated)
    wide = np.searchsorted(thresholds, lowest + step * np.arange(_BINS), "right").astype(np.int32)
    wide = np.append(wide, len(thresholds) + 1).astype(np.int32)  # of pairs that do not count

    counts = np.zeros(_BINS + 1, np.int64)
    by_subject = np.zeros((max([int(person.max(initial=-1)), *lost]) + 1, len(thresholds) + 2), np.float32)
    size, height = (max(1, most // len(eye)) for most in (_AT_ONCE, _COUNTED_AT_ONCE))
    order = np.argsort(first, kind="stable")
    first, second = first[order], second[order]
    width = len(thresholds) + 2
    closest: list[ClosePair] = []
    for begin in range(0, len(eye), size):
        block = rows(begin, min(begin + size, len(eye)))
        for start in range(begin, begin + len(block), height):
            distances = block[start - begin : start - begin + height]
            closest = closer_pairs(closest, distances, start, eye)
            places = _places(distances, lowest, step)
            stop = start + len(places)
            places[np.arange(stop - start), np.arange(start, stop)] = _BINS
            part = slice(*np.searchsorted(first, [start, stop]))
            places[first[part] - start, second[part]] = _BINS
            counts += np.bincount(places.ravel(), minlength=_BINS + 1)
            keys = wide[places] + (np.arange(stop - start, dtype=np.int32) * width)[:, None]
            found = np.bincount(keys.ravel(), minlength=(stop - start) * width).reshape(stop - start, width)
            np.add.at(by_subject, person[start:stop], found.astype(np.float32))
    once = first < second
    return CountedComparisons(
        mated=np.concatenate([mated[order][once], np.full(len(lost), np.inf)]),
        mated_subjects=np.concatenate([person[first[once]], np.asarray(lost, np.intp)]).astype(np.intp),
        values=lowest + step * (np.arange(_BINS) + 0.5),
        counts=counts[:_BINS] / 2,
        thresholds=thresholds,
        by_subject=by_subject[:, :-1],
        closest=tuple(closest),
        samples=len(eye) + len(failed),
        failed=len(failed),
    )


def crossing(fmr: Float, fnmr: Float) -> float:
    """The error rate where the step curve of (FMR, FNMR) over all thresholds crosses the diagonal."""
    over = np.flatnonzero(fmr >= fnmr)
    if not len(over):
        return float(fnmr[-1])
    i = int(over[0])
    return float(fmr[i] if i == 0 else min(fmr[i], fnmr[i - 1]))


def _figures(fmr: Float, fnmr: Float, fmr_levels: Sequence[float]) -> list[float]:
    last = [max(int(np.searchsorted(fmr, level * (1 + 1e-12), "right")) - 1, 0) for level in fmr_levels]
    return [crossing(fmr, fnmr), *(float(fnmr[i]) for i in last)]


def _mated(among: Callable[[Ints], NDArray[np.float32]], eye: Ints) -> tuple[Float, Ints, Ints]:
    """Distances and numbers of both samples of all mated pairs, each pair in both orders."""
    order = np.argsort(eye, kind="stable")
    values: list[NDArray[np.float32]] = [np.zeros(0, np.float32)]
    first: list[Ints] = [np.zeros(0, np.intp)]
    second: list[Ints] = [np.zeros(0, np.intp)]
    for members in np.split(order, np.flatnonzero(np.diff(eye[order])) + 1):
        if len(members) > 1:
            a, b = np.nonzero(~np.eye(len(members), dtype=bool))
            values.append(among(members)[a, b])
            first.append(members[a])
            second.append(members[b])
    return np.concatenate(values).astype(float), np.concatenate(first), np.concatenate(second)


def _intervals(rows: Rows, n: int, mated: Float) -> tuple[float, float, Float]:
    """Where the first interval begins, the width of each, and the thresholds of subjects, which bound intervals."""
    height = min(max(1, _COUNTED_AT_ONCE // n), n)
    starts = np.unique(np.linspace(0, n - height, _FIRST_BLOCKS).astype(int))
    seen = np.empty(len(starts) * height * n, np.float32)
    for place, start in enumerate(starts.tolist()):
        seen[place * height * n : (place + 1) * height * n] = rows(start, start + height).ravel()
    seen.sort()  # NaN last
    finite = mated[np.isfinite(mated)]
    if np.isnan(seen[-1]) or np.isnan(mated).any():
        raise ValueError("a distance is not a number")
    low, high = float(seen[0]), float(seen[-1])
    if len(finite):
        low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    margin = max((high - low) / 2, 1e-6)
    lowest, step = low - margin, 2 * (high - low + margin) / _BINS if high > low else 2 * margin / _BINS
    shares = np.concatenate([np.geomspace(1 / len(seen), 1, _THRESHOLDS), np.linspace(0, 1, _THRESHOLDS // 4)])
    wanted = np.concatenate([seen[(shares * (len(seen) - 1)).astype(int)], np.quantile(mated, np.linspace(0, 1, 33))])
    places = np.unique(_places(wanted.astype(np.float32), lowest, step))
    return lowest, step, lowest + step * places


def _places(distances: NDArray[np.float32], lowest: float, step: float) -> NDArray[np.int32]:
    """The number of the interval of each distance."""
    if np.isnan(distances).any():
        raise ValueError("a distance is not a number")
    scaled = distances - np.float32(lowest)
    scaled *= np.float32(1 / step)
    return np.clip(scaled, 0, _BINS - 1, out=scaled).astype(np.int32)
