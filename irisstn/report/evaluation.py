"""The files of `irisstn evaluate`: the error rates of several runs, their plots, and a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation import RESAMPLES, DiscardCurve, ErrorRates, discard_curve, error_rates, read_quality_scores
from irisstn.extras import require_extra
from irisstn.files import write_bytes_atomic
from irisstn.report.changed_pictures import changes_csv
from irisstn.report.comparison import RunComparison, baseline_of, compared, counts_of
from irisstn.report.evaluated_runs import EvaluatedRun, comparisons_of
from irisstn.report.evaluation_page import DET, DISCARD, HISTOGRAMS, write_evaluation_page
from irisstn.report.plots import det_plot, discard_plot, histogram_plot
from irisstn.storage.lock import locked, make_folder

PAGE, FIGURES, CHANGES = "evaluation.html", "evaluation.json", "changes.csv"


def write_evaluation(runs: Sequence[EvaluatedRun], out: Path, *, resamples: int = RESAMPLES) -> dict[str, ErrorRates]:
    """Write evaluation.json and .html, det.png, histograms.png, where qualities are known discard.png, and changes.csv.

    Parameters
    ----------
    runs : sequence of EvaluatedRun
        The runs. Each is compared with the first one whose codes were shifted as its own, or else with the first of
        all, by mated pairs and by pictures.
    out : Path
        The folder to write to.
    resamples : int
        Bootstrap resamples for the intervals; 0 leaves the intervals out.

    Returns
    -------
    dict of str to ErrorRates
        The error rates by the names of the runs.

    Raises
    ------
    DatasetError
        A run has no mated or no non-mated pair.
    OutputError
        The folder cannot be written to.
    MissingExtraError
        Matplotlib is not installed.
    """
    require_extra("report", "irisstn evaluate")
    comparisons = {run.name: comparisons_of(run) for run in runs}
    for name, one in comparisons.items():
        if not len(one.mated) or not len(one.non_mated_counts()[0]):
            raise DatasetError(f"{name} needs two pictures of the same eye, and pictures of two eyes")
    rates = {name: error_rates(one, resamples=resamples) for name, one in comparisons.items()}
    found = {run.name: compared(baseline_of(runs, run), run) for run in runs[1:]}
    curves = {run.name: discard_curve(run.scores, read_quality_scores(run.folder)) for run in runs}
    discards = {name: curve for name, curve in curves.items() if curve is not None}
    make_folder(out)
    with locked(out):
        try:
            write_bytes_atomic(out / DET, det_plot(comparisons))
            write_bytes_atomic(out / HISTOGRAMS, histogram_plot(comparisons))
            (out / DISCARD).unlink(missing_ok=True)  # of an earlier evaluation, whose pictures had a quality
            if discards:
                write_bytes_atomic(out / DISCARD, discard_plot(discards))
            write_bytes_atomic(out / CHANGES, changes_csv(found.values()))
            write_bytes_atomic(out / FIGURES, _figures(runs, rates, found, discards).encode())
            write_evaluation_page(out / PAGE, runs, rates, found, discards)
        except OSError as error:
            raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None
    return rates


def _figures(
    runs: Sequence[EvaluatedRun],
    rates: Mapping[str, ErrorRates],
    found: Mapping[str, RunComparison],
    discards: Mapping[str, DiscardCurve],
) -> str:
    """The text of evaluation.json; `source_sha256` is the digest of the manifest that a run was compared from."""
    figures: dict[str, dict[str, object]] = {}
    for run in runs:
        one = rates[run.name]
        figures[run.name] = {
            **one.as_dict(),
            "smallest_fmr": one.smallest_fmr,
            "changes": counts_of(found.get(run.name)),
            "discard": discards[run.name].as_dict() if run.name in discards else None,
            "source_sha256": run.scores.source_sha256,
        }
    return json.dumps(figures, indent=1)
