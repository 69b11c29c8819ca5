"""Names of files below an output folder."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from reprlib import Repr

from irisstn.datasets.samples import VIDEO_SUFFIXES
from irisstn.errors import DatasetError
from irisstn.images import SUFFIXES

_SPECIAL = re.compile(r"[\\:]|\.\.")  # of drives and parent folders
_ENDINGS, _VIDEOS = ("|".join(re.escape(one) for one in sorted(kinds)) for kinds in (SUFFIXES, VIDEO_SUFFIXES))
# Ends of names of inputs: the suffix of a picture, or a frame of a video; after it may stand the number of a variant.
_OF_A_PICTURE = re.compile(rf"({_ENDINGS}|({_VIDEOS})/[0-9]{{6,}})(\.v[0-9]+)?\Z", re.IGNORECASE)
_PNG = ".png"
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


def png_name(name: str) -> str:
    """The name of the PNG that is made from an input, below the folder of its kind.

    It depends on the input's name alone, and no two inputs have the same.

    Parameters
    ----------
    name : str
        The name of the input, its path below its source.

    Returns
    -------
    str
        `name` where it ends in ".png" and what stands before has no suffix of a picture. Otherwise `name` and ".png"
        where it has a suffix of a picture, or is a frame of a video, or a variant of one of these. Otherwise `name` and
        ".png.png", because `name` and ".png" is that of the picture with this name.

    Examples
    --------
    >>> [png_name(name) for name in ("a.png", "a.jpg", "a.PNG", "a.jpg.png", "a")]
    ['a.png', 'a.jpg.png', 'a.PNG.png', 'a.jpg.png.png', 'a.png.png']
    >>> png_name("clip.avi/000030"), png_name("a.png.v1")
    ('clip.avi/000030.png', 'a.png.v1.png')
    """
    if name.endswith(_PNG) and _OF_A_PICTURE.search(name, 0, len(name) - len(_PNG)) is None:
        return name
    return f"{name}{_PNG}" if _OF_A_PICTURE.search(name) else f"{name}{_PNG}{_PNG}"
