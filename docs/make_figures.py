"""The figures of the README and the documentation: one rendered eye at every stage from the photograph to the strip.

python docs/make_figures.py [FOLDER]
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn import Rectifier, Segmentation, normalize, segment
from irisstn.geometry import Gray, ring_points, strip_angles, strip_radii
from irisstn.images import to_gray, write_png
from irisstn.rectification.ring_context import PLANES, context_of_eye
from irisstn.segmentation.crop import Crop
from irisstn.segmentation.network import IRIS_RADIUS, predict_part_maps
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.visualization.overlay import draw_overlay

FIGURES = Path(__file__).parent / "figures"
CAMERA, IDENTITY, CAPTURE, ROLLED_CAPTURE = "tilted-640x480", 12, 10, 6
CAPTURES = (ROLLED_CAPTURE, CAPTURE, 5)  # of the README's figure
WIDTH, GAP, WHITE = 440, 6, 255  # of a figure, between its parts, and the gap's gray level
Picture = NDArray[np.uint8]


def main(folder: Path) -> list[Path]:
    """Write all figures into `folder` and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    image, segmentation = _eye(CAPTURE)
    rolled, rolled_segmentation = _eye(ROLLED_CAPTURE)
    rectifier = Rectifier.load()
    strip = normalize(image, segmentation)
    figures = {
        "captures": _captures(rectifier.with_roll("full")),
        "photograph": _narrow(image),
        "part_maps": _part_maps(image, segmentation),
        "boundaries": _narrow(draw_overlay(image, segmentation)),
        "ring": _narrow(_ring(image, segmentation)),
        "strip": _column([strip.image, _white(strip.usable)]),
        "context": _context(image, segmentation),
        "rectified": _column(
            [
                rectifier.rectify_eye(image, segmentation).strip.image,
                normalize(rolled, rolled_segmentation).image,
                rectifier.rectify_eye(rolled, rolled_segmentation).strip.image,
            ]
        ),
        "rolled": _narrow(draw_overlay(rolled, rolled_segmentation)),
    }
    for name, figure in figures.items():
        write_png(folder / f"{name}.png", figure)
    return [folder / f"{name}.png" for name in figures]


def _eye(capture: int) -> tuple[Gray, Segmentation]:
    identity = Identity.from_seed(IDENTITY)
    image = to_gray(render(identity, sample_capture(np.random.default_rng(capture), CAMERAS[CAMERA])).image)
    return image, segment(image)


def _captures(rectifier: Rectifier) -> Picture:
    """Photographs of one eye in a row; below them their strips, on the left as unrolled, on the right rectified."""
    eyes = [_eye(capture) for capture in CAPTURES]
    overlays = [_resized(draw_overlay(image, segmentation), 280, 210) for image, segmentation in eyes]
    plain = [normalize(image, segmentation) for image, segmentation in eyes]
    rectified = [rectifier.rectify_eye(image, segmentation).strip for image, segmentation in eyes]
    columns = [_column([_resized(strip.image, 423, 72) for strip in strips]) for strips in (plain, rectified)]
    strips = np.asarray(cv2.cvtColor(_row(columns), cv2.COLOR_GRAY2BGR), np.uint8)
    return _column([_row(overlays), strips])


def _part_maps(image: Gray, segmentation: Segmentation) -> Picture:
    """The crop that the network sees, and its maps of the pupil, the iris and the eye opening."""
    limbus = segmentation.limbus
    crop = Crop.framed(image, limbus.x, limbus.y, limbus.mean_radius / IRIS_RADIUS, (96, 112))
    maps = predict_part_maps(crop.image)
    levels = [np.rint(255 * part.clip(0, 1)).astype(np.uint8) for part in (maps.pupil, maps.iris, maps.opening)]
    large = [cv2.resize(one, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) for one in (crop.image, *levels)]
    return _row([np.asarray(one, np.uint8) for one in large])


def _ring(image: Gray, segmentation: Segmentation) -> Picture:
    """The photograph with every eighth row and every 32nd column of its strip."""
    drawn = np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), np.uint8)
    angles, radii = strip_angles(512), strip_radii(64)
    circles = [ring_points(segmentation.pupil, segmentation.limbus, radius, angles) for radius in radii[::9]]
    rays = [ring_points(segmentation.pupil, segmentation.limbus, radii, angle) for angle in angles[::32]]
    for points, closed, colour, width in [
        *((circle, True, (60, 200, 255), 1) for circle in circles),
        *((ray, False, (60, 200, 255), 1) for ray in rays),
        (rays[0], False, (60, 60, 255), 3),
    ]:
        fixed = np.rint(points * 16).astype(np.int32)
        cv2.polylines(drawn, [fixed], closed, colour, width, cv2.LINE_AA, 4)
    return drawn


def _context(image: Gray, segmentation: Segmentation) -> Picture:
    """The planes of the localization network's input, each stretched to the full range of gray levels."""
    planes = context_of_eye(image, segmentation).planes()
    if len(planes) != len(PLANES):
        raise ValueError(f"{len(PLANES)} planes expected, got {len(planes)}")
    shown = []
    for plane in planes:
        low, high = float(plane.min()), float(plane.max())
        level = (plane - low) / (high - low) if high > low else np.ones_like(plane)
        small = np.rint(255 * level).astype(np.uint8)
        shown.append(np.asarray(cv2.resize(small, (512, 64), interpolation=cv2.INTER_LINEAR), np.uint8))
    return _column(shown)


def _narrow(picture: Picture) -> Picture:
    small = _resized(picture, WIDTH, round(picture.shape[0] * WIDTH / picture.shape[1]))
    return small & np.uint8(0xF8)  # the camera's noise in the lowest bits would double the file


def _resized(picture: Picture, width: int, height: int) -> Picture:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _white(mask: NDArray[np.bool_]) -> Picture:
    return mask.astype(np.uint8) * np.uint8(255)


def _row(pictures: list[Picture]) -> Picture:
    height, _, *channels = pictures[0].shape
    gap = np.full((height, GAP, *channels), WHITE, np.uint8)
    return np.hstack([part for picture in pictures for part in (picture, gap)][:-1])


def _column(pictures: list[Picture]) -> Picture:
    _, width, *channels = pictures[0].shape
    gap = np.full((GAP, width, *channels), WHITE, np.uint8)
    return np.vstack([part for picture in pictures for part in (picture, gap)][:-1])


@click.command()
@click.argument("folder", default=FIGURES, type=click.Path(path_type=Path))
def cli(folder: Path) -> None:
    """Write the documentation's figures into FOLDER, docs/figures unless given."""
    for path in main(folder):
        click.echo(path)


if __name__ == "__main__":
    cli()
