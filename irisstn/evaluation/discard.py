"""Error versus discard: how the FNMR falls when comparisons of low quality are discarded (ISO/IEC 29794-1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from irisstn.evaluation.score_files import ABOUT
from irisstn.evaluation.scores import Scores
from irisstn.geometry import Float
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.records import is_number
from irisstn.quality_score import SCORE

FMR_LEVEL = 1e-3  # of the threshold
INITIAL_FNMR = 0.05  # of the second threshold, which shows an effect where the first one leaves few errors
FRACTIONS = tuple(percent / 100 for percent in range(0, 51, 2))


@dataclass(frozen=True, slots=True)
class DiscardCurve:
    """The FNMR of the mated comparisons that are left, at two thresholds that stay fixed.

    The quality of a comparison is the lower one of its two samples. Samples that failed to enrol are left out.

    Attributes
    ----------
    comparisons : int
        Number of mated comparisons whose quality is known.
    fnmr : tuple of float
        After the fractions `FRACTIONS` of the comparisons were discarded, those of lowest quality first, at the
        threshold whose FMR over all comparisons is `FMR_LEVEL`.
    fnmr_of_initial : tuple of float
        The same at the threshold whose FNMR over all these comparisons is `INITIAL_FNMR`.
    """

    comparisons: int
    fnmr: tuple[float, ...]
    fnmr_of_initial: tuple[float, ...]

    def as_dict(self) -> dict[str, object]:
        """All of it, for JSON."""
        return {
            "comparisons": self.comparisons,
            "discarded": list(FRACTIONS),
            f"fnmr@fmr={FMR_LEVEL:g}": list(self.fnmr),
            f"fnmr@initial={INITIAL_FNMR:g}": list(self.fnmr_of_initial),
        }


def read_quality_scores(out: Path) -> dict[str, float]:
    """The overall quality scores of the inputs of an output folder, by path.

    Parameters
    ----------
    out : Path
        An output folder of segment, rectify or embed; or one of `irisstn match`, for the folder that it compared.

    Returns
    -------
    dict of str to float
        Inputs without a score, such as strips, are left out.
    """
    if (out / ABOUT).is_file():
        try:
            source = json.loads((out / ABOUT).read_bytes()).get("a")
        except (OSError, ValueError, AttributeError):
            return {}
        if not isinstance(source, str):
            return {}
        out = out / source
    found = {}
    for record in read_manifest(out):
        held = record.get("quality")
        score = held.get(SCORE) if isinstance(held, dict) else None
        if is_number(score):
            found[record["path"]] = float(score)
    return found


def discard_curve(scores: Scores, quality: Mapping[str, float]) -> DiscardCurve | None:
    """The error-versus-discard curve of the inputs of a folder.

    Parameters
    ----------
    scores : Scores
        The distances of all pairs.
    quality : mapping of str to float
        The quality of each input by path, higher is better.

    Returns
    -------
    DiscardCurve or None
        None where no two samples of one eye have a quality.
    """
    distances, lower = _mated(scores, quality)
    if not len(distances):
        return None
    values, counts = scores.comparisons().non_mated_counts()
    # As in the error rates: the largest threshold, below which distances are accepted, of at most that FMR.
    over = int(np.searchsorted(np.cumsum(counts), FMR_LEVEL * counts.sum() * (1 + 1e-12), "right"))
    threshold = values[min(over, len(values) - 1)]
    kept = distances[np.argsort(lower, kind="stable")]
    first = np.sort(kept)[::-1][min(round(INITIAL_FNMR * len(kept)), len(kept) - 1)]
    parts = [kept[int(fraction * len(kept)) :] for fraction in FRACTIONS]
    return DiscardCurve(
        comparisons=len(kept),
        fnmr=tuple(float(np.mean(part >= threshold)) for part in parts),
        fnmr_of_initial=tuple(float(np.mean(part > first)) for part in parts),
    )


def _mated(scores: Scores, quality: Mapping[str, float]) -> tuple[Float, Float]:
    """Distance and lower quality of each mated comparison whose quality is known."""
    eyes: dict[object, list[int]] = {}
    for number, (name, label) in enumerate(zip(scores.names, scores.labels, strict=True)):
        if name in quality:
            eyes.setdefault(label, []).append(number)
    distances: list[NDArray[np.float64]] = [np.zeros(0)]
    lower: list[NDArray[np.float64]] = [np.zeros(0)]
    for members in eyes.values():
        if len(members) > 1:
            a, b = np.triu_indices(len(members), 1)
            held = np.array([quality[scores.names[number]] for number in members])
            distances.append(scores.among(np.array(members, np.intp))[a, b].astype(float))
            lower.append(np.minimum(held[a], held[b]))
    return np.concatenate(distances), np.concatenate(lower)
