"""The page of `irisstn evaluate`: several runs side by side, and which images gained or lost between two of them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from irisstn.datasets import Label
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation import ErrorRates, Estimate, Scores, error_rates, read_scores, read_templates, scores_of
from irisstn.evaluation.scores import ABOUT
from irisstn.evaluation.templates import Kind
from irisstn.images import write_bytes_atomic
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.reader import read_picture
from irisstn.report.cards import embedded
from irisstn.report.comparison import Change, changes, ends
from irisstn.report.plots import det_plot, histogram_plot, require_report_extra

PAGE, FIGURES, DET, HISTOGRAMS = "evaluation.html", "evaluation.json", "det.png", "histograms.png"
_SHOWN = 8  # images that gained most, and that lost most
_TEMPLATE = Path(__file__).parent / "evaluation.html"


@dataclass(frozen=True, slots=True, eq=False)
class EvaluatedRun:
    """A run by its `name`: its `scores`, and the `folder` where its strips may lie."""

    name: str
    folder: Path
    scores: Scores


def read_runs(
    outs: Sequence[Path], kind: Kind | None, shifts: Sequence[int], labels: Mapping[str, Label] | None = None
) -> list[EvaluatedRun]:
    """The runs in the output folders `outs`: one for each of the `shifts` where codes are compared, else one.

    `kind` and `labels` as in `irisstn.evaluation.scores_of_folder`. Raises DatasetError.
    """
    require_report_extra()
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
    """What to call each folder: its name, or the whole path where two have one name."""
    names = [out.resolve().name for out in outs]
    return [name if names.count(name) == 1 else str(out) for out, name in zip(outs, names, strict=True)]


def rates_table(rates: Mapping[str, ErrorRates]) -> str:
    """The rates as text, in % with 95 % intervals."""
    rows = [_row(name, one) for name, one in rates.items()]
    head = ["run", *rows[0].cells]
    lines = [head, *([row.name, *row.cells.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def write_evaluation(runs: Sequence[EvaluatedRun], out: Path, *, resamples: int = 1000) -> dict[str, ErrorRates]:
    """Write evaluation.json, det.png, histograms.png and evaluation.html to the folder `out`; the rates by run's name.

    The first run is what the others are compared with, image by image. Raises IrisError where the extra `report` is
    missing, DatasetError where a run has no mated or no non_mated pair, OutputError.
    """
    require_report_extra()
    compared = {run.name: run.scores.comparisons() for run in runs}
    for name, comparisons in compared.items():
        if not len(comparisons.mated) or not len(comparisons.non_mated):
            raise DatasetError(f"{name} needs two pictures of one eye and pictures of two eyes")
    rates = {name: error_rates(comparisons, resamples=resamples) for name, comparisons in compared.items()}
    found = {run.name: changes(runs[0].scores, run.scores) for run in runs[1:]}
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_bytes_atomic(out / DET, det_plot(compared))
        write_bytes_atomic(out / HISTOGRAMS, histogram_plot(compared))
        write_bytes_atomic(out / FIGURES, _figures(rates, found).encode())
        write_bytes_atomic(out / PAGE, _page(runs, rates, found).encode("utf-8", "replace"))
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None
    return rates


def _figures(rates: Mapping[str, ErrorRates], found: Mapping[str, list[Change]]) -> str:
    return json.dumps(
        {
            name: {**one.as_dict(), "smallest_fmr": one.smallest_fmr, "changes": _counts(found.get(name, []))}
            for name, one in rates.items()
        },
        indent=1,
    )


def _counts(found: Sequence[Change]) -> dict[str, int]:
    return {
        "images": len(found),
        "gained": sum(change.gain > 0 for change in found),
        "lost": sum(change.gain < 0 for change in found),
    }


def _page(runs: Sequence[EvaluatedRun], rates: Mapping[str, ErrorRates], found: Mapping[str, list[Change]]) -> str:
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415  (an extra)

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    sections = []
    for run in runs[1:]:
        helped, hurt = ends(found[run.name], _SHOWN)
        both = (runs[0].folder, run.folder)
        groups = {
            "Helped most": [_thumbnails(change, both) for change in helped],
            "Hurt most": [_thumbnails(change, both) for change in hurt],
        }
        sections.append({"name": run.name, "counts": _counts(found[run.name]), "groups": groups})
    return environment.from_string(_TEMPLATE.read_text(encoding="utf-8")).render(
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
    cells = {"EER": _percent(rates.eer)}
    cells |= {f"FNMR at FMR {level:g}": _percent(estimate) for level, estimate in rates.fnmr_at.items()}
    cells |= {
        "d′": f"{rates.d_prime:.2f}",
        "not enrolled": f"{100 * rates.failure_to_enrol:.2f}",
        "mated": f"{rates.mated:,}",
        "non_mated": f"{rates.non_mated:,}",
        "subjects": f"{rates.subjects:,}",
    }
    return _Row(name, cells)


def _percent(estimate: Estimate) -> str:
    return f"{100 * estimate.value:.2f} [{100 * estimate.low:.2f}, {100 * estimate.high:.2f}]"


def _thumbnails(change: Change, folders: Sequence[Path]) -> dict[str, object]:
    pictures = [_strip(folder, change.name) for folder in folders]
    return {"name": change.name, "before": change.before, "after": change.after, "pictures": pictures}


def _strip(folder: Path, name: str) -> str:
    """The strip of `name` as a picture in the page, or nothing where the folder holds none."""
    for record in read_manifest(folder):
        if record["path"] == name and "strip" in record:
            return embedded(read_picture(folder, record["strip"]))
    return ""
