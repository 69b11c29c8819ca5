"""The page of an output folder: figures, pictures beside their strips, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from irisstn.datasets import Sample
from irisstn.errors import OutputError
from irisstn.outputs.folder import REPORT as PAGE
from irisstn.outputs.folder import RUN
from irisstn.outputs.manifest import read_lines
from irisstn.outputs.record_lines import figures_of_line
from irisstn.outputs.records import parse_record, texts_of
from irisstn.outputs.settings import read_settings
from irisstn.report.cards import card
from irisstn.report.figures import HISTOGRAM_SIZE, Figures
from irisstn.report.templates import write_page

SHOWN, FAILURES_SHOWN, REASONS_SHOWN = 60, 200, 10


def write_report(out: Path, samples: Sequence[Sample] = ()) -> Path:
    """Write the page of an output folder.

    The page shows some 60 of the inputs that were processed, evenly spread. Pictures that are not in the output folder
    are embedded, so that it loads nothing from elsewhere. The same outputs give the same page.

    Parameters
    ----------
    out : Path
        The output folder.
    samples : sequence of Sample
        Where the pictures of the inputs are; without them the page shows the strips alone.

    Returns
    -------
    Path
        OUT/report.html.
    """
    figures, reasons, warnings = Figures(), Counter[str](), Counter[str]()
    failures: list[dict[str, str]] = []
    spread = _EvenlySpread(SHOWN)
    for line in read_lines(out):
        if b'"variant_of":' in line:
            continue
        found = figures_of_line(line)
        if found is not None:
            figures.add(found)
            warnings.update(texts_of(found, "warnings"))
            spread.add(line)
            continue
        record = parse_record(line)
        if record is None:
            continue
        if record.get("status") == "ok":
            figures.add(record)
            warnings.update(texts_of(record, "warnings"))
            spread.add(line)
            continue
        stage, reason = str(record.get("stage")), str(record.get("reason"))
        reasons[f"{stage}: {reason}"] += 1
        if len(failures) < FAILURES_SHOWN:
            failures.append({"path": record["path"], "stage": stage, "reason": reason})
    shown = [record for line in spread.chosen() if (record := parse_record(line)) is not None]
    names = {record["path"] for record in shown}
    paths = {sample.name: sample.path for sample in samples if sample.name in names}
    width, height = HISTOGRAM_SIZE
    write_page(
        out / PAGE,
        "folder.html",
        title=f"irisstn {_command(out)}",
        done=spread.total,
        failed=reasons.total(),
        shown=len(shown),
        cards=[card(out, record, paths.get(record["path"])) for record in shown],
        failures=failures,
        reasons=reasons.most_common(REASONS_SHOWN),
        warnings=warnings.most_common(REASONS_SHOWN),
        rows=figures.rows(),
        width=width,
        height=height,
    )
    return out / PAGE


class _EvenlySpread:
    """About `count` of many lines, evenly spread, chosen while they pass by: no more than twice as many are held."""

    def __init__(self, count: int) -> None:
        self.total = 0
        self._count, self._step = count, 1
        self._held: list[bytes] = []

    def add(self, line: bytes) -> None:
        """Take the next line."""
        if self.total % self._step == 0:
            self._held.append(line)
        self.total += 1
        if len(self._held) >= 2 * self._count:
            self._held, self._step = self._held[::2], 2 * self._step

    def chosen(self) -> list[bytes]:
        """The lines."""
        count = min(len(self._held), self._count)
        return [self._held[index * len(self._held) // count] for index in range(count)]


def _command(out: Path) -> str:
    """The command that made the folder, from run.json."""
    try:
        return str(read_settings(out / RUN)["command"])
    except (OutputError, KeyError):
        return "output"
