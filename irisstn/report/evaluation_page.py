"""evaluation.html: the table of error rates, the curves, and the pairs that gained or lost between two runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from irisstn.evaluation import DiscardCurve, ErrorRates
from irisstn.outputs.manifest import find_record
from irisstn.outputs.reader import read_picture
from irisstn.report.changed_pictures import traits
from irisstn.report.comparison import Change, RunComparison, counts_of, ends
from irisstn.report.evaluated_runs import EvaluatedRun
from irisstn.report.false_matches import false_matches
from irisstn.report.pictures import data_url, embedded
from irisstn.report.rates_table import rates_row
from irisstn.report.templates import write_page

DET, HISTOGRAMS, DISCARD = "det.png", "histograms.png", "discard.png"  # the plots beside the page
_SHOWN = 8  # pairs and pictures that gained most, and that lost most


def write_evaluation_page(
    path: Path,
    runs: Sequence[EvaluatedRun],
    rates: Mapping[str, ErrorRates],
    found: Mapping[str, RunComparison],
    discards: Mapping[str, DiscardCurve],
) -> None:
    """Write evaluation.html, which holds the plots beside it, so that it can be sent alone."""
    sections = []
    for run in runs[1:]:
        one = found[run.name]
        both = [(side.name, side.folder) for side in (one.first, run)]
        groups = []
        for kind, changed in (("pairs", one.pairs), ("pictures", one.pictures)):
            for title, part in zip(("Largest gains", "Largest losses"), ends(changed, _SHOWN), strict=True):
                groups.append({"title": f"{title}, {kind}", "cards": [_card(change, both) for change in part]})
        sections.append(
            {
                "name": run.name,
                "first": one.first.name,
                "counts": counts_of(one),
                "groups": groups,
                "traits": traits(one),
            }
        )
    write_page(
        path,
        "evaluation.html",
        title="Recognition, side by side",
        rows=[rates_row(name, one) for name, one in rates.items()],
        sections=sections,
        false_matches=[{"name": run.name, "cards": _false_match_cards(run)} for run in runs],
        det=_plot(path, DET),
        histograms=_plot(path, HISTOGRAMS),
        discard=_plot(path, DISCARD) if discards else None,
        smallest=f"{100 * max(one.smallest_fmr for one in rates.values()):.2g}",
    )


def _plot(page: Path, name: str) -> str:
    """The plot `name` beside the page as a data URL."""
    return data_url((page.parent / name).read_bytes(), "png")


def _card(change: Change, both: Sequence[tuple[str, Path]]) -> dict[str, object]:
    """What the page shows of a change: its names, both numbers and, of either run, the strips of its pictures."""
    pictures = _strips(change.names, both)
    return {"names": change.names, "change": change, "pictures": pictures}


def _false_match_cards(run: EvaluatedRun) -> list[dict[str, object]]:
    """What the page shows of the non-mated pairs of `run` that are most alike."""
    return [
        {"names": pair.names, "pair": pair, "pictures": _strips(pair.names, [(run.name, run.folder)])}
        for pair in false_matches(run.scores, _SHOWN)
    ]


def _strips(names: Sequence[str], runs: Sequence[tuple[str, Path]]) -> list[dict[str, str]]:
    """The strips of the pictures `names`, of each of `runs` (name, folder) that has them."""
    return [
        {"source": embedded(read_picture(folder, file)), "run": run, "name": name}
        for run, folder in runs
        for name in names
        if (file := _strip_file(folder, name)) is not None
    ]


def _strip_file(folder: Path, name: str) -> str | None:
    """The file below `folder` of the strip of the input `name`; None where the folder has none."""
    record = find_record(folder, name)
    return None if record is None else record.get("strip")
