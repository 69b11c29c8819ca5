"""Templates of an output folder: the iris codes of its strips, or its embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from irisstn.datasets import Label, label_of
from irisstn.errors import DatasetError
from irisstn.iris_code import IrisCode, distances, encode
from irisstn.outputs.manifest import read_manifest
from irisstn.outputs.reader import read_embedding, read_strip
from irisstn.outputs.records import Record

Kind = Literal["code", "embedding"]
BLOCK = 256  # rows and columns that are compared at a time


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
    """

    names: tuple[str, ...]
    labels: tuple[Label | None, ...]
    failed: dict[str, Label | None]
    codes: tuple[IrisCode, ...] = ()
    embeddings: NDArray[np.float32] | None = None

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
        Identity of each path. None: the naming rules of `irisstn.datasets.label_of`.

    Returns
    -------
    Templates
        The templates, in the order of the manifest.

    Raises
    ------
    DatasetError
        Where there is no template.
    """
    records = [record for record in read_manifest(out) if "variant_of" not in record]
    good = [record for record in records if record.get("status") == "ok"]
    if not good:
        raise DatasetError(f"{out} holds nothing to compare: give an output folder of segment, rectify or embed")
    kind = kind or ("embedding" if "embedding" in good[0] else "code")

    def label_for(record: Record) -> Label | None:
        name = str(record["path"])
        return label_of(name) if labels is None else labels.get(name)

    return Templates(
        names=tuple(str(record["path"]) for record in good),
        labels=tuple(label_for(record) for record in good),
        failed={str(record["path"]): label_for(record) for record in records if record.get("status") != "ok"},
        codes=tuple(encode(read_strip(out, record)) for record in good) if kind == "code" else (),
        embeddings=_unit(out, [read_embedding(out, record) for record in good]) if kind == "embedding" else None,
    )


def _unit(out: Path, embeddings: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    if len({len(one) for one in embeddings}) > 1:
        raise DatasetError(f"{out} holds embeddings of different lengths")
    stacked = np.stack(embeddings)
    return np.asarray(stacked / np.maximum(np.linalg.norm(stacked, axis=1, keepdims=True), 1e-12), np.float32)


def score_blocks(
    rows: Templates, columns: Templates, *, max_shift: int = 0
) -> Iterator[tuple[int, int, NDArray[np.float32]]]:
    """Compute the distances of all rows from all columns, block by block.

    The distance of codes is the masked Hamming distance, that of embeddings 1 - cosine similarity; smaller = more
    similar. Memory use does not grow with the number of pairs. If `rows` is `columns`, each block is computed once and
    yielded twice.

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
    for first in range(0, len(rows.names), BLOCK):
        for second in range(first if rows is columns else 0, len(columns.names), BLOCK):
            block = _block(rows, columns, first, second, max_shift)
            yield first, second, block
            if rows is columns and second > first:
                yield second, first, block.T


def _block(rows: Templates, columns: Templates, first: int, second: int, max_shift: int) -> NDArray[np.float32]:
    a, b = slice(first, first + BLOCK), slice(second, second + BLOCK)
    if rows.embeddings is None or columns.embeddings is None:
        return distances(rows.codes[a], columns.codes[b], max_shift=max_shift)
    return np.asarray(1 - rows.embeddings[a] @ columns.embeddings[b].T, np.float32)
