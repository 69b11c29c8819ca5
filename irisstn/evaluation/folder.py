"""Error rates of an output folder of any folder command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from irisstn.datasets import Label
from irisstn.evaluation.error_rates import RESAMPLES, ErrorRates, error_rates
from irisstn.evaluation.score_files import ABOUT, read_scores
from irisstn.evaluation.scores import Scores, scores_of
from irisstn.evaluation.templates import Kind, read_templates


def scores_of_folder(
    out: Path, *, kind: Kind | None = None, max_shift: int = 0, labels: Mapping[str, Label] | None = None
) -> Scores:
    """Read or compute the scores of all pairs of an output folder.

    Parameters
    ----------
    out : Path
        A folder of scores that `irisstn match` wrote, which are read; or an output folder of segment, rectify or embed,
        whose templates are compared here.
    kind, labels
        As in `read_templates`.
    max_shift : int
        As in `score_blocks`.

    Returns
    -------
    Scores
        The scores.

    Raises
    ------
    DatasetError
        Where an identity is not known, or there is nothing to compare.
    """
    if (out / ABOUT).exists():
        return read_scores(out)
    return scores_of(read_templates(out, kind, labels), max_shift=max_shift)


def evaluate_folder(
    out: Path,
    *,
    kind: Kind | None = None,
    max_shift: int = 0,
    labels: Mapping[str, Label] | None = None,
    resamples: int = RESAMPLES,
) -> ErrorRates:
    """Compute the error rates of an output folder, with failures to enrol.

    Parameters
    ----------
    out, kind, max_shift, labels
        As in `scores_of_folder`.
    resamples : int
        As in `error_rates`.

    Returns
    -------
    ErrorRates
        The error rates.

    Raises
    ------
    DatasetError
        As in `scores_of_folder`.
    """
    scores = scores_of_folder(out, kind=kind, max_shift=max_shift, labels=labels)
    return error_rates(scores.comparisons(), resamples=resamples)
