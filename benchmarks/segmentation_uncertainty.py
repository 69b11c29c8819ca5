"""How well the standard deviations of pupil and limbus in a segmentation's confidence are calibrated, on rendered eyes.

    python benchmarks/segmentation_uncertainty.py [--synthetic N] [--results]

Renders N eyes of every camera, with seeds that no training used, and segments them. The errors of a boundary are those
of its centre (x and y) and of its mean radius. Printed for each camera: number of eyes, failures, and for pupil and
limbus the root mean square of error over standard deviation: 1 where the estimate is right, more where it is too
small. The sets together also by quarters of the estimate: a useful estimate orders the errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import click
import numpy as np
from results_file import Figure, Table, results_option, write_results
from segmented_renders import segmented_render

from irisstn.geometry import Boundary, Float
from irisstn.synthetic import CAMERAS

_FIRST_IDENTITY = 3_000_000


@dataclass(frozen=True, slots=True)
class Measured:
    """Errors (3,) of centre and radius of pupil and limbus in pixels, and their standard deviations."""

    pupil: tuple[float, float, float]
    limbus: tuple[float, float, float]
    pupil_sd: float
    limbus_sd: float


def measure(camera: str, number: int) -> Measured | None:
    """Render and segment eye `number` of a camera; None where it is refused."""
    made = segmented_render(camera, _FIRST_IDENTITY + number, (11, number))
    if made is None:
        return None
    _, eye, found, confidence = made
    return Measured(
        boundary_errors(found.pupil, eye.truth.pupil),
        boundary_errors(found.limbus, eye.truth.limbus),
        confidence.pupil_sd_px,
        confidence.limbus_sd_px,
    )


def boundary_errors(found: Boundary, true: Boundary) -> tuple[float, float, float]:
    """Errors of x, y and mean radius in pixels."""
    return found.x - true.x, found.y - true.y, found.mean_radius - true.mean_radius


def calibration(errors: Float, sd: Float) -> float:
    """Root mean square of `errors` (N, 3) over `sd` (N,)."""
    return float(np.sqrt(np.mean((errors / sd[:, None]) ** 2)))


@click.command(help=__doc__)
@click.option("--synthetic", "count", default=30, show_default=True, help="Rendered eyes of every camera.")
@results_option
def main(count: int, results: bool) -> None:
    """Print the calibration of every camera."""
    rows: list[list[Figure | str | int]] = []
    known: list[Measured] = []
    for camera in sorted(CAMERAS):
        found = [measure(camera, number) for number in range(count)]
        kept = [one for one in found if one is not None]
        known += kept
        rows.append([camera, count, count - len(kept), *_calibrations(kept)])
    rows.append(["all", count * len(CAMERAS), count * len(CAMERAS) - len(known), *_calibrations(known)])
    for row in rows:
        click.echo("  ".join(str(cell.value if isinstance(cell, Figure) else cell) for cell in row))
    for part in ("pupil", "limbus"):
        errors, sd = _arrays(known, part)
        quarters = np.array_split(np.argsort(sd), 4)
        said = [float(sd[quarter].mean()) for quarter in quarters]
        true = [float(np.sqrt(np.mean(errors[quarter] ** 2))) for quarter in quarters]
        click.echo(f"{part}: sd {np.round(said, 2)} px, errors {np.round(true, 2)} px, by quarters of the sd")
    if results:
        title = "Root mean square of a boundary's errors over the standard deviation that its record states"
        table = Table(title, ["camera", "n", "refused", "pupil", "limbus"], rows)
        command = f"python benchmarks/segmentation_uncertainty.py --synthetic {count}"
        click.echo(write_results("segmentation-uncertainty", command, [table], seed=11))


def _calibrations(measured: list[Measured]) -> list[Figure | str]:
    if not measured:
        return ["", ""]
    return [Figure(round(calibration(*_arrays(measured, part)), 2), n=len(measured)) for part in ("pupil", "limbus")]


def _arrays(measured: list[Measured], part: str) -> tuple[Float, Float]:
    errors = np.array([getattr(one, part) for one in measured])
    return errors, np.array([getattr(one, f"{part}_sd") for one in measured])


if __name__ == "__main__":
    main()
