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
    """

    name: str
    path: str
    mask_path: str | None = None
    earlier: Record | None = None
    refused: str | None = None
    ring: str | None = None


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
    """

    name: str
    records: tuple[Record, ...] = ()
    fatal: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the input failed."""
        return bool(self.records) and self.records[-1].get("status") == "failed"


def run_task(task: Task, process: Process, storage: Storage) -> Outcome:
    """Read, process and write one input.

    Parameters
    ----------
    task : Task
        The input.
    process : Process
        The function of the job.
    storage : Storage
        Where its outputs are written to.

    Returns
    -------
    Outcome
        Any error becomes the record of a failed input, apart from a storage that cannot be written to, which is fatal.
    """
    started = time.perf_counter()
    record: Record = {"path": task.name}
    if task.refused is not None:
        record = _failed(record, "output", task.refused)
        record["seconds"] = 0.0
        return Outcome(task.name, (record,))
    variants: list[Record] = []
    try:
        source = JobInput(
            task.name,
            _read(task.path),
            _read(task.mask_path) if task.mask_path is not None else None,
            task.ring,
        )
        record["sha256"] = hashlib.sha256(source.data).hexdigest()
        if source.mask is not None:
            record["mask_sha256"] = hashlib.sha256(source.mask).hexdigest()
        if task.earlier is not None and _is_valid(task.earlier, record, storage):
            return Outcome(task.name)
        result = process(source)
        for name, data in result.files.items():
            storage.write(name, data)
        record = {**record, "status": "ok", **result.fields}
        variants = result.variants
    except IrisError as error:
        record = _failed(record, error.stage, error.reason)
    except OSError as error:
        if error.errno in _FULL:
            return Outcome(task.name, fatal=f"{storage} cannot be written to: {error.strerror}")
        record = _failed(record, "write", error.strerror or str(error))
    except Exception as error:  # a programming error met with one input must not end the run
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(line.filename).name}:{line.lineno}"
        record = _failed(record, "internal", f"{type(error).__name__} at {where}: {error}")
    if record.get("status") == "failed":
        remove_outputs(task, storage)
    record["seconds"] = round(time.perf_counter() - started, 4)
    return Outcome(task.name, (*variants, record))


def _failed(record: Record, stage: str, reason: str) -> Record:
    """`record` as that of a failed input."""
    return {**record, "status": "failed", "stage": stage, "reason": reason}


def _read(path: str) -> bytes:
    return read_url(path) if is_url(path) else read_file(Path(path))


def _is_valid(earlier: Record, record: Record, storage: Storage) -> bool:
    """Whether `earlier` is of a success with the same input files as `record`, and all its outputs are there."""
    same = earlier.get("sha256") == record.get("sha256") and earlier.get("mask_sha256") == record.get("mask_sha256")
    if not same or earlier.get("status") != "ok":
        return False
    try:
        return all(storage.holds(name) for name in output_files(earlier))
    except DatasetError:
        return False


def remove_outputs(task: Task, storage: Storage) -> None:
    """Remove the outputs of a failed input: those of an earlier success, and an incomplete set of this run."""
    try:
        earlier = output_files(task.earlier) if task.earlier is not None else []
        for name in {*earlier, *(output_file(field, task.name) for field in FILES)}:
            storage.remove(name)
    except (OSError, DatasetError):
        pass  # a file whose name is too long to write cannot be removed either
