"""One input, from its file to its outputs on disk and its record: the same in this process and in any other."""

from __future__ import annotations

import errno
import hashlib
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from irisstn.batch.jobs.job import JobInput, Process
from irisstn.errors import DatasetError, IrisError
from irisstn.images import read_file
from irisstn.outputs.records import FILES, Record, output_file, output_files
from irisstn.storage.local import Storage
from irisstn.storage.remote import is_url, read_url

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class Task:
    """An input to do: its `name` and `path` (or URL), the `mask_path` beside a strip, the record of an `earlier` run.

    `ring` is that of a strip, see `irisstn.datasets.Sample`.

    `refused` says why it cannot be done at all.
    """

    name: str
    path: str
    mask_path: str | None = None
    earlier: Record | None = None
    refused: str | None = None
    ring: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task: its `records`, the input's own last; none where the earlier run's outputs still hold.

    `fatal` says why no further input can be written, such as a full disk.
    """

    name: str
    records: tuple[Record, ...] = ()
    fatal: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the input failed."""
        return bool(self.records) and self.records[-1]["status"] == "failed"


def run_task(task: Task, process: Process, storage: Storage) -> Outcome:
    """Read, process and write one input, into `storage`. Whatever goes wrong with it becomes its record."""
    started = time.perf_counter()
    record: Record = {"path": task.name}
    if task.refused is not None:
        return Outcome(
            task.name, ({**record, "status": "failed", "stage": "output", "reason": task.refused, "seconds": 0.0},)
        )
    variants: list[Record] = []
    try:
        source = JobInput(
            task.name,
            _read(task.path),
            _read(task.mask_path) if task.mask_path is not None else None,
            task.ring,
        )
        record |= _digests(source)
        if task.earlier is not None and _still_holds(task.earlier, record, storage):
            return Outcome(task.name)
        result = process(source)
        for name, data in result.files.items():
            storage.write(name, data)
        record |= {"status": "ok", **result.fields}
        variants = result.variants
    except IrisError as error:
        record |= {"status": "failed", "stage": error.stage, "reason": error.reason}
    except OSError as error:
        if error.errno in _FULL:
            return Outcome(task.name, fatal=f"{storage} cannot be written to: {error.strerror}")
        record |= {"status": "failed", "stage": "write", "reason": error.strerror or str(error)}
    except Exception as error:  # a fault of ours in one input must not cost the others
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(line.filename).name}:{line.lineno}"
        record |= {"status": "failed", "stage": "internal", "reason": f"{type(error).__name__} at {where}: {error}"}
    if record["status"] == "failed":
        remove_outputs(task, storage)
    record["seconds"] = round(time.perf_counter() - started, 4)
    return Outcome(task.name, (*variants, record))


def _read(path: str) -> bytes:
    return read_url(path) if is_url(path) else read_file(Path(path))


def _digests(source: JobInput) -> Record:
    digests: Record = {"sha256": hashlib.sha256(source.data).hexdigest()}
    if source.mask is not None:
        digests["mask_sha256"] = hashlib.sha256(source.mask).hexdigest()
    return digests


def _still_holds(earlier: Record, digests: Record, storage: Storage) -> bool:
    """Whether `earlier` is a success on the same content, with all its files still there."""
    same = all(earlier.get(name) == digests.get(name) for name in ("sha256", "mask_sha256"))
    if not same or earlier.get("status") != "ok":
        return False
    try:
        return all(storage.holds(name) for name in output_files(earlier))
    except DatasetError:
        return False


def remove_outputs(task: Task, storage: Storage) -> None:
    """A failed input has no outputs: neither those of an earlier success nor half a set."""
    try:
        earlier = output_files(task.earlier) if task.earlier is not None else []
        for name in {*earlier, *(output_file(kind, task.name) for kind in FILES)}:
            storage.remove(name)
    except (OSError, DatasetError):
        pass  # a name too long to write is too long to remove
