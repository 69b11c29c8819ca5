"""Progress on stderr: bars where somebody watches, a line per stage where only a log does."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[words]}", markup=False),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )


class _Progress:
    """A context in which a bar is drawn; when not `shown`, nothing at all."""

    def __init__(self, label: str, total: int, *, shown: bool) -> None:
        self._progress = _progress() if shown else None
        self._task = self._progress.add_task(label, total=total, words="") if self._progress is not None else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()


class ProgressBar(_Progress):
    """A bar over `total` pictures; when not `shown`, nothing at all."""

    def advance(self, done: int, failed: int = 0) -> None:
        """So many pictures more are `done`; `failed` of all so far have failed."""
        if self._progress is not None and self._task is not None:
            speed = self._progress.tasks[0].speed or 0.0
            words = f"{speed:.0f}/s" + (f", {failed} failed" if failed else "")
            self._progress.update(self._task, advance=done, words=words)


class StageProgress(_Progress):
    """StageProgress that come one after the other, told as (what, done, of): a bar, or a line as each one ends."""

    def __init__(self, *, bar: bool, lines: bool) -> None:
        super().__init__("", 1, shown=bar)
        self._lines = lines and not bar
        self._console = Console(stderr=True, highlight=False)

    def tell(self, what: str, done: int, of: int) -> None:
        """The stage `what` is at `done` of `of`."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=what, completed=done, total=of)
        elif self._lines and done == of:
            self._console.print(what if of == 1 else f"{what} ({of})", markup=False)
