"""Error rates of a recogniser as ISO/IEC 19795-1 defines them, with confidence intervals by bootstrap over subjects.

A comparison is accepted where its distance is below the threshold. FMR = share of non_mated comparisons accepted,
FNMR = share of mated ones rejected. Samples that could not be enrolled have mated comparisons of infinite distance,
so failures to enrol count as rejected.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation.comparisons import Comparisons
from irisstn.geometry import Float

FMR_LEVELS = (1e-2, 1e-3, 1e-4)
RESAMPLES = 1000  # of the bootstrap, for a confidence interval


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the ends of its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Error rates as shares (0..1), not percent.

    `fnmr_at` maps an FMR level to the FNMR at the largest threshold whose FMR does not exceed it. `d_prime` is the
    distance of the two means in standard deviations (Daugman 2004, eq. 7), over the enrolled samples.
    `smallest_fmr` = 3 / non_mated comparisons: no FMR below it can be claimed from so many (rule of 3, 95 %).
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
        """Flat names and numbers, for a table or a file."""
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
    comparisons: Comparisons,
    *,
    fmr_levels: tuple[float, ...] = FMR_LEVELS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ErrorRates:
    """The error rates of `comparisons`, which need at least one mated and one non_mated comparison (else ValueError).

    Intervals: percentile bootstrap, in which whole subjects are drawn again with replacement (Bolle et al. 2004,
    "The subsets bootstrap"), for comparisons of one person are not independent. A subject drawn w times counts its
    mated comparisons w times, and those with a subject drawn v times w v times. Where no error was seen the upper
    end is 3 / n of the rule of 3 (ISO/IEC 19795-1, annex B), which takes comparisons for independent and is thus
    hopeful. `resamples` 0 leaves the intervals out (ends = value).
    """
    mated, non_mated = np.asarray(comparisons.mated, float), np.asarray(comparisons.non_mated, float)
    if not len(mated) or not len(non_mated):
        raise ValueError(f"both kinds of comparison are needed, got {len(mated)} mated, {len(non_mated)} non_mated")
    if np.isnan(mated).any() or np.isnan(non_mated).any():
        raise ValueError("a distance is not a number")
    names, numbers = np.unique(
        np.concatenate([comparisons.mated_subjects, comparisons.non_mated_subjects.ravel()]), return_inverse=True
    )
    table = _Table(mated, non_mated, numbers[: len(mated)], numbers[len(mated) :].reshape(-1, 2), len(names))
    figures = table.figures(np.ones(len(names)), fmr_levels)
    drawn = _drawn(len(names), resamples, seed)
    spread = np.array([table.figures(weight, fmr_levels) for weight in drawn]).reshape(-1, len(figures))
    estimates = [_estimate(value, spread[:, i], len(mated)) for i, value in enumerate(figures)]
    return ErrorRates(
        eer=estimates[0],
        fnmr_at=dict(zip(fmr_levels, estimates[1:], strict=True)),
        d_prime=_d_prime(mated[np.isfinite(mated)], non_mated),
        failure_to_enrol=comparisons.failed / max(comparisons.samples, 1),
        mated=len(mated),
        non_mated=len(non_mated),
        subjects=len(names),
        smallest_fmr=min(3 / len(non_mated), 1.0),
    )


def _drawn(subjects: int, resamples: int, seed: int) -> Iterator[Float]:
    """How often each subject is drawn, (S,) for each resample."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(subjects, size=subjects), minlength=subjects).astype(float)


def _estimate(value: float, spread: Float, mated: int) -> Estimate:
    seen = spread[np.isfinite(spread)]
    low, high = (value, value) if not len(seen) else np.quantile(seen, [0.025, 0.975]).tolist()
    if value == 0.0 and len(spread):
        high = max(high, min(3 / mated, 1.0))
    return Estimate(value, float(min(low, value)), float(max(high, value)))


def _d_prime(mated: Float, non_mated: Float) -> float:
    if not len(mated):
        return float("nan")
    spread = np.sqrt((mated.var() + non_mated.var()) / 2)
    return float(abs(mated.mean() - non_mated.mean()) / spread) if spread > 0 else float("inf")


class _Table:
    """Sorted distances that give the figures for any weights of the subjects.

    Only the low end of the non_mated distances matters to the figures, so a resample touches no more than that.
    """

    def __init__(
        self,
        mated: Float,
        non_mated: Float,
        mated_subjects: NDArray[np.intp],
        non_mated_subjects: NDArray[np.intp],
        subjects: int,
    ) -> None:
        order = np.argsort(mated)
        self.mated, self.mated_subjects = mated[order], mated_subjects[order]
        order = np.argsort(non_mated)
        non_mated, non_mated_subjects = non_mated[order], non_mated_subjects[order]
        self.pairs = np.zeros((subjects, subjects))  # non_mated comparisons between two subjects
        np.add.at(self.pairs, (non_mated_subjects[:, 0], non_mated_subjects[:, 1]), 1.0)
        self.one_person = np.diag(self.pairs).copy()  # two eyes of one person: drawn w times, they count w times
        np.fill_diagonal(self.pairs, 0.0)
        # Beyond the point where FMR is twice the FNMR, and over a few percent, no figure is read.
        fnmr = 1 - np.searchsorted(self.mated, non_mated, "left") / len(mated)
        fmr = np.arange(1, len(non_mated) + 1) / len(non_mated)
        beyond = np.flatnonzero(fmr > np.maximum(2 * fnmr, 0.04) + 10 / len(non_mated))
        keep = int(beyond[0]) + 1 if len(beyond) else len(non_mated)
        self.non_mated, self.non_mated_subjects = non_mated[:keep], non_mated_subjects[:keep]
        # Each kept non_mated distance taken as the threshold (exclusive): its first equal, and mated distances below.
        self.first = np.searchsorted(self.non_mated, self.non_mated, "left")
        self.below = np.searchsorted(self.mated, self.non_mated, "left")

    def figures(self, weight: Float, fmr_levels: tuple[float, ...]) -> list[float]:
        """[EER, FNMR at each level] where subject s counts `weight[s]` times; nan where a draw has no such pairs."""
        a, b = self.non_mated_subjects[:, 0], self.non_mated_subjects[:, 1]
        non_mated_weight = np.where(a == b, weight[a], weight[a] * weight[b])
        non_mated_total = float(weight @ self.pairs @ weight + weight @ self.one_person)
        accepted = np.concatenate([[0.0], np.cumsum(weight[self.mated_subjects])])
        mated_total = float(accepted[-1])
        if non_mated_total <= 0 or mated_total <= 0:
            return [float("nan")] * (1 + len(fmr_levels))
        matched = np.cumsum(non_mated_weight)
        # FMR at the threshold "below this distance"; equal distances are accepted together.
        fmr_before = ((matched - non_mated_weight) / non_mated_total)[self.first]
        fnmr = 1 - accepted[self.below] / mated_total
        figures = [_crossing(fmr_before, fnmr)]
        for level in fmr_levels:
            # The largest threshold allowed is the first distance whose acceptance would break the level.
            over = np.searchsorted(matched, level * non_mated_total * (1 + 1e-12), "right")
            last = min(int(over), len(fnmr) - 1)
            figures.append(float(fnmr[last]))
        return figures


def _crossing(fmr: Float, fnmr: Float) -> float:
    """The rate at which the staircase of (FMR, FNMR) over all thresholds meets the diagonal."""
    over = np.flatnonzero(fmr >= fnmr)
    if not len(over):
        return float(fnmr[-1])
    i = int(over[0])
    return float(fmr[i] if i == 0 else min(fmr[i], fnmr[i - 1]))
