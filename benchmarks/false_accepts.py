"""How many pictures without an eye are taken for one, and how many eyes the checks of texture and shape refuse.

    python benchmarks/false_accepts.py [--eyes FOLDER]...

Without an eye: drawings of round things, text and textures, which are made here, and crops of the photographs that
scikit-image has. With one: rendered eyes of each camera, and some pictures of each folder `--eyes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path

import click
import numpy as np
import skimage
from no_eyes import DRAWINGS, drawings, photographs
from results_file import Cell, Table, results_option, write_results

from irisstn.datasets import find_images
from irisstn.errors import SegmentationError
from irisstn.geometry import Gray
from irisstn.images import read_gray, to_gray
from irisstn.segmentation import SegmentationConfig, segment
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture

_FACES = ("astronaut", "chelsea")  # pictures of scikit-image with eyes, of a person and a cat
_CHECKS = ("no texture", "repeats around the circle", "flat between sharp edges", "flat circles around one point")
_WITHOUT = SegmentationConfig(min_texture=0, max_regularity=1, min_evenness=0, min_departure=0)
_SURE = 0.85  # trust below which a record warns
_COLUMNS = ("pictures", "number", "an iris is found", "with a trust from 0.85 on", "without these checks")


def count_accepted(pictures: Iterable[Gray]) -> Counter[str]:
    """Segment pictures with the default settings.

    Parameters
    ----------
    pictures : iterable of ndarray of uint8, shape (H, W)
        The pictures.

    Returns
    -------
    Counter of str
        Their number (`"read"`), of those in which an iris was found (`"accepted"`), of those with a trust of 0.85
        or more (`"sure"`), and of those in which one is found without these checks (`"unchecked"`).
    """
    found: Counter[str] = Counter()
    for picture in pictures:
        found["read"] += 1
        try:
            confidence = segment(picture).confidence
        except SegmentationError as error:
            if any(check in error.reason for check in _CHECKS):
                found["unchecked"] += _is_accepted_without_checks(picture)
            continue
        found.update(("accepted", "unchecked"))
        found["sure"] += confidence is None or confidence.trust >= _SURE
    return found


def _is_accepted_without_checks(picture: Gray) -> bool:
    try:
        segment(picture, _WITHOUT)
    except SegmentationError:
        return False
    return True


def rendered_eyes(camera: str, count: int, seed: int) -> Iterator[Gray]:
    """Rendered eyes of `count` identities, one picture each."""
    for number in range(count):
        capture = sample_capture(np.random.default_rng([seed, number]), CAMERAS[camera])
        yield to_gray(render(Identity.from_seed(seed + number), capture).image)


def sampled_eyes(folder: Path, count: int, seed: int) -> Iterator[Gray]:
    """Up to `count` pictures of a folder, chosen at random."""
    samples = find_images([folder])
    for number in np.random.default_rng(seed).permutation(len(samples))[:count].tolist():
        yield read_gray(samples[number].path)


def photographs_without_eyes() -> list[Gray]:
    """The photographs that scikit-image has, but for those with eyes."""
    files = sorted((Path(skimage.__file__).parent / "data").iterdir())
    return [read_gray(path) for path in files if path.suffix in (".png", ".jpg") and path.stem not in _FACES]


def _row(name: str, found: Counter[str]) -> list[Cell]:
    return [name, *(float(found[key]) for key in ("read", "accepted", "sure", "unchecked"))]


@click.command()
@click.option("--drawings", "drawn", default=110, show_default=True, help="Drawings of each kind.")
@click.option("--crops", default=600, show_default=True, help="Crops of photographs.")
@click.option("--eyes", multiple=True, type=click.Path(exists=True, file_okay=False, path_type=Path), help="Real eyes.")
@click.option("--eyes-each", default=200, show_default=True, help="Pictures of each folder of eyes.")
@click.option("--rendered", default=20, show_default=True, help="Rendered eyes of each camera.")
@click.option("--seed", default=7, show_default=True, help="Seed of the pictures.")
@results_option
def main(
    *, drawn: int, crops: int, eyes: tuple[Path, ...], eyes_each: int, rendered: int, seed: int, results: bool
) -> None:
    """Count what is taken for an eye."""
    without: dict[str, Iterator[Gray]] = {
        kind: islice(drawings(draw, np.random.default_rng(seed)), drawn) for kind, draw in DRAWINGS.items()
    }
    without["crops of photographs"] = islice(
        photographs(photographs_without_eyes(), np.random.default_rng(seed)), crops
    )
    showing = {f"rendered, {camera}": rendered_eyes(camera, rendered, seed) for camera in CAMERAS}
    showing |= {f"real, {folder.name}": sampled_eyes(folder, eyes_each, seed) for folder in eyes}
    tables = [
        _table("Pictures without an eye", without),
        _table("Pictures of eyes", showing),
    ]
    if results:
        options = "".join(f" --eyes {folder.name.upper()}" for folder in eyes)
        command = (
            f"python benchmarks/false_accepts.py --drawings {drawn} --crops {crops} --eyes-each {eyes_each}{options}"
        )
        click.echo(write_results("false-accepts", command, tables, seed=seed))


def _table(title: str, groups: Mapping[str, Iterable[Gray]]) -> Table:
    """Count each group, with a last row of their sums."""
    rows, total = [], Counter[str]()
    for name, pictures in groups.items():
        found = count_accepted(pictures)
        total += found
        rows.append(_row(name, found))
        click.echo("  ".join(str(cell) for cell in rows[-1]))
    return Table(title, _COLUMNS, [*rows, _row("all", total)])


if __name__ == "__main__":
    main()
