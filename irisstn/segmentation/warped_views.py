"""The network's maps of an eye that is rare in its training, from a picture in which it is warped to a common one."""

from __future__ import annotations

import math
from typing import TypeVar

import cv2
import numpy as np

from irisstn.geometry import Float, Float32, Gray
from irisstn.segmentation.map_fitting import Disc
from irisstn.segmentation.network import PartMaps, predict_part_maps

Pixels = TypeVar("Pixels", Gray, Float32)

# In iris radii: what lies within the first is drawn within the second.
_DILATED, _CONTRACTED = 0.77, 0.5


def predict_contracted(picture: Gray, iris: Disc, parts: PartMaps) -> PartMaps:
    """The maps of a widely dilated pupil, for which the middle of the iris is contracted.

    Of pupils wider than some 0.65 of the iris the network takes the inner part for the pupil, or them for the iris.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W)
        A picture as `irisstn.segmentation.network.predict_part_maps` takes it.
    iris : Disc
        The iris in it.
    parts : PartMaps
        The maps of the picture as it is.

    Returns
    -------
    PartMaps
        Pupil and iris of the contracted picture, in pixels of `picture`. The opening and the occlusion are those of
        `parts`, since contraction bends the eyelids.
    """
    dx, dy = _offsets(picture, iris)
    distance = np.maximum(np.hypot(dx, dy) / iris.radius, 1e-6)

    def rescaled(shown: float, given: float) -> tuple[Float, Float]:
        """Where to sample, so that `shown` iris radii show what was within `given`; beyond the iris nothing moves."""
        scale = np.interp(distance, (0, shown, 1), (0, given, 1)) / np.minimum(distance, 1)
        return iris.x + scale * dx, iris.y + scale * dy

    contracted = predict_part_maps(_resampled(picture, *rescaled(_CONTRACTED, _DILATED)))
    back = rescaled(_DILATED, _CONTRACTED)
    pupil, disc = (_resampled(part, *back) for part in (contracted.pupil, contracted.iris))
    return PartMaps(pupil, disc, parts.opening, parts.occlusion)


def predict_upright(picture: Gray, iris: Disc, tilt_rad: float) -> PartMaps:
    """The maps of a tilted eye, for which the picture is turned.

    Parameters
    ----------
    picture : ndarray of uint8, shape (H, W)
        A picture as `irisstn.segmentation.network.predict_part_maps` takes it.
    iris : Disc
        The iris in it, around which it is turned.
    tilt_rad : float
        The direction of the axis of the eye in radians, clockwise as y points down.

    Returns
    -------
    PartMaps
        The maps in pixels of `picture`.
    """
    dx, dy = _offsets(picture, iris)
    cosine, sine = math.cos(tilt_rad), math.sin(tilt_rad)

    def turned(side: int) -> tuple[Float, Float]:
        return iris.x + cosine * dx - side * sine * dy, iris.y + cosine * dy + side * sine * dx

    upright = predict_part_maps(_resampled(picture, *turned(1)))
    back = turned(-1)
    every = (upright.pupil, upright.iris, upright.opening, upright.occlusion)
    return PartMaps(*(_resampled(part, *back) for part in every))


def _offsets(picture: Gray, iris: Disc) -> tuple[Float, Float]:
    """How far each pixel (H, W) lies to the right of the centre of the iris, and below it."""
    dx, dy = np.meshgrid(np.arange(picture.shape[1]) - iris.x, np.arange(picture.shape[0]) - iris.y)
    return dx, dy


def _resampled(image: Pixels, x: Float, y: Float) -> Pixels:
    """`image` (H, W) at `x`, `y` (H, W); beyond it its border is repeated."""
    at = np.asarray(x, np.float32), np.asarray(y, np.float32)
    return np.asarray(cv2.remap(image, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), image.dtype)
