"""Templates of an output folder: the iris codes of its strips, or its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from irisstn.datasets import Label, read_identities
from irisstn.errors import DatasetError
from irisstn.iris_code import IrisCode, distances, encode
from irisstn.outputs.manifest import manifest_digest
from irisstn.outputs.reader import read_embedding, read_strip
from irisstn.outputs.whole_manifest import read_whole_manifest

Kind = Literal["code", "embedding"]
BLOCK = 256  # rows and columns that are compared at a time
SQUARE = 8192  # rows and columns whose blocks follow each other: 256 MB of scores
_FIRST_ROWS = 1024  # of embeddings


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """The templates of the enrolled inputs of a folder, either codes or embeddings.

    Attributes
    ----------
    names : tuple of str, length N
        Paths of the enrolled inputs.
    labels : tuple of (Label or None), length N
        Their identities; None where one is not known.
    failed : dict of str to (Label or None)
        Identities of the inputs that failed to enrol, by path.
    codes : tuple of IrisCode, length N
        Iris codes; empty where `embeddings` are given.
    embeddings : NDArray[numpy.float32], shape (N, D), or None
        Embeddings of length 1.
    source_sha256 : str
        Digest of the manifest that they were read from, see `irisstn.outputs.manifest.manifest_digest`.
    """

    names: tuple[str, ...]
    labels: tuple[Label | None, ...]
    failed: dict[str, Label | None]
    codes: tuple[IrisCode, ...] = ()
    embeddings: NDArray[np.float32] | None = None
    source_sha256: str = ""

    def __post_init__(self) -> None:
        held = len(self.codes) if self.embeddings is None else len(self.embeddings)
        if not len(self.names) == len(self.labels) == held:
            raise ValueError(f"{len(self.names)} names need as many labels and templates, got {held}")

    @property
    def kind(self) -> Kind:
        """Kind of the templates: "code" or "embedding"."""
        return "code" if self.embeddings is None else "embedding"


def read_templates(out: Path, kind: Kind | None = None, labels: Mapping[str, Label] | None = None) -> Templates:
    """Read the templates of an output folder; augmented variants are left out.

    Parameters
    ----------
    out : Path
        Output folder of segment, rectify or embed.
    kind : "code", "embedding" or None
        Kind of the templates. None: embeddings where there are any, else codes of the strips.
    labels : mapping of str to Label, or None
        Identity of each path. None: `irisstn.datasets.read_identities` reads the names.

    Returns
    -------
    Templates
        The templates, in the order of the manifest.

    Raises
    ------
    DatasetError
        Where there is no template, or records of a finished run are damaged or missing.
    """
    digest = manifest_digest(out)  # before the files are read: if they change, the scores are of an earlier state
    names: list[str] = []
    failed: list[str] = []
    codes: list[IrisCode] = []
    embeddings = np.zeros((0, 0), np.float32)
    for record in read_whole_manifest(out):
        if "variant_of" in record:
            continue
        if record.get("status") != "ok":
            failed.append(record["path"])
            continue
        kind = kind or ("embedding" if "embedding" in record else "code")
        names.append(record["path"])
        if kind == "code":
            codes.append(encode(read_strip(out, record)))
        else:
            embeddings = _with_row(embeddings, len(names) - 1, read_embedding(out, record))
    if not names:
        raise DatasetError(_why_nothing(out, len(failed)))
    if kind == "embedding":
        embeddings.resize((len(names), embeddings.shape[1]), refcheck=False)
        for start in range(0, len(names), BLOCK):  # to length 1
            part = embeddings[start : start + BLOCK]
            np.divide(part, np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12), out=part)
    known = read_identities([*names, *failed]).labels if labels is None else labels
    return Templates(
        names=tuple(names),
        labels=tuple(known.get(name) for name in names),
        failed={name: known.get(name) for name in failed},
        codes=tuple(codes),
        embeddings=embeddings if kind == "embedding" else None,
        source_sha256=digest,
    )


def _why_nothing(out: Path, failed: int) -> str:
    """Why there is no template in `out`, of whose inputs so many failed."""
    if failed:
        return f"{out} holds nothing to compare: all its inputs failed, {failed} of {failed}"
    remedy = "give an output folder of segment, rectify or embed"
    if not out.exists():
        return f"{out} does not exist: {remedy}"
    return f"{out} holds nothing to compare: {remedy}" if out.is_dir() else f"{out} is no folder: {remedy}"


def _with_row(held: NDArray[np.float32], number: int, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
    """Write row `number` of `held`, which becomes longer where it is full: itself, not a copy.

    Raises DatasetError where the embedding is of another length than those before it.
    """
    if number == 0:
        held = np.empty((_FIRST_ROWS, len(embedding)), np.float32)
    elif len(embedding) != held.shape[1]:
        raise DatasetError(f"an embedding has {len(embedding)} numbers, those before it {held.shape[1]}")
    elif number == len(held):
        held.resize((2 * number, held.shape[1]), refcheck=False)
    held[number] = embedding
    return held


def score_rows(templates: Templates, first: int, last: int, *, max_shift: int = 0) -> NDArray[np.float32]:
    """The distances of the templates from number `first` up to `last` from all N templates, (n, N)."""
    if templates.embeddings is not None:
        similarities: NDArray[np.float32] = templates.embeddings[first:last] @ templates.embeddings.T
        np.subtract(1, similarities, out=similarities)
        return similarities
    starts = range(0, len(templates.names), BLOCK)
    rows = templates.codes[first:last]
    blocks = [distances(rows, templates.codes[i : i + BLOCK], max_shift=max_shift) for i in starts]
    return np.concatenate(blocks, axis=1)


def score_among(templates: Templates, members: NDArray[np.intp], *, max_shift: int = 0) -> NDArray[np.float32]:
    """The distances among the templates with the numbers `members` (k,), (k, k)."""
    if templates.embeddings is not None:
        vectors = templates.embeddings[members]
        return np.asarray(1 - vectors @ vectors.T, np.float32)
    codes = [templates.codes[i] for i in members.tolist()]
    return distances(codes, max_shift=max_shift)


def score_blocks(
    rows: Templates, columns: Templates, *, max_shift: int = 0
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Compute the distances of all rows from all columns, block by block.

    The distance of codes is the masked Hamming distance, that of embeddings 1 - cosine similarity; smaller = more
    similar. Memory use does not grow with the number of pairs. If `rows` is `columns`, each block is computed once and
    yielded twice. Blocks come in squares of 8192 rows and columns, so that a matrix on the disk that does not fit into
    memory is written once: block after block over whole rows, the page that holds a part of two blocks would be read
    back for each of the columns below the diagonal.

    Parameters
    ----------
    rows, columns : Templates
        N and M templates of the same kind.
    max_shift : int
        For codes: the distance is the smallest over ±`max_shift` columns of 1.4 degrees.

    Yields
    ------
    row, column : int
        Indices of the block's first row and column.
    block : NDArray[numpy.float32], shape (n, m)
        Distances.

    Raises
    ------
    ValueError
        Where the kinds differ, or shifts are asked for embeddings.
    """
    if rows.kind != columns.kind:
        raise ValueError(f"{rows.kind}s cannot be compared with {columns.kind}s")
    if max_shift and rows.kind == "embedding":
        raise ValueError("embeddings have no shifts: max_shift is for codes")
    for first, second in _block_starts(len(rows.names), len(columns.names)):
        if rows is not columns:
            yield first, second, _block(rows, columns, first, second, max_shift)
        elif second >= first:
            block = _block(rows, columns, first, second, max_shift)
            yield first, second, block
            if second > first:
                yield second, first, block.T


def _block_starts(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """First row and first column of each block, square by square."""
    for top, left in product(range(0, rows, SQUARE), range(0, columns, SQUARE)):
        within = (range(start, min(start + SQUARE, end), BLOCK) for start, end in ((top, rows), (left, columns)))
        yield from product(*within)


def _block(rows: Templates, columns: Templates, first: int, second: int, max_shift: int) -> NDArray[np.float32]:
    a, b = slice(first, first + BLOCK), slice(second, second + BLOCK)
    if rows.embeddings is None or columns.embeddings is None:
        return distances(rows.codes[a], columns.codes[b], max_shift=max_shift)
    return np.asarray(1 - rows.embeddings[a] @ columns.embeddings[b].T, np.float32)
