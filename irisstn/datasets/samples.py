"""Find pictures in folders, lists and globs."""

from __future__ import annotations

import csv
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irisstn.errors import DatasetError
from irisstn.images import SUFFIXES

LISTS = frozenset({".txt", ".lst", ".csv"})
# A folder below a source that holds one of these is an earlier output, or the ground truth of rendered eyes.
NOT_SOURCES = frozenset({"manifest.jsonl", "truth.jsonl"})


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


def find_images(sources: Iterable[str | Path], *, exclude: Path | None = None) -> list[Sample]:
    """Find the pictures of all sources.

    Files without the suffix of a picture, hidden files and folders, earlier outputs of this program and the ground
    truth of rendered eyes are skipped.

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
        A folder to skip.

    Returns
    -------
    list of Sample
        Each picture once, sorted by name. A name is the path below the source folder, or below the deepest common
        folder of pictures that are given one by one, by a glob or by a list. With more than one such folder, names
        begin with that of the folder.

    Raises
    ------
    DatasetError
        Where a source does not exist, a list cannot be read, or there are no pictures.
    """
    groups: dict[Path, list[Path]] = {}
    single: list[Path] = []
    names = [str(source) for source in sources]
    for source in names:
        path = _absolute(source)
        if path.is_dir():
            groups[path] = _walk(path, exclude)
        elif os.path.lexists(path):
            if path.suffix.lower() in LISTS:
                _add(groups, _read_list(path))
            else:
                single.append(path)
        elif glob.has_magic(source):
            # Path.glob takes no absolute pattern.
            found = [_absolute(name) for name in sorted(glob.glob(source, recursive=True))]  # noqa: PTH207
            pictures = [name for name in found if name.suffix.lower() in SUFFIXES and not name.is_dir()]
            _add(groups, pictures)
            if not pictures:
                groups |= {name: _walk(name, exclude) for name in found if name.is_dir()}
        else:
            raise DatasetError(f"{source} does not exist")
    _add(groups, single)
    samples = _named(groups)
    if not samples:
        raise DatasetError(f"no pictures in {', '.join(names) or 'nothing'}")
    return samples


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links and so change names


def _add(groups: dict[Path, list[Path]], paths: list[Path]) -> None:
    if paths:
        common = Path(os.path.commonpath([path.parent for path in paths]))
        groups.setdefault(common, []).extend(paths)


def _walk(root: Path, exclude: Path | None) -> list[Path]:
    seen: set[tuple[int, int]] = set()
    excluded = exclude.resolve() if exclude is not None else None
    found: list[Path] = []
    for folder, folders, files in os.walk(root, followlinks=True):
        here = Path(folder)
        status = here.stat()
        known = (status.st_dev, status.st_ino) in seen
        no_source = (here != root and not NOT_SOURCES.isdisjoint(files)) or here.resolve() == excluded
        if known or no_source:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [here / name for name in files if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES]
    return found


def _read_list(path: Path) -> list[Path]:
    try:
        if path.suffix.lower() == ".csv":
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                if "path" not in (rows.fieldnames or []):
                    raise DatasetError(f"{path} has no column `path`")
                names = [row["path"] for row in rows if row["path"]]
        else:
            text = path.read_text(encoding="utf-8-sig")
            names = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
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
