"""Read subject and eye of samples from a file; split samples by subject."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from operator import add
from pathlib import Path, PurePosixPath

from irisstn.datasets.label_tables import table_rows
from irisstn.datasets.layouts import EYES, Label
from irisstn.errors import DatasetError

_HEADS = 32  # folders before the paths of samples that are tried


def read_labels(path: Path) -> dict[str, Label]:
    """Read labels from a CSV or XML file.

    Parameters
    ----------
    path : Path
        A CSV file with the columns `path`, `subject` and, optionally, `eye` (L, R, left, right, OS, OD or empty), or a
        file of a data set that says the same: `irisstn.datasets.label_tables` lists the names of columns that are
        known.

    Returns
    -------
    dict of str to Label
        Labels by the name of the sample, as the file has it.

    Raises
    ------
    DatasetError
        Where the file cannot be read, lacks a column, or gives two labels to a picture.
    """
    labels: dict[str, Label] = {}
    for where, row in table_rows(path):
        eye = row["eye"].strip().upper()
        if not row["path"] or not row["subject"].strip():
            raise DatasetError(f"{path}, {where}: path and subject are needed")
        if eye and eye not in EYES:
            raise DatasetError(f"{path}, {where}: the eye is L, R, left, right, OS, OD or empty, not {row['eye']!r}")
        name = str(PurePosixPath(row["path"].replace("\\", "/")))
        label = Label(row["subject"].strip(), EYES[eye] if eye else "")
        if labels.setdefault(name, label) != label:
            raise DatasetError(f"{path}, {where}: {name} has two labels")
    return labels


def match_labels(names: Sequence[str], known: Mapping[str, Label]) -> dict[str, Label | None]:
    """The labels of samples whose paths in a file of labels may begin elsewhere.

    Parameters
    ----------
    names : sequence of str
        Paths of the samples below their source.
    known : mapping of str to Label
        From `read_labels`.

    Returns
    -------
    dict of str to (Label or None)
        By name. A name is looked up as it is; else all names with the folders before them, or without some of their
        first folders, the same for all; else by file name, with or without suffix, where no two entries of the file
        have the same and only one sample has it. None where the file does not list a sample.
    """
    return match_labels_by(names, known)[0]


def match_labels_by(names: Sequence[str], known: Mapping[str, Label]) -> tuple[dict[str, Label | None], bool]:
    """As `match_labels`, and whether the folders in the file of labels were left out of account."""
    exact = {name: known.get(name) for name in names}
    if all(exact.values()) or not names:
        return exact, False
    best, again = exact, False
    for before in _folders_before(names, known):
        found = {name: known.get(before(name)) for name in names}
        more = sum(map(bool, found.values())) - sum(map(bool, best.values()))
        if more >= 0 and any(found.values()):
            again = more == 0 and found != best
            best = found
    if again:
        return exact, False  # two ways to read the file fit as well
    if any(best.values()):
        return best, False
    entries = {PurePosixPath(path).name: label for path, label in known.items()}
    folders = any("/" in path for path in known)
    if len(entries) < len(known):
        return best, False  # file names alone do not tell its entries apart
    once = Counter(PurePosixPath(name).name for name in names) + Counter(PurePosixPath(name).stem for name in names)
    return {
        name: next(
            (
                entries[key]
                for key in (PurePosixPath(name).name, PurePosixPath(name).stem)
                if key in entries and once[key] == 1
            ),
            None,
        )
        for name in names
    }, folders


def _folders_before(names: Sequence[str], known: Mapping[str, Label]) -> list[Callable[[str], str]]:
    """Ways from the path of a sample to one in a file of labels, from those of one sample."""
    first = next((name for name in names if "/" in name), names[0])
    parts = PurePosixPath(first).parts
    ways: list[Callable[[str], str]] = []
    for cut in range(1, len(parts)):  # the file of labels begins further down
        head = "/".join(parts[:cut]) + "/"
        if first.removeprefix(head) in known and "/" in first.removeprefix(head):
            ways.append(partial(_without_head, head))
    heads = sorted({path[: -len(first)] for path in known if path.endswith(f"/{first}")})
    return ways + [partial(add, head) for head in heads[:_HEADS]]


def _without_head(head: str, name: str) -> str:
    """`name` without the folders `head`; "" where it does not begin with them."""
    return name.removeprefix(head) if name.startswith(head) else ""


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
