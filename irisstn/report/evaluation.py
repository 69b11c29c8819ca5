"""The page of `irisstn evaluate`: several runs side by side, and the pictures that gained or lost between two runs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from irisstn.datasets import Label
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation import (
    RESAMPLES,
    Comparisons,
    CountedComparisons,
    ErrorRates,
    Estimate,
    Scores,
    error_rates,
    read_scores,
    read_templates,
    scores_of,
)
from irisstn.evaluation.score_files import ABOUT
from irisstn.evaluation.templates import Kind
from irisstn.files import write_bytes_atomic
from irisstn.outputs.manifest import find_record
from irisstn.outputs.reader import read_picture
from irisstn.report.cards import embedded
from irisstn.report.comparison import Change, changes, ends
from irisstn.report.plots import det_plot, histogram_plot, require_matplotlib
from irisstn.report.templates import write_page
from irisstn.storage.lock import locked, make_folder

PAGE, FIGURES, DET, HISTOGRAMS = "evaluation.html", "evaluation.json", "det.png", "histograms.png"
_SHOWN = 8  # pictures that gained most, and that lost most


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
    """

    name: str
    folder: Path
    scores: Scores


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
    IrisError
        Matplotlib is not installed.
    """
    require_matplotlib()
    runs = []
    for out, name in zip(outs, _names(outs), strict=True):
        if (out / ABOUT).exists():
            runs.append(EvaluatedRun(name, out, read_scores(out)))
            continue
        templates = read_templates(out, kind, labels)
        searched = [0] if templates.kind == "embedding" else shifts
        for shift in searched:
            label = f"{name} ±{shift}" if templates.kind == "code" else name
            runs.append(EvaluatedRun(label, out, scores_of(templates, max_shift=shift)))
    return runs


def _names(outs: Sequence[Path]) -> list[str]:
    """The name of each folder, or the whole path where two folders have the same name."""
    names = [out.resolve().name for out in outs]
    return [name if names.count(name) == 1 else str(out) for out, name in zip(outs, names, strict=True)]


def rates_table(rates: Mapping[str, ErrorRates]) -> str:
    """The rates as a table of text, in % with 95 % intervals; `rates` by the names of the runs."""
    rows = [_row(name, one) for name, one in rates.items()]
    head = ["run", *rows[0].cells]
    lines = [head, *([row.name, *row.cells.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write_evaluation(runs: Sequence[EvaluatedRun], out: Path, *, resamples: int = RESAMPLES) -> dict[str, ErrorRates]:
    """Write evaluation.json, det.png, histograms.png and evaluation.html.

    Parameters
    ----------
    runs : sequence of EvaluatedRun
        The runs; the others are compared with the first one, picture by picture.
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
    IrisError
        Matplotlib is not installed.
    """
    require_matplotlib()
    compared = {run.name: _comparisons(run) for run in runs}
    for name, comparisons in compared.items():
        if not len(comparisons.mated) or not len(comparisons.non_mated_counts()[0]):
            raise DatasetError(f"{name} needs two pictures of the same eye, and pictures of two eyes")
    rates = {name: error_rates(comparisons, resamples=resamples) for name, comparisons in compared.items()}
    found = {run.name: changes(runs[0].scores, run.scores) for run in runs[1:]}
    make_folder(out)
    with locked(out):
        try:
            write_bytes_atomic(out / DET, det_plot(compared))
            write_bytes_atomic(out / HISTOGRAMS, histogram_plot(compared))
            write_bytes_atomic(out / FIGURES, _figures(runs, rates, found).encode())
            _write_page(out / PAGE, runs, rates, found)
        except OSError as error:
            raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None
    return rates


def _comparisons(run: EvaluatedRun) -> Comparisons | CountedComparisons:
    """The comparisons of `run`. Raises DatasetError where a distance is NaN."""
    try:
        comparisons = run.scores.comparisons()
    except ValueError as error:
        raise DatasetError(f"{run.name}: {error}") from None
    if np.isnan(comparisons.mated).any() or np.isnan(comparisons.non_mated_counts()[0]).any():
        raise DatasetError(f"{run.name}: a distance is not a number")
    return comparisons


def _figures(runs: Sequence[EvaluatedRun], rates: Mapping[str, ErrorRates], found: Mapping[str, list[Change]]) -> str:
    """The text of evaluation.json; `source_sha256` is the digest of the manifest that a run was compared from."""
    figures: dict[str, dict[str, object]] = {}
    for run in runs:
        one = rates[run.name]
        figures[run.name] = {
            **one.as_dict(),
            "smallest_fmr": one.smallest_fmr,
            "changes": _counts(found.get(run.name, [])),
            "source_sha256": run.scores.source_sha256,
        }
    return json.dumps(figures, indent=1)


def _counts(found: Sequence[Change]) -> dict[str, int]:
    """The number of pictures, and of those that gained and lost."""
    return {
        "images": len(found),
        "gained": sum(change.gain > 0 for change in found),
        "lost": sum(change.gain < 0 for change in found),
    }


def _write_page(
    path: Path, runs: Sequence[EvaluatedRun], rates: Mapping[str, ErrorRates], found: Mapping[str, list[Change]]
) -> None:
    """Write evaluation.html."""
    sections = []
    for run in runs[1:]:
        helped, hurt = ends(found[run.name], _SHOWN)
        both = (runs[0].folder, run.folder)
        groups = {
            "Largest gains": [_thumbnails(change, both) for change in helped],
            "Largest losses": [_thumbnails(change, both) for change in hurt],
        }
        sections.append({"name": run.name, "counts": _counts(found[run.name]), "groups": groups})
    write_page(
        path,
        "evaluation.html",
        title="Recognition, side by side",
        rows=[_row(name, one) for name, one in rates.items()],
        first=runs[0].name,
        sections=sections,
        det=DET,
        histograms=HISTOGRAMS,
        smallest=f"{100 * max(one.smallest_fmr for one in rates.values()):.2g}",
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """A line of the table: a run's `name`, and its `cells` by their column."""

    name: str
    cells: dict[str, str]


def _row(name: str, rates: ErrorRates) -> _Row:
    """The line of the run `name`."""
    cells = {"EER": _percent(rates.eer)}
    cells |= {f"FNMR at FMR {level:g}": _percent(estimate) for level, estimate in rates.fnmr_at.items()}
    cells |= {
        "d′": f"{rates.d_prime:.2f}",
        "not enrolled": f"{100 * rates.failure_to_enrol:.2f}",
        "mated": f"{rates.mated:,}",
        "non-mated": f"{rates.non_mated:,}",
        "subjects": f"{rates.subjects:,}",
    }
    return _Row(name, cells)


def _percent(estimate: Estimate) -> str:
    """`estimate` in % with its interval."""
    return f"{100 * estimate.value:.2f} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"


def _thumbnails(change: Change, folders: Sequence[Path]) -> dict[str, object]:
    """What the page shows of one picture: its name, both numbers and its strips."""
    pictures = [_strip(folder, change.name) for folder in folders]
    return {"name": change.name, "before": change.before, "after": change.after, "pictures": pictures}


def _strip(folder: Path, name: str) -> str:
    """The strip of the input `name` as a data URL; empty where the folder has none."""
    record = find_record(folder, name)
    return embedded(read_picture(folder, record["strip"])) if record is not None and "strip" in record else ""
