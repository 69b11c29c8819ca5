"""One run at a time in an output folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from irisstn.errors import OutputError

NAME = ".lock"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Hold the folder `out` (which exists); raises OutputError where another run holds it.

    The system lets go of the lock when the process ends, however it ends, so no stale lock can be left behind.
    """
    try:
        file = os.open(out / NAME, os.O_RDWR | os.O_CREAT, 0o666)
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
        try:
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(file: int) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
