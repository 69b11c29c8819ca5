"""The manifest of an output folder at a URL, where nothing can be added to a file and no system keeps locks.

While a run lasts, its manifest lies in a temporary folder on this machine. What is new in it is written to the URL
every half minute, as a file of its own below PARTS, and read from there by the next run after a kill: at most the
records of that half minute are lost, and their inputs done once more, to the same bytes. At the end the sorted manifest
is written whole, and the parts are removed.

The lock is a file that names its owner and the time, renewed with each part. One that has not been renewed for a while,
or whose process was on this machine and is gone, is stale. Two runs that begin within one second may both pass: they
write the same bytes to the same names, and the one that finds the other's lock at its next part ends.
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
STALE_S = 900.0  # well above the longest that one input may take


@contextmanager
def mirrored_manifest(storage: RemoteStorage, names: Sequence[str]) -> Iterator[tuple[Path, Callable[[], None]]]:
    """A temporary folder with the files `names` of `storage` and the parts, and the function that saves what is new.

    At the end the manifest in it is written to `storage`. Raises OutputError where another run is at it.
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
            with suppress(OSError, OutputError):  # what is done is done; the fault itself is on its way up
                mirror.save(now=True)
            raise
        finally:
            with suppress(OSError, OutputError):
                lock.release()


class _Mirror:
    """The manifest, a file on this machine, and how much of it is at `storage` already."""

    def __init__(self, storage: RemoteStorage, manifest: Path, lock: _Lock) -> None:
        self._storage, self._manifest, self._lock = storage, manifest, lock
        self._saved_at = time.monotonic()
        self._sent = manifest.stat().st_size if manifest.exists() else 0

    def save(self, *, now: bool = False) -> None:
        """Write what is new, if it is time. Raises OSError, or OutputError where another run has taken over."""
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
    """The lock of `storage`, in the name of this process."""

    def __init__(self, storage: RemoteStorage) -> None:
        self._storage, self._host = storage, socket.gethostname()

    def renew(self) -> None:
        """Take the lock, or keep it. Raises OutputError where another run has it, OSError."""
        host, process, age_s = self._holder()
        if (host, process) != (self._host, os.getpid()) and age_s < STALE_S and not self._gone(host, process):
            raise OutputError(
                f"{self._storage} is in use by another run (process {process} on {host}, heard of {age_s:.0f} s ago); "
                f"if that is over, remove {self._storage}/{LOCK}"
            )
        about = {"host": self._host, "process": os.getpid(), "time": time.time()}
        self._storage.write(LOCK, json.dumps(about).encode())

    def release(self) -> None:
        """Let go of the lock, if it is ours. Raises OSError."""
        if self._holder()[:2] == (self._host, os.getpid()):
            self._storage.remove(LOCK)

    def _holder(self) -> tuple[str, int, float]:
        """Host, process and the seconds since they were heard of; those of nobody are long gone."""
        try:
            about = json.loads(self._storage.read(LOCK) or b"{}")
            return str(about["host"]), int(about["process"]), time.time() - float(about["time"])
        except (ValueError, TypeError, KeyError):
            return "", 0, STALE_S

    def _gone(self, host: str, process: int) -> bool:
        """Whether the holder was a process of this machine that has ended."""
        if host != self._host or sys.platform == "win32":
            return False
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return True
        except OSError:
            return False
        return False
