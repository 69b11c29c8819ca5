"""The output folder of one run: made, locked, checked against the settings it was made with, described in run.json."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from irisstn.errors import DatasetError, OutputError
from irisstn.files import set_aside, write_bytes_atomic
from irisstn.outputs.manifest import MANIFEST, read_manifest
from irisstn.outputs.record_files import written_files
from irisstn.outputs.records import Json
from irisstn.outputs.remote_manifest import mirrored_manifest
from irisstn.outputs.settings import (
    DIGEST,
    read_settings,
    record_digest,
    require_same_settings,
    with_digest,
    with_fewer_drawings,
)
from irisstn.storage import lock
from irisstn.storage.local import LocalStorage, Storage
from irisstn.storage.remote import RemoteStorage

RUN = "run.json"
REPORT, EMBEDDINGS = "report.html", "embeddings.npz"
DERIVED = (REPORT, EMBEDDINGS)  # files about all outputs, which a run writes at its end
FILE_NAMES = 2  # the setting `file_names` of run.json: how files are named; it was absent while all were NAME.png
_SCRATCH = ".unfinished"
_REMEDY = "give --overwrite to begin it anew, or another folder"


@dataclass(frozen=True, slots=True)
class OutputFolder:
    """An output folder that this run has locked.

    Attributes
    ----------
    storage : Storage
        Where the outputs are written to: a folder on disk, or one at a URL.
    folder : Path
        The folder on disk with the manifest. For an output on disk it is the output folder itself.
    scratch : Path
        A folder on disk for unfinished files.
    settings : dict
        Everything that the bytes of the outputs depend on, besides the inputs.
    started : str
        When the run started, in ISO 8601.
    save : callable
        To be called after each change of the manifest: uploads it now and then, where the output is at a URL.
    durable : bool
        Whether files have to outlive a power cut.
    note : str or None
        What was found damaged and made anew, in one line.
    """

    storage: Storage
    folder: Path
    scratch: Path
    settings: dict[str, Json]
    started: str
    save: Callable[[], None]
    durable: bool = False
    note: str | None = None

    def write_run_json(self, counts: dict[str, Json], *, finished: bool) -> None:
        """Write run.json: the settings, when the run started and `finished`, and the `counts` of its inputs.

        That of the start, without counts, waits for the disk with the first records.
        """
        about = {
            **with_digest(self.settings),
            "started": self.started,
            "finished": _now() if finished else None,
            "counts": counts,
        }
        text = json.dumps(about, indent=2).encode("ascii") + b"\n"
        if self.durable and counts and isinstance(self.storage, LocalStorage):
            write_bytes_atomic(self.folder / RUN, text, scratch=self.scratch, durable=True)
        else:
            self.storage.write(RUN, text)


@contextmanager
def open_output_folder(
    out: Path | str, settings: dict[str, Json], *, overwrite: bool, durable: bool = True
) -> Iterator[OutputFolder]:
    """Make and lock an output folder.

    Parameters
    ----------
    out : Path or str
        A folder on disk, or a URL as text.
    settings : dict
        Everything that the bytes of the outputs depend on, besides the inputs. A folder that was made with other
        settings is refused, because outputs of different settings must not be mixed; drawings may be added.
    overwrite : bool
        Remove the outputs of earlier runs first.
    durable : bool
        Write files on disk so that they outlive a power cut. Storage at a URL sees to that itself.

    Yields
    ------
    OutputFolder
        The folder, locked until the context ends.

    Raises
    ------
    OutputError
        The folder cannot be made, is in use, or was made with other settings.
    """
    with _remote(out) if isinstance(out, str) else _local(out) as (storage, folder, scratch, save):
        note = None
        if overwrite:
            _remove_outputs(folder, storage)
        else:
            note = _refuse_other_settings(folder, settings, str(out))
        for name in DERIVED:
            (folder / name).unlink(missing_ok=True)  # their existence proves that they are of the whole folder
        on_disk = isinstance(storage, LocalStorage)
        yield OutputFolder(storage, folder, scratch, settings, _now(), save, durable and on_disk, note)


_Opened = tuple[Storage, Path, Path, Callable[[], None]]


@contextmanager
def _local(out: Path) -> Iterator[_Opened]:
    """The folder `out` on disk."""
    lock.make_folder(out)
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
    """The folder at the URL `out`, with its manifest in a temporary folder on disk."""
    storage = RemoteStorage(out.rstrip("/"))
    with mirrored_manifest(storage, (MANIFEST, RUN)) as (folder, save):
        scratch = folder / _SCRATCH
        scratch.mkdir()
        yield storage, folder, scratch, save


def _refuse_other_settings(folder: Path, settings: dict[str, Json], out: str) -> str | None:
    """Raise OutputError where outputs in `folder` were made with other settings, or nothing says with which.

    A run.json that cannot be read is set aside, where the records tell that they were made with these settings.
    Returns a line that says so.
    """
    path = folder / RUN
    held = None
    if path.exists():
        with suppress(OutputError):
            held = read_settings(path, name=f"{out}/{RUN}", remedy=_REMEDY)
    if held is not None and DIGEST in held:
        if held.get("file_names") is None and "file_names" in settings:
            raise OutputError(
                f"{out} was made by a version that named files otherwise (a.png.png for a.png): {_REMEDY}"
            )
        fewer = [one for one in with_fewer_drawings(settings) if with_digest(one)[DIGEST] == held[DIGEST]]
        require_same_settings(held, fewer[0] if fewer else settings, where=out, remedy=_REMEDY)
        return None
    digest = record_digest(settings)
    if any(record.get("settings") != digest for record in read_manifest(folder)):
        why = f"{RUN} is damaged" if path.exists() else f"has no {RUN}"
        raise OutputError(f"{out}: {why}, and its records are of other settings or do not tell: {_REMEDY}")
    if not path.exists():
        return None
    return f"{out}/{RUN} was damaged: renamed {set_aside(path)} and made anew"


def _remove_outputs(folder: Path, storage: Storage) -> None:
    """Remove the files that the manifest names, then the manifest: only what this program has written."""
    for record in read_manifest(folder):
        with suppress(DatasetError):
            for name in written_files(record):
                with suppress(OSError, ValueError):
                    storage.remove(name)
                    if isinstance(storage, LocalStorage):
                        for parent in list(Path(name).parents)[:-1]:
                            (folder / parent).rmdir()  # fails at the first folder that is not empty
    for name in (MANIFEST, RUN):
        storage.remove(name)
        (folder / name).unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
