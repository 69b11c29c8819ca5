"""The output folder of a run: made, locked, checked against the settings it was made with, described in run.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from irisstn.batch import lock
from irisstn.batch.job import Job
from irisstn.batch.worker import files_of
from irisstn.errors import DatasetError, OutputError
from irisstn.images import write_bytes_atomic
from irisstn.outputs import MANIFEST, Json, read_manifest

RUN = "run.json"
_SCRATCH = ".unfinished"


@dataclass(frozen=True, slots=True)
class Output:
    """An output folder that this run holds the lock of; unfinished files lie in `scratch`."""

    folder: Path
    scratch: Path
    settings: dict[str, Json]
    started: str

    def describe(self, counts: dict[str, Json], *, finished: bool) -> None:
        """Write run.json."""
        about = {
            **self.settings,
            "settings_sha256": _digest(self.settings),
            "started": self.started,
            "finished": _now() if finished else None,
            "counts": counts,
        }
        data = json.dumps(about, indent=2).encode("ascii") + b"\n"
        write_bytes_atomic(self.folder / RUN, data, scratch=self.scratch)


@contextmanager
def opened(out: Path, job: Job, *, overwrite: bool) -> Iterator[Output]:
    """Make and lock the folder `out` for `job`.

    A folder that was made by other settings is refused, since its strips must not be mixed with new ones; `overwrite`
    begins it anew. Raises OutputError.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror}") from None
    with lock.locked(out):
        settings: dict[str, Json] = {
            "program": "irisstn",
            "version": version("irisstn"),
            "command": job.command,
            **job.settings(),
        }
        if overwrite:
            _empty(out)
        else:
            _refuse_other_settings(out, settings)
        scratch = out / _SCRATCH
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(exist_ok=True)
            yield Output(out, scratch, settings, _now())
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _refuse_other_settings(out: Path, settings: dict[str, Json]) -> None:
    path = out / RUN
    if not path.exists():
        if (out / MANIFEST).exists():
            raise OutputError(
                f"{out} has a manifest but no {RUN}: give --overwrite to begin it anew, or another folder"
            )
        return
    try:
        before = json.loads(path.read_bytes())
        same = before["settings_sha256"] == _digest(settings)
        changes = _changes({name: before.get(name) for name in settings}, settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise OutputError(f"{path} cannot be read: give --overwrite to begin anew, or another folder") from None
    if not same:
        what = "; ".join(changes) or "other settings"
        raise OutputError(f"{out} was made with {what}: give --overwrite to begin it anew, or another folder")


def _changes(before: Json, now: Json, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        inner = [_changes(before.get(key), now.get(key), f"{name}.{key}") for key in sorted({*before, *now})]
        return [change for changes in inner for change in changes]
    label = name.removeprefix(".").removeprefix("config.")
    return [] if before == now else [f"{label} {json.dumps(before)} (now {json.dumps(now)})"]


def _empty(out: Path) -> None:
    """Remove what the manifest lists, then the manifest: nothing that this program did not write."""
    for record in read_manifest(out):
        with suppress(DatasetError):
            for name in files_of(record):
                with suppress(OSError):
                    (out / name).unlink(missing_ok=True)
                    for folder in list(Path(name).parents)[:-1]:
                        (out / folder).rmdir()  # the first that is not empty ends this
    for name in (MANIFEST, RUN, "report.html"):
        (out / name).unlink(missing_ok=True)


def _digest(settings: dict[str, Json]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("ascii")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
