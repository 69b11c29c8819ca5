"""Occlusions of the iris between the eyelids: specular reflections, eyelashes and shadows."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool, Boundary, Gray
from irisstn.segmentation.polar import PolarGrid


def find_reflections(image: Gray, circle: Boundary) -> Bool:
    """Specular reflections with their halo, in and around the pupil or the iris.

    A reflection is brighter than the median just outside `circle`, and up to 0.8 radii wide. Where that median is high
    it is at most half a radius wide, because a light iris may be as bright as a reflection.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    circle : Boundary
        The pupil or the iris, roughly.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True on reflections.
    """
    radius = circle.mean_radius
    outside = float(np.median(PolarGrid(circle.x, circle.y, np.array([1.2, 1.4, 1.6]) * radius, 48).unroll(image)))
    level = max(160.0, 0.8 * float(image.max()), min(outside + 40, 250.0))
    size = 0.8 if outside < 170 else 0.5
    return cv2.dilate(_bright_spots(image, size * radius, rise=60, level=level), _disc(0.05 * radius)).view(np.bool_)


def find_occlusions(image: Gray, iris: Bool, open_eye: Bool, radius: float) -> Bool:
    """Specular reflections, eyelashes and shadows on the iris.

    A reflection is much brighter than the iris. An eyelash or a shadow is much darker, and connected to an eyelid: dark
    spots in the middle of the iris belong to its texture.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    iris : ndarray of bool, shape (H, W)
        The iris between the eyelids.
    open_eye : ndarray of bool, shape (H, W)
        The opening between the eyelids.
    radius : float
        Radius of the iris in pixels.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True where the iris is occluded.
    """
    level, spread = _level(image, iris)
    bright = _bright_spots(
        image, 0.25 * radius, rise=round(max(35.0, 0.25 * level)), level=level + max(30.0, 4 * spread)
    )
    reflections = cv2.dilate(bright, _disc(0.025 * radius))
    thin = cv2.morphologyEx(image, cv2.MORPH_CLOSE, _disc(0.06 * radius)) - image
    # The limits are integers, because numpy would convert the picture to float64 to compare it with a float.
    thin_level, rise = math.ceil(0.8 * level), math.floor(0.08 * level)
    wide_level = math.ceil(min(0.6 * level, level - 2.2 * spread - 4))
    dark = ((image < thin_level) & (thin > rise)) | (image < wide_level)
    dark &= iris
    reach = max(1.0, 0.08 * radius)
    kernel = np.ones((2 * round(reach) + 1, 1), np.uint8)
    near_eyelid = cv2.dilate((~open_eye).view(np.uint8), kernel).view(np.bool_)
    count, labels = cv2.connectedComponents(dark.view(np.uint8), connectivity=8)
    connected = np.zeros(count, np.bool_)
    connected[labels[near_eyelid & dark]] = True
    eyelashes = cv2.dilate(connected[labels].view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)
    return reflections.view(np.bool_) | eyelashes


def _bright_spots(image: Gray, size: float, *, rise: float, level: float) -> NDArray[np.uint8]:
    """1 where `image` is above `level`, and more than `rise` above its morphological opening by `size` pixels."""
    kernel = np.ones((max(5, round(size) | 1),) * 2, np.uint8)
    above = cv2.subtract(image, cv2.morphologyEx(image, cv2.MORPH_OPEN, kernel))
    return ((above > rise) & (image > math.floor(level))).view(np.uint8)


def _level(image: Gray, iris: Bool) -> tuple[float, float]:
    """Median and robust deviation of the iris's gray levels."""
    levels = image[iris]
    if levels.size < 50:
        return 128.0, 30.0
    low, middle, high = np.percentile(levels[:: max(1, levels.size // 4000)], [16, 50, 84])
    return float(middle), float(high - low) / 2


def _disc(radius: float) -> NDArray[np.uint8]:
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
