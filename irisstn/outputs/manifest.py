"""The manifest of an output folder: one JSON object a line; of several lines with the same path the last one counts.

While a run lasts, lines are only appended, each group of lines in one write. If the process is killed in the middle of
a write, only the last line is lost. At the end the file is replaced by a sorted one with one line for each input.
Memory holds the name of each input and the position of its line, not the records.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from irisstn.files import sync
from irisstn.outputs.record_lines import path_of_line
from irisstn.outputs.records import Record, format_record, parse_record

MANIFEST = "manifest.jsonl"
_LONGEST_LINE = 1 << 26  # bytes; a longer line is no record
_LENGTH_BITS = 32
_SECONDS = re.compile(rb', ?"seconds": ?[0-9.e+-]+')
LineSpan = int  # first byte and length of a line, packed into one number: a tuple takes three times the memory


class Manifest:
    """The manifest of one run, open for appending; a context manager that closes the file.

    The caller holds the lock of the folder. An incomplete last line, which a killed run may leave, is cut off. One
    thread may call `get` while another one calls `add`.

    Parameters
    ----------
    out : Path
        The output folder.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / MANIFEST
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._position = threading.Lock()  # of the open file, which `get` and `add` both move
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
        self._spans.clear()  # hundreds of megabytes, where there are a million inputs

    def __len__(self) -> int:
        return len(self._spans)

    def get(self, name: str) -> Record | None:
        """The last record of the input `name`; None where there is none."""
        span = self._spans.get(name)
        if span is None:
            return None
        with self._position:
            line = read_line(self._file, span)
        return parse_record(line)

    def add(self, records: Sequence[Record], *, durable: bool = False) -> None:
        """Append `records` in one write; if `durable`, wait until they are on the disk."""
        lines = [format_record(record) for record in records]
        with self._position:
            os.lseek(self._file, self._end, os.SEEK_SET)
            data = memoryview(b"".join(lines))
            while data:
                data = data[os.write(self._file, data) :]
        if durable:
            os.fsync(self._file)
        for record, line in zip(records, lines, strict=True):
            self._spans[record["path"]] = _span(self._end, len(line))
            self._end += len(line)

    def sort(self, scratch: Path) -> None:
        """Replace the file by one that is sorted by path and has one line for each input.

        Parameters
        ----------
        scratch : Path
            A folder on the same file system, for the unfinished file.
        """
        if self._is_sorted():
            return
        unfinished, end = scratch / MANIFEST, 0
        with unfinished.open("wb", buffering=1 << 20) as file:
            for name in sorted(self._spans):
                line = read_line(self._file, self._spans[name])
                file.write(line)
                self._spans[name] = _span(end, len(line))
                end += len(line)
            file.flush()
            os.fsync(file.fileno())
        os.close(self._file)
        unfinished.replace(self._path)
        sync(self._path.parent)
        self._file, self._end = os.open(self._path, os.O_RDWR | getattr(os, "O_BINARY", 0)), end

    def _is_sorted(self) -> bool:
        """Whether the file holds one line for each input and nothing else, in the order of the paths."""
        before, end = "", 0
        for name, span in self._spans.items():
            start, length = _start_and_length(span)
            if name < before or start != end:
                return False
            before, end = name, start + length
        return end == self._end


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
    for line in read_lines(out):
        record = parse_record(line)
        if record is not None:
            yield record


def read_lines(out: Path) -> Iterator[bytes]:
    """The lines of the records that `read_manifest` yields, for those who need little of each."""
    path = out / MANIFEST
    if not path.is_file():
        return
    with path.open("rb") as file:
        spans = index_records(path)
        for name in sorted(spans):
            yield read_line(file.fileno(), spans[name])


def find_record(out: Path, name: str) -> Record | None:
    """The record of the input `name` of an output folder; None where there is none."""
    path = out / MANIFEST
    if not path.is_file():
        return None
    span = index_records(path).get(name)
    if span is None:
        return None
    with path.open("rb") as file:
        return parse_record(read_line(file.fileno(), span))


def manifest_digest(out: Path) -> str:
    """The SHA-256 of what an output folder holds: of the valid lines of its manifest by path, without `seconds`.

    A record holds the digests of its input and of the settings, and the sizes of its files. Files made from the folder
    hold this digest, so that whoever reads them can tell whether the folder has changed since.
    """
    digest = hashlib.sha256()
    for line in read_lines(out):
        digest.update(_SECONDS.sub(b"", line))
    return digest.hexdigest()


def index_records(path: Path) -> dict[str, LineSpan]:
    """The position of the last record of each input in the manifest file `path`."""
    return _index(path)[0]


def count_records(path: Path, *, finished: bool) -> tuple[int, int]:
    """The number of inputs with a record in the manifest file `path`, and that of lines that are no record.

    Lines that begin and end as a record does are not looked at between. An incomplete last line counts where the run
    is `finished`: a run that was killed may leave one.
    """
    spans, damaged, torn = _index(path)
    return len(spans), damaged + (torn if finished else 0)


def _index(path: Path) -> tuple[dict[str, LineSpan], int, int]:
    """The position of the last record of each input; the numbers of lines that are no record, and of incomplete ones.

    Only the last line can be incomplete, besides parts of lines that are too long.
    """
    spans: dict[str, LineSpan] = {}
    damaged = torn = at = 0
    begins = True
    with path.open("rb", buffering=1 << 20) as file:
        while line := file.readline(_LONGEST_LINE):
            ends = line.endswith(b"\n")
            name = path_of_line(line) if begins and ends else None
            if name is not None:
                spans[name] = _span(at, len(line))
            elif begins and line.strip():
                damaged, torn = damaged + ends, torn + (not ends)
            at, begins = at + len(line), ends
    return spans, damaged, torn


def read_line(file: int, span: LineSpan) -> bytes:
    """The line at `span` of the manifest with the open file descriptor `file`."""
    start, length = _start_and_length(span)
    os.lseek(file, start, os.SEEK_SET)
    return os.read(file, length)


def _span(start: int, length: int) -> LineSpan:
    return start << _LENGTH_BITS | length


def _start_and_length(span: LineSpan) -> tuple[int, int]:
    return span >> _LENGTH_BITS, span & ((1 << _LENGTH_BITS) - 1)


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
