"""Pictures of what a spatial transformer does: input and output, with the sampled area outlined on the input."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from irisstn.stn.transformer import Warped

Picture = NDArray[np.uint8]
_GAP = 4  # pixels between two pictures
_GRAY = 96
_OUTLINE = (0, 255, 255)  # yellow, in OpenCV's order
_MARGIN = 4
_FINE = 3  # bits of a corner below one pixel, for OpenCV


def side_by_side(images: Tensor, warped: Warped, *, count: int = 8, wrap: bool = False, zoom: int = 1) -> Picture:
    """The first `count` of `images` (B, C, H, W) with the sampled area outlined, each beside its output.

    One line for each; an oblong image, such as a strip, has its output below it. The outline is the way around the
    outermost cells of the output, with `wrap` their first and last row, around the circle. Values are clipped to 0..1;
    of more than three channels their mean is shown. Returns (H', W', 3) uint8 in OpenCV's order (BGR).
    """
    if images.ndim != 4 or len(images) != len(warped.image):
        raise ValueError(f"images (B, C, H, W) and their outputs, got {tuple(images.shape)}, {len(warped.image)}")
    if count < 1 or zoom < 1:
        raise ValueError(f"count and zoom must be at least 1, got {count}, {zoom}")
    grids = warped.grid.detach().float().cpu().numpy()
    stacked = images.shape[3] > 2 * images.shape[2]
    lines = []
    for i in range(min(count, len(images))):
        shown = draw_outline(_picture(images[i], zoom), grids[i], wrap=wrap)
        lines.append(join([shown, _picture(warped.image[i], zoom)], down=stacked))
    return join(lines, down=True)


def draw_outline(picture: Picture, grid: NDArray[np.floating], *, wrap: bool = False) -> Picture:
    """A copy of `picture` (H, W, 3) with the outline of a sampling `grid` (H', W', 2) drawn on it."""
    height, width = picture.shape[:2]
    pixels = ((np.asarray(grid, float) + 1) * (width, height) - 1) / 2
    pixels = np.nan_to_num(pixels, nan=-1, posinf=-1, neginf=-1).clip(-4 * max(width, height), 4 * max(width, height))
    if wrap:
        sides = [piece for row in (pixels[0], pixels[-1]) for piece in _turns(row, width)]
    else:
        around = [pixels[0], pixels[1:, -1], pixels[-1, -2::-1], pixels[-2:0:-1, 0]]
        sides = [np.concatenate([*around, pixels[:1, 0]])]
    # OpenCV draws no smooth line along the outermost pixels: there is a margin while it draws.
    drawn = np.pad(picture, [(_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)])
    for side in sides:
        corners = np.rint((side + _MARGIN) * (1 << _FINE)).astype(np.int32)[:, None]
        cv2.polylines(drawn, [corners], False, _OUTLINE, 1, cv2.LINE_AA, _FINE)
    return np.ascontiguousarray(drawn[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])


def join(pictures: list[Picture], *, down: bool) -> Picture:
    """`pictures` (H, W, 3) one after the other, below or beside, with a gap, on gray where their sizes differ."""
    across = 1 if down else 0
    side = max(picture.shape[across] for picture in pictures)
    parts: list[Picture] = []
    for picture in pictures:
        margin = [(0, 0), (0, 0), (0, 0)]
        margin[across] = (0, side - picture.shape[across])
        margin[1 - across] = (0, _GAP if len(parts) < len(pictures) - 1 else 0)
        parts.append(np.pad(picture, margin, constant_values=_GRAY))
    return np.concatenate(parts, axis=1 - across)


def _turns(row: NDArray[np.floating], width: int) -> list[NDArray[np.floating]]:
    """`row` (N, 2) in pixels, brought into one turn and cut where it passes the seam."""
    turned = np.stack([row[:, 0] % width, row[:, 1]], axis=-1)
    seams = np.flatnonzero(np.abs(np.diff(turned[:, 0])) > width / 2) + 1
    return np.split(turned, seams)


def _picture(image: Tensor, zoom: int) -> Picture:
    values = image.detach().float().cpu().numpy()
    if len(values) not in (1, 3):
        values = values.mean(axis=0, keepdims=True)
    planes = np.rint(np.nan_to_num(values).clip(0, 1) * 255).astype(np.uint8)
    picture = cv2.merge([planes[0]] * 3) if len(planes) == 1 else cv2.merge([planes[2], planes[1], planes[0]])
    big = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    return np.asarray(big, np.uint8)
