"""The images of a folder whose names tell the eye that they show."""

from __future__ import annotations

from pathlib import Path

from irisstn.datasets import Label, Sample, find_images, label_of


def labelled_images(eyes: Path, subjects: int | None) -> list[tuple[Sample, Label]]:
    """Find the images of the first subjects.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    subjects : int or None
        Number of subjects. None: all.

    Returns
    -------
    list of (Sample, Label)
        The images whose label is known, in the order of their names.
    """
    found = [(sample, label) for sample in find_images([eyes]) if (label := label_of(sample.name)) is not None]
    kept = set(sorted({label.subject for _, label in found})[:subjects])
    return [(sample, label) for sample, label in found if label.subject in kept]
