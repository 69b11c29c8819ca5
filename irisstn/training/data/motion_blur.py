"""Blur of a picture whose camera or eye moved during the exposure."""

from __future__ import annotations

import math

import cv2
import numpy as np

from irisstn.geometry import Float32, Gray


def motion_blurred(image: Gray, movement: tuple[float, float]) -> Gray:
    """Blur a picture as a movement at constant speed during the exposure does.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.
    movement : tuple of float
        (dx, dy) from the begin to the end of the exposure, pixels.

    Returns
    -------
    ndarray of uint8, shape (H, W)
        The mean of the picture over the movement; its content stays centred. Border pixels are repeated.
    """
    if math.hypot(*movement) < 1:  # less than a pixel has no effect
        return image
    return np.asarray(cv2.filter2D(image, -1, _kernel(movement), borderType=cv2.BORDER_REPLICATE), np.uint8)


def _kernel(movement: tuple[float, float]) -> Float32:
    """The share of the exposure that each pixel of the path gets, bilinearly, sum 1; centred."""
    reach = math.ceil(max(abs(v) for v in movement) / 2)
    part = np.linspace(-0.5, 0.5, 4 * reach + 1)
    x, y = (part * v + reach for v in movement)
    pixels = np.arange(2 * reach + 1)
    across, down = (np.maximum(1 - np.abs(pixels - v[:, None]), 0) for v in (x, y))
    kernel = down.T @ across
    return np.asarray(kernel / kernel.sum(), np.float32)
