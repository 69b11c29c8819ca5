"""Find pictures in folders, lists and globs; tell whose eye a picture shows; split by subject."""

from __future__ import annotations

import csv
import glob
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irisstn.errors import DatasetError
from irisstn.images import SUFFIXES

LISTS = frozenset({".txt", ".lst", ".csv"})
# A folder below a source that holds one of these is an earlier output, or the truth of rendered eyes: no pictures.
NOT_SOURCES = frozenset({"manifest.jsonl", "truth.jsonl"})


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """A picture: its `name` (the path below its source, with "/", suffix included; unique in a run) and its `path`.

    `mask` is the path of the mask beside it, where it is a strip that has one. `failed` says why there is nothing at
    `path`, where an earlier command failed: so failures are not lost on the way. `ring` is the JSON of the ring and the
    eyelids along which a strip was cut, where that is known: the fields of a record in `irisstn.outputs.records`.
    """

    name: str
    path: Path
    mask: Path | None = None
    failed: str | None = None
    ring: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """Whose eye: `subject`, and `eye`, which is "L", "R" or, where nobody says, ""."""

    subject: str
    eye: str = ""


def find_images(sources: Iterable[str | Path], *, exclude: Path | None = None) -> list[Sample]:
    """Every picture that `sources` name, sorted by name, each once.

    A source is a folder (searched to the bottom, symbolic links followed once), a picture, a glob of pictures or, where
    it matches none, of folders, such as `"eyes/*/L/*.jpg"` or `"eyes/00*"`, or a text or CSV list (.txt, .lst: a path a
    line; .csv: a column `path`), whose relative paths are meant from the list's folder. A sample's name is its path
    below its folder; below the deepest common folder for pictures named one by one, by a glob or by a list. With more
    than one such folder, names begin with the folder's.
    Files without a picture's suffix, hidden files and folders, earlier outputs of this program, the truth of rendered
    eyes and the folder `exclude` are passed over.
    Raises DatasetError where a source does not exist or nothing was found.
    """
    groups: dict[Path, list[Path]] = {}
    single: list[Path] = []
    wanted = [str(source) for source in sources]
    for source in wanted:
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
        raise DatasetError(f"no pictures in {', '.join(wanted) or 'nothing'}")
    return samples


def _absolute(path: str | Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100  resolve() would follow links, and names would change


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
            # Two folders of one name are told apart by a number, in the order given.
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


# File names (without suffix) that say whose eye they show, first match wins.
_NAMES = (
    re.compile(r"S(?P<subject>\d{4})(?P<eye>[LR])\d{2,}"),  # CASIA-Iris V3 and V4: S1001L01
    re.compile(r"C(?P<eye_class>\d+)_S\d+_I\d+"),  # UBIRIS.v2: two classes, one per eye, are one subject
    re.compile(r"(?P<subject>\d{3,})_\d_\d"),  # CASIA-Iris V1: 001_1_2
    re.compile(r"(?P<subject>\d{3,})_\d{2}_(?P<eye>[LR])"),  # IIT Delhi in one folder: 001_01_L
    re.compile(r"(?P<subject>\d{3,})[-_]?(?P<eye>[LR])[-_]?\d+", re.IGNORECASE),  # 001L01, as `irisstn synth` writes
    re.compile(r"(?:Operator[A-Z]_)?(?P<subject>\d{3,})-(?P<eye>[AB])_\d+"),  # IIT Delhi with hand-made masks
)
_EYES = {"L": "L", "R": "R", "LEFT": "L", "RIGHT": "R", "A": "L", "B": "R"}
_VARIANT = re.compile(r"\.v\d+$")
_IITD_FILE = re.compile(r"\d+_(?P<eye>[LR])", re.IGNORECASE)  # IIT Delhi: 001/01_L.bmp


def label_of(name: str) -> Label | None:
    """Whose eye the picture `name` (a path below its source, with "/") shows, or None where nothing tells.

    Known file names come first (CASIA-Iris V1, V3, V4, UBIRIS.v2, IIT Delhi, those of `irisstn synth`), so that a
    picture keeps its label in any folder; then the layouts SUBJECT/EYE/file, with EYE one of L, R, left, right, and
    SUBJECT/file (IIT Delhi's 01_L.bmp names the eye, too). A rectified variant, `name`.v1, has the label of `name`.
    """
    path = PurePosixPath(_VARIANT.sub("", name))
    for pattern in _NAMES:
        found = pattern.fullmatch(path.stem)
        if found:
            known = found.groupdict()
            if "eye_class" in known:
                number = int(known["eye_class"])
                return Label(str((number + 1) // 2), "L" if number % 2 else "R")
            return Label(known["subject"], _EYES[known["eye"].upper()] if "eye" in known else "")
    folders = path.parts[:-1]
    if len(folders) >= 2 and folders[-1].upper() in ("L", "R", "LEFT", "RIGHT"):
        return Label(folders[-2], _EYES[folders[-1].upper()])
    if folders:
        found = _IITD_FILE.fullmatch(path.stem)
        return Label(folders[-1], found["eye"].upper() if found else "")
    return None


def read_labels(path: Path) -> dict[str, Label]:
    """Labels by picture name, from a CSV with the columns `path`, `subject` and, optional, `eye` (L, R or empty).

    Raises DatasetError where the file cannot be read, lacks a column, or contradicts itself.
    """
    labels: dict[str, Label] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            missing = {"path", "subject"} - set(rows.fieldnames or [])
            if missing:
                raise DatasetError(f"{path} has no column {' and no column '.join(sorted(missing))}")
            for row in rows:
                eye = (row.get("eye") or "").strip().upper()
                if not row["path"] or not row["subject"] or (eye and eye not in _EYES):
                    raise DatasetError(
                        f"{path}, line {rows.line_num}: path, subject and eye (L, R or empty) are needed"
                    )
                name = str(PurePosixPath(row["path"].replace("\\", "/")))
                label = Label(row["subject"].strip(), _EYES[eye] if eye else "")
                if labels.setdefault(name, label) != label:
                    raise DatasetError(f"{path}, line {rows.line_num}: {name} has two labels")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as labels: {error}") from None
    return labels


def split_by_subject(labels: Sequence[Label], fraction: float, seed: int = 0) -> tuple[list[int], list[int]]:
    """Indices of `labels` to train on and to hold out, without a subject in both.

    About `fraction` (0..1, exclusive) of the subjects are held out: those whose hash with `seed` is lowest. So the
    split depends on neither order nor folder, and a subject that is added later moves few others. Both parts hold at
    least one subject. Raises ValueError for an impossible fraction, DatasetError for fewer than two subjects.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"the fraction to hold out must lie between 0 and 1, got {fraction}")
    subjects = sorted({label.subject for label in labels}, key=lambda subject: _rank(subject, seed))
    if len(subjects) < 2:
        raise DatasetError(f"a split by subject needs two subjects or more, found {len(subjects)}")
    count = min(max(round(fraction * len(subjects)), 1), len(subjects) - 1)
    held = set(subjects[:count])
    train = [index for index, label in enumerate(labels) if label.subject not in held]
    return train, [index for index, label in enumerate(labels) if label.subject in held]


def _rank(subject: str, seed: int) -> bytes:
    return hashlib.sha256(f"{seed}:{subject}".encode("utf-8", "surrogateescape")).digest()
