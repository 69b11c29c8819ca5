"""Draw inputs of a spatial transformer, with the sampled area outlined, beside its outputs."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from irisstn.stn.transformer import Warped

Picture = NDArray[np.uint8]
_GAP = 4  # pixels between two pictures
_GRAY = 96
_OUTLINE = (0, 255, 255)  # yellow, BGR
_MARGIN = 4
_FRACTION_BITS = 3  # of a pixel position, for OpenCV


def draw_inputs_and_outputs(
    images: Tensor, warped: Warped, *, count: int = 8, wrap: bool = False, zoom: int = 1
) -> Picture:
    """Draw images with the sampled area outlined, each beside its output.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
        The inputs. Values are clipped to 0..1; three channels are RGB, of any other number the mean is drawn.
    warped : Warped
        The outputs and the sampling grids.
    count : int
        How many images to draw at most, one below the other.
    wrap : bool
        The horizontal axis is a circle: outline the first and the last row of the grid, instead of all its edges.
    zoom : int
        Factor by which the images are enlarged.

    Returns
    -------
    ndarray of uint8, shape (H', W', 3)
        BGR. The output of an image more than twice as wide as high, such as a strip, is below it.

    Raises
    ------
    ValueError
        `images` and `warped` differ in number, or `count` or `zoom` is below 1.
    """
    if images.ndim != 4 or len(images) != len(warped.image):
        raise ValueError(
            f"images (B, C, H, W) need as many outputs, got {tuple(images.shape)} and {len(warped.image)} outputs"
        )
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
    """Draw the outline of a sampling grid on a copy of a picture.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W, 3)
        BGR.
    grid : ndarray, shape (H', W', 2)
        The sampled points (x, y), -1..1 over the picture; values that are not finite are drawn outside.
    wrap : bool
        The horizontal axis is a circle: draw the first and the last row of the grid, instead of all its edges.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        BGR.
    """
    height, width = picture.shape[:2]
    pixels = ((np.asarray(grid, float) + 1) * (width, height) - 1) / 2
    pixels = np.nan_to_num(pixels, nan=-1, posinf=-1, neginf=-1).clip(-4 * max(width, height), 4 * max(width, height))
    if wrap:
        sides = [piece for row in (pixels[0], pixels[-1]) for piece in _split_at_seam(row, width)]
    else:
        around = [pixels[0], pixels[1:, -1], pixels[-1, -2::-1], pixels[-2:0:-1, 0]]
        sides = [np.concatenate([*around, pixels[:1, 0]])]
    # OpenCV does not draw smooth lines along the outermost pixels, so a margin is added while it draws.
    drawn = np.pad(picture, [(_MARGIN, _MARGIN), (_MARGIN, _MARGIN), (0, 0)])
    for side in sides:
        corners = np.rint((side + _MARGIN) * (1 << _FRACTION_BITS)).astype(np.int32)[:, None]
        cv2.polylines(drawn, [corners], False, _OUTLINE, 1, cv2.LINE_AA, _FRACTION_BITS)
    return np.ascontiguousarray(drawn[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN])


def join(pictures: list[Picture], *, down: bool) -> Picture:
    """Join pictures with gaps between them.

    Parameters
    ----------
    pictures : list of ndarray, shape (H, W, 3)
        The pictures; where their sizes differ, the rest is gray.
    down : bool
        Join them from top to bottom; otherwise from left to right.
    """
    across = 1 if down else 0
    side = max(picture.shape[across] for picture in pictures)
    parts: list[Picture] = []
    for picture in pictures:
        margin = [(0, 0), (0, 0), (0, 0)]
        margin[across] = (0, side - picture.shape[across])
        margin[1 - across] = (0, _GAP if len(parts) < len(pictures) - 1 else 0)
        parts.append(np.pad(picture, margin, constant_values=_GRAY))
    return np.concatenate(parts, axis=1 - across)


def _split_at_seam(row: NDArray[np.floating], width: int) -> list[NDArray[np.floating]]:
    """The points `row` (N, 2) in pixels with x modulo `width`, split where they cross the first column."""
    turned = np.stack([row[:, 0] % width, row[:, 1]], axis=-1)
    seams = np.flatnonzero(np.abs(np.diff(turned[:, 0])) > width / 2) + 1
    return np.split(turned, seams)


def _picture(image: Tensor, zoom: int) -> Picture:
    """`image` (C, H, W) in 0..1 as (H * zoom, W * zoom, 3) BGR."""
    values = image.detach().float().cpu().numpy()
    if len(values) not in (1, 3):
        values = values.mean(axis=0, keepdims=True)
    planes = np.rint(np.nan_to_num(values).clip(0, 1) * 255).astype(np.uint8)
    picture = cv2.merge([planes[0]] * 3) if len(planes) == 1 else cv2.merge([planes[2], planes[1], planes[0]])
    big = cv2.resize(picture, None, fx=zoom, fy=zoom, interpolation=cv2.INTER_NEAREST)
    return np.asarray(big, np.uint8)
