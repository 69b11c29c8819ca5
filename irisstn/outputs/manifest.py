"""The manifest of an output folder: one JSON object a line; of several lines with the same path the last one counts.

While a run lasts, lines are only appended, each group of lines in one write. If the process is killed in the middle of
a write, only the last line is lost. At the end the file is replaced by a sorted one with one line for each input.
Memory holds the name of each input and the position of its line, not the records.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from irisstn.outputs.records import Record, format_record, parse_record

MANIFEST = "manifest.jsonl"
LineSpan = tuple[int, int]  # first byte and length of a line, in bytes


class Manifest:
    """The manifest of one run, open for appending; a context manager that closes the file.

    The caller holds the lock of the folder. An incomplete last line, which a killed run may leave, is cut off.

    Parameters
    ----------
    out : Path
        The output folder.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / MANIFEST
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._spans = index_records(self._path)
        # The next record must begin on a line of its own.
        self._end = _end_of_last_line(self._file)
        os.ftruncate(self._file, self._end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def __len__(self) -> int:
        return len(self._spans)

    def get(self, name: str) -> Record | None:
        """The last record of the input `name`; None where there is none."""
        span = self._spans.get(name)
        return parse_record(read_line(self._file, span)) if span is not None else None

    def add(self, records: Sequence[Record]) -> None:
        """Append `records`, which belong together, in one write."""
        lines = [format_record(record) for record in records]
        os.lseek(self._file, self._end, os.SEEK_SET)
        data = memoryview(b"".join(lines))
        while data:
            data = data[os.write(self._file, data) :]
        for record, line in zip(records, lines, strict=True):
            self._spans[record["path"]] = (self._end, len(line))
            self._end += len(line)

    def sort(self, scratch: Path) -> None:
        """Replace the file by one that is sorted by path and has one line for each input.

        Parameters
        ----------
        scratch : Path
            A folder on the same file system, for the unfinished file.
        """
        unfinished = scratch / MANIFEST
        with unfinished.open("wb") as file:
            for name in sorted(self._spans):
                file.write(read_line(self._file, self._spans[name]))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path)
        os.close(self._file)
        self._file = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        self._spans = index_records(self._path)


def read_manifest(out: Path) -> Iterator[Record]:
    """The records of an output folder, sorted by path, one for each input.

    Parameters
    ----------
    out : Path
        The output folder. Where it has no manifest, there are no records.

    Yields
    ------
    Record
        The last record of each path. Lines that are no record are skipped.
    """
    path = out / MANIFEST
    if not path.is_file():
        return
    with path.open("rb") as file:
        spans = index_records(path)
        for name in sorted(spans):
            record = parse_record(read_line(file.fileno(), spans[name]))
            if record is not None:
                yield record


def index_records(path: Path) -> dict[str, LineSpan]:
    """The position of the last record of each input in the manifest file `path`."""
    spans: dict[str, LineSpan] = {}
    at = 0
    with path.open("rb") as lines:
        for line in lines:
            record = parse_record(line) if line.endswith(b"\n") else None
            if record is not None:
                spans[record["path"]] = (at, len(line))
            at += len(line)
    return spans


def read_line(file: int, span: LineSpan) -> bytes:
    """The line at `span` of the manifest with the open file descriptor `file`."""
    os.lseek(file, span[0], os.SEEK_SET)
    return os.read(file, span[1])


def _end_of_last_line(file: int) -> int:
    """The number of bytes up to and including the last line break."""
    end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 4096)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
