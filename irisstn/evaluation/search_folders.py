"""Open-set search of the inputs of one output folder among those of another."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from irisstn.errors import DatasetError, OutputError, WeightsError
from irisstn.evaluation.templates import Templates, read_templates
from irisstn.files import write_bytes_atomic
from irisstn.outputs.settings import read_settings
from irisstn.recognition.calibration import Calibration
from irisstn.recognition.gallery_search import MOST, Candidate, HnswIndex, fmr_for_fpir, search

_DIGEST, _EXPORTED = "weights_sha256", "exported_sha256"  # of the file; of the weights that an ONNX file is made from


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """What a search of two folders found.

    Attributes
    ----------
    probes, gallery : int
        Numbers of enrolled inputs.
    with_candidates : int
        Number of the probes for which a candidate was found.
    failed : int
        Number of probes that failed to enrol, for which nothing was searched.
    threshold : float
        The similarity that a candidate must reach.
    false_positive_rate : float or None
        The fraction of searches without a mate that return a candidate, by the calibration; None where the network
        has none.
    """

    probes: int
    gallery: int
    with_candidates: int
    failed: int
    threshold: float
    false_positive_rate: float | None


def search_folders(
    probes: Path,
    gallery: Path,
    out: Path,
    *,
    fpir: float = 0.01,
    threshold: float | None = None,
    most: int = MOST,
    index: Path | None = None,
    model: Path | None = None,
) -> SearchSummary:
    """Search all inputs of `probes` among those of `gallery`.

    Parameters
    ----------
    probes, gallery : Path
        Output folders of `irisstn embed`, made with one network.
    out : Path
        File for the result, written whole or not at all: a line of JSON for each probe, with `path`, `status` and, for
        an enrolled one, `candidates`, the most similar first, each with `path`, `similarity` and `false_match_rate`.
    fpir : float
        False positive identification rate that the calibration turns into the threshold, above 0 and below 1.
    threshold : float, optional
        Least similarity of a candidate, in place of that of `fpir`.
    most : int
        Largest number of candidates of a probe.
    index : Path, optional
        File of an approximate index of the gallery, which is built where it does not exist. None: an exact search.
    model : Path, optional
        Folder of a run that holds the network's calibration; by default that which irisstn ships.

    Returns
    -------
    SearchSummary
        Counts, and the threshold.

    Raises
    ------
    DatasetError
        Where a folder holds no embeddings, the networks differ, or the index is of another gallery.
    WeightsError
        Where there is no calibration and no `threshold` is given.
    OutputError
        Where a file cannot be written.
    """
    network = _network(probes), _network(gallery)
    if network[0] != network[1]:
        raise DatasetError(f"{probes} and {gallery} were embedded by different networks: embed both with one")
    searched, enrolled = read_templates(probes, "embedding"), read_templates(gallery, "embedding")
    vectors, held = _vectors(searched), _vectors(enrolled)
    try:
        calibration = Calibration.load(model, recognizer_sha256=network[0])
    except WeightsError as error:
        if threshold is None:
            raise WeightsError(f"{error.reason}: give --model, a run with a calibration, or --threshold") from None
        calibration = None
    if threshold is None and calibration is not None:
        threshold = calibration.threshold(min(fmr_for_fpir(fpir, len(held)), 0.49))
    least = -1.0 if threshold is None else threshold
    found = _found(vectors, held, index, least, most)
    lines, hits = [], 0
    for name, candidates in zip(searched.names, found, strict=True):
        lines.append(_line(name, candidates, enrolled, calibration))
        hits += bool(candidates)
    lines += [json.dumps({"path": name, "status": "failed"}) for name in searched.failed]
    try:
        write_bytes_atomic(out, "".join(f"{line}\n" for line in lines).encode(), durable=True)
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror or error}", stage="write") from None
    rate = None
    if calibration is not None:
        rate = float(-np.expm1(len(held) * np.log1p(-min(float(calibration.false_match_rate(least)), 1 - 1e-12))))
    return SearchSummary(len(vectors), len(held), hits, len(searched.failed), least, rate)


def is_candidates(data: bytes) -> bool:
    """Whether `data`, the first bytes of a file, are those of a result of `search_folders`."""
    try:
        line = json.loads(data.partition(b"\n")[0])
    except (ValueError, RecursionError):
        return False
    return isinstance(line, dict) and (
        line.keys() == {"path", "status", "candidates"} or line == {"path": line.get("path"), "status": "failed"}
    )


def _found(
    probes: NDArray[np.float32], gallery: NDArray[np.float32], index: Path | None, threshold: float, most: int
) -> Iterator[list[Candidate]]:
    if probes.shape[1] != gallery.shape[1]:
        raise DatasetError(f"embeddings of {probes.shape[1]} floats cannot be searched among {gallery.shape[1]}")
    if index is None:
        return search(probes, gallery, threshold=threshold, most=most)
    if index.exists():
        return HnswIndex.load(index, gallery).search(probes, threshold=threshold, most=most)
    built = HnswIndex.of(gallery)
    built.save(index)
    return built.search(probes, threshold=threshold, most=most)


def _line(name: str, candidates: list[Candidate], gallery: Templates, calibration: Calibration | None) -> str:
    found = []
    for one in candidates:
        shown: dict[str, object] = {"path": gallery.names[one.number], "similarity": round(one.similarity, 4)}
        if calibration is not None:
            shown["false_match_rate"] = float(f"{float(calibration.false_match_rate(one.similarity)):.3g}")
        found.append(shown)
    return json.dumps({"path": name, "status": "ok", "candidates": found})


def _vectors(templates: Templates) -> NDArray[np.float32]:
    if templates.embeddings is None:
        raise DatasetError("the folder holds no embeddings")
    return templates.embeddings


def _network(out: Path) -> str:
    """The SHA-256 of the network that embedded `out`. Raises DatasetError where that is not known."""
    settings = read_settings(out / "run.json", remedy="give an output folder of irisstn embed")
    held = settings.get(_EXPORTED, settings.get(_DIGEST))
    if not isinstance(held, str):
        raise DatasetError(f"{out} does not say which network embedded it: give an output folder of irisstn embed")
    return held
