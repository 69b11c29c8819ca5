"""The distances of all pairs of the inputs of one folder."""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from irisstn.datasets import Label
from irisstn.errors import DatasetError
from irisstn.evaluation.comparisons import Comparisons, compare_all
from irisstn.evaluation.counted import CountedComparisons, count_all
from irisstn.evaluation.templates import Templates, score_among, score_blocks, score_rows

EXACT_PAIRS = 5_000_000  # above which comparisons are counted; each takes some 100 bytes before


@dataclass(frozen=True, eq=False)  # without slots, for the cached comparisons
class Scores:
    """Distances of all pairs of the inputs of one folder.

    Attributes
    ----------
    names : tuple of str, length N
        The enrolled inputs.
    labels : tuple of Label, length N
        Their identities.
    source : NDArray[numpy.float32], shape (N, N), or Templates
        The distances, smaller = more similar; or the templates that they are computed from where they are needed.
    failed : tuple of Label
        The identity of each input that failed to enrol.
    max_shift : int
        As in `score_blocks`, for templates.
    source_sha256 : str
        Digest of the manifest that the templates were read from; empty where it is not known.
    """

    names: tuple[str, ...]
    labels: tuple[Label, ...]
    source: NDArray[np.float32] | Templates
    failed: tuple[Label, ...]
    max_shift: int = 0
    source_sha256: str = ""

    @property
    def distances(self) -> NDArray[np.float32]:
        """The distances (N, N): 40 GB for 100,000 inputs."""
        return self.rows(0, len(self.names)) if isinstance(self.source, Templates) else self.source

    def rows(self, first: int, last: int) -> NDArray[np.float32]:
        """The distances of the inputs from number `first` up to `last` from all inputs, (n, N)."""
        if isinstance(self.source, Templates):
            return score_rows(self.source, first, last, max_shift=self.max_shift)
        block = np.array(self.source[first:last])
        release(self.source)
        return block

    def among(self, members: NDArray[np.intp]) -> NDArray[np.float32]:
        """The distances among the inputs with the numbers `members` (k,), (k, k)."""
        if isinstance(self.source, Templates):
            return score_among(self.source, members, max_shift=self.max_shift)
        block = np.array(self.source[np.ix_(members, members)])
        release(self.source)  # the system maps the surroundings of what is read: with many eyes, the whole file
        return block

    def comparisons(self) -> Comparisons | CountedComparisons:
        """Mated and non-mated comparisons, with failures to enrol; counted where there are more than `EXACT_PAIRS`.

        Computed once.
        """
        return self._comparisons

    @cached_property
    def _comparisons(self) -> Comparisons | CountedComparisons:
        n = len(self.names)
        eyes, failed = ([label.eye_name for label in labels] for labels in (self.labels, self.failed))
        subjects = [label.subject for label in self.labels]
        if n * (n - 1) // 2 > EXACT_PAIRS:
            return count_all(self.rows, self.among, eyes, subjects=subjects, failed=failed)
        return compare_all(self.distances, eyes, subjects=subjects, failed=failed)


def scores_of(templates: Templates, *, max_shift: int = 0) -> Scores:
    """Compare all pairs of templates.

    Parameters
    ----------
    templates : Templates
        The templates.
    max_shift : int
        As in `score_blocks`.

    Returns
    -------
    Scores
        The scores: computed here for up to `EXACT_PAIRS` pairs, else where they are needed, in blocks.

    Raises
    ------
    DatasetError
        Where an identity is not known.
    """
    labels = known_labels(templates.names, templates.labels)
    failed = known_labels(templates.failed, templates.failed.values())
    n = len(templates.names)
    source: NDArray[np.float32] | Templates = templates
    if n * (n - 1) // 2 <= EXACT_PAIRS:
        source = np.zeros((n, n), np.float32)
        for i, j, block in score_blocks(templates, templates, max_shift=max_shift):
            source[i : i + block.shape[0], j : j + block.shape[1]] = block
    return Scores(templates.names, labels, source, failed, max_shift, templates.source_sha256)


def known_labels(names: Iterable[str], labels: Iterable[Label | None]) -> tuple[Label, ...]:
    """The `labels` of the inputs `names`. Raises DatasetError where one is None: an identity is not known."""
    found = []
    for name, label in zip(names, labels, strict=True):
        if label is None:
            raise DatasetError(f"whose eye is {name}? give --labels, a CSV, or name it SUBJECT/EYE/file")
        found.append(label)
    return tuple(found)


def read_single_pages(matrix: NDArray[np.float32]) -> None:
    """Let the system read no more of a mapped file than is asked for; else it reads what blocks will overwrite."""
    _advise(matrix, "MADV_RANDOM")


def release(matrix: NDArray[np.float32]) -> None:
    """Let the system take back the memory of a mapped file, which it would count as this process's."""
    _advise(matrix, "MADV_DONTNEED")


def _advise(matrix: NDArray[np.float32], advice: str) -> None:
    """Give the system an advice on the file that `matrix` maps, where it maps one and the system knows the advice."""
    mapped = matrix.base
    if isinstance(mapped, mmap.mmap) and hasattr(mmap, advice):
        mapped.madvise(getattr(mmap, advice))
