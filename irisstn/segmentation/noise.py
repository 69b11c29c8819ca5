"""What hides the iris though it lies between the lids: glints, lashes and shadows."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool

Gray = NDArray[np.uint8]


def find_glints(image: Gray, radius: float) -> Bool:
    """Small bright spots (H, W) with their halo: much brighter than all around within about a quarter of `radius`."""
    size = max(5, round(0.2 * radius) | 1)
    opened = cv2.morphologyEx(image, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    above = cv2.subtract(image, opened)
    spot = ((above > 60) & (image > 160)).view(np.uint8)
    halo = max(3, round(0.05 * radius) | 1)
    return cv2.dilate(spot, np.ones((halo, halo), np.uint8)).view(np.bool_)


def find_lamps(small: Gray) -> Bool:
    """Saturated spots (H, W) of the reduced picture that stand in something much darker: reflections of lamps, windows."""
    size = max(5, round(0.22 * min(small.shape)) | 1)
    opened = cv2.morphologyEx(small, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))
    spot = ((cv2.subtract(small, opened) > 90) & (small > 225)).view(np.uint8)
    return cv2.dilate(spot, np.ones((5, 5), np.uint8)).view(np.bool_)
