"""Scores on disk: the distances of all pairs, as `irisstn match` writes them.

OUT/scores.npy       (N, M) float32: the distance of row i from column j, smaller = more similar; can be memory-mapped
OUT/rows.csv         path, subject, eye of each row; subject is empty where it is not known
OUT/columns.csv      the same of each column; absent where the rows were compared with each other
OUT/failed.csv       the same of the inputs that failed to enrol, rows first
OUT/pairs.csv        on request: a, b, distance, mated (1, 0, or empty), each pair once
OUT/match.json       inputs and settings of the comparison, with the digests of the manifests of both folders
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from irisstn.datasets import Label
from irisstn.errors import DatasetError, OutputError
from irisstn.evaluation.scores import Scores, known_labels, read_single_pages, release
from irisstn.evaluation.templates import Templates, score_blocks
from irisstn.files import read_regular_file, remove_unfinished, sync, unfinished_path, write_bytes_atomic
from irisstn.outputs.manifest import MANIFEST, manifest_digest
from irisstn.storage.lock import locked, make_folder

ABOUT, SCORES = "match.json", "scores.npy"
_BLOCKS_MAPPED = 256  # blocks of scores that stay in memory: 64 MB
_MAX_ABOUT = 1 << 20  # bytes


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
        Where `out` cannot be written to, has not the room, or is in use by another run.
    """
    others = rows if columns is None else columns
    shape = (len(rows.names), len(others.names))
    sources = {"a_sha256": rows.source_sha256, "b_sha256": columns.source_sha256 if columns is not None else None}
    make_folder(out)
    with locked(out):
        try:
            remove_unfinished(out.glob(".*.tmp"))  # a killed process leaves a whole matrix: 40 GB for 100,000 inputs
            _require_room(out, shape)
            (out / ABOUT).unlink(missing_ok=True)  # its existence proves the other files
            sync(out)
            with _new_matrix(out / SCORES, shape) as matrix:
                for number, (i, j, block) in enumerate(score_blocks(rows, others, max_shift=max_shift)):
                    matrix[i : i + block.shape[0], j : j + block.shape[1]] = block
                    progress(block.size)
                    if number % _BLOCKS_MAPPED == 0:
                        release(matrix)
                if pairs:
                    _write_pairs(rows, columns, matrix, out / "pairs.csv")
            _write_names(out / "rows.csv", zip(rows.names, rows.labels, strict=True))
            (out / "columns.csv").unlink(missing_ok=True)
            if columns is not None:
                _write_names(out / "columns.csv", zip(columns.names, columns.labels, strict=True))
            _write_names(out / "failed.csv", [*rows.failed.items(), *(columns.failed.items() if columns else ())])
            what = {**about, **sources, "kind": rows.kind, "max_shift": max_shift}
            what |= {"rows": shape[0], "columns": shape[1]}
            write_bytes_atomic(out / ABOUT, json.dumps(what, indent=1).encode() + b"\n", durable=True)
        except OSError as error:
            raise OutputError(f"{out} cannot be written to: {error.strerror or error}", stage="write") from None


def scores_bytes(shape: tuple[int, int]) -> int:
    """Size of scores.npy, bytes, by the numbers of rows and columns."""
    return 4 * shape[0] * shape[1]


def _require_room(out: Path, shape: tuple[int, int]) -> None:
    """Raise OutputError where the disk of `out` has not the room for the scores, which would only show at its end."""
    free, size = shutil.disk_usage(out).free, scores_bytes(shape)
    if size > free:
        raise OutputError(
            f"{shape[0]:,} x {shape[1]:,} scores take {size / 1e9:.3g} GB, {out} has {free / 1e9:.3g} GB left: choose "
            "another disk with -o; `irisstn search` keeps the closest alone, and `irisstn evaluate` needs no scores",
            stage="write",
        )


@contextmanager
def _new_matrix(path: Path, shape: tuple[int, int]) -> Iterator[NDArray[np.float32]]:
    """A matrix of float32 in a new file, mapped into memory; the file gets its name when the context ends.

    Its space is allocated first: on a full disk, writing to the map would end the process with SIGBUS.
    """
    unfinished = unfinished_path(path.parent)
    header = io.BytesIO()
    about = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)
    try:
        with unfinished.open("wb") as file:
            file.write(header.getvalue())
            file.flush()
            size = scores_bytes(shape)
            if hasattr(os, "posix_fallocate") and size:
                os.posix_fallocate(file.fileno(), file.tell(), size)
            else:
                file.truncate(file.tell() + size)
        matrix = np.lib.format.open_memmap(unfinished, mode="r+")
        read_single_pages(matrix)
        yield matrix
        matrix.flush()
        del matrix
        sync(unfinished)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


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
        Where scores are missing, damaged, of two folders or of an earlier content of theirs, or an identity is not
        known.
    """
    if (out / "columns.csv").exists():
        raise DatasetError(f"{out} compares two folders: give the scores of one")
    try:
        about = json.loads(read_regular_file(out / ABOUT, max_bytes=_MAX_ABOUT))
        names, labels = _read_names(out / "rows.csv")
        failed = _read_names(out / "failed.csv")
        matrix = np.load(out / SCORES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, csv.Error) as error:
        raise DatasetError(f"{out} holds no complete scores: {error}") from None
    if not isinstance(about, dict) or about.get("rows") != len(names):
        raise DatasetError(f"{out} holds no complete scores: {ABOUT} does not belong to rows.csv")
    if matrix.shape != (len(names), len(names)) or matrix.dtype != np.float32:
        raise DatasetError(f"{out} has {len(names)} rows, its scores are {matrix.shape} of {matrix.dtype}")
    digest = str(about.get("a_sha256", ""))
    _refuse_stale(out, out / str(about.get("a", "")), digest)
    return Scores(names, known_labels(names, labels), matrix, known_labels(*failed), source_sha256=digest)


def _refuse_stale(out: Path, source: Path, digest: str) -> None:
    """Raise DatasetError where `source`, which the scores in `out` were made from, holds something else now."""
    if (source / MANIFEST).is_file() and manifest_digest(source) != digest:
        raise DatasetError(f"the scores in {out} were made from an earlier content of {source}: run `match` again")


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
    """A CSV file that is written atomically and outlives a power cut; the context yields a function that writes a row.

    Without the wait for the disk, failed.csv might be empty beside a match.json that says that all is there.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._unfinished = path, unfinished_path(path.parent)

    def __enter__(self) -> Callable[[list[object]], object]:
        self._file = self._unfinished.open("w", newline="", encoding="utf-8", errors="surrogateescape")
        writer: Callable[[list[object]], object] = csv.writer(self._file).writerow
        return writer

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._file.close()
        if kind is None:
            sync(self._unfinished)
            self._unfinished.replace(self._path)
        else:
            self._unfinished.unlink(missing_ok=True)
