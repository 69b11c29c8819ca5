"""Accuracy of `irisstn.segment` on rendered cameras that its training never drew.

    python benchmarks/segmentation_held_out.py [--eyes N] [--camera NAME]... [--worst FOLDER]

Renders N eyes by every camera of `held_out_cameras.py`, one picture of each eye, and segments them. For each camera:
F1 of the usable mask (0 where an eye is refused) with its mean, its 5th percentile and their 95 % bootstrap intervals
over eyes, F1 of the iris between the eyelids, the part that is refused, and for pupil and limbus the root mean square
of a boundary's errors (x and y of its centre, and its mean radius) over the standard deviation that its record states:
1 where the standard deviation is right, more where it is too small. `--worst` writes a sheet of the 20 worst pictures
of each camera, with the boundaries found (white) and the true ones (black).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import click
import cv2
import numpy as np
from contact_sheet import write_contact_sheet
from held_out_cameras import HELD_OUT, held_out_eye
from results_file import Cell, Figure, Table, results_option, write_results
from segmentation_scores import f1
from segmentation_uncertainty import boundary_errors, calibration

from irisstn.errors import SegmentationError
from irisstn.geometry import Float, Gray
from irisstn.segmentation import segment

_FIRST_IDENTITY, _SEED = 4_000_000, 17
_WORST = 20
_TILE = (240, 320)  # H, W of a picture on a sheet
_SAMPLES = 1000  # of the bootstrap


@dataclass(frozen=True, slots=True)
class Scored:
    """How one eye was segmented; `reason` is empty where it was not refused, and the other fields count for that.

    `pupil` and `limbus` are the errors (3,) of a boundary over its standard deviation.
    """

    number: int
    usable_f1: float = 0.0
    iris_f1: float = 0.0
    pupil: tuple[float, ...] = ()
    limbus: tuple[float, ...] = ()
    reason: str = ""


def score(camera: str, number: int) -> Scored:
    """Render eye `number` by a camera of `HELD_OUT`, and segment it."""
    cv2.setNumThreads(1)
    made = held_out_eye(camera, _FIRST_IDENTITY + number, (_SEED, number))
    truth = made.eye.truth
    try:
        found = segment(made.image)
    except SegmentationError as error:
        return Scored(number, reason=error.reason)
    confidence = found.confidence
    if confidence is None:
        raise ValueError(f"{camera}, eye {number}: a whole eye was taken for a cut-out iris")
    return Scored(
        number,
        f1(truth.usable, found.usable),
        f1(truth.iris_mask, found.iris_mask),
        tuple(error / confidence.pupil_sd_px for error in boundary_errors(found.pupil, truth.pupil)),
        tuple(error / confidence.limbus_sd_px for error in boundary_errors(found.limbus, truth.limbus)),
    )


def camera_row(camera: str, scores: Sequence[Scored]) -> list[Cell]:
    """The row of a camera; `scores` holds at least one eye that was not refused."""
    n = len(scores)
    usable, iris = (np.array([getattr(one, field) for one in scores]) for field in ("usable_f1", "iris_f1"))
    refused = np.array([100.0 * bool(one.reason) for one in scores])
    return [
        camera,
        n,
        _figure(usable, np.mean),
        _figure(usable, _fifth_percentile),
        _figure(iris, np.mean),
        _figure(refused, np.mean),
        *(Figure(round(_over_sd(scores, part), 2)) for part in ("pupil", "limbus")),
    ]


def _fifth_percentile(values: Float) -> float:
    return float(np.quantile(values, 0.05))


def _figure(values: Float, of: Callable[[Float], float]) -> Figure:
    """A statistic of `values` (N,) in % with its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    again = [float(of(rng.choice(values, len(values)))) for _ in range(_SAMPLES)]
    low, high = (round(float(q), 3) for q in np.quantile(again, (0.025, 0.975)))
    return Figure(round(float(of(values)), 3), low, high, unit="%")


def _over_sd(scores: Sequence[Scored], part: str) -> float:
    known = np.array([getattr(one, part) for one in scores if not one.reason])
    return calibration(known, np.ones(len(known)))


def write_sheet(path: Path, camera: str, scores: Sequence[Scored]) -> None:
    """Draw the pictures with the lowest F1 of the usable mask, the worst one first."""
    worst = sorted(scores, key=lambda one: one.usable_f1)[:_WORST]
    write_contact_sheet(path, [_tile(camera, one) for one in worst])


def _tile(camera: str, scored: Scored) -> Gray:
    """The surroundings of the iris, with the boundaries found and the true ones, and what went wrong."""
    made = held_out_eye(camera, _FIRST_IDENTITY + scored.number, (_SEED, scored.number))
    truth = made.eye.truth
    height, width = _TILE
    scale = height / (3.0 * truth.limbus.mean_radius)
    move = np.array([width / 2 - scale * truth.limbus.x, height / 2 - scale * truth.limbus.y])
    tile = cv2.warpAffine(made.image, np.hstack([scale * np.eye(2), move[:, None]]), (width, height))
    curves = [(truth.pupil, 0), (truth.limbus, 0)]
    if not scored.reason:
        found = segment(made.image)
        curves += [(found.pupil, 255), (found.limbus, 255)]
    for curve, gray in curves:
        points = np.rint(16 * (scale * curve.even_points(96) + move)).astype(np.int32)
        cv2.polylines(tile, [points], True, gray, 1, cv2.LINE_AA, 4)
    text = f"{scored.number} {scored.usable_f1:.0f} {scored.iris_f1:.0f} {scored.reason[:28]}"
    for gray, thickness in ((0, 3), (255, 1)):
        cv2.putText(tile, text, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, gray, thickness, cv2.LINE_AA)
    return np.asarray(tile, np.uint8)


@click.command(help=__doc__)
@click.option("--eyes", default=300, show_default=True, help="Eyes of each camera.")
@click.option("--camera", "cameras", multiple=True, type=click.Choice(sorted(HELD_OUT)), help="[default: all]")
@click.option("--worst", type=click.Path(file_okay=False, path_type=Path), help="Write sheets of the worst here.")
@click.option("--workers", default=1, show_default=True)
@results_option
def main(eyes: int, cameras: tuple[str, ...], worst: Path | None, workers: int, results: bool) -> None:
    """Print a line for each camera, and the reasons of those refused."""
    rows: list[list[Cell]] = []
    # Spawned, not forked: a fork of a process with threads can deadlock.
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for camera in cameras or sorted(HELD_OUT):
            scores = list(pool.map(partial(score, camera), range(eyes), chunksize=10))
            rows.append(camera_row(camera, scores))
            click.echo("  ".join(str(cell.value if isinstance(cell, Figure) else cell) for cell in rows[-1]))
            for reason, count in Counter(one.reason for one in scores if one.reason).most_common():
                click.echo(f"    {count} refused: {reason}")
            if worst is not None:
                write_sheet(worst / f"{camera}.png", camera, scores)
    if results:
        columns = ["camera", "n", "F1 usable, mean", "5th percentile", "F1 iris, mean", "refused"]
        columns += ["pupil, error over sd", "limbus, error over sd"]
        table = Table("Cameras left out of training; 95 % bootstrap intervals over eyes", columns, rows)
        chosen = "".join(f" --camera {camera}" for camera in cameras)
        command = f"python benchmarks/segmentation_held_out.py --eyes {eyes}{chosen}"
        click.echo(write_results("segmentation-held-out", command, [table], seed=_SEED))


if __name__ == "__main__":
    main()
