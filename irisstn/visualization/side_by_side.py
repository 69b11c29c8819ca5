"""Draw what rectification did to one input: the input, with the sampled area outlined, and the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Gray, grid_to_ring, pixels_to_grid, ring_points
from irisstn.normalization import normalize
from irisstn.results import Segmentation, Strip
from irisstn.visualization.overlay import draw_overlay

if TYPE_CHECKING:
    from irisstn.rectification.rectified import Rectified

_MAX_SIDE = 320  # of the drawn photograph, in pixels


def draw_side_by_side(given: Strip, rectified: Rectified) -> NDArray[np.uint8]:
    """Draw a strip above its rectified strip.

    Parameters
    ----------
    given : Strip
        The input, (R, T).
    rectified : Rectified
        The output, with the grid that it was sampled at.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)
        BGR; the first and the last row of the grid are outlined on the input.
    """
    from irisstn.visualization.grids import draw_outline, join  # noqa: PLC0415  (imports torch, which is slow)

    shown = draw_outline(_colour(given.image), rectified.grid, wrap=True)
    return join([shown, _colour(rectified.strip.image)], down=True)


def draw_eye_side_by_side(image: Gray, segmentation: Segmentation, rectified: Rectified) -> NDArray[np.uint8]:
    """Draw a photograph beside its strips before and after rectification.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The photograph.
    segmentation : Segmentation
        Its segmentation, whose boundaries are drawn too.
    rectified : Rectified
        The output, with the grid that it was sampled at.

    Returns
    -------
    ndarray of uint8, shape (H', W', 3)
        BGR. The line of the outline from pupil to limbus is the first column of the strip, so it shows the roll. The
        strip before rectification is the rubber sheet.
    """
    from irisstn.visualization.grids import draw_outline, join  # noqa: PLC0415

    radius, angle = grid_to_ring(rectified.grid[..., 0], rectified.grid[..., 1])
    points = ring_points(segmentation.pupil, segmentation.limbus, radius, angle)
    overlay = draw_overlay(image, segmentation, max_side=_MAX_SIDE)
    photograph = draw_outline(overlay, pixels_to_grid(points, image.shape))
    plain = normalize(image, segmentation, rectified.strip.size)
    return join([photograph, draw_side_by_side(plain, rectified)], down=False)


def _colour(gray: Gray) -> NDArray[np.uint8]:
    """`gray` (H, W) as (H, W, 3)."""
    return np.repeat(gray[..., None], 3, axis=2)
