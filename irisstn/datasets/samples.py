"""Find pictures in folders, lists and globs."""

from __future__ import annotations

import csv
import errno
import glob
import os
import stat
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irisstn.datasets.folders import MAX_LIST_BYTES, expand_glob, walk
from irisstn.datasets.label_tables import listed_paths
from irisstn.errors import DatasetError
from irisstn.files import read_regular_file
from irisstn.images import SUFFIXES

VIDEO_SUFFIXES = frozenset(
    {".avi", ".mp4", ".m4v", ".mov", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".mjpg", ".mjpeg"}
)
LISTS = frozenset({".txt", ".lst", ".csv"})
# A folder below a source that holds one of these is an earlier output, or the ground truth of rendered eyes.
NOT_SOURCES = frozenset({"manifest.jsonl", "truth.jsonl"})
NO_SUFFIX, HIDDEN, EARLIER_OUTPUTS = "no suffix", "hidden", "earlier outputs"  # what is passed over, beside suffixes
_KINDS_SHOWN = 8
_LONGEST_SUFFIX = 9


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """A picture to process.

    Attributes
    ----------
    name : str
        Path below its source, with "/" and the suffix; unique in a run.
    path : Path
        The file.
    mask : Path or None
        The mask of a strip.
    failed : str or None
        Why there is no file at `path`, where an earlier command failed: later commands pass the failure on.
    ring : str or None
        For a strip of an earlier output folder: its record's path, boundaries and eyelids as JSON.
    """

    name: str
    path: Path
    mask: Path | None = None
    failed: str | None = None
    ring: str | None = None


def find_images(
    sources: Iterable[str | Path], *, exclude: Path | None = None, passed_over: Counter[str] | None = None
) -> list[Sample]:
    """Find the pictures of all sources.

    Files without the suffix of a picture, hidden files and folders, earlier outputs of this program and the ground
    truth of rendered eyes are passed over.

    Parameters
    ----------
    sources : iterable of str or Path
        Each one of:

        - a folder, searched recursively; symbolic links are followed once;
        - a picture;
        - a glob of pictures, such as "eyes/*/L/*.jpg", or, where it matches none, of folders, such as "eyes/00*";
        - a list of pictures: .txt or .lst with a path on each line, or .csv with a column `path`. Relative paths start
          at the folder of the list.
    exclude : Path, optional
        A folder to skip, which is no source itself.
    passed_over : Counter of str, optional
        To it is added how many files and folders were passed over, by what `kind_of_file` says, and "earlier outputs".

    Returns
    -------
    list of Sample
        Each picture once, sorted by name. A name is the path below the source folder, or below the deepest common
        folder of pictures that are given one by one, by a glob or by a list. With more than one such folder, names
        begin with that of the folder.

    Raises
    ------
    DatasetError
        Where a source is empty, does not exist or is `exclude`, a folder or list cannot be read, or no picture is
        there.
    """
    passed_over = Counter() if passed_over is None else passed_over
    groups: dict[Path, list[Path]] = {}
    single: list[Path] = []
    names = [str(source) for source in sources]
    for source in names:
        if not source:  # which would be the current folder
            raise DatasetError("a source is an empty text, as of a variable that is not set")
        path = _absolute(source)
        mode = _mode(path)
        if mode is not None and stat.S_ISDIR(mode):
            if exclude is not None and path == _absolute(str(exclude)):
                raise DatasetError(f"{source} is the output folder, too: choose another one")
            groups[path] = _walk(path, exclude, passed_over)
        elif mode is not None or path.is_symlink():
            if path.suffix.lower() in LISTS:
                _add(groups, _read_list(path))
            else:
                single.append(path)
        elif glob.has_magic(source):
            found = [_absolute(name) for name in expand_glob(source)]
            folders = [name for name in found if name.is_dir()]
            files = [name for name in found if not name.is_dir()]
            pictures = [name for name in files if name.suffix.lower() in SUFFIXES]
            passed_over.update(kind_of_file(name.name) for name in files if name.suffix.lower() not in SUFFIXES)
            _add(groups, pictures)
            if not pictures:
                groups |= {name: _walk(name, exclude, passed_over) for name in folders}
        else:
            raise DatasetError(f"{source} does not exist")
    _add(groups, single)
    samples = _named(groups)
    if not samples:
        others = f": {passed_over_text(passed_over)}" if passed_over else ""
        raise DatasetError(f"no pictures in {', '.join(names) or 'nothing'}{others}")
    return samples


def kind_of_file(name: str) -> str:
    """What a file that is passed over is counted as: its suffix, "no suffix" or "hidden".

    What follows the last dot of a name is no suffix where it is a number, as in names of DICOM files, or long.

    Examples
    --------
    >>> kind_of_file("scan.DCM"), kind_of_file("S1001L01"), kind_of_file(".cache")
    ('.dcm', 'no suffix', 'hidden')
    """
    if name.startswith("."):
        return HIDDEN
    suffix = PurePosixPath(name).suffix.lower()
    known = 1 < len(suffix) <= _LONGEST_SUFFIX and suffix.isprintable() and not suffix[1:].isdecimal()
    return suffix if known else NO_SUFFIX


def passed_over_text(counts: Mapping[str, int]) -> str:
    """How many files were passed over, in one line; the kinds sorted by number, hidden ones and folders last.

    Parameters
    ----------
    counts : mapping of str to int
        As `find_images` counts.

    Returns
    -------
    str
        The line.

    Examples
    --------
    >>> passed_over_text({".dcm": 1, ".txt": 2, "no suffix": 1, "hidden": 3, "earlier outputs": 1})
    '4 files passed over (.txt 2, .dcm 1, no suffix 1), 3 hidden, 1 earlier outputs'
    """
    kinds = {kind: count for kind, count in counts.items() if kind not in (HIDDEN, EARLIER_OUTPUTS)}
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{kind} {count}" for kind, count in ordered[:_KINDS_SHOWN]] + ["..."] * (len(ordered) > _KINDS_SHOWN)
    total = sum(kinds.values())
    parts = [f"{total} file{'s' * (total != 1)} passed over" + (f" ({', '.join(shown)})" if shown else "")]
    parts += [f"{counts[kind]} {kind}" for kind in (HIDDEN, EARLIER_OUTPUTS) if counts.get(kind)]
    video = next((kind for kind, _ in ordered if kind in VIDEO_SUFFIXES), None)
    hint = f"; to include videos, name them as sources, like DIR/*{video}" if video else ""
    return ", ".join(parts) + hint


def _mode(path: Path) -> int | None:
    """The mode of the file that `path` leads to; None where there is none."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL):  # no file can be there
            return None
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}") from None


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links and so change names


def _add(groups: dict[Path, list[Path]], paths: list[Path]) -> None:
    if paths:
        common = Path(os.path.commonpath([path.parent for path in paths]))
        groups.setdefault(common, []).extend(paths)


def _walk(root: Path, exclude: Path | None, passed_over: Counter[str]) -> list[Path]:
    """The pictures below `root`; what is passed over is added to `passed_over`."""
    excluded = exclude.resolve() if exclude is not None else None
    found: list[Path] = []
    for here, folders, files in walk(root):
        if here.resolve() == excluded:
            folders.clear()
            continue
        if here != root and not NOT_SOURCES.isdisjoint(files):
            passed_over[EARLIER_OUTPUTS] += 1
            folders.clear()
            continue
        passed_over.update(HIDDEN for name in folders if name.startswith("."))
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found.append(here / name)
            elif name not in NOT_SOURCES:
                passed_over[kind_of_file(name)] += 1
    return found


def _read_list(path: Path) -> list[Path]:
    try:
        data = read_regular_file(path, max_bytes=MAX_LIST_BYTES)
        if path.suffix.lower() == ".csv":
            names = listed_paths(path, data)
        else:
            text = data.decode("utf-8-sig")
            names = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, ValueError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a list: {error}") from None
    return [_absolute(path.parent / name) for name in names]


def _named(groups: Mapping[Path, Sequence[Path]]) -> list[Sample]:
    prefixes: set[str] = set()
    claimed: set[Path] = set()
    samples: dict[str, Sample] = {}
    for root, paths in groups.items():
        prefix = PurePosixPath()
        if len(groups) > 1:
            # Folders of the same name are numbered in the order given.
            name = root.name or "root"
            prefix = PurePosixPath(next(n for i in range(len(groups)) if (n := _numbered(name, i)) not in prefixes))
            prefixes.add(str(prefix))
        for path in paths:
            if path not in claimed:
                claimed.add(path)
                rel = str(prefix / path.relative_to(root).as_posix())
                samples[rel] = Sample(rel, path)
    return [samples[name] for name in sorted(samples)]


def _numbered(name: str, number: int) -> str:
    return name if number == 0 else f"{name}~{number + 1}"
