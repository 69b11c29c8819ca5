"""Walk folders and expand globs; a symbolic link is followed once, and a folder that cannot be read is an error."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from irisstn.errors import DatasetError


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
        Where a folder cannot be read: its pictures would be missing without a word.
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

    Unlike `glob.glob`, which follows a loop of symbolic links until the path is too long, it visits each folder once.

    Parameters
    ----------
    pattern : str
        The glob. Hidden names match only where it has their dot.

    Raises
    ------
    DatasetError
        Where a folder that `**` stands for cannot be read.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        return sorted(glob.glob(pattern))  # noqa: PTH207  Path.glob takes no absolute pattern
    at = parts.index("**")
    rest = os.path.join(*parts[at + 1 :]) if parts[at + 1 :] else "*"  # noqa: PTH118
    bases = expand_glob(os.path.join(*parts[:at])) if at else ["."]  # noqa: PTH118
    found: set[str] = set()
    for base in bases:
        if Path(base).is_dir():
            for folder, _, _ in walk(base):
                found.update(expand_glob(os.path.join(glob.escape(str(folder)), rest)))  # noqa: PTH118
    return sorted(found)


def _refuse(error: OSError) -> NoReturn:
    """Raise `error` as one of the data set."""
    raise DatasetError(f"{error.filename} cannot be read: {error.strerror or error}") from None
