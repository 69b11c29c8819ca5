"""One input, from its file to its outputs on disk and its record: the same in this process and in any other."""

from __future__ import annotations

import errno
import hashlib
import time
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from irisstn.batch.jobs.job import JobInput, Process
from irisstn.errors import DatasetError, ImageError, IrisError
from irisstn.images import decoding_may_take_long, read_file
from irisstn.outputs.record_files import has_its_files, sizes_of, written_files
from irisstn.outputs.records import FILES, Record, format_record, possible_files
from irisstn.storage.local import Storage
from irisstn.storage.remote import is_url, read_url

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class Task:
    """An input to process.

    Attributes
    ----------
    name : str
        Its path below its source.
    path : str
        The path or URL of the picture.
    mask_path : str or None
        The path or URL of the mask beside a strip.
    earlier : Record or None
        Its record from an earlier run.
    refused : str or None
        Why it must not be processed.
    ring : str or None
        The JSON of a strip's boundaries and eyelids, see `irisstn.datasets.Sample`.
    settings : str
        The digest of the run's settings, as in its records.
    undrawn : sequence of str
        Digests of the same settings with fewer drawings: such results are kept where the input cannot be read now.
    """

    name: str
    path: str
    mask_path: str | None = None
    earlier: Record | None = None
    refused: str | None = None
    ring: str | None = None
    settings: str = ""
    undrawn: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    name : str
        The name of the input.
    records : tuple of Record
        The records of its variants, then its own; none where the outputs of an earlier run are still valid.
    fatal : str or None
        Why the run must end, such as a full disk.
    unread : str or None
        Why the input could not be read, where an earlier run has succeeded: its record and files are kept.
    earlier : Record or None
        The record of an earlier run, where its outputs are still valid.
    """

    name: str
    records: tuple[Record, ...] = ()
    fatal: str | None = None
    unread: str | None = None
    earlier: Record | None = None

    @property
    def failure(self) -> str | None:
        """The stage and the reason of a failure."""
        if self.unread is not None:
            return f"{self.unread}; its earlier results are kept"
        record = self.records[-1] if self.records else None
        failed = record is not None and record.get("status") == "failed"
        return f"{record.get('stage')}: {record.get('reason')}" if record is not None and failed else None


class SlowPictureError(Exception):
    """An input may take long to decode, and is left to a process that can be ended meanwhile."""


def run_task(task: Task, process: Process, storage: Storage, *, slow_apart: bool = False) -> Outcome:
    """Read, process and write one input.

    Parameters
    ----------
    task : Task
        The input.
    process : Process
        The function of the job.
    storage : Storage
        Where its outputs are written to.
    slow_apart : bool
        Whether to leave pictures that may take long to decode.

    Returns
    -------
    Outcome
        Any error becomes the record of a failed input, apart from a storage that cannot be written to, which is fatal.

    Raises
    ------
    SlowPictureError
        With `slow_apart`, where a picture may take long to decode.
    """
    started = time.perf_counter()
    record: Record = {"path": task.name, "settings": task.settings}
    if task.refused is not None:
        return Outcome(task.name, (_failed(record, "output", task.refused, started),))
    variants: list[Record] = []
    try:
        source = _read_input(task)
        record |= _digests(source)
        if task.earlier is not None and _is_valid(task.earlier, record, storage):
            return Outcome(task.name, earlier=task.earlier)
        if slow_apart and any(data is not None and decoding_may_take_long(data) for data in (source.data, source.mask)):
            raise SlowPictureError
    except (ImageError, OSError) as error:  # nothing is known of the input, so the results that it has are kept
        if has_results(task):
            return Outcome(task.name, unread=str(error))
        return Outcome(task.name, (_failed(record, "read", getattr(error, "reason", str(error)), started),))
    try:
        result = process(source)
        done: Record = {**record, "status": "ok", **result.fields}
        done["file_sizes"] = sizes_of(done, result.files)
        parts: list[Record] = [
            {**one, "settings": task.settings, "file_sizes": sizes_of(one, result.files)} for one in result.variants
        ]
        for one in (done, *parts):
            format_record(one)  # raises ValueError where a number is not finite, which JSON cannot hold
        for name, data in result.files.items():
            storage.write(name, data)
        record, variants = done, parts
    except IrisError as error:
        record = _failed(record, error.stage, error.reason, started)
    except OSError as error:
        if error.errno in _FULL:
            return Outcome(task.name, fatal=f"{storage} cannot be written to: {error.strerror}")
        record = _failed(record, "write", error.strerror or str(error), started)
    except Exception as error:  # a programming error met with one input must not end the run
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(line.filename).name}:{line.lineno}"
        record = _failed(record, "internal", f"{type(error).__name__} at {where}: {error}", started)
    if record.get("status") == "failed":
        remove_outputs(task, storage)
    record["seconds"] = round(time.perf_counter() - started, 4)
    return Outcome(task.name, (*variants, record))


def _failed(record: Record, stage: str, reason: str, started: float) -> Record:
    """`record` as that of an input that failed and was begun at `started`."""
    seconds = round(time.perf_counter() - started, 4)
    return {**record, "status": "failed", "stage": stage, "reason": reason, "seconds": seconds}


def _read_input(task: Task) -> JobInput:
    """The content of the input's files. Raises ImageError."""
    mask = _read(task.mask_path) if task.mask_path is not None else None
    return JobInput(task.name, _read(task.path), mask, task.ring)


def _read(path: str) -> bytes:
    return read_url(path) if is_url(path) else read_file(Path(path))


def _digests(source: JobInput) -> Record:
    digests: Record = {"path": source.name, "sha256": hashlib.sha256(source.data).hexdigest()}
    if source.mask is not None:
        digests["mask_sha256"] = hashlib.sha256(source.mask).hexdigest()
    return digests


def _is_valid(earlier: Record, record: Record, storage: Storage) -> bool:
    """Whether `earlier` is of a success with the input files and settings of `record`, and its outputs are whole."""
    same = ("sha256", "mask_sha256", "settings")
    if earlier.get("status") != "ok" or any(earlier.get(field) != record.get(field) for field in same):
        return False
    return has_its_files(earlier, storage.size)


def has_results(task: Task, storage: Storage | None = None) -> bool:
    """Whether an earlier run has succeeded with the input; with `storage`, whether its outputs are whole, too."""
    earlier = task.earlier
    if (
        earlier is None
        or earlier.get("status") != "ok"
        or earlier.get("settings") not in (task.settings, *task.undrawn)
    ):
        return False
    try:
        return storage is None or has_its_files(earlier, storage.size)
    except OSError:
        return True


def remove_outputs(task: Task, storage: Storage) -> None:
    """Remove the outputs of a failed input: those of an earlier success, and an incomplete set of this run."""
    names = {file for field in FILES for file in possible_files(field, task.name)}
    with suppress(DatasetError):
        names.update(written_files(task.earlier) if task.earlier is not None else [])
    for name in names:
        with suppress(OSError, ValueError):  # a name that no file can have: too long, or with a NUL character
            storage.remove(name)
