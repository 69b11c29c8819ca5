"""Error rates of a recogniser as ISO/IEC 19795-1 defines them, with confidence intervals by bootstrap over subjects.

A comparison is accepted where its distance is below the threshold. FMR = share of impostor comparisons accepted,
FNMR = share of genuine ones rejected. Samples that could not be enrolled have genuine comparisons of infinite distance,
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
    `smallest_fmr` = 3 / impostor comparisons: no FMR below it can be claimed from so many (rule of 3, 95 %).
    """

    eer: Estimate
    fnmr_at: dict[float, Estimate]
    d_prime: float
    failure_to_enrol: float
    genuine: int
    impostor: int
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
            "genuine": self.genuine,
            "impostor": self.impostor,
            "subjects": self.subjects,
        }


def error_rates(
    comparisons: Comparisons,
    *,
    fmr_levels: tuple[float, ...] = FMR_LEVELS,
    resamples: int = 1000,
    seed: int = 0,
) -> ErrorRates:
    """The error rates of `comparisons`, which need at least one genuine and one impostor comparison (else ValueError).

    Intervals: percentile bootstrap, in which whole subjects are drawn again with replacement (Bolle et al. 2004,
    "The subsets bootstrap"), for comparisons of one person are not independent. A subject drawn w times counts its
    genuine comparisons w times, and those with a subject drawn v times w v times. Where no error was seen the upper
    end is 3 / n of the rule of 3 (ISO/IEC 19795-1, annex B), which takes comparisons for independent and is thus
    hopeful. `resamples` 0 leaves the intervals out (ends = value).
    """
    genuine, impostor = np.asarray(comparisons.genuine, float), np.asarray(comparisons.impostor, float)
    if not len(genuine) or not len(impostor):
        raise ValueError(f"both kinds of comparison are needed, got {len(genuine)} genuine, {len(impostor)} impostor")
    if np.isnan(genuine).any() or np.isnan(impostor).any():
        raise ValueError("a distance is not a number")
    names, numbers = np.unique(
        np.concatenate([comparisons.genuine_subjects, comparisons.impostor_subjects.ravel()]), return_inverse=True
    )
    table = _Table(genuine, impostor, numbers[: len(genuine)], numbers[len(genuine) :].reshape(-1, 2), len(names))
    figures = table.figures(np.ones(len(names)), fmr_levels)
    drawn = _drawn(len(names), resamples, seed)
    spread = np.array([table.figures(weight, fmr_levels) for weight in drawn]).reshape(-1, len(figures))
    estimates = [_estimate(value, spread[:, i], len(genuine)) for i, value in enumerate(figures)]
    return ErrorRates(
        eer=estimates[0],
        fnmr_at=dict(zip(fmr_levels, estimates[1:], strict=True)),
        d_prime=_d_prime(genuine[np.isfinite(genuine)], impostor),
        failure_to_enrol=comparisons.failed / max(comparisons.samples, 1),
        genuine=len(genuine),
        impostor=len(impostor),
        subjects=len(names),
        smallest_fmr=min(3 / len(impostor), 1.0),
    )


def _drawn(subjects: int, resamples: int, seed: int) -> Iterator[Float]:
    """How often each subject is drawn, (S,) for each resample."""
    rng = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(rng.integers(subjects, size=subjects), minlength=subjects).astype(float)


def _estimate(value: float, spread: Float, genuine: int) -> Estimate:
    seen = spread[np.isfinite(spread)]
    low, high = (value, value) if not len(seen) else np.quantile(seen, [0.025, 0.975]).tolist()
    if value == 0.0 and len(spread):
        high = max(high, min(3 / genuine, 1.0))
    return Estimate(value, float(min(low, value)), float(max(high, value)))


def _d_prime(genuine: Float, impostor: Float) -> float:
    if not len(genuine):
        return float("nan")
    spread = np.sqrt((genuine.var() + impostor.var()) / 2)
    return float(abs(genuine.mean() - impostor.mean()) / spread) if spread > 0 else float("inf")


class _Table:
    """Sorted distances that give the figures for any weights of the subjects.

    Only the low end of the impostor distances matters to the figures, so a resample touches no more than that.
    """

    def __init__(
        self,
        genuine: Float,
        impostor: Float,
        genuine_subjects: NDArray[np.intp],
        impostor_subjects: NDArray[np.intp],
        subjects: int,
    ) -> None:
        order = np.argsort(genuine)
        self.genuine, self.genuine_subjects = genuine[order], genuine_subjects[order]
        order = np.argsort(impostor)
        impostor, impostor_subjects = impostor[order], impostor_subjects[order]
        self.pairs = np.zeros((subjects, subjects))  # impostor comparisons between two subjects
        np.add.at(self.pairs, (impostor_subjects[:, 0], impostor_subjects[:, 1]), 1.0)
        self.one_person = np.diag(self.pairs).copy()  # two eyes of one person: drawn w times, they count w times
        np.fill_diagonal(self.pairs, 0.0)
        # Beyond the point where FMR is twice the FNMR, and over a few percent, no figure is read.
        fnmr = 1 - np.searchsorted(self.genuine, impostor, "left") / len(genuine)
        fmr = np.arange(1, len(impostor) + 1) / len(impostor)
        beyond = np.flatnonzero(fmr > np.maximum(2 * fnmr, 0.04) + 10 / len(impostor))
        keep = int(beyond[0]) + 1 if len(beyond) else len(impostor)
        self.impostor, self.impostor_subjects = impostor[:keep], impostor_subjects[:keep]
        # Each kept impostor distance taken as the threshold (exclusive): its first equal, and genuine distances below.
        self.first = np.searchsorted(self.impostor, self.impostor, "left")
        self.below = np.searchsorted(self.genuine, self.impostor, "left")

    def figures(self, weight: Float, fmr_levels: tuple[float, ...]) -> list[float]:
        """[EER, FNMR at each level] where subject s counts `weight[s]` times; nan where a draw has no such pairs."""
        a, b = self.impostor_subjects[:, 0], self.impostor_subjects[:, 1]
        impostor_weight = np.where(a == b, weight[a], weight[a] * weight[b])
        impostor_total = float(weight @ self.pairs @ weight + weight @ self.one_person)
        accepted = np.concatenate([[0.0], np.cumsum(weight[self.genuine_subjects])])
        genuine_total = float(accepted[-1])
        if impostor_total <= 0 or genuine_total <= 0:
            return [float("nan")] * (1 + len(fmr_levels))
        matched = np.cumsum(impostor_weight)
        # FMR at the threshold "below this distance"; equal distances are accepted together.
        fmr_before = ((matched - impostor_weight) / impostor_total)[self.first]
        fnmr = 1 - accepted[self.below] / genuine_total
        figures = [_crossing(fmr_before, fnmr)]
        for level in fmr_levels:
            # The largest threshold allowed is the first distance whose acceptance would break the level.
            over = np.searchsorted(matched, level * impostor_total * (1 + 1e-12), "right")
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
