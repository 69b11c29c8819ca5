"""The storage that the workers of a run write to: its protocol, and a folder on disk."""

from __future__ import annotations

import errno
import stat
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from irisstn.files import write_bytes_atomic


class Storage(Protocol):
    """An output folder that files are written to by name.

    It is sent to the worker processes, so it holds no open file. A name is a path with "/" that stays below the folder.
    `irisstn.storage.remote.RemoteStorage` is one at a URL.
    """

    def __str__(self) -> str:
        """What to call the folder in messages."""

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name`, so that it is either complete or not there. Raises OSError."""

    def size(self, name: str) -> int | None:
        """The size of the file `name` in bytes; None where there certainly is none. Raises OSError."""

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it is there. Raises OSError."""


@dataclass(frozen=True, slots=True)
class LocalStorage:
    """A folder on disk.

    Attributes
    ----------
    root : Path
        The folder.
    scratch : Path
        A folder of the same file system, for unfinished files.
    """

    root: Path
    scratch: Path

    def __str__(self) -> str:
        return str(self.root)

    def write(self, name: str, data: bytes) -> None:
        """Write the file `name` into `scratch`, then rename it, without waiting for the disk. Raises OSError."""
        path = self.root / name
        _require_inside(self.root, name.rpartition("/")[0])
        write_bytes_atomic(path, data, scratch=self.scratch)

    def size(self, name: str) -> int | None:
        """The size of the regular file `name` in bytes; None where there is none. Raises OSError."""
        try:
            status = (self.root / name).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def remove(self, name: str) -> None:
        """Remove the file `name`; its folder stays, because another worker may be about to write to it."""
        path = self.root / name
        _require_inside(self.root, name.rpartition("/")[0])
        path.unlink(missing_ok=True)


@lru_cache(4096)  # a run writes many files to each folder
def _require_inside(root: Path, folder: str) -> None:
    """Raise OSError where a symbolic link below `root` makes `folder`, a path below it, lie elsewhere."""
    if not (root / folder).resolve().is_relative_to(root.resolve()):
        raise OSError(errno.ELOOP, f"{root / folder} is a symbolic link that leads out of the output folder")
