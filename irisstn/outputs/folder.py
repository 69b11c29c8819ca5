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
from irisstn.outputs.manifest import MANIFEST, read_manifest
from irisstn.outputs.records import Json, output_files
from irisstn.outputs.remote_manifest import mirrored_manifest
from irisstn.outputs.settings import DIGEST, read_settings, require_same_settings, with_digest
from irisstn.storage import lock
from irisstn.storage.local import LocalStorage, Storage
from irisstn.storage.remote import RemoteStorage

RUN = "run.json"
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
    """

    storage: Storage
    folder: Path
    scratch: Path
    settings: dict[str, Json]
    started: str
    save: Callable[[], None]

    def write_run_json(self, counts: dict[str, Json], *, finished: bool) -> None:
        """Write run.json: the settings, when the run started and `finished`, and the `counts` of its inputs."""
        about = {
            **with_digest(self.settings),
            "started": self.started,
            "finished": _now() if finished else None,
            "counts": counts,
        }
        self.storage.write(RUN, json.dumps(about, indent=2).encode("ascii") + b"\n")


@contextmanager
def open_output_folder(out: Path | str, settings: dict[str, Json], *, overwrite: bool) -> Iterator[OutputFolder]:
    """Make and lock an output folder.

    Parameters
    ----------
    out : Path or str
        A folder on disk, or a URL as text.
    settings : dict
        Everything that the bytes of the outputs depend on, besides the inputs. A folder that was made with other
        settings is refused, because outputs of different settings must not be mixed.
    overwrite : bool
        Remove the outputs of earlier runs first.

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
        if overwrite:
            _remove_outputs(folder, storage)
        else:
            _refuse_other_settings(folder, settings, str(out))
        yield OutputFolder(storage, folder, scratch, settings, _now(), save)


_Opened = tuple[Storage, Path, Path, Callable[[], None]]


@contextmanager
def _local(out: Path) -> Iterator[_Opened]:
    """The folder `out` on disk."""
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
    """The folder at the URL `out`, with its manifest in a temporary folder on disk."""
    storage = RemoteStorage(out.rstrip("/"))
    with mirrored_manifest(storage, (MANIFEST, RUN)) as (folder, save):
        scratch = folder / _SCRATCH
        scratch.mkdir()
        yield storage, folder, scratch, save


def _refuse_other_settings(folder: Path, settings: dict[str, Json], out: str) -> None:
    """Raise OutputError where the outputs in `folder` were made with other settings, or nothing says with which."""
    path = folder / RUN
    if not path.exists():
        if (folder / MANIFEST).exists():
            raise OutputError(f"{out} has a manifest but no {RUN}: {_REMEDY}")
        return
    held = read_settings(path, name=f"{out}/{RUN}", remedy=_REMEDY)
    if DIGEST not in held:
        raise OutputError(f"{out}/{RUN} does not describe a run: {_REMEDY}")
    require_same_settings(held, settings, where=out, remedy=_REMEDY)


def _remove_outputs(folder: Path, storage: Storage) -> None:
    """Remove the files that the manifest names, then the manifest: only what this program has written."""
    for record in read_manifest(folder):
        with suppress(DatasetError):
            for name in output_files(record):
                with suppress(OSError):
                    storage.remove(name)
                    if isinstance(storage, LocalStorage):
                        for parent in list(Path(name).parents)[:-1]:
                            (folder / parent).rmdir()  # fails at the first folder that is not empty
    for name in (MANIFEST, RUN, "report.html"):
        storage.remove(name)
        (folder / name).unlink(missing_ok=True)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
