"""Read subject and eye of samples from a file; split samples by subject."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from irisstn.datasets.folders import MAX_LIST_BYTES
from irisstn.datasets.naming import EYES, Label
from irisstn.errors import DatasetError
from irisstn.files import read_regular_file


def read_labels(path: Path) -> dict[str, Label]:
    """Read labels from a CSV file.

    Parameters
    ----------
    path : Path
        A file with the columns `path`, `subject` and, optionally, `eye` (L, R, left, right, OS, OD or empty).

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
        text = read_regular_file(path, max_bytes=MAX_LIST_BYTES).decode("utf-8-sig")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        missing = {"path", "subject"} - set(rows.fieldnames or [])
        if missing:
            raise DatasetError(f"{path} has no column {' and no column '.join(sorted(missing))}")
        for row in rows:
            eye = (row.get("eye") or "").strip().upper()
            if not row["path"] or not row["subject"] or (eye and eye not in EYES):
                raise DatasetError(f"{path}, line {rows.line_num}: path, subject and eye (L, R or empty) are needed")
            name = str(PurePosixPath(row["path"].replace("\\", "/")))
            label = Label(row["subject"].strip(), EYES[eye] if eye else "")
            if labels.setdefault(name, label) != label:
                raise DatasetError(f"{path}, line {rows.line_num}: {name} has two labels")
    except (OSError, ValueError, csv.Error) as error:
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
