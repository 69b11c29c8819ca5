"""How far the gaze that `irisstn measure` states is right, on rendered eyes, whose gaze is known.

    python benchmarks/gaze.py [--synthetic N] [--results]

Renders N eyes of the camera with strong gaze, and N / 4 of each of three others, with seeds that no training used. By
true angle: how many got an angle, its error and that of its axis, and how often its bound holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import click
import numpy as np
from results_file import Figure, Table, results_option, write_results
from segmented_renders import segmented_render

from irisstn.gaze import Gaze, measure_gaze

_FIRST_IDENTITY = 3_200_000
_OTHERS = ("ring-320x280", "vga-640x480", "mobile-visible-640x480")
_BINS_DEG = ((0, 10), (10, 15), (15, 20), (20, 25), (25, 30), (30, 40))


@dataclass(frozen=True, slots=True)
class Measured:
    """True angle and axis of a gaze, and what was measured: None for contradictory boundaries."""

    angle_rad: float
    axis_rad: float
    gaze: Gaze | None


def measure(camera: str, number: int) -> Measured | None:
    """Render and segment eye `number` of a camera; None where it is refused."""
    made = segmented_render(camera, _FIRST_IDENTITY + number, (17, number))
    if made is None:
        return None
    capture, eye, found, confidence = made
    sd_px = {"pupil_sd_px": confidence.pupil_sd_px, "limbus_sd_px": confidence.limbus_sd_px}
    axis = math.atan2(capture.gaze_y_rad, capture.gaze_x_rad) + eye.roll_rad
    angle = math.hypot(capture.gaze_x_rad, capture.gaze_y_rad)
    return Measured(angle, axis, measure_gaze(found.pupil.ellipse(), found.limbus.ellipse(), **sd_px))


def row(name: str, found: list[Measured]) -> list[Figure | str | int]:
    """The cells of a table on `found`."""
    known = [(one, one.gaze) for one in found if one.gaze is not None]
    told = [(one, gaze) for one, gaze in known if gaze.angle_rad is not None]
    angle = np.array([(gaze.angle_rad or 0) - one.angle_rad for one, gaze in told])
    sd = np.array([gaze.sd_rad for _, gaze in told], float)
    turn = np.array([(gaze.axis_rad or 0) - one.axis_rad for one, gaze in told])
    axis = (turn + math.pi / 2) % math.pi - math.pi / 2
    held = np.array([one.angle_rad < gaze.below_rad for one, gaze in known])
    errors: list[Figure | str] = ["", "", "", ""]
    if told:
        values = (np.degrees(angle.mean()), *(np.degrees(np.sqrt((part**2).mean())) for part in (angle, axis)))
        errors = [Figure(round(float(value), 1), n=len(told), unit="°") for value in values]
        errors.append(Figure(round(100 * float((abs(angle) < 2 * sd).mean()), 1), n=len(told), unit="%"))
    bound = Figure(round(100 * float(held.mean()), 1), n=len(known), unit="%") if known else ""
    return [name, len(found), len(found) - len(known), len(told), *errors, bound]


@click.command(help=__doc__)
@click.option("--synthetic", "count", default=240, show_default=True, help="Rendered eyes of the camera with gaze.")
@results_option
def main(count: int, results: bool) -> None:
    """Print and write the errors."""
    cameras = [("gaze-640x480", count), *((name, count // 4) for name in _OTHERS)]
    found = [one for name, number in cameras for eye in range(number) if (one := measure(name, eye)) is not None]
    rows = [
        row(f"{low}-{high}°", [one for one in found if low <= math.degrees(one.angle_rad) < high])
        for low, high in _BINS_DEG
    ]
    for cells in rows:
        click.echo("  ".join(str(cell.value if isinstance(cell, Figure) else cell) for cell in cells))
    if results:
        title = "Gaze by its true angle: what was told, its mean and root mean square error, and how often bounds hold"
        columns = ["true", "n", "contradictory", "told", "bias", "error", "error of the axis", "within 2 sd", "below"]
        command = f"python benchmarks/gaze.py --synthetic {count}"
        click.echo(write_results("gaze", command, [Table(title, columns, rows)], seed=17))


if __name__ == "__main__":
    main()
