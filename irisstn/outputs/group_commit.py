"""Records are appended to the manifest in groups, each after the files that it names are on the disk.

So a record that outlives a power cut proves its files. Each wait for the disk costs as much for many files as for one,
and another thread does the waiting, while this one goes on with the next inputs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from irisstn.errors import DatasetError, IrisError
from irisstn.files import begin_to_sync, sync
from irisstn.outputs.manifest import Manifest
from irisstn.outputs.records import Record, output_files

EVERY_S = 0.5  # how long a record waits for others
LARGEST = 256  # inputs in a group
_MOST_WAITING = 1024  # inputs; with a slower disk the run waits


class GroupCommit:
    """The records of a run on their way to its manifest; a context manager that writes those that wait at its end.

    Parameters
    ----------
    manifest : Manifest
        The manifest.
    out : Path
        The output folder on disk, below which the files are.
    durable : bool
        Whether to wait for the disk. If not, each record is appended at once.
    save : callable
        Called after each change of the manifest.
    begun : sequence of Path
        Files that the run has begun with, which have to be on the disk before its records.
    """

    def __init__(
        self, manifest: Manifest, out: Path, *, durable: bool, save: Callable[[], None], begun: Sequence[Path] = ()
    ) -> None:
        self._manifest, self._out, self._durable, self._save = manifest, out, durable, save
        self._changed = threading.Condition()
        self._waiting: list[Sequence[Record]] = []  # of each input
        self._closing = False
        self._begun = (*begun, out) if begun else ()
        self._error: Exception | None = None
        self._known = {out}  # folders whose own names are on the disk
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self._durable:
            try:
                self._thread.start()
            except RuntimeError as error:  # too many processes or too little memory
                raise IrisError(f"the thread that waits for the disk: {error}", stage="process") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._durable:
            return
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def add(self, records: Sequence[Record]) -> None:
        """Take `records`, which belong together. Raises OSError where earlier ones could not be written."""
        if not self._durable:
            self._manifest.add(records)
            self._save()
            return
        with self._changed:
            while len(self._waiting) >= _MOST_WAITING and self._error is None:
                self._changed.wait()
            if self._error is not None:
                raise self._error
            self._waiting.append(records)
            if len(self._waiting) == 1 or len(self._waiting) >= LARGEST:  # the thread waits for nothing else
                self._changed.notify_all()

    def _run(self) -> None:
        """Write group after group, in a thread of its own."""
        try:
            while group := self._next_group():
                self._write(group)
        except Exception as error:  # it is raised in the thread of the run
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _next_group(self) -> list[Record]:
        """The records that wait, once they are many or the first has waited long; none where there will be no more."""
        with self._changed:
            while not self._waiting and not self._closing:
                self._changed.wait()
            end = time.monotonic() + EVERY_S
            while len(self._waiting) < LARGEST and not self._closing and time.monotonic() < end:
                self._changed.wait(max(0.0, end - time.monotonic()))
            group, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
            self._changed.notify_all()
        return [record for records in group for record in records]

    def _write(self, group: Sequence[Record]) -> None:
        if self._begun:
            for path in (self._out.absolute().parent, *self._begun):
                sync(path)
            self._begun = ()
        files = sorted({self._out / name for record in group for name in _files(record)})
        begin_to_sync(files)
        for file in files:
            sync(file)
        for folder in sorted({file.parent for file in files} | self._above(files), reverse=True):
            sync(folder)
        self._manifest.add(group, durable=True)
        self._save()

    def _above(self, files: Iterable[Path]) -> set[Path]:
        """The folders with the names of folders that are new to this run."""
        above: set[Path] = set()
        for file in files:
            folder = file.parent
            while folder not in self._known:
                self._known.add(folder)
                folder = folder.parent
                above.add(folder)
        return above


def _files(record: Record) -> list[str]:
    """The files that `record` names; none where it failed."""
    with suppress(DatasetError):
        return output_files(record) if record.get("status") == "ok" else []
    return []
