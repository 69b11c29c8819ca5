"""The manifest of an output folder: one JSON object a line, of which the last one of an input holds.

While a run lasts, lines are only added, each in one write, so that a kill at any byte costs at most the last line. At
the end the file is replaced by a sorted one that holds each input once. Memory grows by a name and a span per input.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from irisstn.outputs.records import Record, parse_record

MANIFEST = "manifest.jsonl"
LineSpan = tuple[int, int]  # where a line begins, and its length, in bytes


class Manifest:
    """The manifest of one run, open for adding. The caller holds the folder's lock."""

    def __init__(self, out: Path) -> None:
        self._path = out / MANIFEST
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._spans = index_records(self._path)
        # A torn last line goes: the next record must begin on a line of its own.
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
        """The record that holds for the input `name`."""
        span = self._spans.get(name)
        return parse_record(read_line(self._file, span)) if span is not None else None

    def add(self, records: Sequence[Record]) -> None:
        """Write `records`, which belong together, in one go."""
        lines = [_dump(record) for record in records]
        os.lseek(self._file, self._end, os.SEEK_SET)
        data = memoryview(b"".join(lines))
        while data:
            data = data[os.write(self._file, data) :]
        for record, line in zip(records, lines, strict=True):
            self._spans[str(record["path"])] = (self._end, len(line))
            self._end += len(line)

    def sort(self, scratch: Path) -> None:
        """Replace the file by one that is sorted by path and holds each input once."""
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
    """The records of the output folder `out`, sorted by path, each input once; none where there is no manifest."""
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
    """Where in the manifest file `path` the record that holds for each input lies."""
    spans: dict[str, LineSpan] = {}
    at = 0
    with path.open("rb") as lines:
        for line in lines:
            record = parse_record(line) if line.endswith(b"\n") else None
            if record is not None:
                spans[str(record["path"])] = (at, len(line))
            at += len(line)
    return spans


def read_line(file: int, span: LineSpan) -> bytes:
    """The line at `span` of the open manifest `file`."""
    os.lseek(file, span[0], os.SEEK_SET)
    return os.read(file, span[1])


def _dump(record: Record) -> bytes:
    # ASCII: a name may hold line separators of Unicode or bytes that are no text at all.
    return json.dumps(record, ensure_ascii=True, separators=(",", ":"), allow_nan=False).encode("ascii") + b"\n"


def _end_of_last_line(file: int) -> int:
    end = os.lseek(file, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 4096)
        os.lseek(file, start, os.SEEK_SET)
        found = os.read(file, end - start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
