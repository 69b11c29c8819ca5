"""The comparison of two pictures: similarity, false match rate, likelihood ratio, and a decision or none.

    result = compare(embedding_a, embedding_b, doubts=quality_doubts(quality_a) + quality_doubts(quality_b))
    result.decision, result.false_match_rate

A picture of low quality makes pictures of one eye less similar, so a small similarity of such a pair does not show that
the eyes differ: then nothing is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from irisstn.iris_code import INCOMPARABLE, IrisCode, distance
from irisstn.quality import Quality
from irisstn.quality_score import LEAST
from irisstn.recognition.calibration import CODE_SHIFTS, IRIS_CODE, Calibration
from irisstn.results import Confidence

Decision = Literal["match", "no match", "undecided"]
FMR, STRICT_FMR = 1e-3, 1e-6  # of the threshold of a match, and of that which a picture of low quality must reach

_UNITS = {"usable_iris_area": "%", "iris_radius": "px", "sharpness": "of 100", "iris_pupil_contrast": "of 100"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of one comparison.

    Attributes
    ----------
    kind : {"embedding", "code"}
        What was compared.
    similarity : float
        The cosine of two embeddings, or 1 - 2 d for the distance d of two iris codes; -1..1.
    threshold, strict_threshold : float
        Similarities whose false match rates are 1e-3 and 1e-6.
    false_match_rate : float
        Fraction of comparisons of different eyes that are at least as similar, 0..1. Beyond some 1e-4 it is
        extrapolated.
    log10_likelihood_ratio : float
        Decimal logarithm of p(similarity | same eye) / p(similarity | different eyes), no larger than the comparisons
        of the calibration support.
    decision : {"match", "no match", "undecided"}
        "match" from `threshold` on. With `doubts`: "match" from `strict_threshold` on, else "undecided".
    doubts : tuple of str
        What speaks against trusting the pictures; empty where nothing does.
    """

    kind: Literal["embedding", "code"]
    similarity: float
    threshold: float
    strict_threshold: float
    false_match_rate: float
    log10_likelihood_ratio: float
    decision: Decision
    doubts: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, object]:
        """All attributes by name, as JSON has them."""
        return {**asdict(self), "doubts": list(self.doubts)}


def compare(
    a: ArrayLike, b: ArrayLike, *, calibration: Calibration | None = None, doubts: Sequence[str] = ()
) -> Comparison:
    """Compare two embeddings.

    Parameters
    ----------
    a, b : array_like, shape (D,)
        Embeddings of one network, of any length above 0.
    calibration : Calibration, optional
        That of the network; by default that of the shipped one.
    doubts : sequence of str
        What speaks against trusting the pictures, see `quality_doubts`.

    Returns
    -------
    Comparison
        Similarity, false match rate, likelihood ratio and decision.

    Raises
    ------
    ValueError
        Where the embeddings differ in length, or are not finite or 0.
    """
    first, second = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if first.ndim != 1 or first.shape != second.shape or not np.isfinite([first, second]).all():
        raise ValueError(f"two finite embeddings (D,) are needed, got {first.shape} and {second.shape}")
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    if lengths == 0:
        raise ValueError("an embedding has no length")
    return _judged("embedding", float(first @ second) / lengths, calibration or Calibration.load(), doubts)


def compare_codes(
    a: IrisCode,
    b: IrisCode,
    *,
    max_shift: int = CODE_SHIFTS,
    calibration: Calibration | None = None,
    doubts: Sequence[str] = (),
) -> Comparison:
    """Compare two iris codes.

    Parameters
    ----------
    a, b : IrisCode
        The codes.
    max_shift : int
        As in `irisstn.recognition.distance`, 0..16. The calibration is for 16; for less, it claims too high a false
        match rate.
    calibration, doubts
        As in `compare`; by default the shipped calibration of the iris code.

    Returns
    -------
    Comparison
        As from `compare`; undecided where no bit is usable in both codes.

    Raises
    ------
    ValueError
        For another `max_shift`.
    """
    if not 0 <= max_shift <= CODE_SHIFTS:
        raise ValueError(f"iris codes are calibrated for shifts of 0 to {CODE_SHIFTS} columns, got {max_shift}")
    found = distance(a, b, max_shift)
    if found == INCOMPARABLE:
        found, doubts = 0.5, (*doubts, "no part of the iris is visible in both pictures")
    fitted = calibration or Calibration.load(recognizer_sha256=IRIS_CODE)
    return _judged("code", 1 - 2 * found, fitted, doubts)


def _judged(
    kind: Literal["embedding", "code"], similarity: float, calibration: Calibration, doubts: Sequence[str]
) -> Comparison:
    threshold, strict = calibration.threshold(FMR), calibration.threshold(STRICT_FMR)
    decision: Decision = "match" if similarity >= (strict if doubts else threshold) else "no match"
    return Comparison(
        kind=kind,
        similarity=similarity,
        threshold=threshold,
        strict_threshold=strict,
        false_match_rate=float(calibration.false_match_rate(similarity)),
        log10_likelihood_ratio=float(calibration.log_likelihood_ratio(similarity) / np.log(10)),
        decision="undecided" if doubts and decision == "no match" else decision,
        doubts=tuple(doubts),
    )


def quality_doubts(quality: Quality, confidence: Confidence | None = None) -> tuple[str, ...]:
    """What speaks against trusting a picture in a comparison.

    Parameters
    ----------
    quality : Quality
        The quality of the picture.
    confidence : Confidence, optional
        That of its segmentation.

    Returns
    -------
    tuple of str
        A reason each, with the figure and the least that is needed; empty where nothing does.
    """
    found = [
        f"{name.replace('_', ' ')} {value:.0f} {_UNITS[name]} ({least:.0f} needed)"
        for name, least in LEAST.items()
        if (value := float(getattr(quality, name))) < least
    ]
    if confidence is not None and confidence.eyes_seen > 1:
        found.append(f"{confidence.eyes_seen} eyes in the picture")
    return tuple(found)
