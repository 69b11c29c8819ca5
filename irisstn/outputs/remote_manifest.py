"""The manifest of an output folder at a URL, where files cannot be appended to and the system has no locks.

While a run lasts, its manifest is a file in a temporary folder on this machine. Every half minute the new lines are
written to the URL, as a file of their own below PARTS. After a kill the next run reads these parts: the records of at
most the last half minute are lost, and their inputs are processed again, to the same bytes. At the end the whole sorted
manifest is written and the parts are removed.

The lock is a file with its owner and the time, renewed with each part. It is stale when it has not been renewed for
STALE_S, or when its process was on this machine and has ended. Two runs that begin within the same second may both
take it: they write the same bytes to the same names, and the one that finds the other's lock at its next part ends.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from irisstn.errors import OutputError
from irisstn.outputs.manifest import MANIFEST
from irisstn.storage.remote import RemoteStorage

PARTS = "manifest-parts"
LOCK = "lock.json"
EVERY_S = 30.0
STALE_S = 900.0  # well above the longest time that one input may take


@contextmanager
def mirrored_manifest(storage: RemoteStorage, names: Sequence[str]) -> Iterator[tuple[Path, Callable[[], None]]]:
    """Copy the manifest of an output folder at a URL to this machine, and write it back when the context ends.

    Parameters
    ----------
    storage : RemoteStorage
        The output folder.
    names : sequence of str
        The files to copy, the manifest among them.

    Yields
    ------
    folder : Path
        A temporary folder with the files, and with the lines of all parts appended to the manifest.
    save : callable
        Uploads the new lines of the manifest, if half a minute has passed since the last time.

    Raises
    ------
    OutputError
        Another run uses the folder, or it cannot be read or written.
    """
    with tempfile.TemporaryDirectory(prefix="irisstn-") as name:
        folder = Path(name)
        lock = _Lock(storage)
        try:
            lock.renew()
            for file in names:
                storage.fetch(file, folder / file)
            for part in storage.names(PARTS):
                with (folder / MANIFEST).open("ab") as manifest:
                    manifest.write(storage.read(f"{PARTS}/{part}") or b"")
        except OSError as error:
            raise OutputError(f"{storage} cannot be used: {error}") from None
        mirror = _Mirror(storage, folder / MANIFEST, lock)
        try:
            yield folder, mirror.save
            mirror.finish()
        except BaseException:
            with suppress(OSError, OutputError):  # the error of the run matters more than one of this upload
                mirror.save(now=True)
            raise
        finally:
            with suppress(OSError, OutputError):
                lock.release()


class _Mirror:
    """The manifest, a file on this machine, and the number of its bytes that are at `storage` already."""

    def __init__(self, storage: RemoteStorage, manifest: Path, lock: _Lock) -> None:
        self._storage, self._manifest, self._lock = storage, manifest, lock
        self._saved_at = time.monotonic()
        self._sent = manifest.stat().st_size if manifest.exists() else 0

    def save(self, *, now: bool = False) -> None:
        """Upload the new lines, `now` or if EVERY_S have passed. Raises OSError; OutputError if the lock was lost."""
        if not now and time.monotonic() - self._saved_at < EVERY_S:
            return
        self._lock.renew()
        with self._manifest.open("rb") as file:
            file.seek(self._sent)
            new = file.read()
        if new:
            self._storage.write(f"{PARTS}/{self._sent:015d}.jsonl", new)
        self._sent += len(new)
        self._saved_at = time.monotonic()

    def finish(self) -> None:
        """Write the whole manifest and remove the parts. Raises OutputError."""
        try:
            self._lock.renew()
            self._storage.send(self._manifest, MANIFEST)
            for part in self._storage.names(PARTS):
                self._storage.remove(f"{PARTS}/{part}")
        except OSError as error:
            raise OutputError(f"{self._storage} cannot be written to: {error}", stage="write") from None


class _Lock:
    """The lock of `storage`, owned by this process."""

    def __init__(self, storage: RemoteStorage) -> None:
        self._storage, self._host = storage, socket.gethostname()

    def renew(self) -> None:
        """Take the lock or renew it. Raises OutputError where another run has it, or OSError."""
        host, process, age_s = self._owner()
        if (host, process) != (self._host, os.getpid()) and age_s < STALE_S and not self._has_ended(host, process):
            raise OutputError(
                f"{self._storage} is in use by another run (process {process} on {host}, active {max(age_s, 0):.0f} s "
                f"ago); if it has ended, remove {self._storage}/{LOCK}"
            )
        about = {"host": self._host, "process": os.getpid(), "time": time.time()}
        self._storage.write(LOCK, json.dumps(about).encode())

    def release(self) -> None:
        """Remove the lock, if this process owns it. Raises OSError."""
        if self._owner()[:2] == (self._host, os.getpid()):
            self._storage.remove(LOCK)

    def _owner(self) -> tuple[str, int, float]:
        """Host and process of the owner, and the age of the lock in seconds; without an owner it is stale."""
        try:
            about = json.loads(self._storage.read(LOCK) or b"{}")
            return str(about["host"]), int(about["process"]), time.time() - float(about["time"])
        except (ValueError, TypeError, KeyError):
            return "", 0, STALE_S

    def _has_ended(self, host: str, process: int) -> bool:
        """Whether the owner was a process of this machine that has ended."""
        if host != self._host or sys.platform == "win32":
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
