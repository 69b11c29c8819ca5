"""What a similarity says: the false match rate at it, the threshold for a rate, and the log-likelihood ratio.

Learnt from comparisons of rendered eyes, whose number has no end, so that nothing is tuned to a real gallery. Eyes of
one real camera are a little more alike than rendered ones are; the model card says how far claimed and measured rates
lie apart.

Sources: Pickands 1975, "Statistical inference using extreme order statistics" (the tail beyond a high quantile; here
its exponential case, which claims too high a rate rather than too low a one where the tail is a normal
distribution's); Bruemmer and du Preez 2006, "Application-independent evaluation of speaker detection" (a likelihood
ratio that is linear in the score, fitted with equal weights of both kinds).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from irisstn.config import Strict
from irisstn.errors import WeightsError
from irisstn.files import read_regular_file, write_bytes_atomic
from irisstn.weights import CALIBRATION, SHIPPED

_MAX_BYTES = 1 << 16
_TAIL = 0.01  # share of the non-mated similarities that is taken for the tail
_FEWEST = 20  # similarities in the tail, and mated ones
_ROUNDS = 50


class _File(Strict):
    """A `Calibration` as it is stored, with the SHA-256 of the network's weights."""

    recognizer_sha256: str
    quantile: float
    tail: float
    excess: float
    offset: float
    slope: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Similarities are cosines of embeddings, -1..1.

    Of non-mated comparisons the share `tail` lies above `quantile`, by `excess` on average. The log-likelihood ratio
    (natural logarithm) is `offset` + `slope` times the similarity.
    """

    quantile: float
    tail: float
    excess: float
    offset: float
    slope: float

    def __post_init__(self) -> None:
        values = [getattr(self, field.name) for field in fields(self)]
        if not np.isfinite(values).all() or not 0 < self.tail < 1 or self.excess <= 0 or self.slope <= 0:
            raise ValueError(f"no calibration: {self}")

    @classmethod
    def of(cls, mated: ArrayLike, non_mated: ArrayLike) -> Self:
        """Fit to the similarities of `mated` (M,) and `non_mated` (N,) comparisons.

        Raises ValueError where they are not finite, too few (20 mated, 2000 others), or not the larger the more alike.
        """
        same, other = (np.sort(np.asarray(values, np.float64).ravel()) for values in (mated, non_mated))
        if not (np.isfinite(same).all() and np.isfinite(other).all()):
            raise ValueError("a similarity is not finite")
        beyond = int(_TAIL * len(other))
        if len(same) < _FEWEST or beyond < _FEWEST:
            raise ValueError(f"{_FEWEST} mated and {int(_FEWEST / _TAIL)} other comparisons are needed")
        quantile = float(other[-beyond - 1])
        offset, slope = _logistic(same, other)
        return cls(quantile, beyond / len(other), float(other[-beyond:].mean() - quantile), offset, slope)

    def false_match_rate(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """The share of non-mated comparisons with at least this `similarity` (any shape); never above `tail`.

        Below the tail's beginning nothing is claimed but that much.
        """
        above = np.maximum(np.asarray(similarity, np.float64) - self.quantile, 0.0)
        return np.asarray(self.tail * np.exp(-above / self.excess))

    def threshold(self, false_match_rate: float) -> float:
        """The similarity from which two strips count as one eye's, for a `false_match_rate` of at most `tail`."""
        if not 0 < false_match_rate <= self.tail:
            raise ValueError(f"a false match rate above 0 and up to {self.tail:g} is needed, got {false_match_rate}")
        return self.quantile + self.excess * float(np.log(self.tail / false_match_rate))

    def log_likelihood_ratio(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """log p(similarity | one eye) / p(similarity | two eyes), natural logarithm, of any shape."""
        return np.asarray(self.offset + self.slope * np.asarray(similarity, np.float64))

    def save(self, path: Path, recognizer_sha256: str) -> None:
        """Write it as JSON, atomically, for the network whose weights file has this SHA-256."""
        stored = _File(recognizer_sha256=recognizer_sha256, **asdict(self))
        write_bytes_atomic(path, stored.model_dump_json().encode(), durable=True)

    @classmethod
    def load(cls, path: Path | None = None, *, recognizer_sha256: str | None = None) -> Self:
        """The calibration saved at `path`, a file or the folder of a run; None for that of the shipped recogniser.

        With `recognizer_sha256` (`StripNet.weights_sha256`) it must be this network's. Raises WeightsError with the
        reason.
        """
        place = SHIPPED if path is None else path
        file = place / CALIBRATION if place.is_dir() else place
        try:
            stored = _File.model_validate_json(read_regular_file(file, max_bytes=_MAX_BYTES))
            calibration = cls(**stored.model_dump(exclude={"recognizer_sha256"}))
        except OSError as error:
            raise WeightsError(f"{file} cannot be read: {error.strerror or error}") from None
        except ValueError:
            raise WeightsError(f"{file} holds no calibration") from None
        if recognizer_sha256 not in (None, stored.recognizer_sha256):
            raise WeightsError(f"{file} belongs to another network")
        return calibration


def _logistic(mated: NDArray[np.float64], other: NDArray[np.float64]) -> tuple[float, float]:
    """Offset and slope of the logistic regression in which both kinds weigh the same in all (Newton's method)."""
    scores = np.concatenate([mated, other])
    middle, spread = float(scores.mean()), max(float(scores.std()), 1e-9)
    design = np.stack([np.ones(len(scores)), (scores - middle) / spread], axis=1)
    kind = np.concatenate([np.ones(len(mated)), np.zeros(len(other))])
    weight = np.concatenate([np.full(len(mated), 0.5 / len(mated)), np.full(len(other), 0.5 / len(other))])
    found = np.zeros(2)
    for _ in range(_ROUNDS):
        share = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        # The small ridge keeps the slope finite where no similarity of one kind reaches the other's.
        gradient = design.T @ (weight * (share - kind)) + 1e-4 * found * (0, 1)
        curvature = (design * (weight * share * (1 - share))[:, None]).T @ design + np.diag([1e-9, 1e-4])
        step = np.linalg.solve(curvature, gradient)
        found = found - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    slope = found[1] / spread
    return float(found[0] - slope * middle), float(slope)
