"""The progress bar of a run, on stderr."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Bar:
    """A bar over `total` pictures; when not `shown`, nothing at all."""

    def __init__(self, label: str, total: int, *, shown: bool) -> None:
        self._progress = None
        if shown:
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]:.0f}/s"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[failed]}"),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._progress.add_task(label, total=total, rate=0.0, failed="")

    def __enter__(self) -> Self:
        if self._progress is not None:
            self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def advance(self, done: int, failed: int = 0) -> None:
        """So many pictures more are `done`; `failed` of all so far have failed."""
        if self._progress is not None:
            rate = self._progress.tasks[self._task].speed or 0.0
            words = f"{failed} failed" if failed else ""
            self._progress.update(self._task, advance=done, rate=rate, failed=words)
