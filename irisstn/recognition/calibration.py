"""From a similarity to a false match rate or a log-likelihood ratio, and from a false match rate to a threshold.

The calibration is fitted to comparisons of rendered eyes, of which any number can be made, so that nothing is tuned to
a real gallery. The model card states how far the rates that a calibration claims differ from measured ones.

The tail of the non-mated similarities beyond a high quantile is modelled as exponential [1]_; where the true tail is
that of a normal distribution, the claimed rate is too high, not too low. Below the quantile, a normal distribution is
continued from there. The log-likelihood ratio is linear in the similarity, fitted with the same total weight of mated
and non-mated comparisons [2]_, and no larger than so many comparisons can support: 1 / N (N: of the other kind).

References
----------
.. [1] Pickands 1975, "Statistical inference using extreme order statistics".
.. [2] Bruemmer and du Preez 2006, "Application-independent evaluation of speaker detection".
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from math import erfc
from pathlib import Path
from statistics import NormalDist
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from irisstn.config import Strict
from irisstn.errors import WeightsError
from irisstn.files import read_regular_file, write_bytes_atomic
from irisstn.weights import CALIBRATION, CODE_CALIBRATION, SHIPPED

_MAX_BYTES = 1 << 16
_TAIL = (1e-3, 1e-2)  # smallest and largest fraction of the non-mated similarities that counts as the tail
_WANTED, _FEWEST = 50, 20  # similarities in the tail: aim, and smallest number, also of mated ones
_ROUNDS = 50
CODE_SHIFTS = 16  # columns to either side that are searched in the calibration of the iris code
IRIS_CODE = "iris code"  # in place of a network's digest, in the calibration of the iris code


class _File(Strict):
    """A `Calibration` as it is stored, with the SHA-256 of the network's weights."""

    recognizer_sha256: str
    quantile: float
    tail: float
    excess: float
    offset: float
    slope: float
    mean: float = 0.0
    mated: int = 0
    non_mated: int = 0


@dataclass(frozen=True, slots=True)
class Calibration:
    """What similarities mean: false match rates and log-likelihood ratios.

    A similarity, -1..1, is the cosine of two embeddings, or 1 - 2 d for the distance d of two iris codes.

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
    mean : float
        Mean of the non-mated similarities, below `quantile`.
    mated, non_mated : int
        Numbers of comparisons that it was fitted to, which limit the log-likelihood ratio. 0: not known, no limit.

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
    mean: float = 0.0
    mated: int = 0
    non_mated: int = 0

    def __post_init__(self) -> None:
        values = [getattr(self, field.name) for field in fields(self)]
        positive = min(self.excess, self.slope, self.quantile - self.mean)
        if not np.isfinite(values).all() or not 0 < self.tail < 0.5 or positive <= 0 or min(values[-2:]) < 0:
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
        # The farther out the tail begins, the better it is exponential.
        beyond = int(len(other) * min(max(_WANTED / max(len(other), 1), _TAIL[0]), _TAIL[1]))
        if len(same) < _FEWEST or beyond < _FEWEST:
            raise ValueError(f"{_FEWEST} mated and {int(_FEWEST / _TAIL[1])} other comparisons are needed")
        quantile = float(other[-beyond - 1])
        offset, slope = _logistic(same, other)
        excess = float(other[-beyond:].mean() - quantile)
        return cls(
            quantile,
            beyond / len(other),
            excess,
            offset,
            slope,
            float(other.mean()),
            mated=len(same),
            non_mated=len(other),
        )

    def false_match_rate(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """Fraction of non-mated comparisons that reach a similarity.

        Parameters
        ----------
        similarity : array_like, shape (...)
            Similarities.

        Returns
        -------
        ndarray, shape (...)
            The false match rate with the similarity as threshold, 0..1.
        """
        values = np.asarray(similarity, np.float64)
        tail = self.tail * np.exp(-np.maximum(values - self.quantile, 0.0) / self.excess)
        body = 0.5 * np.vectorize(erfc, otypes=[float])((values - self.mean) / (self._spread * np.sqrt(2)))
        return np.asarray(np.where(values < self.quantile, body, tail))

    def threshold(self, false_match_rate: float) -> float:
        """Similarity from which on two strips count as the same eye.

        Parameters
        ----------
        false_match_rate : float
            The false match rate, above 0 and below 0.5.

        Returns
        -------
        float
            The threshold.

        Raises
        ------
        ValueError
            For another rate.
        """
        if not 0 < false_match_rate < 0.5:
            raise ValueError(f"a false match rate above 0 and below 0.5 is needed, got {false_match_rate}")
        if false_match_rate > self.tail:
            return self.mean + self._spread * NormalDist().inv_cdf(1 - false_match_rate)
        return self.quantile + self.excess * float(np.log(self.tail / false_match_rate))

    @property
    def _spread(self) -> float:
        """Standard deviation of the normal distribution below `quantile`, which continues the tail."""
        return (self.quantile - self.mean) / NormalDist().inv_cdf(1 - self.tail)

    def log_likelihood_ratio(self, similarity: ArrayLike) -> NDArray[np.float64]:
        """Natural logarithm of p(similarity | same eye) / p(similarity | different eyes).

        Parameters
        ----------
        similarity : array_like, shape (...)
            Similarities.

        Returns
        -------
        ndarray, shape (...)
            Log-likelihood ratios, -ln(`mated`)..ln(`non_mated`).
        """
        low = -np.log(self.mated) if self.mated else -np.inf
        high = np.log(self.non_mated) if self.non_mated else np.inf
        return np.clip(self.offset + self.slope * np.asarray(similarity, np.float64), low, high)

    def save(self, path: Path, recognizer_sha256: str) -> None:
        """Write the calibration as JSON, atomically.

        Parameters
        ----------
        path : Path
            The file.
        recognizer_sha256 : str
            `StripNet.weights_sha256` of the network that it belongs to, or `IRIS_CODE`.
        """
        stored = _File(recognizer_sha256=recognizer_sha256, **asdict(self))
        write_bytes_atomic(path, stored.model_dump_json().encode(), durable=True)

    @classmethod
    def load(cls, path: Path | None = None, *, recognizer_sha256: str | None = None) -> Self:
        """Load a calibration.

        Parameters
        ----------
        path : Path, optional
            A file or the folder of a run; None for the calibration that irisstn ships, of its recogniser, or of the
            iris code where `recognizer_sha256` is `IRIS_CODE`.
        recognizer_sha256 : str, optional
            `StripNet.weights_sha256` of the network that the calibration must belong to, or `IRIS_CODE`; None: any.

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
        name = CODE_CALIBRATION if recognizer_sha256 == IRIS_CODE else CALIBRATION
        file = given / name if given.is_dir() else given
        try:
            stored = _File.model_validate_json(read_regular_file(file, max_bytes=_MAX_BYTES))
            calibration = cls(**stored.model_dump(exclude={"recognizer_sha256"}))
        except FileNotFoundError:
            raise WeightsError(
                f"{file} does not exist: this network has no calibration; training writes one where eyes are "
                "enough, pipelines/recognizer_calibration.py for any network"
            ) from None
        except OSError as error:
            raise WeightsError(f"{file} cannot be read: {error.strerror or error}") from None
        except ValueError:
            raise WeightsError(f"{file} holds no calibration") from None
        if recognizer_sha256 not in (None, stored.recognizer_sha256):
            raise WeightsError(f"{file} belongs to another network")
        return calibration

    @classmethod
    def load_beside(cls, model: str | Path | None, *, recognizer_sha256: str) -> Self:
        """Load the calibration of a network that was given as its file or as the folder of a run.

        Parameters
        ----------
        model : str or Path, optional
            The file, beside which the calibration lies, or the folder; None for the network that irisstn ships.
        recognizer_sha256 : str
            As in `load`.

        Returns
        -------
        Calibration
            The calibration.

        Raises
        ------
        WeightsError
            As in `load`.
        """
        given = None if model is None else Path(model)
        folder = given if given is None or given.is_dir() else given.parent
        return cls.load(folder, recognizer_sha256=recognizer_sha256)


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
