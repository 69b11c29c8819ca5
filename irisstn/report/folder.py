"""The page of an output folder: figures, pictures beside their strips, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from irisstn.datasets import Sample
from irisstn.errors import OutputError
from irisstn.outputs.folder import REPORT as PAGE
from irisstn.outputs.folder import RUN
from irisstn.outputs.manifest import read_lines
from irisstn.outputs.record_lines import figures_of_line
from irisstn.outputs.records import parse_record, texts_of
from irisstn.outputs.settings import read_settings
from irisstn.report.figures import HISTOGRAM_SIZE, Figures
from irisstn.report.pictures import embedded_pictures
from irisstn.report.rows import Row, Rows
from irisstn.report.templates import write_page

ROWS = 20_000  # of the page, at most: a browser takes some seconds to open them
FAILURES = 10_000  # of these, at most
EMBEDDED, WARNINGS_SHOWN = 60, 10


def write_report(out: Path, samples: Sequence[Sample] = ()) -> Path:
    """Write the page of an output folder.

    The page lists up to 20,000 inputs, evenly spread where there are more. It holds pictures of some 60 of them; those
    of the others are shown from the output folder and from where the inputs are. It loads nothing from a network. The
    same outputs give the same page.

    Parameters
    ----------
    out : Path
        The output folder.
    samples : sequence of Sample
        Where the pictures of the inputs are; without them the page shows the outputs alone.

    Returns
    -------
    Path
        OUT/report.html.
    """
    figures, warnings, rows = Figures(), Counter[str](), Rows(out)
    failed, done = _EvenlySpread[Row](FAILURES), _EvenlySpread[bytes](ROWS)  # of many lines few become rows
    carried = _EvenlySpread[bytes](EMBEDDED)
    for line in read_lines(out):
        if b'"variant_of":' in line:
            continue
        found = figures_of_line(line)
        record = parse_record(line) if found is None else None
        if record is not None and record.get("status") != "ok":
            failed.add(partial(rows.row, record))
            continue
        found = found if found is not None else record
        if found is None:
            continue
        figures.add(found)
        warnings.update(texts_of(found, "warnings"))
        done.add(partial(bytes, line))
        carried.add(partial(bytes, line))
    shown_failures = failed.chosen()
    shown = [_row_of_line(rows, line) for line in done.chosen(ROWS - len(shown_failures))]
    names = {str(row["name"]) for row in (*shown_failures, *shown)}
    inputs = {sample.name: sample.path for sample in samples if sample.name in names}
    pictures = {}
    for line in carried.chosen():
        record = parse_record(line)
        if record is not None and record["path"] in inputs:
            pictures[record["path"]] = embedded_pictures(out, record, inputs[record["path"]])
    width, height = HISTOGRAM_SIZE
    write_page(
        out / PAGE,
        "folder.html",
        title=f"irisstn {_command(out)}",
        done=done.total,
        failed=failed.total,
        shown=len(names),
        shown_failures=len(shown_failures),
        warnings=warnings.most_common(WARNINGS_SHOWN),
        rows=figures.rows(),
        data=rows.data([*shown_failures, *shown], inputs, pictures),
        width=width,
        height=height,
    )
    return out / PAGE


def _row_of_line(rows: Rows, line: bytes) -> Row:
    record = parse_record(line)
    return rows.row(record) if record is not None else {"name": ""}


_T = TypeVar("_T")


class _EvenlySpread(Generic[_T]):
    """About `count` of many things, evenly spread, chosen while they pass by: no more than twice as many are held."""

    def __init__(self, count: int) -> None:
        self.total = 0
        self._count, self._step = count, 1
        self._held: list[_T] = []

    def add(self, make: Callable[[], _T]) -> None:
        """Take the next one, which is made where it is held."""
        if self.total % self._step == 0:
            self._held.append(make())
        self.total += 1
        if len(self._held) >= 2 * self._count:
            self._held, self._step = self._held[::2], 2 * self._step

    def chosen(self, most: int | None = None) -> list[_T]:
        """About `count` of them, or `most` where it is less."""
        count = min(len(self._held), self._count if most is None else most)
        return [self._held[index * len(self._held) // count] for index in range(count)]


def _command(out: Path) -> str:
    """The command that made the folder, from run.json."""
    try:
        return str(read_settings(out / RUN)["command"])
    except (OutputError, KeyError):
        return "output"
