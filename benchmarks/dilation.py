"""Does a stretch of the strip along the radius, by how far the pupil is dilated, bring captures of one eye together?

    python benchmarks/dilation.py NAME=EYES [NAME=EYES ...] [--subjects N]

The rubber sheet assumes that the tissue is stretched linearly when the pupil dilates. A curve between the boundaries,

    f(r) = r + k (share - 0.4) r (1 - r),        share = pupil's radius / iris radius,

allows for a non-linear stretch: the texture of a rectified strip at the radius f(r) moves to r. Mated captures whose
shares differ are compared by iris codes with a search over ±16 shifts of 1.4 degrees; the change of the distance
against k = 0 is paired, and d' is that of these pairs and the non-mated ones of the same captures. A useful curve has a
negative change and a larger d'.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click
import cv2
import numpy as np
from labelled_eyes import labelled_images
from numpy.typing import NDArray
from results_file import Cell, Figure, Table, mean_interval, named_folder, results_option, write_results

from irisstn import IrisError, Rectifier, Strip, read_gray, segment
from irisstn.geometry import strip_radii
from irisstn.iris_code import distances, encode

CURVES = (-1.0, -0.6, -0.3, 0.0, 0.3, 0.6, 1.0)
APART = (0.1, 0.05)  # least difference of the shares; few captures of one eye differ by more
_MEAN_SHARE, _MOST = 0.4, 0.6  # the bound of a curve: it is monotone below 1
_SHIFTS, _RESAMPLES = 16, 1000


class Captures(NamedTuple):
    """Rectified strips of N captures, and whose they are.

    Attributes
    ----------
    strips : list of Strip, length N
        The strips.
    shares : ndarray, shape (N,)
        Radius of the pupil over that of the iris.
    eyes, subjects : ndarray of str, shape (N,)
        Names.
    """

    strips: list[Strip]
    shares: NDArray[np.float64]
    eyes: NDArray[np.str_]
    subjects: NDArray[np.str_]


def rectified_captures(eyes: Path, subjects: int | None) -> Captures:
    """Segment and rectify the pictures in the folder `eyes`; those that fail are left out."""
    rectifier = Rectifier.load()
    strips, shares, names, people = [], [], [], []
    for sample, label in labelled_images(eyes, subjects):
        image = read_gray(sample.path)
        try:
            found = segment(image)
        except IrisError:
            continue
        strips.append(rectifier.rectify_eye(image, found).strip)
        shares.append(found.pupil.mean_radius / found.limbus.mean_radius)
        names.append(label.eye_name)
        people.append(label.subject)
    return Captures(strips, np.array(shares), np.array(names), np.array(people))


def stretched(strip: Strip, amount: float) -> Strip:
    """Move the texture at the radius r + amount r (1 - r) of a strip to r."""
    if amount == 0:
        return strip
    rows, columns = strip.size
    radius = strip_radii(rows)
    source = rows * (radius + amount * radius * (1 - radius)) - 0.5
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), source.astype(np.float32))
    image = cv2.remap(strip.image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    usable = cv2.remap(strip.usable.astype(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE)
    return Strip(np.asarray(image, np.uint8), usable > 0)


def measure(name: str, captures: Captures, apart: float) -> list[list[Cell]]:
    """Rows of the table, one for each curve; none where no pair differs by `apart`."""
    first, second = np.triu_indices(len(captures.strips), 1)
    mated = captures.eyes[first] == captures.eyes[second]
    mated &= np.abs(captures.shares[first] - captures.shares[second]) > apart
    if not mated.any():
        return []
    used = np.unique(np.concatenate([first[mated], second[mated]]))
    place = {int(capture): number for number, capture in enumerate(used)}
    pairs = [(place[int(i)], place[int(j)]) for i, j in zip(first[mated], second[mated], strict=True)]
    people = captures.subjects[first[mated]]
    others = np.triu(captures.eyes[used][:, None] != captures.eyes[used], 1)
    found = {}
    for curve in CURVES:
        amounts = np.clip(curve * (captures.shares[used] - _MEAN_SHARE), -_MOST, _MOST)
        codes = [encode(stretched(captures.strips[i], float(a))) for i, a in zip(used, amounts, strict=True)]
        matrix = distances(codes, max_shift=_SHIFTS)
        found[curve] = np.array([matrix[pair] for pair in pairs], float), matrix[others].astype(float)
    rows: list[list[Cell]] = []
    for curve, (same, different) in found.items():
        change = same - found[0.0][0]
        low, high = mean_interval(change, people, _RESAMPLES)
        d_prime = (different.mean() - same.mean()) / np.sqrt((same.var() + different.var()) / 2)
        rows.append(
            [
                name,
                f"> {apart:g}",
                f"{len(pairs)} of {len(set(people.tolist()))}",
                f"{curve:g}",
                Figure(round(float(same.mean()), 4)),
                Figure(round(float(change.mean()), 4), round(low, 4), round(high, 4)) if curve else "",
                Figure(round(float(d_prime), 2)),
            ]
        )
    return rows


def results_table(rows: list[list[Cell]]) -> Table:
    """Convert the rows of several folders to a table for `write_results`."""
    return Table(
        "Iris codes of mated captures whose pupils differ, ±16 shifts; 95 % bootstrap intervals over subjects",
        ["eyes", "shares differ by", "pairs of subjects", "k", "mean distance", "change against k = 0", "d'"],
        rows,
    )


@click.command()
@click.argument("sets", metavar="NAME=EYES...", nargs=-1, required=True)
@click.option("--subjects", type=click.IntRange(2), help="Only the first so many subjects of each folder.")
@results_option
def cli(*, sets: tuple[str, ...], subjects: int | None, results: bool) -> None:
    """Measure on the images in each folder EYES, which is called NAME in the results."""
    cv2.setNumThreads(1)
    rows: list[list[Cell]] = []
    for name, folder in map(named_folder, sets):
        captures = rectified_captures(folder, subjects)
        for apart in APART:
            rows += measure(name, captures, apart)
    table = results_table(rows)
    for row in table.rows:
        click.echo("  ".join(f"{cell.value:g}" if isinstance(cell, Figure) else str(cell) for cell in row))
    if results:
        command = "python benchmarks/dilation.py" + "".join(f' "{named_folder(given)[0]}=EYES"' for given in sets)
        command += f" --subjects {subjects}" if subjects else ""
        write_results("dilation", command, [table])


if __name__ == "__main__":
    cli()
