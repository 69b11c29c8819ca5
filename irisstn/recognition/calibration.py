"""From a similarity to a false match rate or a log-likelihood ratio, and from a false match rate to a threshold.

The calibration is fitted to comparisons of rendered eyes, of which any number can be made, so that nothing is tuned to
a real gallery. Eyes of one real camera are a little more similar to each other than rendered ones; the model card
states how far the rates that a calibration claims differ from measured ones.

The tail of the non-mated similarities beyond a high quantile is modelled as exponential [1]_; where the true tail is
that of a normal distribution, the claimed rate is too high, not too low. The log-likelihood ratio is linear in the
similarity, fitted with the same total weight of mated and non-mated comparisons [2]_.

References
----------
.. [1] Pickands 1975, "Statistical inference using extreme order statistics".
.. [2] Bruemmer and du Preez 2006, "Application-independent evaluation of speaker detection".
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
_TAIL = 0.01  # fraction of the non-mated similarities that counts as the tail
_FEWEST = 20  # smallest number of similarities in the tail, and of mated ones
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
    """What similarities mean: false match rates and log-likelihood ratios. A similarity is a cosine, -1..1.

    Attributes
    ----------
    quantile : float
        Similarity at which the tail of the non-mated comparisons begins.
    tail : float
        Fraction of the non-mated comparisons that lies above `quantile`, 0..1.
    excess : float
        Mean distance of these above `quantile`, above 0.
    offset, slope : float
        The log-likelihood ratio (natural logarithm) is `offset` + `slope` * similarity; `slope` is above 0.

    Raises
    ------
    ValueError
        Where a number is not finite or out of range.
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
        """Fit a calibration.

        Parameters
        ----------
        mated, non_mated : array_like, shapes (M,) and (N,)
            Similarities of mated and of non-mated comparisons; at least 20 and 2000.

        Returns
        -------
        Calibration
            The calibration.

        Raises
        ------
        ValueError
            Where a similarity is not finite, there are too few, or mated comparisons are less similar than others.
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
        """Fraction of non-mated comparisons that reach a similarity.

        Parameters
        ----------
        similarity : array_like, shape (...)
            Similarities.

        Returns
        -------
        ndarray, shape (...)
            The false match rate with the similarity as threshold, at most `tail`, which is also the result for all
            similarities below `quantile`.
        """
        above = np.maximum(np.asarray(similarity, np.float64) - self.quantile, 0.0)
        return np.asarray(self.tail * np.exp(-above / self.excess))

    def threshold(self, false_match_rate: float) -> float:
        """Similarity from which on two strips count as the same eye.

        Parameters
        ----------
        false_match_rate : float
            The false match rate, above 0 and at most `tail`.

        Returns
        -------
        float
            The threshold.

        Raises
        ------
        ValueError
            For another rate.
        """
        if not 0 < false_match_rate <= self.tail:
            raise ValueError(f"a false match rate above 0 and up to {self.tail:g} is needed, got {false_match_rate}")
        return self.quantile + self.excess * float(np.log(self.tail / false_match_rate))

    def log_likelihood_ratio(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """Natural logarithm of p(similarity | same eye) / p(similarity | different eyes).

        Parameters
        ----------
        similarity : array_like, shape (...)
            Similarities.

        Returns
        -------
        ndarray, shape (...)
            Log-likelihood ratios.
        """
        return np.asarray(self.offset + self.slope * np.asarray(similarity, np.float64))

    def save(self, path: Path, recognizer_sha256: str) -> None:
        """Write the calibration as JSON, atomically.

        Parameters
        ----------
        path : Path
            The file.
        recognizer_sha256 : str
            `StripNet.weights_sha256` of the network that it belongs to.
        """
        stored = _File(recognizer_sha256=recognizer_sha256, **asdict(self))
        write_bytes_atomic(path, stored.model_dump_json().encode(), durable=True)

    @classmethod
    def load(cls, path: Path | None = None, *, recognizer_sha256: str | None = None) -> Self:
        """Load a calibration.

        Parameters
        ----------
        path : Path, optional
            A file or the folder of a run; None for the calibration of the shipped recogniser.
        recognizer_sha256 : str, optional
            `StripNet.weights_sha256` of the network that the calibration must belong to; None: any.

        Returns
        -------
        Calibration
            The calibration.

        Raises
        ------
        WeightsError
            Where the file is missing or damaged, or belongs to another network.
        """
        given = SHIPPED if path is None else path
        file = given / CALIBRATION if given.is_dir() else given
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
    """Offset and slope of a logistic regression in which both kinds have the same total weight (Newton's method)."""
    scores = np.concatenate([mated, other])
    middle, spread = float(scores.mean()), max(float(scores.std()), 1e-9)
    design = np.stack([np.ones(len(scores)), (scores - middle) / spread], axis=1)
    kind = np.concatenate([np.ones(len(mated)), np.zeros(len(other))])
    weight = np.concatenate([np.full(len(mated), 0.5 / len(mated)), np.full(len(other), 0.5 / len(other))])
    found = np.zeros(2)
    for _ in range(_ROUNDS):
        likely = 1 / (1 + np.exp(-np.clip(design @ found, -30, 30)))
        # A small ridge keeps the slope finite where the similarities of both kinds do not overlap.
        gradient = design.T @ (weight * (likely - kind)) + 1e-4 * found * (0, 1)
        curvature = (design * (weight * likely * (1 - likely))[:, None]).T @ design + np.diag([1e-9, 1e-4])
        step = np.linalg.solve(curvature, gradient)
        found = found - np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-8:
            break
    slope = found[1] / spread
    return float(found[0] - slope * middle), float(slope)
