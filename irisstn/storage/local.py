"""Where a run's outputs go: a folder on disk, or (see `irisstn.storage.remote`) one at a URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from irisstn.images import write_bytes_atomic


class Storage(Protocol):
    """An output folder as a worker sees it. It is sent to the worker processes, so it holds no open file."""

    def __str__(self) -> str:
        """What to call it in messages."""

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`, a path with "/" that stays below the folder; whole or not at all. Raises OSError."""

    def holds(self, name: str) -> bool:
        """Whether there is a file `name`."""

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there. Raises OSError."""


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """The folder `root` on disk; unfinished files lie in `scratch`, a folder of the same file system."""

    root: Path
    scratch: Path

    def __str__(self) -> str:
        return str(self.root)

    def write(self, name: str, data: bytes) -> None:
        """Write beside, then rename."""
        write_bytes_atomic(self.root / name, data, scratch=self.scratch)

    def holds(self, name: str) -> bool:
        """Whether there is a regular file `name`."""
        return (self.root / name).is_file()

    def remove(self, name: str) -> None:
        """Remove the file `name`; its folder stays, since another worker may be about to use it."""
        (self.root / name).unlink(missing_ok=True)
