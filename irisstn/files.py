"""Read files within limits; write them atomically and so that they outlive a power cut; set damaged ones aside."""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

DAMAGED = ".damaged"
_UNFINISHED = re.compile(r"\.\d+-[0-9a-f]{8}\.tmp")
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})  # from file systems that cannot sync such a file


def read_regular_file(path: Path, *, max_bytes: int) -> bytes:
    """Read the content of a regular file.

    Parameters
    ----------
    path : Path
        The file.
    max_bytes : int
        Limit of its size, checked before it is read.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    OSError
        Where it cannot be opened or read.
    ValueError
        Where it is not a regular file, is too large, or grows while it is read; the message says which.
    """
    # Without O_NONBLOCK, opening a FIFO would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        size = _size(os.fstat(descriptor), max_bytes)
        data = file.read(size + 1)  # with a larger count Python would allocate that much
    if len(data) > size:
        raise ValueError("the file grows while it is read")
    return data


def require_regular_file(path: Path, *, max_bytes: int) -> None:
    """Check a file that is read by somebody else; arguments and errors as of `read_regular_file`."""
    _size(path.stat(), max_bytes)


def _size(status: os.stat_result, max_bytes: int) -> int:
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("not a regular file")
    if status.st_size > max_bytes:
        raise ValueError(f"the file has {status.st_size} bytes, more than the limit of {max_bytes}")
    return status.st_size


def write_bytes_atomic(path: Path, data: bytes, *, scratch: Path | None = None, durable: bool = False) -> None:
    """Write a file so that at any moment `path` holds the complete new content, or what it held before.

    Parameters
    ----------
    path : Path
        The file; missing parent folders are created.
    data : bytes
        The content.
    scratch : Path, optional
        Folder of the temporary file, in the same file system; by default that of `path`.
    durable : bool
        Also after a power cut: the content is on the disk before the file gets its name, and the name is before this
        function returns. Without it a file may be empty after a power cut.

    Raises
    ------
    OSError
        Where the file cannot be written, or is a device or a pipe; the temporary file is then removed.
    """
    temporary = unfinished_path(scratch or path.parent)
    try:
        if scratch is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        require_replaceable(path)
        _write_new(temporary, data, durable=durable)
        try:
            temporary.replace(path)
        except FileNotFoundError:  # only the first file of a folder
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def require_replaceable(path: Path) -> None:
    """Raise OSError where `path` is a device, a pipe or a socket: renaming over /dev/null would take it from all."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise OSError(errno.EEXIST, "it is a device or a pipe, which is not replaced")


def _write_new(path: Path, data: bytes, *, durable: bool) -> None:
    """Write the file `path`, and wait until it is on the disk where it is to be `durable`. Raises OSError.

    By system calls: `Path.write_bytes` takes twice the time for a small file.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if durable:
            _sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def unfinished_path(folder: Path) -> Path:
    """A new name in `folder` for a file that gets its own name when it is complete."""
    return folder / f".{os.getpid()}-{secrets.token_hex(4)}.tmp"


def is_unfinished(path: Path) -> bool:
    """Whether a file has a name of `unfinished_path`."""
    return _UNFINISHED.fullmatch(path.name) is not None


def remove_unfinished(paths: Iterable[Path]) -> None:
    """Remove those of `paths`, in a folder that this process has locked, that killed processes left unfinished.

    Raises OSError.
    """
    for path in paths:
        if is_unfinished(path):
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the content of a file, or the names in a folder, are on the disk. Raises OSError."""
    if sys.platform == "win32" and path.is_dir():
        return  # Windows has no such call for folders
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        _sync_descriptor(descriptor)
    finally:
        os.close(descriptor)


def _sync_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def begin_to_sync(paths: Iterable[Path]) -> None:
    """Let the system begin to write files, so that a `sync` of each afterwards waits little. Raises OSError."""
    if not hasattr(os, "posix_fadvise"):
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            # Linux begins to write the changed pages of a file that is said to be no longer needed.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def set_aside(path: Path) -> str:
    """Rename a damaged file to NAME.damaged, over an earlier one of that name; returns the new name. Raises OSError."""
    aside = path.with_name(path.name + DAMAGED)
    path.replace(aside)
    return aside.name
