"""The direction of the opening between the eyelids in the whole picture: evidence of the roll besides the eyelids.

The eyelids are fitted near the iris, in the network's second look. The axis is that of the whole opening in its first
look, so that its errors are largely independent of those of the eyelids' tilt (correlation 0.2 on IIT Delhi, 0.6 on
CASIA-Iris-Interval). The corners of the eye need not be visible.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from irisstn.geometry import Float32
from irisstn.segmentation.map_fitting import Disc

_LEAST_ELONGATION = 1.3  # ratio of the axes of an opening from which on its direction is known
_MOST_CUT = 0.6  # mean part of the top and the bottom row of the map that the opening may reach


def opening_axis(opening: Float32, iris: Disc) -> float | None:
    """The direction of the long axis of the opening around an iris.

    Parameters
    ----------
    opening : ndarray of float32, shape (H, W)
        Probability that a pixel lies between the eyelids, 0..1.
    iris : Disc
        The iris in pixels of `opening`.

    Returns
    -------
    float or None
        Angle in radians, -pi / 2..pi / 2, positive clockwise as seen in the picture; None where the opening is nearly
        round, hardly bounded above and below, or not found around the iris.
    """
    open_here = np.asarray(opening > 0.5)
    height, width = opening.shape
    _, labels = cv2.connectedComponents(open_here.view(np.uint8), connectivity=4)
    label = labels[min(max(round(iris.y), 0), height - 1), min(max(round(iris.x), 0), width - 1)]
    around = open_here & (labels == label)
    if not around.any() or np.count_nonzero(around[[0, -1]]) > _MOST_CUT * 2 * width:
        return None
    moments = cv2.moments(np.where(around, opening, np.float64(0)))
    difference, mixed = moments["mu20"] - moments["mu02"], 2 * moments["mu11"]
    total, apart = moments["mu20"] + moments["mu02"], math.hypot(difference, mixed)
    if total + apart < _LEAST_ELONGATION**2 * (total - apart):
        return None
    return 0.5 * math.atan2(mixed, difference)
