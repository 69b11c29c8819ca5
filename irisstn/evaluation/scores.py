"""Scores on disk: the distances of all pairs, as `irisstn match` writes them.

OUT/scores.npy       (N, M) float32: the distance of row i from column j, smaller = more similar; can be memory-mapped
OUT/rows.csv         path, subject, eye of each row; subject is empty where it is not known
OUT/columns.csv      the same of each column; absent where the rows were compared with each other
OUT/failed.csv       the same of the inputs that failed to enrol, rows first
OUT/pairs.csv        on request: a, b, distance, mated (1, 0, or empty), each pair once
OUT/match.json       inputs and settings of the comparison
"""

from __future__ import annotations

import csv
import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from irisstn.datasets import Label
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation.comparisons import Comparisons, compare_all
from irisstn.evaluation.templates import Templates, score_blocks
from irisstn.images import write_bytes_atomic

ABOUT = "match.json"


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Distances of all pairs of the inputs of one folder.

    Attributes
    ----------
    names : tuple of str, length N
        The enrolled inputs.
    labels : tuple of Label, length N
        Their identities.
    distances : NDArray[numpy.float32], shape (N, N)
        Distances, smaller = more similar.
    failed : tuple of Label
        The identity of each input that failed to enrol.
    """

    names: tuple[str, ...]
    labels: tuple[Label, ...]
    distances: NDArray[np.float32]
    failed: tuple[Label, ...]

    def comparisons(self) -> Comparisons:
        """Sort the pairs into mated and non-mated comparisons, with failures to enrol; see `compare_all`."""
        return compare_all(
            self.distances,
            [_eye(label) for label in self.labels],
            subjects=[label.subject for label in self.labels],
            failed=[_eye(label) for label in self.failed],
        )


def scores_of(templates: Templates, *, max_shift: int = 0) -> Scores:
    """Compare all pairs of templates, in memory.

    Parameters
    ----------
    templates : Templates
        The templates.
    max_shift : int
        As in `score_blocks`.

    Returns
    -------
    Scores
        The scores.

    Raises
    ------
    DatasetError
        Where an identity is not known.
    """
    matrix = np.zeros((len(templates.names), len(templates.names)), np.float32)
    for i, j, block in score_blocks(templates, templates, max_shift=max_shift):
        matrix[i : i + block.shape[0], j : j + block.shape[1]] = block
    labels = _known(templates.names, templates.labels)
    return Scores(templates.names, labels, matrix, _known(templates.failed, templates.failed.values()))


def write_scores(
    rows: Templates,
    columns: Templates | None,
    out: Path,
    *,
    max_shift: int = 0,
    pairs: bool = False,
    about: Mapping[str, object] = {},
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Compare templates and write the scores to a folder.

    Memory use does not grow with the number of pairs. Each file is written atomically, match.json last.

    Parameters
    ----------
    rows : Templates
        Templates of the rows.
    columns : Templates or None
        Templates of the columns. None: the rows are compared with each other.
    out : Path
        The folder.
    max_shift : int
        As in `score_blocks`.
    pairs : bool
        Whether to write pairs.csv, too.
    about : mapping of str to object
        Further entries of match.json.
    progress : Callable[[int], None]
        Called with the number of scores that were added.

    Raises
    ------
    OutputError
        Where `out` cannot be written to.
    """
    others = rows if columns is None else columns
    shape = (len(rows.names), len(others.names))
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / ABOUT).unlink(missing_ok=True)
        unfinished = out / f".scores-{secrets.token_hex(4)}.npy"
        try:
            matrix = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.float32, shape=shape)
            for i, j, block in score_blocks(rows, others, max_shift=max_shift):
                matrix[i : i + block.shape[0], j : j + block.shape[1]] = block
                progress(block.size)
            matrix.flush()
            if pairs:
                _write_pairs(rows, columns, matrix, out / "pairs.csv")
            del matrix
            unfinished.replace(out / "scores.npy")
        finally:
            unfinished.unlink(missing_ok=True)
        _write_names(out / "rows.csv", zip(rows.names, rows.labels, strict=True))
        (out / "columns.csv").unlink(missing_ok=True)
        if columns is not None:
            _write_names(out / "columns.csv", zip(columns.names, columns.labels, strict=True))
        _write_names(out / "failed.csv", [*rows.failed.items(), *(columns.failed.items() if columns else ())])
        what = {**about, "kind": rows.kind, "max_shift": max_shift, "rows": shape[0], "columns": shape[1]}
        write_bytes_atomic(out / ABOUT, json.dumps(what, indent=1).encode() + b"\n")
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None


def read_scores(out: Path) -> Scores:
    """Read the scores that `irisstn match` wrote of one folder.

    Parameters
    ----------
    out : Path
        The folder of the scores.

    Returns
    -------
    Scores
        The scores; the matrix is memory-mapped.

    Raises
    ------
    DatasetError
        Where scores are missing, damaged or of two folders, or an identity is not known.
    """
    if (out / "columns.csv").exists():
        raise DatasetError(f"{out} compares two folders: give the scores of one")
    try:
        names, labels = _read_names(out / "rows.csv")
        failed = _read_names(out / "failed.csv")
        matrix = np.load(out / "scores.npy", mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError, EOFError, csv.Error) as error:
        raise DatasetError(f"{out} holds no complete scores: {error}") from None
    if matrix.shape != (len(names), len(names)) or matrix.dtype != np.float32:
        raise DatasetError(f"{out} has {len(names)} rows, its scores are {matrix.shape} of {matrix.dtype}")
    return Scores(names, _known(names, labels), matrix, _known(*failed))


def _eye(label: Label) -> str:
    return f"{label.subject}/{label.eye}"


def _known(names: Iterable[str], labels: Iterable[Label | None]) -> tuple[Label, ...]:
    found = []
    for name, label in zip(names, labels, strict=True):
        if label is None:
            raise DatasetError(f"whose eye is {name}? give --labels, a CSV, or name it SUBJECT/EYE/file")
        found.append(label)
    return tuple(found)


def _write_names(path: Path, rows: Iterable[tuple[str, Label | None]]) -> None:
    with _AtomicCsv(path) as write:
        write(["path", "subject", "eye"])
        for name, label in rows:
            write([name, label.subject if label else "", label.eye if label else ""])


def _read_names(path: Path) -> tuple[tuple[str, ...], tuple[Label | None, ...]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    labels = tuple(Label(row["subject"], row["eye"]) if row["subject"] else None for row in rows)
    return tuple(row["path"] for row in rows), labels


def _write_pairs(rows: Templates, columns: Templates | None, matrix: NDArray[np.float32], path: Path) -> None:
    others = rows if columns is None else columns
    with _AtomicCsv(path) as write:
        write(["a", "b", "distance", "mated"])
        for i, (name, label) in enumerate(zip(rows.names, rows.labels, strict=True)):
            first = i + 1 if columns is None else 0
            for j, distance in enumerate(matrix[i, first:].tolist(), start=first):
                known = label is not None and others.labels[j] is not None
                write([name, others.names[j], f"{distance:.6f}", int(label == others.labels[j]) if known else ""])


class _AtomicCsv:
    """A CSV file that is written atomically; the context manager yields a function that writes a row."""

    def __init__(self, path: Path) -> None:
        self._path, self._unfinished = path, path.with_name(f".{path.name}-{secrets.token_hex(4)}")

    def __enter__(self) -> Callable[[list[object]], object]:
        self._file = self._unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        writer: Callable[[list[object]], object] = csv.writer(self._file).writerow
        return writer

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._file.close()
        if kind is None:
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink(missing_ok=True)
