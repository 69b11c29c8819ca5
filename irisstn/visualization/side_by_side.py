"""What rectification did to one input: the given strip, with the outline of what was sampled, above the output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Gray, ring_points, to_unit
from irisstn.normalization import normalize
from irisstn.results import Segmentation, Strip
from irisstn.visualization.overlay import draw_overlay

if TYPE_CHECKING:
    from irisstn.rectification.rectified import Rectified

_MAX_SIDE = 320  # pixels of the photograph


def draw_side_by_side(given: Strip, rectified: Rectified) -> NDArray[np.uint8]:
    """The strip that was `given`, its first and last sampled row outlined, above the `rectified` one; BGR."""
    from irisstn.visualization.grids import draw_outline, join  # noqa: PLC0415  (torch is slow to load)

    shown = draw_outline(_colour(given.image), rectified.grid, wrap=True)
    return join([shown, _colour(rectified.strip.image)], down=True)


def draw_eye_side_by_side(image: Gray, segmentation: Segmentation, rectified: Rectified) -> NDArray[np.uint8]:
    """The photograph with its boundaries and the outline of what was sampled, beside the strips before and after; BGR.

    The outline's line from pupil to limbus is where the strip begins, so it shows the roll. The strip before is the
    plain rubber sheet.
    """
    from irisstn.visualization.grids import draw_outline, join  # noqa: PLC0415

    radius, angle = (rectified.grid[..., 1] + 1) / 2, TAU / 2 * (rectified.grid[..., 0] + 1)
    points = ring_points(segmentation.pupil, segmentation.limbus, radius, angle)
    photograph = draw_outline(draw_overlay(image, segmentation, max_side=_MAX_SIDE), to_unit(points, image.shape))
    plain = normalize(image, segmentation, rectified.strip.size)
    return join([photograph, draw_side_by_side(plain, rectified)], down=False)


def _colour(gray: Gray) -> NDArray[np.uint8]:
    return np.repeat(gray[..., None], 3, axis=2)
