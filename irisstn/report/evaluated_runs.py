"""The runs that `irisstn evaluate` compares, read from their output folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irisstn.datasets import Label
from irisstn.errors import DatasetError
from irisstn.evaluation import Comparisons, CountedComparisons, Scores, read_scores, read_templates, scores_of
from irisstn.evaluation.score_files import ABOUT
from irisstn.evaluation.templates import Kind
from irisstn.extras import require_extra


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedRun:
    """A run to evaluate.

    Attributes
    ----------
    name : str
        What to call it.
    folder : Path
        Its output folder, where its strips may be.
    scores : Scores
        The distances of all its pairs.
    shift : int or None
        Columns by which iris codes were shifted to either side; None for other distances.
    """

    name: str
    folder: Path
    scores: Scores
    shift: int | None = None


def read_runs(
    outs: Sequence[Path], kind: Kind | None, shifts: Sequence[int], labels: Mapping[str, Label] | None = None
) -> list[EvaluatedRun]:
    """Read or compute the scores of output folders.

    Parameters
    ----------
    outs : sequence of Path
        Output folders of `segment`, `rectify`, `embed` or `match`.
    kind : {"code", "embedding"} or None
        What to compare, as in `irisstn.evaluation.scores_of_folder`.
    shifts : sequence of int
        Numbers of columns by which iris codes are shifted to either side; one run for each.
    labels : mapping, optional
        The identities of the inputs by name, as in `irisstn.evaluation.scores_of_folder`.

    Raises
    ------
    DatasetError
        A folder cannot be read, or an identity is unknown.
    MissingExtraError
        Matplotlib is not installed.
    """
    require_extra("report", "irisstn evaluate")
    runs = []
    for out, name in zip(outs, _names(outs), strict=True):
        if (out / ABOUT).exists():
            runs.append(EvaluatedRun(name, out, read_scores(out)))
            continue
        templates = read_templates(out, kind, labels)
        if templates.kind == "embedding":
            runs.append(EvaluatedRun(name, out, scores_of(templates)))
            continue
        for shift in shifts:
            runs.append(EvaluatedRun(f"{name} ±{shift}", out, scores_of(templates, max_shift=shift), shift))
    return runs


def _names(outs: Sequence[Path]) -> list[str]:
    """The name of each folder, or the whole path where two folders have the same name."""
    names = [out.resolve().name for out in outs]
    return [name if names.count(name) == 1 else str(out) for out, name in zip(outs, names, strict=True)]


def comparisons_of(run: EvaluatedRun) -> Comparisons | CountedComparisons:
    """The comparisons of `run`. Raises DatasetError where a distance is NaN."""
    try:
        comparisons = run.scores.comparisons()
    except ValueError as error:
        raise DatasetError(f"{run.name}: {error}") from None
    if np.isnan(comparisons.mated).any() or np.isnan(comparisons.non_mated_counts()[0]).any():
        raise DatasetError(f"{run.name}: a distance is not a number")
    return comparisons
