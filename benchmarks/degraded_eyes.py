"""Copies of eye pictures as poorer cameras would take them: one folder for each kind of fault.

    python benchmarks/degraded_eyes.py EYES -o OUT [--subjects N] [--kind KIND ...]

    moved       blurred along a line of 7 to 14 pixels, as by a movement during the exposure
    tilted      rotated by up to 12 degrees
    off-axis    narrowed by the cosine of 15 to 40 degrees along any axis, as by a gaze past the camera
    jpeg        compressed as JPEG of quality 10 to 19
    tiny        reduced to 0.20 to 0.28 of the size, with noise of 2 gray levels

OUT/KIND holds PNG files under the names of EYES. Each picture's fault depends on its name alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import click
import cv2
import numpy as np
from labelled_eyes import labelled_images

from irisstn import read_gray
from irisstn.geometry import Float, Gray
from irisstn.images import decode_gray, encode_jpeg, encode_png

Rng = np.random.Generator


def moved(image: Gray, rng: Rng) -> Gray:
    """Blurred along a line."""
    size = int(rng.integers(7, 15))
    angle, middle = rng.uniform(0, np.pi), (size - 1) / 2
    way = middle * np.array([np.cos(angle), np.sin(angle)])
    begin, end = ((round(middle + sign * way[0]), round(middle + sign * way[1])) for sign in (-1, 1))
    kernel = np.zeros((size, size), np.float32)
    cv2.line(kernel, begin, end, 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), np.uint8)


def tilted(image: Gray, rng: Rng) -> Gray:
    """Rotated about its centre."""
    height, width = image.shape
    return _warped(image, np.asarray(cv2.getRotationMatrix2D((width / 2, height / 2), rng.uniform(-12, 12), 1)))


def off_axis(image: Gray, rng: Rng) -> Gray:
    """Narrowed along the axis of the gaze, which is horizontal more often than vertical."""
    narrowing = np.cos(np.radians(rng.uniform(15, 40)))
    axis = rng.uniform(-0.3, 0.3) + (0 if rng.random() < 0.7 else np.pi / 2)
    turn = np.array([[np.cos(axis), -np.sin(axis)], [np.sin(axis), np.cos(axis)]])
    matrix = turn @ np.diag([narrowing, 1]) @ turn.T
    centre = np.array([image.shape[1] / 2, image.shape[0] / 2])
    return _warped(image, np.hstack([matrix, (centre - matrix @ centre)[:, None]]))


def jpeg(image: Gray, rng: Rng) -> Gray:
    """Compressed and decompressed."""
    return decode_gray(encode_jpeg(image, quality=int(rng.integers(10, 20))))


def tiny(image: Gray, rng: Rng) -> Gray:
    """Reduced, with noise."""
    scale = rng.uniform(0.2, 0.28)
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small + rng.normal(0, 2, small.shape), 0, 255), np.uint8)


def _warped(image: Gray, matrix: Float) -> Gray:
    height, width = image.shape
    warped = cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return np.asarray(warped, np.uint8)


KINDS: dict[str, Callable[[Gray, Rng], Gray]] = {
    "moved": moved,
    "tilted": tilted,
    "off-axis": off_axis,
    "jpeg": jpeg,
    "tiny": tiny,
}


@click.command(help=__doc__)
@click.argument("eyes", type=click.Path(path_type=Path, exists=True))
@click.option("-o", "--out", required=True, type=click.Path(path_type=Path))
@click.option("--subjects", type=click.IntRange(1), help="Only the first so many subjects.")
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)), help="Only this kind.  [default: all]")
def main(*, eyes: Path, out: Path, subjects: int | None, kinds: tuple[str, ...]) -> None:
    """Write the copies."""
    for sample, _ in labelled_images(eyes, subjects):
        image = read_gray(sample.path)
        for kind in kinds or KINDS:
            file = (out / kind / sample.name).with_suffix(".png")
            file.parent.mkdir(parents=True, exist_ok=True)
            seed = zlib.crc32(f"{kind}/{sample.name}".encode())
            file.write_bytes(encode_png(KINDS[kind](image, np.random.default_rng(seed))))
    click.echo(out)


if __name__ == "__main__":
    main()
