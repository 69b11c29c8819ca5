"""The page to look through after a run: figures, pictures beside their strips, and what failed."""

from __future__ import annotations

import html
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from string import Template

from irisstn.datasets import Sample
from irisstn.images import write_bytes_atomic
from irisstn.outputs.folder import RUN
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.records import Record
from irisstn.report.cards import card, failure_row
from irisstn.report.figures import Figures

PAGE = "report.html"
SHOWN, FAILURES_SHOWN = 60, 200
_TEMPLATE = Path(__file__).parent / "page.html"


def write_report(out: Path, samples: Sequence[Sample] = ()) -> Path:
    """Write `out`/report.html from the manifest of `out`, and return its path.

    Of the inputs that went well some 60, evenly spread, are shown; `samples` say where their pictures lie, which the
    page then shows with the boundaries drawn on. Pictures that the output folder does not hold are in the page itself;
    it loads nothing from elsewhere. The same outputs make the same page.
    """
    figures, reasons = Figures(), Counter[str]()
    failures: list[Record] = []
    ok = 0
    for record in _inputs(out):
        if record.get("status") == "ok":
            ok += 1
            figures.add(record)
            continue
        reasons[f"{record.get('stage')}: {record.get('reason')}"] += 1
        if len(failures) < FAILURES_SHOWN:
            failures.append(record)
    shown = _evenly(out, ok)
    places = {str(record["path"]) for record in shown}
    paths = {sample.name: sample.path for sample in samples if sample.name in places}
    command = _command(out)
    text = Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=f"irisstn {html.escape(command)}",
        about=html.escape(_about(len(shown), ok)),
        figures=_number(ok, "done") + _number(reasons.total(), "failed", bad=reasons.total() > 0),
        sections=_cards(out, shown, paths) + _failures(failures, reasons) + figures.table(),
    )
    # A file name may hold bytes that are no text.
    write_bytes_atomic(out / PAGE, text.encode("utf-8", "replace"))
    return out / PAGE


def _inputs(out: Path) -> Iterator[Record]:
    return (record for record in read_manifest(out) if "variant_of" not in record)


def _evenly(out: Path, ok: int) -> list[Record]:
    """About `SHOWN` of the `ok` records that went well."""
    count = min(ok, SHOWN)
    wanted = {index * ok // count for index in range(count)} if count else set()
    good = (record for record in _inputs(out) if record.get("status") == "ok")
    return [record for index, record in enumerate(good) if index in wanted]


def _command(out: Path) -> str:
    try:
        about = json.loads((out / RUN).read_bytes())
        return str(about["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return "output"


def _about(shown: int, ok: int) -> str:
    what = "Each picture" if shown == ok else f"{shown} of {ok} pictures, evenly spread,"
    return f"{what} with its boundaries, and its strips. All records stand in manifest.jsonl."


def _number(value: int, label: str, *, bad: bool = False) -> str:
    return f"<div{' class=bad' if bad else ''}><b>{value:,}</b><span>{label}</span></div>"


def _cards(out: Path, shown: Sequence[Record], paths: dict[str, Path]) -> str:
    if not shown:
        return ""
    cards = "\n".join(card(out, record, paths.get(str(record["path"]))) for record in shown)
    return f'<h2>Pictures and strips</h2>\n<div class="cards">\n{cards}\n</div>\n'


def _failures(failures: Sequence[Record], reasons: Counter[str]) -> str:
    if not failures:
        return ""
    counted = "; ".join(f"{count} × {reason}" for reason, count in reasons.most_common(10))
    rows = "\n".join(failure_row(record) for record in failures)
    more = reasons.total() - len(failures)
    note = f"<p>and {more} more, in manifest.jsonl</p>" if more else ""
    head = "<thead><tr><th>picture</th><th class=words>stage</th><th class=words>reason</th></tr></thead>"
    return f"<h2>Failed</h2>\n<p>{html.escape(counted)}</p>\n<table>{head}<tbody>\n{rows}\n</tbody></table>{note}\n"
