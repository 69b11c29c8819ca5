"""Draw a segmentation on its photograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Eyelid, Float, Gray
from irisstn.results import Segmentation

# BGR: amber, green, blue, red
_PUPIL, _LIMBUS, _LID, _UNUSABLE = (60, 200, 255), (110, 230, 60), (255, 190, 60), (60, 60, 255)
_FRACTION_BITS = 4  # of a pixel position, for OpenCV


def draw_overlay(image: Gray, segmentation: Segmentation, *, max_side: int = 1024) -> NDArray[np.uint8]:
    """Draw the boundaries of a segmentation on its photograph, and tint the part of the iris that is not usable.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The photograph.
    segmentation : Segmentation
        Its segmentation.
    max_side : int
        A larger photograph is reduced to this width or height, in pixels.

    Returns
    -------
    ndarray of uint8, shape (h, w, 3)
        BGR. The pupil is amber, the limbus green, eyelids are blue, iris that is not usable is red.

    Raises
    ------
    ValueError
        Photograph and segmentation differ in size.
    """
    if image.shape != segmentation.image_size:
        raise ValueError(f"the picture is {image.shape}, its segmentation {segmentation.image_size}")
    scale = min(1.0, max_side / max(image.shape))
    size = (max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1))
    unusable = (segmentation.iris_mask & ~segmentation.usable).view(np.uint8)
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    where = np.asarray(cv2.resize(unusable, size, interpolation=cv2.INTER_NEAREST)) > 0
    drawn = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), np.uint8)
    drawn[where] = np.asarray(0.65 * drawn[where] + 0.35 * np.array(_UNUSABLE, np.float32), np.uint8)
    width = max(1, round(max(size) / 500))
    for boundary, colour in ((segmentation.pupil, _PUPIL), (segmentation.limbus, _LIMBUS)):
        _draw(drawn, boundary.even_points(180), scale, colour, width, closed=True)
    for eyelid in (segmentation.upper_lid, segmentation.lower_lid):
        if eyelid is not None:
            _draw(drawn, _eyelid_points(eyelid, segmentation.limbus), scale, _LID, width, closed=False)
    return drawn


def _eyelid_points(eyelid: Eyelid, limbus: Boundary) -> Float:
    """Points (64, 2) of the edge of an eyelid near the iris; farther away the parabola does not follow the eyelid."""
    reach = 1.3 * limbus.mean_radius
    # u = 0 is the origin of the parabola's frame, which need not be the centre of the iris.
    along = (limbus.x - eyelid.x) * np.cos(eyelid.angle_rad) + (limbus.y - eyelid.y) * np.sin(eyelid.angle_rad)
    return eyelid.points(along + np.linspace(-reach, reach, 64))


def _draw(
    drawn: NDArray[np.uint8], points: Float, scale: float, colour: tuple[int, int, int], width: int, *, closed: bool
) -> None:
    """Draw a line through `points` (N, 2) of the photograph on `drawn`, which is scaled by `scale`."""
    placed = (points + 0.5) * scale - 0.5
    fixed = np.rint(np.clip(placed, -1e5, 1e5) * (1 << _FRACTION_BITS)).astype(np.int32)
    cv2.polylines(drawn, [fixed], closed, colour, width, cv2.LINE_AA, _FRACTION_BITS)
