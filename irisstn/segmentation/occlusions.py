"""Occlusions of the iris between the eyelids: specular reflections, eyelashes and shadows."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool, Boundary, CropTransform, Eyelid, Eyelids, Float32, Gray, quantiles
from irisstn.segmentation.polar import PolarGrid

# These were chosen by the decidability of plain iris codes.
_OCCLUDED = 0.25  # probability from which a pixel counts as occluded
_MARGIN = 0.05  # iris radii beside an eyelid, where eyelashes, their shadows and the tear film darken the iris
# Of a wide reflection beside the pupil: how far from its centre it is looked for, in pupil and in iris radii; how much
# brighter than the median of the iris it is, in gray levels and in robust deviations; its least radius in pupil radii.
_BESIDE_PUPIL, _FROM_LIMBUS, _BRIGHTER, _BRIGHT, _NARROWEST = 1.5, 0.7, 40.0, 4.0, 0.15
_SHADOWED, _DARK = 1.0, 2.2  # robust deviations below the median of the iris: in the margin, and connected with it


def find_reflections(image: Gray, pupil: Boundary, limbus: Boundary) -> Bool:
    """Specular reflections with their halo, in and around the pupil.

    A reflection is brighter than the median just outside the pupil, and up to 0.8 radii wide. Where that median is high
    it is at most half a radius wide, because a light iris may be as bright as a reflection. Beside the pupil's edge
    what is brighter than all of the iris around it is a reflection of any width, as that of a window in visible light.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    pupil, limbus : Boundary
        The ring, roughly.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True on reflections.
    """
    radius = pupil.mean_radius
    around = PolarGrid(pupil.x, pupil.y, np.array([1.2, 1.4, 1.6]) * radius, 48).unroll(image)
    low, outside = (float(level) for level in quantiles(around.ravel(), (0.16, 0.5)))
    level = max(160.0, 0.8 * float(image.max()), min(outside + 40, 250.0))
    size = 0.8 if outside < 170 else 0.5
    spots = _bright_spots(image, size * radius, rise=60, level=level)
    x, y, reach = round(pupil.x), round(pupil.y), round(min(_BESIDE_PUPIL * radius, _FROM_LIMBUS * limbus.mean_radius))
    beside = slice(max(0, y - reach), max(0, y + reach + 1)), slice(max(0, x - reach), max(0, x + reach + 1))
    brighter = math.floor(outside + max(_BRIGHTER, _BRIGHT * (outside - low)))
    wide = np.asarray(image[beside] > min(brighter, 255)).view(np.uint8)
    least = _disc(_NARROWEST * radius)
    # Bright fibres of the iris are narrow. What is a spot already needs no second look.
    if cv2.countNonZero(cv2.subtract(wide, spots[beside])) >= np.count_nonzero(least):
        spots[beside] |= np.asarray(cv2.morphologyEx(wide, cv2.MORPH_OPEN, least), np.uint8)
    return cv2.dilate(spots, _disc(0.05 * radius)).view(np.bool_)


def find_occlusions(
    image: Gray,
    iris: Bool,
    radius: float,
    eyelids: Eyelids,
    *,
    likely: Float32,
    crop: CropTransform,
    corner: tuple[int, int] = (0, 0),
) -> Bool:
    """Where eyelashes, their shadows and specular reflections cover the iris.

    Eyelashes and large reflections come from the network's map; small reflections, for which that is too coarse, from
    regions that are much brighter than the iris around them; shadows, which the map leaves out, from regions beside an
    eyelid that are darker.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a part of one.
    iris : ndarray of bool, shape (H, W)
        The iris between the eyelids.
    radius : float
        Radius of the iris in pixels.
    eyelids : tuple of Eyelid or None
        The upper and the lower eyelid, in pixels of `image`.
    likely : ndarray of float32, shape (h, w)
        Probability that a pixel of the network's crop is occluded, 0..1.
    crop : CropTransform
        The crop's place in the picture.
    corner : tuple of int
        (x, y) in the picture of the first pixel of `image`.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True where the iris is occluded; without meaning elsewhere.
    """
    height, width = image.shape
    x, y = crop.point_to_crop(*corner)
    matrix = np.array([[1 / crop.factor_x, 0, x], [0, 1 / crop.factor_y, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    covered = np.asarray(cv2.warpAffine(likely, matrix, (width, height), flags=flags) > _OCCLUDED)
    level, spread = _level(image, iris)
    halo = _disc(0.025 * radius)
    near_iris = cv2.dilate(iris.view(np.uint8), np.ones_like(halo))  # the halo of a spot elsewhere is not on the iris
    bright = _bright_spots(
        image,
        0.25 * radius,
        rise=round(max(35.0, 0.25 * level)),
        level=level + max(30.0, 4 * spread),
        within=np.asarray(near_iris, np.uint8),
    )
    if bright.any():
        covered |= cv2.dilate(bright, halo).view(np.bool_)
    margin = iris & _beside_eyelids(eyelids, _MARGIN * radius, (height, width))
    if margin.any():
        covered |= _shadows(image, iris, margin, round(0.01 * radius), level=level, spread=spread)
    return covered


def _beside_eyelids(eyelids: Eyelids, width: float, size: tuple[int, int]) -> Bool:
    """The pixels behind an eyelid or at most `width` pixels in front of it."""
    upper, lower = eyelids
    beside = np.zeros(size, np.bool_)
    if upper is not None:
        beside |= _moved(upper, width).above(size)
    if lower is not None:
        beside |= ~_moved(lower, -width).above(size)
    return beside


def _moved(eyelid: Eyelid, distance: float) -> Eyelid:
    middle, slope, curve = eyelid.coefficients
    return replace(eyelid, coefficients=(middle + distance, slope, curve))


def _shadows(image: Gray, iris: Bool, margin: Bool, border: int, *, level: float, spread: float) -> Bool:
    """Darker pixels in the margin of the eyelids, and much darker regions of the iris that begin there.

    Dark regions elsewhere are the iris's own. The regions are widened by `border` pixels; `level` and `spread` are
    those of the iris's gray levels.
    """
    dark = (image < math.floor(min(0.6 * level, level - _DARK * spread - 4))) & iris
    shadows = np.asarray(margin & (image < math.floor(level - _SHADOWED * max(spread, 4.0))))
    starts = margin & dark
    if starts.any():
        left, top, width, height = cv2.boundingRect(dark.view(np.uint8))
        box = slice(max(0, top - border), top + height + border), slice(max(0, left - border), left + width + border)
        count, labels = cv2.connectedComponents(dark[box].view(np.uint8), connectivity=8)
        begins = np.zeros(count, np.bool_)
        begins[labels[starts[box]]] = True
        regions = begins.take(np.asarray(labels, np.int32)).view(np.uint8)  # twice as fast as begins[labels]
        shadows[box] |= cv2.dilate(regions, np.ones((2 * border + 1,) * 2, np.uint8)).view(np.bool_)
    return shadows


def _bright_spots(
    image: Gray, size: float, *, rise: float, level: float, within: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """1 where `image` is above `level`, and more than `rise` above its morphological opening by `size` pixels.

    `within` (H, W), where it is given, is 1 where spots are wanted.
    """
    side = max(5, round(size) | 1)
    spots = np.asarray(image > math.floor(level)).view(np.uint8)
    if within is not None:
        spots &= within
    left, top, width, height = cv2.boundingRect(spots)
    if not width:
        return spots
    # The opening at a pixel depends on those less than `side` away, so elsewhere it is not computed.
    box = slice(max(0, top - side), top + height + side), slice(max(0, left - side), left + width + side)
    part = image[box]
    above = cv2.subtract(part, cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((side, side), np.uint8)))
    spots[box] &= (above > rise).view(np.uint8)
    return spots


def _level(image: Gray, iris: Bool) -> tuple[float, float]:
    """Median and robust deviation of the iris's gray levels."""
    levels = image[iris]
    if levels.size < 50:
        return 128.0, 30.0
    low, middle, high = quantiles(levels[:: max(1, levels.size // 4000)], (0.16, 0.5, 0.84))
    return float(middle), float(high - low) / 2


def _disc(radius: float) -> NDArray[np.uint8]:
    size = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)), np.uint8)
