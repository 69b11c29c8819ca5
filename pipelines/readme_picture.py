"""The README's picture: sample eyes with their boundaries, and beside them the plain and the rectified strip.

python pipelines/readme_picture.py docs/rectified.png
"""

from __future__ import annotations

from pathlib import Path

import click
import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn import Rectifier, normalize, read_gray, segment
from irisstn.batch.overlay import draw_overlay
from irisstn.images import write_png

ROOT = Path(__file__).parents[1]
EYES = ("001/L/001L01.png", "001/R/001R01.png", "001/R/001R02.png", "003/R/003R02.png")
HEIGHT, GAP, WHITE = 192, 12, 255


def main(out: Path, eyes: Path = ROOT / "data" / "sample") -> Path:
    """Write the picture to `out`."""
    rectifier = Rectifier.load()
    rows = []
    for name in EYES:
        image = read_gray(eyes / name)
        segmentation = segment(image)
        plain = normalize(image, segmentation).image
        rectified = rectifier.rectify_eye(image, segmentation).strip.image
        strips = np.vstack([plain, np.full((HEIGHT - 2 * len(plain), plain.shape[1]), WHITE, np.uint8), rectified])
        overlay = draw_overlay(image, segmentation)
        width = round(overlay.shape[1] * HEIGHT / overlay.shape[0])
        small = np.full((HEIGHT, 260, 3), WHITE, np.uint8)
        small[:, :width] = cv2.resize(overlay, (width, HEIGHT), interpolation=cv2.INTER_AREA)
        gap = np.full((HEIGHT, GAP, 3), WHITE, np.uint8)
        rows.append(np.hstack([small, gap, np.repeat(strips[..., None], 3, axis=2)]))
    between = np.full((GAP, rows[0].shape[1], 3), WHITE, np.uint8)
    stacked: list[NDArray[np.uint8]] = [piece for row in rows for piece in (row, between)][:-1]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_png(out, np.vstack(stacked))
    return out


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
def cli(out: Path) -> None:
    """Write the README's picture to OUT."""
    click.echo(main(out))


if __name__ == "__main__":
    cli()
