"""What is compared with what: the plain iris codes, or the embeddings, of an output folder."""

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
BLOCK = 256  # templates on either side that are compared at a time


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """The enrolled inputs (N) of a folder by `names`, with their `codes` or their `embeddings` (N, D) of length 1.

    `labels` (N) says whose eyes they are, None where nobody knows. `failed` has what gave no template, by its name.
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
        """Which templates these are."""
        return "code" if self.embeddings is None else "embedding"


def read_templates(out: Path, kind: Kind | None = None, labels: Mapping[str, Label] | None = None) -> Templates:
    """The templates of the output folder `out`, in the order of their names; variants are left out.

    `kind` None: embeddings where `irisstn embed` wrote them, else codes of the strips. Whose eye it is comes from
    `labels` by its path, else from its name and folders. Raises DatasetError where there is no template.
    """
    records = [record for record in read_manifest(out) if "variant_of" not in record]
    good = [record for record in records if record.get("status") == "ok"]
    if not good:
        raise DatasetError(f"{out} holds nothing to compare: give an output folder of segment, rectify or embed")
    kind = kind or ("embedding" if "embedding" in good[0] else "code")

    def owner(record: Record) -> Label | None:
        name = str(record["path"])
        return label_of(name) if labels is None else labels.get(name)

    return Templates(
        names=tuple(str(record["path"]) for record in good),
        labels=tuple(owner(record) for record in good),
        failed={str(record["path"]): owner(record) for record in records if record.get("status") != "ok"},
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
    """Distances of all `rows` (N) to all `columns` (M): blocks (n, m), each with the place of its first (row, column).

    Codes: masked Hamming distance, the smallest over ±`max_shift` columns of 1.4 degrees. Embeddings: 1 - cosine; they
    know no shifts. Smaller = more alike. Memory stays flat for any number of pairs; `rows` that are compared among
    themselves take half the time.
    """
    if rows.kind != columns.kind:
        raise ValueError(f"{rows.kind}s cannot be compared with {columns.kind}s")
    if max_shift and rows.kind == "embedding":
        raise ValueError("embeddings are compared once: shifts are for codes")
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
