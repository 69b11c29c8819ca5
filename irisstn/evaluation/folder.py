"""Error rates of an output folder, whichever folder command wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from irisstn.datasets import Label
from irisstn.evaluation.error_rates import RESAMPLES, ErrorRates, error_rates
from irisstn.evaluation.scores import ABOUT, Scores, read_scores, scores_of
from irisstn.evaluation.templates import Kind, read_templates


def scores_of_folder(
    out: Path, *, kind: Kind | None = None, max_shift: int = 0, labels: Mapping[str, Label] | None = None
) -> Scores:
    """The scores of all pairs of the folder `out`: those that `irisstn match` wrote, else computed here.

    `kind` and `labels` as in `read_templates`, `max_shift` as in `score_blocks`. Raises DatasetError where identities
    are not known, or there is nothing to compare.
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
    """Error rates of the folder `out`, failures to enrol counted in.

    Of the plain iris code on its strips, `max_shift` columns of 1.4 degrees searched to either side, 0 = one single
    comparison; of the embeddings where `irisstn embed` wrote it. See `scores_of_folder`.
    """
    scores = scores_of_folder(out, kind=kind, max_shift=max_shift, labels=labels)
    return error_rates(scores.comparisons(), resamples=resamples)
