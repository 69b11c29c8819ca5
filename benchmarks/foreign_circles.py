"""Rectification of crude foreign segmentations: circles for both boundaries, moved by 3 % of the iris radius.

    python benchmarks/foreign_circles.py EYES [--subjects N]

Each image is segmented by `irisstn.segment`, and circles of the same centres and mean radii replace its boundaries.
Their centres are moved by 3 % of the iris radius, each in a random direction, and their radii changed by up to ±3 % of
it, seeded by the image's name. They are handed in by `irisstn.segmentation_from_circles`.

Methods: `none` = the rubber sheet along the moved circles; `stn` = `Rectifier.rectify_eye` with the eyelids that are
found around them; `stn-no-lids` = the same without eyelids, so that no roll is corrected; `undone` = the rubber sheet
along the circles before they were moved. Iris codes are compared once without a shift, and with a search over ±16
shifts of 1.4 degrees.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import cv2
import numpy as np
import torch
from labelled_eyes import labelled_images
from rectification import results_table, table
from results_file import results_option, slug, write_results

from irisstn import (
    IrisError,
    Rectifier,
    Segmentation,
    Strip,
    normalize,
    read_gray,
    segment,
    segmentation_from_circles,
)
from irisstn.evaluation import evaluate_codes
from irisstn.geometry import Gray

MOVED = 0.03  # of the iris radius
SHIFTS = {"±0": 0, "±16": 16}
Circle = tuple[float, float, float]


def main(eyes: Path, *, subjects: int | None = None) -> dict[str, dict[str, float]]:
    """Measure the error rates of each method and comparison.

    Parameters
    ----------
    eyes : Path
        Folder of images.
    subjects : int or None
        Number of subjects. None: all.

    Returns
    -------
    dict of str to dict of str to float
        `ErrorRates.as_dict` by "circles/method/comparison", such as "circles/stn/±0".
    """
    rectifier = Rectifier.load()
    strips: dict[str, list[Strip]] = defaultdict(list)
    names, people, failed = [], [], []
    for sample, label in labelled_images(eyes, subjects):
        image, eye = read_gray(sample.path), label.eye_name
        seed = int.from_bytes(hashlib.sha256(sample.name.encode()).digest()[:8])
        try:
            made = _strips(image, segment(image), np.random.default_rng(seed), rectifier)
        except IrisError:
            failed.append(eye)
            continue
        names.append(eye)
        people.append(label.subject)
        for method, strip in made.items():
            strips[method].append(strip)
    return code_rates("circles", strips, names, people, failed)


def code_rates(
    condition: str, strips: Mapping[str, Sequence[Strip]], eyes: Sequence[str], people: Sequence[str], failed: list[str]
) -> dict[str, dict[str, float]]:
    """Compare the iris codes of the strips of each method, once and with the best of several shifts.

    Parameters
    ----------
    condition : str
        First part of the keys.
    strips : mapping of str to sequence of Strip, length N
        The strips of each method.
    eyes, people : sequence of str, length N
        The eye that a strip shows, and its person.
    failed : list of str
        The eyes of the pictures without a strip.

    Returns
    -------
    dict of str to dict of str to float
        `ErrorRates.as_dict` by "condition/method/comparison", such as "circles/stn/±0".
    """
    return {
        f"{condition}/{method}/{compared}": evaluate_codes(
            found, eyes, max_shift=shift, subjects=people, failed=failed
        ).as_dict()
        for method, found in strips.items()
        for compared, shift in SHIFTS.items()
    }


def _strips(image: Gray, found: Segmentation, rng: np.random.Generator, rectifier: Rectifier) -> dict[str, Strip]:
    """The strip of each method. Raises SegmentationError where the moved circles cross."""
    radius = found.limbus.mean_radius
    exact: list[Circle] = [(curve.x, curve.y, curve.mean_radius) for curve in (found.pupil, found.limbus)]
    moved: list[Circle] = []
    for x, y, r in exact:
        direction, growth = rng.uniform(0, 2 * np.pi), rng.uniform(-MOVED, MOVED)
        away = MOVED * radius
        moved.append((x + away * np.cos(direction), y + away * np.sin(direction), r + growth * radius))
    foreign = segmentation_from_circles(image, *moved)
    lidless = segmentation_from_circles(image, *moved, eyelids=(None, None))
    return {
        "none": normalize(image, foreign),
        "stn-no-lids": rectifier.rectify_eye(image, lidless).strip,
        "stn": rectifier.rectify_eye(image, foreign).strip,
        "undone": normalize(image, segmentation_from_circles(image, *exact)),
    }


@click.command()
@click.argument("eyes", type=click.Path(path_type=Path, exists=True))
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects.")
@click.option("--name", help="Name of the eyes in the results.  [default: the folder's name]")
@results_option
def cli(*, eyes: Path, subjects: int | None, name: str | None, results: bool) -> None:
    """Measure on the images in the folder EYES."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    rates = main(eyes, subjects=subjects)
    click.echo(table(rates))
    if results:
        title = name or eyes.name
        command = "python benchmarks/foreign_circles.py EYES" + (f" --subjects {subjects}" if subjects else "")
        write_results(f"foreign-circles-{slug(title)}", command, [results_table(title, rates)])


if __name__ == "__main__":
    cli()
