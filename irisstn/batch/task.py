"""One input, from its file to its outputs on disk and its record: the same in this process and in any other."""

from __future__ import annotations

import errno
import hashlib
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from irisstn.batch.jobs.job import Input, Process
from irisstn.errors import DatasetError, IrisError
from irisstn.images import read_file
from irisstn.outputs.records import FILES, Record, files_of, output_file
from irisstn.storage.local import Place
from irisstn.storage.remote import is_url, read_url

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE})


@dataclass(frozen=True, slots=True)
class Task:
    """An input to do: its `name` and `path` (or URL), the `mask_path` beside a strip, the record of an `earlier` run.

    `refused` says why it cannot be done at all.
    """

    name: str
    path: str
    mask_path: str | None = None
    earlier: Record | None = None
    refused: str | None = None


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


def do_task(task: Task, process: Process, place: Place) -> Outcome:
    """Read, process and write one input, into `place`. Whatever goes wrong with it becomes its record."""
    started = time.perf_counter()
    record: Record = {"path": task.name}
    if task.refused is not None:
        return Outcome(
            task.name, ({**record, "status": "failed", "stage": "output", "reason": task.refused, "seconds": 0.0},)
        )
    variants: list[Record] = []
    try:
        source = Input(
            task.name,
            _read(task.path),
            _read(task.mask_path) if task.mask_path is not None else None,
        )
        record |= _digests(source)
        if task.earlier is not None and _still_holds(task.earlier, record, place):
            return Outcome(task.name)
        product = process(source)
        for name, data in product.files.items():
            place.write(name, data)
        record |= {"status": "ok", **product.fields}
        variants = product.variants
    except IrisError as error:
        record |= {"status": "failed", "stage": error.stage, "reason": error.reason}
    except OSError as error:
        if error.errno in _FULL:
            return Outcome(task.name, fatal=f"{place} cannot be written to: {error.strerror}")
        record |= {"status": "failed", "stage": "write", "reason": error.strerror or str(error)}
    except Exception as error:  # a fault of ours in one input must not cost the others
        line = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(line.filename).name}:{line.lineno}"
        record |= {"status": "failed", "stage": "internal", "reason": f"{type(error).__name__} at {where}: {error}"}
    if record["status"] == "failed":
        remove_outputs(task, place)
    record["seconds"] = round(time.perf_counter() - started, 4)
    return Outcome(task.name, (*variants, record))


def _read(path: str) -> bytes:
    return read_url(path) if is_url(path) else read_file(Path(path))


def _digests(source: Input) -> Record:
    digests: Record = {"sha256": hashlib.sha256(source.data).hexdigest()}
    if source.mask is not None:
        digests["mask_sha256"] = hashlib.sha256(source.mask).hexdigest()
    return digests


def _still_holds(earlier: Record, digests: Record, place: Place) -> bool:
    """Whether `earlier` is a success on the same content, with all its files still there."""
    same = all(earlier.get(name) == digests.get(name) for name in ("sha256", "mask_sha256"))
    if not same or earlier.get("status") != "ok":
        return False
    try:
        return all(place.holds(name) for name in files_of(earlier))
    except DatasetError:
        return False


def remove_outputs(task: Task, place: Place) -> None:
    """A failed input has no outputs: neither those of an earlier success nor half a set."""
    try:
        earlier = files_of(task.earlier) if task.earlier is not None else []
        for name in {*earlier, *(output_file(kind, task.name) for kind in FILES)}:
            place.remove(name)
    except (OSError, DatasetError):
        pass  # a name too long to write is too long to remove
