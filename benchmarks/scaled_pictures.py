"""The same pictures at several sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2

from irisstn.images import read_gray

SIZES = ((320, 280), (640, 480), (1088, 640))  # width and height


def scaled(pictures: Sequence[Path], folder: Path) -> list[Path]:
    """Write pictures at each of `SIZES` as BMP; the names of their folders say the size.

    Parameters
    ----------
    pictures : sequence of Path
        Picture files.
    folder : Path
        Where the folders are made.

    Returns
    -------
    list of Path
        Each picture at all sizes, then the next one.
    """
    made = []
    for number, picture in enumerate(pictures):
        image = read_gray(picture)
        for width, height in SIZES:
            factor = height / image.shape[0]
            size = (round(factor * image.shape[1]), height)
            part = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA)
            cut = max(0, size[0] - width) // 2
            part = part[:, cut : cut + width]
            left = (width - part.shape[1]) // 2
            part = cv2.copyMakeBorder(part, 0, 0, left, width - part.shape[1] - left, cv2.BORDER_REFLECT_101)
            path = folder / f"{width}x{height}" / f"{number}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(cv2.imencode(".bmp", part)[1]))
            made.append(path)
    return made
