"""How much texture an iris shows: none where it is painted flat, as in a drawing, or where the picture has lost it."""

from __future__ import annotations

import math

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Float32, Gray, ring_places

_COLUMNS, _MOST_ROWS = 256, 64
_FIRST, _LAST = 0.15, 0.8  # of the ring: the edges of pupil and limbus are no texture
# Of the variance of noise that differs from pixel to pixel, the part that bilinear samples one pixel apart share: 1/4
# along a row or column of the picture, 0.265 along its diagonal.
_SHARED_NOISE = 0.27
_SHADE_COLUMNS = 6.0  # standard deviation of the average along a row that is subtracted: shade and reflections
_FEWEST_CELLS = 200


def texture_contrast(image: Gray, pupil: Boundary, limbus: Boundary, usable: Bool) -> float | None:
    """The standard deviation of the gray levels of the iris, without noise.

    Noise differs from pixel to pixel, texture does not: of the unrolled ring, less the average along each row, it is
    the root of the covariance of cells one pixel apart along the radius, less what noise would give.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        An eye picture.
    pupil, limbus : Boundary
        Its ring.
    usable : ndarray of bool, shape (H, W)
        Where the iris is not occluded.

    Returns
    -------
    float or None
        Gray levels; None where fewer than 200 pairs of cells are usable.
    """
    levels, clear = _unrolled(image, pupil, limbus, usable)
    seen = clear.astype(np.float32)
    texture = np.where(clear, levels - _along_rows(levels * seen) / np.maximum(_along_rows(seen), 1e-3), 0)
    pairs = clear[1:] & clear[:-1]
    if np.count_nonzero(pairs) < _FEWEST_CELLS:
        return None
    covariance = float((texture[1:] * texture[:-1])[pairs].mean())
    variance = float(np.square(texture[clear]).mean())
    return math.sqrt(max(0.0, covariance - _SHARED_NOISE * variance))


def _unrolled(image: Gray, pupil: Boundary, limbus: Boundary, usable: Bool) -> tuple[Float32, Bool]:
    """Gray levels and usable cells of the ring without its edges, both (R, T), rows a pixel apart or more."""
    width = (_LAST - _FIRST) * (limbus.mean_radius - pupil.mean_radius)
    rows = int(np.clip(round(width), 3, _MOST_ROWS))
    radius, angle = np.linspace(_FIRST, _LAST, rows)[:, None], (TAU * np.arange(_COLUMNS) / _COLUMNS)[None]
    x, y = (place.astype(np.float32) for place in ring_places(pupil, limbus, radius, angle))
    levels = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    clear = cv2.remap(usable.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    return levels.astype(np.float32), clear.astype(np.bool_)


def _along_rows(cells: Float32) -> Float32:
    """The weighted average along each row, around the circle."""
    reach = math.ceil(3 * _SHADE_COLUMNS)
    around = np.concatenate([cells[:, -reach:], cells, cells[:, :reach]], axis=1)
    smooth = cv2.GaussianBlur(around, (2 * reach + 1, 1), _SHADE_COLUMNS, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(smooth[:, reach:-reach], np.float32)
