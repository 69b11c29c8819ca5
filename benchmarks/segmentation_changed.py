"""Accuracy of `irisstn.segment` on eyes that are rare: dilated, irregular and clouded pupils, colobomas, tilted heads.

    python benchmarks/segmentation_changed.py [--eyes NAME=FOLDER]... [--pictures N] [--worst FOLDER]

Changes N rendered eyes of two cameras, and N pictures of each folder, as `changed_eyes.py` describes. The true iris of
a rendered eye is known; that of a picture is what is found in the unchanged picture, so its first row is 100 by
definition. For each change: F1 of the iris between the eyelids of those that are not refused, its mean with the 95 %
bootstrap interval over pictures and its 5th percentile, the part that is refused, and the number that are wrong, of an
F1 below 75, with a trust from 0.85 on. `--worst` writes a sheet of the 20 worst pictures of each change.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import cv2
import numpy as np
from changed_eyes import CHANGES
from contact_sheet import write_contact_sheet
from results_file import Cell, Figure, Table, mean_interval, named_folder, results_option, write_results
from segmentation_scores import f1

from irisstn.datasets import find_images
from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Gray
from irisstn.images import read_gray, to_gray
from irisstn.results import Segmentation
from irisstn.segmentation import segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture

_CAMERAS = ("ring-320x280", "vga-640x480")
_FIRST_IDENTITY, _SEED = 4_100_000, 29
_WRONG, _SURE = 75.0, 0.85
_WORST, _TILE = 20, (320, 240)  # number of pictures of a sheet, and (W, H) of one
_TABLE = (
    "pictures",
    "change",
    "number",
    "F1, mean",
    "F1, 5th percentile",
    "refused",
    "wrong with a trust from 0.85 on",
)


@dataclass(frozen=True, slots=True)
class Scored:
    """How one changed picture was segmented; `f1` is 0 and `found` None where it was refused."""

    f1: float
    trust: float
    image: Gray
    true: Bool
    found: Bool | None


def rendered(pictures: int) -> Iterator[tuple[Gray, Segmentation]]:
    """Render eyes of two cameras, in turn, with their true segmentation."""
    for number in range(pictures):
        camera = CAMERAS[_CAMERAS[number % len(_CAMERAS)]]
        capture = sample_capture(np.random.default_rng((_SEED, number)), camera)
        eye = render(Identity.from_seed(_FIRST_IDENTITY + number), capture)
        yield to_gray(eye.image), eye.truth


def photographed(folder: Path, pictures: int) -> Iterator[tuple[Gray, Segmentation]]:
    """Pictures from all parts of a folder, with what is found in them; those that are refused are left out."""
    paths = [sample.path for sample in find_images([folder])]
    for number in np.linspace(0, len(paths) - 1, min(pictures, len(paths))).astype(int):
        image = read_gray(paths[number])
        try:
            found = segment(image)
        except SegmentationError:
            continue
        yield image, found


def score(eyes: Iterable[tuple[Gray, Segmentation]], change: str) -> list[Scored]:
    """Change and segment pictures, the number of which seeds the change."""
    scores = []
    for number, (image, eye) in enumerate(eyes):
        changed, true = CHANGES[change](image, eye, np.random.default_rng((_SEED, 1, number)))
        try:
            found = segment(changed)
        except SegmentationError:
            scores.append(Scored(0.0, 0.0, changed, true, None))
            continue
        trust = found.confidence.trust if found.confidence else 1.0
        scores.append(Scored(f1(true, found.iris_mask), trust, changed, true, found.iris_mask))
    return scores


def row(pictures: str, change: str, scores: list[Scored]) -> list[Cell]:
    """A row of the table; raises ValueError where all pictures are refused."""
    found = np.array([one.f1 for one in scores if one.found is not None])
    if not len(found):
        raise ValueError(f"{pictures}, {change}: none of {len(scores)} pictures has an iris")
    low, high = mean_interval(found, [str(number) for number in range(len(found))], 1000)
    return [
        pictures,
        change,
        len(scores),
        Figure(round(float(found.mean()), 2), round(low, 2), round(high, 2), unit="%"),
        Figure(round(float(np.quantile(found, 0.05)), 1), unit="%"),
        Figure(round(100 * (1 - len(found) / len(scores)), 1), unit="%"),
        int(sum(one.f1 < _WRONG and one.trust >= _SURE for one in scores)),
    ]


def write_sheet(path: Path, scores: list[Scored]) -> None:
    """Draw the pictures with the lowest F1, the worst first, with the true iris (black) and that found (white)."""
    tiles = []
    for one in sorted(scores, key=lambda scored: scored.f1)[:_WORST]:
        tile = one.image.copy()
        for mask, level in ((one.true, 0), (one.found, 255)):
            if mask is not None:
                outlines, _ = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
                cv2.drawContours(tile, outlines, -1, level, 1)
        cv2.putText(tile, f"{one.f1:.0f} {one.trust:.2f}", (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
        tiles.append(np.asarray(cv2.resize(tile, _TILE), np.uint8))
    write_contact_sheet(path, tiles)


@click.command()
@click.option("--eyes", multiple=True, metavar="NAME=FOLDER", help="Pictures, besides rendered eyes.")
@click.option("--pictures", default=200, show_default=True, type=click.IntRange(1), help="Pictures of each set.")
@click.option("--worst", type=click.Path(path_type=Path), help="Folder for sheets of the worst pictures.")
@results_option
def main(eyes: tuple[str, ...], pictures: int, worst: Path | None, results: bool) -> None:
    """Score `irisstn.segment` on changed eyes."""
    cv2.setNumThreads(1)
    sets = {"rendered": list(rendered(pictures))}
    for name, folder in map(named_folder, eyes):
        sets[name] = list(photographed(folder, pictures))
    rows: list[list[Cell]] = []
    for name, shown in sets.items():
        for change in CHANGES:
            scores = score(shown, change)
            rows.append(row(name, change, scores))
            click.echo(rows[-1])
            if worst is not None:
                write_sheet(worst / f"{name}-{change.replace(' ', '-')}.png", scores)
    if results:
        tables = [Table("F1 of the iris; 95 % bootstrap intervals over pictures", list(_TABLE), rows)]
        named = " ".join(f"--eyes '{name.partition('=')[0]}=FOLDER'" for name in eyes)
        command = f"python benchmarks/segmentation_changed.py {named} --pictures {pictures}"
        click.echo(write_results("segmentation-changed", command, tables, seed=_SEED))


if __name__ == "__main__":
    main()
