"""Progress on stderr: a bar in a terminal, or a line for each finished stage in a log."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress

ProgressCallback = Callable[[str, int, int], None]
"""Called with (stage, done, total) as a long function proceeds; `StageProgress.update` is one."""


def no_progress(stage: str, done: int, total: int) -> None:
    """Report nothing: the default of functions that take a `ProgressCallback`."""


def _rich_progress() -> Progress:
    """A bar with a label, the numbers done and in total, a text, and the remaining time; it vanishes at the end."""
    from rich.console import Console  # noqa: PLC0415  (rich takes as long to import as ten pictures)
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

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
    """A context manager that draws a bar while it lasts, if `shown`."""

    def __init__(self, label: str, total: int, *, shown: bool) -> None:
        self._progress = _rich_progress() if shown else None
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
    """A context manager that draws a bar over a number of items.

    Parameters
    ----------
    label : str
        What stands before the bar.
    total : int
        Number of items.
    shown : bool
        False draws nothing.
    """

    def advance(self, done: int, failed: int = 0) -> None:
        """Move the bar.

        Parameters
        ----------
        done : int
            Number of items finished since the last call.
        failed : int
            Number of all items so far that failed.
        """
        if self._progress is not None and self._task is not None:
            speed = self._progress.tasks[0].speed or 0.0
            words = f"{speed:.0f}/s" + (f", {failed} failed" if failed else "")
            self._progress.update(self._task, advance=done, words=words)


class StageProgress(_Progress):
    """A context manager that shows stages which follow one another, such as rendering and the epochs of a training.

    Parameters
    ----------
    bar : bool
        Draw a bar for the current stage.
    lines : bool
        Without a bar, print a line at the end of each stage.
    """

    def __init__(self, *, bar: bool, lines: bool) -> None:
        super().__init__("", 1, shown=bar)
        self._lines = lines and not bar
        if self._lines:
            from rich.console import Console  # noqa: PLC0415  (as above)

            self._console = Console(stderr=True, highlight=False)

    def update(self, stage: str, done: int, total: int) -> None:
        """Show that `done` of `total` steps of `stage` are finished; a callback for functions that report progress."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=stage, completed=done, total=total)
        elif self._lines and done == total:
            self._console.print(stage if total == 1 else f"{stage} ({total})", markup=False)
