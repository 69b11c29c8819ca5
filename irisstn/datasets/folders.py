"""Walk folders and expand globs; a symbolic link is followed once, and a folder that cannot be read is an error."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from irisstn.errors import DatasetError

MAX_LIST_BYTES = 512 << 20  # of a list of pictures or of identities


def walk(root: str | Path) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder from `root` downward with its subfolders and files, like `os.walk`; loops of links end.

    Parameters
    ----------
    root : str or Path
        The first folder.

    Yields
    ------
    folder : Path
        A folder, each once. Hidden subfolders are not entered; the caller removes others from `folders`.
    folders, files : list of str
        Names of what it holds.

    Raises
    ------
    DatasetError
        Where a folder cannot be read: otherwise its pictures would be left out unnoticed.
    """
    seen: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_refuse):
        here = Path(folder)
        try:
            status = here.stat()
        except OSError as error:
            _refuse(error)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.sort()
        yield here, folders, files
        folders[:] = [name for name in folders if not name.startswith(".")]


def expand_glob(pattern: str) -> list[str]:
    """The sorted paths that match a glob, with `**` for any number of folders.

    Unlike `glob.glob` it visits each folder once, where that follows a loop of symbolic links until the path is too
    long; and it does not pass over folders that cannot be read.

    Parameters
    ----------
    pattern : str
        The glob. Hidden names match only where it has their dot.

    Raises
    ------
    DatasetError
        Where a folder that the glob leads through cannot be read.
    """
    return sorted(_expand(os.path.join(pattern, "*") if Path(pattern).name == "**" else pattern))  # noqa: PTH118


def _expand(pattern: str) -> set[str]:
    """The paths that match `pattern`; `**` at its end are all folders."""
    if not glob.has_magic(pattern):
        return {pattern} if os.path.lexists(pattern) else set()
    above, last = os.path.split(pattern)
    return {path for folder in (_expand(above) if above else [""]) for path in _matching(folder, last)}


def _matching(folder: str, last: str) -> Iterator[str]:
    """The paths in `folder` that match `last`, which is one component of a glob."""
    path = os.path.join(folder, last)  # noqa: PTH118
    if not glob.has_magic(last):
        if os.path.lexists(path):
            yield path
    elif Path(folder).is_dir():
        try:
            os.scandir(folder or ".").close()  # glob would pass over one that cannot be read
        except OSError as error:
            _refuse(error)
        if last == "**":
            yield from (str(below) for below, _, _ in walk(folder or "."))
        else:
            yield from glob.iglob(os.path.join(glob.escape(folder), last))  # noqa: PTH118, PTH207


def _refuse(error: OSError) -> NoReturn:
    """Raise `error` as one of the data set."""
    raise DatasetError(f"{error.filename} cannot be read: {error.strerror or error}") from None
