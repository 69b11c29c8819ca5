"""The output folder of a run: made, locked, checked against the settings it was made with, described in run.json."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from irisstn.errors import DatasetError, OutputError
from irisstn.outputs.manifest import MANIFEST, read_manifest
from irisstn.outputs.records import Json, output_files
from irisstn.outputs.remote_manifest import mirrored_manifest
from irisstn.storage import lock
from irisstn.storage.local import LocalStorage, Storage
from irisstn.storage.remote import RemoteStorage

RUN = "run.json"
_SCRATCH = ".unfinished"


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """An output folder that this run holds the lock of.

    Results go to `storage`; the manifest is kept in `folder` on disk, which for a local run is the same folder, and
    unfinished files in `scratch`. `settings` are those that the outputs depend on.
    """

    storage: Storage
    folder: Path
    scratch: Path
    settings: dict[str, Json]
    started: str
    save: Callable[[], None]  # to be called now and then: puts the manifest where it belongs

    def write_run_json(self, counts: dict[str, Json], *, finished: bool) -> None:
        """Write run.json."""
        about = {
            **self.settings,
            "settings_sha256": _digest(self.settings),
            "started": self.started,
            "finished": _now() if finished else None,
            "counts": counts,
        }
        self.storage.write(RUN, json.dumps(about, indent=2).encode("ascii") + b"\n")


@contextmanager
def open_output_folder(out: Path | str, settings: dict[str, Json], *, overwrite: bool) -> Iterator[OutputFolder]:
    """Make and lock the folder `out`, on disk or at a URL, for a run with `settings`.

    `settings` is everything that the bytes of the outputs depend on beside the inputs. A folder that was made by other
    settings is refused, since its strips must not be mixed with new ones; `overwrite`
    begins it anew. Raises OutputError.
    """
    with _remote(out) if isinstance(out, str) else _local(out) as (storage, folder, scratch, save):
        if overwrite:
            _empty(folder, storage)
        else:
            _refuse_other_settings(folder, settings, str(out))
        yield OutputFolder(storage, folder, scratch, settings, _now(), save)


_Opened = tuple[Storage, Path, Path, Callable[[], None]]


@contextmanager
def _local(out: Path) -> Iterator[_Opened]:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror}") from None
    with lock.locked(out):
        scratch = out / _SCRATCH
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(exist_ok=True)
            yield LocalStorage(out, scratch), out, scratch, lambda: None
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _remote(out: str) -> Iterator[_Opened]:
    storage = RemoteStorage(out.rstrip("/"))
    with mirrored_manifest(storage, (MANIFEST, RUN)) as (folder, save):
        scratch = folder / _SCRATCH
        scratch.mkdir()
        yield storage, folder, scratch, save


def _refuse_other_settings(folder: Path, settings: dict[str, Json], out: str) -> None:
    path = folder / RUN
    if not path.exists():
        if (folder / MANIFEST).exists():
            raise OutputError(
                f"{out} has a manifest but no {RUN}: give --overwrite to begin it anew, or another folder"
            )
        return
    try:
        before = json.loads(path.read_bytes())
        same = before["settings_sha256"] == _digest(settings)
        changes = _changes({name: before.get(name) for name in settings}, settings)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise OutputError(f"{out}/{RUN} cannot be read: give --overwrite to begin anew, or another folder") from None
    if not same:
        what = "; ".join(changes) or "other settings"
        raise OutputError(f"{out} was made with {what}: give --overwrite to begin it anew, or another folder")


def _changes(before: Json, now: Json, name: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        inner = [_changes(before.get(key), now.get(key), f"{name}.{key}") for key in sorted({*before, *now})]
        return [change for changes in inner for change in changes]
    label = name.removeprefix(".").removeprefix("config.")
    return [] if before == now else [f"{label} {json.dumps(before)} (now {json.dumps(now)})"]


def _empty(folder: Path, storage: Storage) -> None:
    """Remove what the manifest lists, then the manifest: nothing that this program did not write."""
    for record in read_manifest(folder):
        with suppress(DatasetError):
            for name in output_files(record):
                with suppress(OSError):
                    storage.remove(name)
                    if isinstance(storage, LocalStorage):
                        for parent in list(Path(name).parents)[:-1]:
                            (folder / parent).rmdir()  # the first that is not empty ends this
    for name in (MANIFEST, RUN, "report.html"):
        storage.remove(name)
        (folder / name).unlink(missing_ok=True)


def _digest(settings: dict[str, Json]) -> str:
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("ascii")).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
