"""Names of files below an output folder."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from reprlib import Repr

from irisstn.errors import DatasetError

_SPECIAL = re.compile(r"[\\:]|\.\.")  # of drives and parent folders
_SHORT = Repr()  # of names in messages
_SHORT.maxstring = _SHORT.maxother = 200


def safe_name(name: object) -> str:
    """Check that a name from a manifest, which may have been changed, is a relative path that stays below its folder.

    Parameters
    ----------
    name : object
        The name, as read from JSON.

    Returns
    -------
    str
        The same name.

    Raises
    ------
    DatasetError
        It is no text, is empty, holds a NUL character, is absolute or holds "..".

    Examples
    --------
    >>> safe_name("strips/a/b.jpg.png")
    'strips/a/b.jpg.png'
    """
    if not isinstance(name, str) or not name or "\0" in name:
        raise DatasetError(f"{_SHORT.repr(name)} is no file name")
    if name[0] != "/" and not _SPECIAL.search(name):
        return name  # nearly always; a path takes twenty times as long
    # `Path` also finds drives and backslashes where this runs on Windows.
    for path in (PurePosixPath(name), Path(name)):
        if path.is_absolute() or path.drive or ".." in path.parts:
            raise DatasetError(f"{_SHORT.repr(name)} leads out of its folder")
    return name
