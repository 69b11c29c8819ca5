"""Open-set search: which eyes of a gallery are as similar to a probe as a threshold, if any.

`search` compares each probe with all of the gallery, in blocks. `HnswIndex` compares it with a fraction of a large
gallery, along a graph of neighbours [1]_; it needs FAISS (pip install "irisstn[search]") and may miss a candidate.

References
----------
.. [1] Malkov and Yashunin 2020, "Efficient and robust approximate nearest neighbor search using hierarchical navigable
   small world graphs".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from math import expm1, log1p
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError, OutputError
from irisstn.extras import extra_named
from irisstn.files import require_replaceable

Vectors = NDArray[np.float32]

MOST = 10  # candidates of a probe
_PROBES, _GALLERY = 64, 16_384  # compared at a time: 4 MB of similarities
_NEIGHBOURS, _BUILD_EFFORT, _SEARCH_EFFORT = 32, 80, 128  # M, efConstruction and efSearch of HNSW


@dataclass(frozen=True, slots=True)
class Candidate:
    """An eye of the gallery that is similar to a probe.

    Attributes
    ----------
    number : int
        Its row in the gallery.
    similarity : float
        The cosine of both embeddings, -1..1.
    """

    number: int
    similarity: float


def search(probes: Vectors, gallery: Vectors, *, threshold: float, most: int = MOST) -> Iterator[list[Candidate]]:
    """Compare probes with all of a gallery.

    Parameters
    ----------
    probes, gallery : ndarray of float32, shapes (P, D) and (N, D)
        Embeddings of length 1, of one network.
    threshold : float
        Least similarity of a candidate.
    most : int
        Largest number of candidates, the most similar ones.

    Yields
    ------
    list of Candidate
        The candidates of each probe, the most similar first; empty where none reaches the threshold.

    Raises
    ------
    ValueError
        Where the embeddings differ in length, or `most` is below 1.
    """
    _check(probes, gallery.shape, most)
    for first in range(0, len(probes), _PROBES):
        block = probes[first : first + _PROBES]
        found: list[list[Candidate]] = [[] for _ in block]
        for start in range(0, len(gallery), _GALLERY):
            similarity = block @ gallery[start : start + _GALLERY].T
            for row, column in zip(*np.nonzero(similarity >= threshold), strict=True):
                found[row].append(Candidate(start + int(column), float(similarity[row, column])))
            found = [_ranked(candidates, most) for candidates in found]
        yield from found


def fmr_for_fpir(fpir: float, size: int) -> float:
    """The false match rate of one comparison that gives a false positive identification rate in a gallery.

    Parameters
    ----------
    fpir : float
        Fraction of the searches without a mate in the gallery that may return a candidate; above 0 and below 1.
    size : int
        Number of eyes in the gallery, compared independently.

    Returns
    -------
    float
        1 - (1 - `fpir`)^(1 / `size`).

    Raises
    ------
    ValueError
        For another rate or size.

    Examples
    --------
    >>> f"{fmr_for_fpir(0.01, 100_000):.2e}"
    '1.01e-07'
    """
    if not 0 < fpir < 1 or size < 1:
        raise ValueError(f"a rate above 0 and below 1 and a gallery are needed, got {fpir}, {size}")
    return -expm1(log1p(-fpir) / size)


class HnswIndex:
    """An approximate index of a gallery, by FAISS. Use `of` or `load`.

    Parameters
    ----------
    index : faiss.Index
        The index.
    """

    def __init__(self, index: Any) -> None:
        self._index = index

    @classmethod
    def of(cls, gallery: Vectors) -> Self:
        """Build the index of a gallery; the same gallery gives the same index on one thread.

        Parameters
        ----------
        gallery : ndarray of float32, shape (N, D)
            Embeddings of length 1.

        Raises
        ------
        MissingExtraError
            Where FAISS is not installed.
        """
        faiss = _faiss()
        index = faiss.IndexHNSWFlat(gallery.shape[1], _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = _BUILD_EFFORT
        index.add(np.ascontiguousarray(gallery, np.float32))
        return cls(index)

    @classmethod
    def load(cls, path: Path, gallery: Vectors) -> Self:
        """Load an index that `save` wrote.

        Parameters
        ----------
        path : Path
            The file.
        gallery : ndarray of float32, shape (N, D)
            The gallery that it must be of.

        Raises
        ------
        DatasetError
            Where the file is missing or damaged, or is of another gallery.
        MissingExtraError
            Where FAISS is not installed.
        """
        faiss = _faiss()
        try:
            index = faiss.read_index(str(path))
            same = (index.ntotal, index.d) == gallery.shape and np.array_equal(index.reconstruct_n(0), gallery)
        except (RuntimeError, AttributeError) as error:
            reason = str(error).splitlines()[0]
            raise DatasetError(f"{path} holds no index: {reason}") from None
        if not same:
            raise DatasetError(f"{path} is the index of another gallery: delete it, or give another file")
        return cls(index)

    def save(self, path: Path) -> None:
        """Write the index, whole or not at all.

        Parameters
        ----------
        path : Path
            The file, of 2.4 kB for each eye of 512 floats.

        Raises
        ------
        OutputError
            Where it cannot be written.
        """
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            require_replaceable(path)
            _faiss().write_index(self._index, str(unfinished))
            unfinished.replace(path)
        except (RuntimeError, OSError) as error:
            unfinished.unlink(missing_ok=True)
            reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
            raise OutputError(f"{path} cannot be written: {reason}", stage="write") from None

    def search(self, probes: Vectors, *, threshold: float, most: int = MOST) -> Iterator[list[Candidate]]:
        """Compare probes with those eyes of the gallery that the graph leads to; as `irisstn.recognition.search`."""
        _check(probes, (self._index.ntotal, self._index.d), most)
        self._index.hnsw.efSearch = max(_SEARCH_EFFORT, 2 * most)
        for probe in probes:  # one by one, so that a result does not depend on the other probes
            similarities, numbers = self._index.search(probe[None], most)
            yield [
                Candidate(int(number), float(similarity))
                for number, similarity in zip(numbers[0], similarities[0], strict=True)
                if number >= 0 and similarity >= threshold
            ]


def _faiss() -> Any:
    """The module `faiss`, which has no types. Raises MissingExtraError."""
    with extra_named():
        return import_module("faiss")


def _ranked(candidates: list[Candidate], most: int) -> list[Candidate]:
    return sorted(candidates, key=lambda one: (-one.similarity, one.number))[:most]


def _check(probes: Vectors, size: tuple[int, ...], most: int) -> None:
    if probes.ndim != 2 or len(size) != 2 or probes.shape[1] != size[1]:
        raise ValueError(f"embeddings (P, D) and (N, D) are needed, got {probes.shape} and {size}")
    if most < 1:
        raise ValueError(f"at least one candidate must be allowed, got {most}")
