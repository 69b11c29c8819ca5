"""One run at a time in an output folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from irisstn.errors import OutputError

LOCK = ".lock"  # name of the file


def make_folder(out: Path) -> None:
    """Make an output folder, where there is none. Raises OutputError."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be made: {error.strerror or error}") from None


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Lock a folder while the context lasts.

    The operating system releases the lock when the process ends for whatever reason, so that no stale lock remains.

    Parameters
    ----------
    out : Path
        The folder, which exists.

    Raises
    ------
    OutputError
        Another run has locked it, or it cannot be written to.
    """
    try:
        file = os.open(out / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror}") from None
    try:
        if not _take(file):
            owner = os.read(file, 32).decode("ascii", "replace").strip()
            raise OutputError(f"{out} is in use by another run (process {owner or 'unknown'})")
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        yield
        os.ftruncate(file, 0)
    finally:
        os.close(file)


if sys.platform == "win32":
    import msvcrt

    def _take(file: int) -> bool:
        """Lock the open `file`; False where another process has."""
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: int) -> bool:
        """Lock the open `file`; False where another process has."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
