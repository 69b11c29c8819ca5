"""The page of `irisstn evaluate`: several runs side by side, and the pairs that gained or lost between two runs."""

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
from irisstn.extras import require_extra
from irisstn.files import write_bytes_atomic
from irisstn.outputs.manifest import find_record
from irisstn.outputs.reader import read_picture
from irisstn.report.cards import embedded
from irisstn.report.comparison import Change, changes, ends, pair_changes
from irisstn.report.plots import det_plot, histogram_plot
from irisstn.report.templates import write_page
from irisstn.storage.lock import locked, make_folder

PAGE, FIGURES, DET, HISTOGRAMS = "evaluation.html", "evaluation.json", "det.png", "histograms.png"
_SHOWN = 8  # pairs and pictures that gained most, and that lost most


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


@dataclass(frozen=True, slots=True)
class _Comparison:
    """What changed from the run `first` to the run `second`: by mated pairs, and by pictures."""

    first: EvaluatedRun
    second: EvaluatedRun
    pairs: list[Change]
    pictures: list[Change]


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
        searched = [0] if templates.kind == "embedding" else shifts
        for shift in searched:
            label = f"{name} ±{shift}" if templates.kind == "code" else name
            searched_by = shift if templates.kind == "code" else None
            runs.append(EvaluatedRun(label, out, scores_of(templates, max_shift=shift), searched_by))
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
    compared = {run.name: _comparisons(run) for run in runs}
    for name, comparisons in compared.items():
        if not len(comparisons.mated) or not len(comparisons.non_mated_counts()[0]):
            raise DatasetError(f"{name} needs two pictures of the same eye, and pictures of two eyes")
    rates = {name: error_rates(comparisons, resamples=resamples) for name, comparisons in compared.items()}
    found = {run.name: _compared(_baseline(runs, run), run) for run in runs[1:]}
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


def _baseline(runs: Sequence[EvaluatedRun], run: EvaluatedRun) -> EvaluatedRun:
    """The run that `run` is compared with."""
    earlier = runs[: runs.index(run)]
    return next((one for one in earlier if run.shift is not None and one.shift == run.shift), runs[0])


def _compared(first: EvaluatedRun, second: EvaluatedRun) -> _Comparison:
    pairs, pictures = pair_changes(first.scores, second.scores), changes(first.scores, second.scores)
    return _Comparison(first, second, pairs, pictures)


def _comparisons(run: EvaluatedRun) -> Comparisons | CountedComparisons:
    """The comparisons of `run`. Raises DatasetError where a distance is NaN."""
    try:
        comparisons = run.scores.comparisons()
    except ValueError as error:
        raise DatasetError(f"{run.name}: {error}") from None
    if np.isnan(comparisons.mated).any() or np.isnan(comparisons.non_mated_counts()[0]).any():
        raise DatasetError(f"{run.name}: a distance is not a number")
    return comparisons


def _figures(runs: Sequence[EvaluatedRun], rates: Mapping[str, ErrorRates], found: Mapping[str, _Comparison]) -> str:
    """The text of evaluation.json; `source_sha256` is the digest of the manifest that a run was compared from."""
    figures: dict[str, dict[str, object]] = {}
    for run in runs:
        one = rates[run.name]
        figures[run.name] = {
            **one.as_dict(),
            "smallest_fmr": one.smallest_fmr,
            "changes": _counts(found.get(run.name)),
            "source_sha256": run.scores.source_sha256,
        }
    return json.dumps(figures, indent=1)


def _counts(found: _Comparison | None) -> dict[str, int | str | None]:
    """The run that was compared with; the number of pictures and of mated pairs, and of those that gained and lost."""
    pictures, pairs = (found.pictures, found.pairs) if found is not None else ([], [])
    return {
        "compared_with": found.first.name if found is not None else None,
        "images": len(pictures),
        "gained": _gains(pictures),
        "lost": _losses(pictures),
        "pairs": len(pairs),
        "pairs_gained": _gains(pairs),
        "pairs_lost": _losses(pairs),
    }


def _gains(found: Sequence[Change]) -> int:
    return sum(change.gain > 0 for change in found)


def _losses(found: Sequence[Change]) -> int:
    return sum(change.gain < 0 for change in found)


def _write_page(
    path: Path, runs: Sequence[EvaluatedRun], rates: Mapping[str, ErrorRates], found: Mapping[str, _Comparison]
) -> None:
    """Write evaluation.html."""
    sections = []
    for run in runs[1:]:
        one = found[run.name]
        both = [(side.name, side.folder) for side in (one.first, run)]
        groups = []
        for kind, changed in (("pairs", one.pairs), ("pictures", one.pictures)):
            for title, part in zip(("Largest gains", "Largest losses"), ends(changed, _SHOWN), strict=True):
                groups.append({"title": f"{title}, {kind}", "cards": [_card(change, both) for change in part]})
        sections.append({"name": run.name, "first": one.first.name, "counts": _counts(one), "groups": groups})
    write_page(
        path,
        "evaluation.html",
        title="Recognition, side by side",
        rows=[_row(name, one) for name, one in rates.items()],
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


def _card(change: Change, both: Sequence[tuple[str, Path]]) -> dict[str, object]:
    """What the page shows of a change: its names, both numbers and, of either run, the strips of its pictures."""
    pictures = [
        {"source": embedded(read_picture(folder, file)), "run": run, "name": name}
        for run, folder in both
        for name in change.names
        if (file := _strip_file(folder, name)) is not None
    ]
    return {"names": change.names, "before": change.before, "after": change.after, "pictures": pictures}


def _strip_file(folder: Path, name: str) -> str | None:
    """The file below `folder` of the strip of the input `name`; None where the folder has none."""
    record = find_record(folder, name)
    return None if record is None else record.get("strip")
