"""Picture of the README: captures of one rendered eye with the head tilted, their strips, and the rectified strips.

python pipelines/readme_picture.py docs/rectified.png
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn import Rectifier, normalize, segment
from irisstn.images import to_gray, write_png
from irisstn.synthetic import CAMERAS, Identity, render, sample_capture
from irisstn.visualization import draw_overlay

CAMERA, IDENTITY, CAPTURE_SEEDS = "tilted-640x480", 12, (6, 10, 5)
HEIGHT, GAP, WHITE = 210, 10, 255
Picture = NDArray[np.uint8]


def main(out: Path) -> Path:
    """Write the picture.

    Parameters
    ----------
    out : Path
        The PNG file. Above: the captures with their boundaries. Below: their strips, left plain, right rectified.

    Returns
    -------
    Path
        The file.
    """
    rectifier = Rectifier.load()
    identity = Identity.from_seed(IDENTITY)
    overlays: list[Picture] = []
    plain: list[Picture] = []
    rectified: list[Picture] = []
    for seed in CAPTURE_SEEDS:
        image = to_gray(render(identity, sample_capture(np.random.default_rng(seed), CAMERAS[CAMERA])).image)
        segmentation = segment(image)
        overlay = draw_overlay(image, segmentation)
        size = (round(overlay.shape[1] * HEIGHT / overlay.shape[0]), HEIGHT)
        overlays.append(cv2.resize(overlay, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False))
        plain.append(_colour(normalize(image, segmentation).image))
        rectified.append(_colour(rectifier.rectify_eye(image, segmentation).strip.image))
    write_png(out, np.vstack([_row(overlays), _gap(_row(overlays)), _row([_stack(plain), _stack(rectified)])]))
    return out


def _colour(gray: Picture) -> Picture:
    return np.repeat(gray[..., None], 3, axis=2)


def _gap(like: Picture) -> Picture:
    return np.full((GAP, like.shape[1], 3), WHITE, np.uint8)


def _stack(strips: list[Picture]) -> Picture:
    half = [cv2.resize(strip, (425, 72), interpolation=cv2.INTER_AREA).astype(np.uint8) for strip in strips]
    return np.vstack([piece for strip in half for piece in (strip, _gap(strip))][:-1])


def _row(pictures: list[Picture]) -> Picture:
    between = np.full((pictures[0].shape[0], GAP, 3), WHITE, np.uint8)
    return np.hstack([piece for picture in pictures for piece in (picture, between)][:-1])


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
def cli(out: Path) -> None:
    """Write the README's picture to OUT."""
    click.echo(main(out))


if __name__ == "__main__":
    cli()
