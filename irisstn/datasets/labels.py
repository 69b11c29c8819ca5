"""Derive subject and eye of samples from their names, or read them from a file; split samples by subject."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from irisstn.errors import DatasetError

# File names (without suffix) from which subject and eye can be derived; the first match counts.
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


@dataclass(frozen=True, slots=True, order=True)
class Label:
    """The identity of a sample.

    Attributes
    ----------
    subject : str
        The subject.
    eye : str
        "L", "R", or "" where it is not known.
    """

    subject: str
    eye: str = ""


def label_of(name: str) -> Label | None:
    """Derive subject and eye from the name of a sample.

    Known file names are tried first (CASIA-Iris V1, V3, V4, UBIRIS.v2, IIT Delhi, `irisstn synth`), so that a picture
    has the same label in any folder; then the layouts SUBJECT/EYE/file, with EYE one of L, R, left and right, and
    SUBJECT/file (in IIT Delhi's, 01_L.bmp names the eye, too).

    Parameters
    ----------
    name : str
        Path below the source, with "/". A rectified variant, `name`.v1, has the label of `name`.

    Returns
    -------
    Label or None
        None where the name follows no known rule.

    Examples
    --------
    >>> label_of("017/L/017L03.png")
    Label(subject='017', eye='L')
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
    """Read labels from a CSV file.

    Parameters
    ----------
    path : Path
        A file with the columns `path`, `subject` and, optionally, `eye` (L, R, left, right or empty).

    Returns
    -------
    dict of str to Label
        Labels by the name of the sample.

    Raises
    ------
    DatasetError
        Where the file cannot be read, lacks a column, or gives two labels to a picture.
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
    """Split samples into a training and a held-out part without a common subject.

    The subjects whose hash with `seed` is lowest are held out. So the split does not depend on the order of the
    samples or on their folder, and a subject that is added later moves few others.

    Parameters
    ----------
    labels : sequence of Label
        Labels of the samples.
    fraction : float
        Fraction of the subjects to hold out, between 0 and 1; either part has at least one subject.
    seed : int
        Selects the split.

    Returns
    -------
    train, held_out : list of int
        Indices into `labels`.

    Raises
    ------
    ValueError
        For a fraction that is not between 0 and 1.
    DatasetError
        For fewer than two subjects.
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
