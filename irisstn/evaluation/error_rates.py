"""Error rates as ISO/IEC 19795-1 defines them, with confidence intervals by bootstrap over subjects.

A comparison is accepted where its distance is below the threshold. The FMR is the fraction of non-mated comparisons
that are accepted, the FNMR the fraction of mated ones that are rejected. Mated comparisons with a sample that failed to
enrol have an infinite distance, so they count as rejected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from irisstn.evaluation.comparisons import Comparisons, Distances, Ints
from irisstn.evaluation.counted import CountedComparisons, crossing
from irisstn.geometry import Float

FMR_LEVELS = (1e-2, 1e-3, 1e-4)
RESAMPLES = 1000  # of the bootstrap, for a confidence interval
_AT_ONCE = 1 << 18  # comparisons


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % confidence interval.

    Attributes
    ----------
    value : float
        The figure.
    low, high : float
        Ends of the interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Error rates as fractions, 0..1.

    Attributes
    ----------
    eer : Estimate
        Equal error rate.
    fnmr_at : dict of float to Estimate
        For each FMR level the FNMR at the largest threshold whose FMR does not exceed the level.
    d_prime : float
        Difference of the mean distances in standard deviations (Daugman 2004, eq. 7), over the enrolled samples.
    failure_to_enrol : float
        Fraction of the samples that failed to enrol.
    mated, non_mated : int
        Numbers of comparisons.
    subjects : int
        Number of subjects, from which the bootstrap draws.
    smallest_fmr : float
        The smallest FMR that so many comparisons can support: 3 / `non_mated` (rule of three, 95 %).
    """

    eer: Estimate
    fnmr_at: dict[float, Estimate]
    d_prime: float
    failure_to_enrol: float
    mated: int
    non_mated: int
    subjects: int
    smallest_fmr: float

    def as_dict(self) -> dict[str, float]:
        """Flatten to names and numbers.

        Returns
        -------
        dict of str to float
            `eer`, `fnmr@LEVEL`, each also with `_low` and `_high`, and the other attributes but `smallest_fmr`.
        """
        figures = {"eer": self.eer.value, "eer_low": self.eer.low, "eer_high": self.eer.high}
        for level, estimate in self.fnmr_at.items():
            figures |= {
                f"fnmr@{level:g}": estimate.value,
                f"fnmr@{level:g}_low": estimate.low,
                f"fnmr@{level:g}_high": estimate.high,
            }
        return figures | {
            "d_prime": self.d_prime,
            "failure_to_enrol": self.failure_to_enrol,
            "mated": self.mated,
            "non_mated": self.non_mated,
            "subjects": self.subjects,
        }


def error_rates(
    comparisons: Comparisons | CountedComparisons,
    *,
    fmr_levels: tuple[float, ...] = FMR_LEVELS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ErrorRates:
    """Compute error rates with 95 % confidence intervals.

    Intervals are percentile bootstrap intervals over subjects, since comparisons of one person are not independent. A
    subject that is drawn w times counts its mated comparisons w times, and those with a subject that is drawn v times
    w v times. Where no error was observed the upper end is 3 / n (rule of three; ISO/IEC 19795-1, annex B); this
    assumes independent comparisons and is therefore too small.

    Parameters
    ----------
    comparisons : Comparisons or CountedComparisons
        At least one mated and one non-mated comparison.
    fmr_levels : tuple of float
        FMR levels at which the FNMR is computed.
    resamples : int
        Bootstrap resamples. 0: no intervals; their ends equal the value.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    ErrorRates
        The error rates.

    Raises
    ------
    ValueError
        Where one kind of comparison is missing, or a distance is NaN.

    References
    ----------
    Bolle et al. 2004, "Error analysis of pattern recognition systems: the subsets bootstrap".
    """
    mated, (values, counts) = np.asarray(comparisons.mated, float), comparisons.non_mated_counts()
    if not len(mated) or not len(values):
        raise ValueError(f"both kinds of comparison are needed, got {len(mated)} mated, {counts.sum()} non-mated")
    if np.isnan(mated).any() or np.isnan(values).any():
        raise ValueError("a distance is not a number")
    non_mated, separation = round(float(counts.sum())), _d_prime(mated[np.isfinite(mated)], values, counts)
    del values, counts  # of millions of pairs
    if isinstance(comparisons, CountedComparisons):
        subjects = len(comparisons.by_subject)
        figures = comparisons.figures(fmr_levels)
        resampled = comparisons.resampled_figures(_bootstrap_weights(subjects, resamples, seed), fmr_levels)
    else:
        table = _Table(comparisons)
        subjects = table.subjects
        figures = table.figures(np.ones(subjects), fmr_levels)
        weights = _bootstrap_weights(subjects, resamples, seed)
        resampled = (table.figures(weight, fmr_levels) for weight in weights)
    spread = np.array(list(resampled)).reshape(-1, len(figures))
    estimates = [_estimate(value, spread[:, i], len(mated)) for i, value in enumerate(figures)]
    return ErrorRates(
        eer=estimates[0],
        fnmr_at=dict(zip(fmr_levels, estimates[1:], strict=True)),
        d_prime=separation,
        failure_to_enrol=comparisons.failed / max(comparisons.samples, 1),
        mated=len(mated),
        non_mated=non_mated,
        subjects=subjects,
        smallest_fmr=min(3 / non_mated, 1.0),
    )


def _bootstrap_weights(subjects: int, resamples: int, seed: int) -> Iterator[Float]:
    """How often each subject is drawn, (S,), for each resample."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(subjects, size=subjects), minlength=subjects).astype(float)


def _estimate(value: float, spread: Float, mated: int) -> Estimate:
    finite = spread[np.isfinite(spread)]
    low, high = (value, value) if not len(finite) else np.quantile(finite, [0.025, 0.975]).tolist()
    if value == 0.0 and len(spread):
        high = max(high, min(3 / mated, 1.0))
    return Estimate(value, float(min(low, value)), float(max(high, value)))


def _d_prime(mated: Float, values: Float, counts: Float) -> float:
    """d' of the `mated` distances and of the non-mated `values`, which occur as often as `counts` says."""
    if not len(mated):
        return float("nan")
    mean = float(np.average(values, weights=counts))
    spread = np.sqrt((mated.var() + np.average((values - mean) ** 2, weights=counts)) / 2)
    return float(abs(mated.mean() - mean) / spread) if spread > 0 else float("inf")


def _smallest(non_mated: Distances, mated: Float) -> Ints:
    """The numbers of the non-mated distances that figures are read from, in ascending order of their distances.

    No figure is read where the FMR exceeds both twice the FNMR and a few percent; `mated` are the sorted mated ones.
    """
    n, ordered = len(non_mated), np.sort(non_mated)
    last = ordered[-1]
    for start in range(0, n, _AT_ONCE):
        part = ordered[start : start + _AT_ONCE]
        fnmr = 1 - np.searchsorted(mated, part, "left") / len(mated)
        fmr = np.arange(start + 1, start + 1 + len(part)) / n
        beyond = np.flatnonzero(fmr > np.maximum(2 * fnmr, 0.04) + 10 / n)
        if len(beyond):
            last = part[beyond[0]]
            break
    del ordered
    kept = np.flatnonzero(non_mated <= last)
    return kept[np.argsort(non_mated[kept])]


class _Table:
    """Sorted distances, from which the figures follow for any weights of the subjects.

    The figures depend on the smallest non-mated distances only, so a resample reads no more than these.
    """

    def __init__(self, comparisons: Comparisons) -> None:
        both = comparisons.mated_subjects, comparisons.non_mated_subjects
        present = np.zeros(1 + max(int(part.max(initial=-1)) for part in both), bool)
        for part in both:
            present[part] = True
        number_of = (np.cumsum(present) - 1).astype(np.int32)  # numbers without gaps
        self.subjects = int(present.sum())
        order = np.argsort(comparisons.mated)
        self.mated = np.asarray(comparisons.mated, float)[order]
        self.mated_subjects = number_of[comparisons.mated_subjects[order]]
        # Non-mated comparisons between two subjects.
        self.pairs = np.zeros((self.subjects, self.subjects))
        for start in range(0, len(comparisons.non_mated), _AT_ONCE):
            np.add.at(self.pairs, tuple(number_of[comparisons.non_mated_subjects[start : start + _AT_ONCE].T]), 1)
        self.one_person = np.diag(self.pairs).copy()  # of two eyes of one person: weight w, not w squared
        np.fill_diagonal(self.pairs, 0.0)
        kept = _smallest(comparisons.non_mated, self.mated)
        self.non_mated = comparisons.non_mated[kept].astype(float)
        self.non_mated_subjects = number_of[comparisons.non_mated_subjects[kept]]
        # For each kept non-mated distance as the threshold (exclusive): the first equal one, and the mated ones below.
        self.first = np.searchsorted(self.non_mated, self.non_mated, "left")
        self.below = np.searchsorted(self.mated, self.non_mated, "left")

    def figures(self, weight: Float, fmr_levels: tuple[float, ...]) -> list[float]:
        """[EER, FNMR at each level] where subject s counts `weight[s]` times; NaN where there are no such pairs."""
        a, b = self.non_mated_subjects[:, 0], self.non_mated_subjects[:, 1]
        non_mated_weight = np.where(a == b, weight[a], weight[a] * weight[b])
        non_mated_total = float(weight @ self.pairs @ weight + weight @ self.one_person)
        accepted = np.concatenate([[0.0], np.cumsum(weight[self.mated_subjects])])
        mated_total = float(accepted[-1])
        if non_mated_total <= 0 or mated_total <= 0:
            return [float("nan")] * (1 + len(fmr_levels))
        matched = np.cumsum(non_mated_weight)
        # The FMR at the threshold "below this distance": equal distances are accepted or rejected together.
        fmr_before = ((matched - non_mated_weight) / non_mated_total)[self.first]
        fnmr = 1 - accepted[self.below] / mated_total
        figures = [crossing(fmr_before, fnmr)]
        for level in fmr_levels:
            # The largest permitted threshold is the first distance whose acceptance would exceed the level.
            over = np.searchsorted(matched, level * non_mated_total * (1 + 1e-12), "right")
            last = min(int(over), len(fnmr) - 1)
            figures.append(float(fnmr[last]))
        return figures
