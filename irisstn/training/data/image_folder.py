"""Eyes to train on from a folder: photographs, or the strips that `irisstn segment` wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from irisstn.datasets import Label, find_images, label_of, read_labels, split_by_subject
from irisstn.errors import DatasetError, IrisError
from irisstn.images import read_gray
from irisstn.outputs.manifest import MANIFEST, read_manifest
from irisstn.outputs.reader import read_strip
from irisstn.outputs.records import Record, pupil_ratio
from irisstn.segmentation import segment
from irisstn.training.data.batches import Eyes
from irisstn.training.data.eye_crops import NormalizedIris, StripSource, photograph

ProgressCallback = Callable[[str, int, int], None]
_PUPIL_RATIO = 0.4  # of a strip whose record does not say it


def read_eyes(
    data: Path, *, labels: Path | None, held_out: float, seed: int, progress: ProgressCallback
) -> tuple[Eyes, Eyes]:
    """Eyes to train and to validate on, no subject in both.

    `data` is a folder of eye pictures, which are segmented here, or an output of `irisstn segment`, whose strips are
    used. Identities come from the CSV `labels`, or from names and folders by `irisstn.datasets.label_of`. About
    `held_out` of the subjects validate. Pictures that cannot be read or segmented are left out, and counted by
    `progress`. Raises DatasetError where identities are not known or too few to train and validate.
    """
    if not data.is_dir():
        raise DatasetError(f"{data} is no folder")
    known = read_labels(labels) if labels is not None else None
    found = _strips(data) if (data / MANIFEST).exists() else _photographs(data)
    names = [name for name, _ in found]
    owners = _labels(names, known)
    eyes: list[StripSource] = []
    kept: list[Label] = []
    failed = 0
    for done, ((_, read), label) in enumerate(zip(found, owners, strict=True)):
        progress("reading eyes", done + 1, len(found))
        try:
            eyes.append(read())
        except IrisError:
            failed += 1
        else:
            kept.append(label)
    if failed:
        progress("eyes left out, as no iris was found", failed, len(found))
    if not kept:
        raise DatasetError(f"no iris was found in any of {len(found)} pictures in {data}")
    train, validation = split_by_subject(kept, held_out, seed)
    return _eyes(eyes, kept, train, "training"), _eyes(eyes, kept, validation, "validation")


def _labels(names: Sequence[str], known: dict[str, Label] | None) -> list[Label]:
    labels = [label_of(name) if known is None else known.get(name) for name in names]
    unknown = [name for name, label in zip(names, labels, strict=True) if label is None]
    if unknown:
        where = "its name and folder do not progress" if known is None else "the CSV does not name it"
        raise DatasetError(f"whose eye is {unknown[0]}? {where} ({len(unknown)} of {len(names)} such pictures)")
    return [label for label in labels if label is not None]


def _eyes(eyes: Sequence[StripSource], labels: Sequence[Label], where: Sequence[int], part: str) -> Eyes:
    owners = sorted({labels[i] for i in where})
    counts = Counter(labels[i] for i in where)
    if len(owners) < 2 or max(counts.values()) < 2:
        raise DatasetError(
            f"{part} needs two eyes or more and two pictures of one of them; there are {len(where)} pictures of "
            f"{len(owners)} eyes"
        )
    numbers = {label: number for number, label in enumerate(owners)}
    return Eyes([eyes[i] for i in where], np.array([numbers[labels[i]] for i in where], np.intp), upright=False)


Source = tuple[str, Callable[[], StripSource]]  # a picture's name and how to read it


def _photographs(data: Path) -> list[Source]:
    def reader(path: Path) -> Callable[[], StripSource]:
        def read() -> StripSource:
            image = read_gray(path)
            return photograph(image, segment(image))

        return read

    return [(sample.name, reader(sample.path)) for sample in find_images([data])]


def _strips(data: Path) -> list[Source]:
    def reader(record: Record) -> Callable[[], StripSource]:
        return lambda: NormalizedIris(read_strip(data, record), _pupil_ratio(record))

    usable = [record for record in read_manifest(data) if record.get("status") == "ok"]
    if not usable:
        raise DatasetError(f"{data / MANIFEST} names no strip")
    return [(str(record["path"]), reader(record)) for record in usable]


def _pupil_ratio(record: Record) -> float:
    """Pupil radius over iris radius from a record, limited to the range that the network is trained on."""
    ratio = pupil_ratio(record)
    return _PUPIL_RATIO if ratio is None else min(max(ratio, 0.15), 0.75)
