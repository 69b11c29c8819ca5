"""Open-set identification: how often a search misses the mate, and how often it returns somebody else.

References
----------
.. [1] Grother et al. 2012, "IREX III: performance of iris identification algorithms", NIST IR 7836 (FNIR, FPIR).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from irisstn.evaluation.error_rates import RESAMPLES, Estimate

FPIR_LEVELS = (1e-2, 1e-3)


@dataclass(frozen=True, slots=True)
class IdentificationRates:
    """Error rates of an open-set search as fractions, 0..1.

    Attributes
    ----------
    fnir_at : dict of float to Estimate
        For each FPIR level the fraction of the searches with a mate in the gallery whose mate is not returned, at the
        smallest threshold whose FPIR does not exceed the level, with its 95 % interval.
    threshold_at : dict of float to float
        These thresholds.
    mated, non_mated : int
        Numbers of searches.
    smallest_fpir : float
        The smallest FPIR that so many searches can support: 3 / `non_mated` (rule of three, 95 %).
    """

    fnir_at: dict[float, Estimate]
    threshold_at: dict[float, float]
    mated: int
    non_mated: int
    smallest_fpir: float


def identification_rates(
    mates: ArrayLike,
    best_others: ArrayLike,
    *,
    subjects: ArrayLike | None = None,
    fpir_levels: tuple[float, ...] = FPIR_LEVELS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> IdentificationRates:
    """Compute FNIR at levels of FPIR, by the definitions of NIST's IREX (Grother et al. 2012).

    Parameters
    ----------
    mates : array_like, shape (M,)
        For each search with a mate in the gallery, the similarity of the mate; -inf where the probe or the mate failed
        to enrol, or where the mate is not among the candidates that a search returns.
    best_others : array_like, shape (I,)
        For each search without a mate in the gallery, the largest similarity; -inf where the probe failed to enrol.
    subjects : array_like, shape (M,), optional
        The person of each search with a mate, from which the bootstrap draws; None: each is one of its own.
    fpir_levels : tuple of float
        Levels of FPIR.
    resamples, seed : int
        Bootstrap resamples (0: no intervals) of the persons, with the thresholds held, and their seed.

    Returns
    -------
    IdentificationRates
        The rates.

    Raises
    ------
    ValueError
        Where one kind of search is missing, or a similarity is NaN.
    """
    own, others = np.asarray(mates, np.float64), np.sort(np.asarray(best_others, np.float64))[::-1]
    if not len(own) or not len(others) or np.isnan(own).any() or np.isnan(others).any():
        raise ValueError(f"both kinds of search are needed, without NaN, got {len(own)} mated, {len(others)} others")
    people = np.arange(len(own)) if subjects is None else np.unique(np.asarray(subjects), return_inverse=True)[1]
    totals = np.bincount(people).astype(float)
    drawn = np.random.default_rng(seed).integers(len(totals), size=(resamples, len(totals)))
    rates: dict[float, Estimate] = {}
    thresholds: dict[float, float] = {}
    for level in fpir_levels:
        allowed = int(np.floor(level * len(others) * (1 + 1e-12)))
        # Just above the largest similarity that must not be returned.
        threshold = float(np.nextafter(others[allowed], np.inf)) if allowed < len(others) else -np.inf
        missed = np.bincount(people, ~(own >= threshold) | np.isneginf(own))
        value = float(missed.sum() / len(own))
        low, high = value, value
        if resamples:
            low, high = np.quantile(missed[drawn].sum(1) / totals[drawn].sum(1), [0.025, 0.975]).tolist()
            high = max(high, 0.0 if value else min(3 / len(own), 1.0))
        rates[level] = Estimate(value, float(min(low, value)), float(max(high, value)))
        thresholds[level] = threshold
    return IdentificationRates(rates, thresholds, len(own), len(others), min(3 / len(others), 1.0))
