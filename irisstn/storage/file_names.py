"""Names of files below an output folder."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from irisstn.errors import DatasetError


def safe_name(name: object) -> str:
    """`name` where it is a relative path that stays below its folder; else DatasetError: a manifest is not trusted."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise DatasetError(f"{name!r} is no file name")
    for path in (PurePosixPath(name), Path(name)):  # the second knows the drives and backslashes of Windows
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise DatasetError(f"{name!r} leads out of its folder")
    return name
