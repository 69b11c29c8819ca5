"""Eyes to train on from a folder: images, or the strips that `irisstn segment` wrote."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from irisstn.datasets import LISTS, Label, find_images, holds_identities, read_identities, split_by_subject
from irisstn.errors import DatasetError, IrisError
from irisstn.images import read_gray
from irisstn.outputs.manifest import MANIFEST
from irisstn.outputs.reader import read_strip
from irisstn.outputs.records import Record, pupil_ratio
from irisstn.outputs.whole_manifest import read_whole_manifest
from irisstn.progress import ProgressCallback
from irisstn.segmentation import segment
from irisstn.training.data.batches import Eyes
from irisstn.training.data.eye_crops import NormalizedIris, StripSource, crop_eye

Source = tuple[str, Callable[[], StripSource]]  # an input's name, and the function that reads it
_DEFAULT_PUPIL_RATIO = 0.4  # of a strip whose record holds no boundaries


def read_eyes(
    data: Path,
    *,
    labels: Path | None,
    layout: str | None = None,
    validation_fraction: float,
    seed: int,
    progress: ProgressCallback,
) -> tuple[Eyes, Eyes]:
    """Read the eyes of a folder and split them by subject.

    Parameters
    ----------
    data : Path
        A folder or a list of eye images, which are segmented here, or an output of `irisstn segment`, whose strips are
        used. A CSV file with subjects is its own `labels`.
    validation_fraction : float
        Fraction of the subjects that is held out for validation, 0..1.
    labels : Path or None
        CSV or XML file of identities.
    layout : str, optional
        How names tell identities; with neither, `irisstn.datasets.read_identities` finds out.
    seed : int
        Seed of the split.
    progress : ProgressCallback
        Called with (stage, done, total); the number of inputs left out is reported as a stage of its own.

    Returns
    -------
    training, validation : Eyes
        Two sets without a subject in common. Inputs that cannot be read or segmented are left out.

    Raises
    ------
    DatasetError
        Where an identity is not known or surely wrong, or there are too few images to train and validate.
    """
    if not data.is_dir() and not (data.is_file() and data.suffix.lower() in LISTS):
        raise DatasetError(f"{data} is no folder and no list of pictures")
    if labels is None and layout is None and holds_identities(data):
        labels = data
    sources = _strips_of(data) if (data / MANIFEST).exists() else _images_of(data)
    identities = read_identities([name for name, _ in sources], labels=labels, layout=layout)
    identities.require_sound("training")
    for line in identities.lines():
        progress(line, 1, 1)
    eyes: list[StripSource] = []
    kept: list[Label] = []
    failed = 0
    for done, (name, read) in enumerate(sources):
        progress("reading eyes", done + 1, len(sources))
        try:
            eyes.append(read())
        except IrisError:
            failed += 1
        else:
            kept.append(identities.labels[name])
    if failed:
        progress("eyes left out, as no iris was found", failed, len(sources))
    if not kept:
        raise DatasetError(f"no iris was found in any of {len(sources)} pictures in {data}")
    train, validation = split_by_subject(kept, validation_fraction, seed)
    notes = tuple(identities.lines())
    if failed:
        notes += (f"{failed} of {len(sources)} pictures are left out, as no iris was found",)
    return _eyes(eyes, kept, train, "training", notes), _eyes(eyes, kept, validation, "validation", notes)


def _eyes(
    eyes: Sequence[StripSource], labels: Sequence[Label], indices: Sequence[int], part: str, notes: tuple[str, ...]
) -> Eyes:
    """The eyes at `indices`, identities numbered from 0. Raises DatasetError where they are too few."""
    identities = sorted({labels[i] for i in indices})
    counts = Counter(labels[i] for i in indices)
    if len(identities) < 2 or max(counts.values()) < 2:
        raise DatasetError(
            f"{part} needs two eyes or more and two pictures of one of them; there are {len(indices)} pictures of "
            f"{len(identities)} eyes"
        )
    numbers = {label: number for number, label in enumerate(identities)}
    return Eyes(
        [eyes[i] for i in indices],
        np.array([numbers[labels[i]] for i in indices], np.intp),
        upright=False,
        subjects=tuple(sorted({labels[i].subject for i in indices})),
        notes=notes,
    )


def _images_of(data: Path) -> list[Source]:
    def reader(path: Path) -> Callable[[], StripSource]:
        def read() -> StripSource:
            image = read_gray(path)
            return crop_eye(image, segment(image))

        return read

    return [(sample.name, reader(sample.path)) for sample in find_images([data])]


def _strips_of(data: Path) -> list[Source]:
    def reader(record: Record) -> Callable[[], StripSource]:
        return lambda: NormalizedIris(read_strip(data, record), _pupil_ratio(record))

    usable = [record for record in read_whole_manifest(data) if record.get("status") == "ok"]
    if not usable:
        raise DatasetError(f"{data / MANIFEST} lists no strip")
    return [(str(record["path"]), reader(record)) for record in usable]


def _pupil_ratio(record: Record) -> float:
    """Pupil radius / iris radius from a record, limited to the range that networks are trained on."""
    ratio = pupil_ratio(record)
    return _DEFAULT_PUPIL_RATIO if ratio is None else min(max(ratio, 0.15), 0.75)
