"""The flat background of a picture, as it is around an iris that somebody has cut out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool, Gray

Level = TypeVar("Level", bound=np.generic)

_JPEG_TOLERANCE = 6  # gray levels by which JPEG moves a flat background
_RINGING, _RINGING_REACH = 24, 9  # gray levels and pixels of the echoes that JPEG leaves beside an edge
_MIN_LOSSY_FRACTION = 0.25
_MIN_FRAME_FRACTION = 0.7  # of the outermost pixels that are background
_MIN_PICTURE_FRACTION = 0.2  # of the picture that is background
_SATURATED = 250  # gray level from which on a background may come from overexposure
_CORNER, _MIN_CORNER = 0.04, 0.6  # side of a corner, in shorter sides of the content, and the part of it that is filled
_MIN_SIDE = 32  # pixels of a picture, below which it shows no iris


@dataclass(frozen=True, slots=True, eq=False)
class Background:
    """The flat part of a picture with a cut-out iris.

    Attributes
    ----------
    outside : ndarray of bool, shape (H, W)
        The part that is connected to the frame of the picture.
    holes : ndarray of bool, shape (H, W)
        The parts that are not.
    is_saturated : bool
        Whether its gray level is nearly white, as in an overexposed photograph.
    """

    outside: Bool
    holes: Bool
    is_saturated: bool


def find_backgrounds(image: Gray) -> list[Background]:
    """The flat background of a picture, in the order in which its readings are likely.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The picture.

    Returns
    -------
    list of Background
        Empty where the frame is not flat, as in nearly every photograph. Else the pixels within 1 gray level of the one
        that fills the frame; and, before that, those that JPEG has moved away from it, where it seems so.
    """
    if min(image.shape) < _MIN_SIDE:
        return []
    frame = _frame(image)
    counts = np.bincount(frame, minlength=256)
    level = int(counts.argmax())
    near_level = counts[max(0, level - _JPEG_TOLERANCE) : level + _JPEG_TOLERANCE + 1]
    if near_level.sum() < _MIN_FRAME_FRACTION * frame.size:
        return []
    distance = np.abs(image.astype(np.int16) - level)
    exact, near = distance <= 1, distance <= _JPEG_TOLERANCE
    # A dark corner of a photograph never has one level throughout.
    if near.mean() < _MIN_PICTURE_FRACTION or exact.mean() < 0.8 * near.mean():
        return []
    readings = [near | _ringing(near, distance), exact] if _is_lossy(exact, near) else [exact]
    return [_background(flat, is_saturated=level >= _SATURATED) for flat in readings]


def frames_rectangle(background: Background) -> bool:
    """Whether what is not background has the four corners of a rectangle: a photograph with bars or a frame around it.

    An iris has none, not even between eyelids that cut it off straight.
    """
    inside = ~background.outside
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    if not len(rows):
        return False
    content = inside[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(2, round(_CORNER * min(content.shape)))
    corners = (content[y, x] for y in (slice(side), slice(-side, None)) for x in (slice(side), slice(-side, None)))
    return all(corner.mean() > _MIN_CORNER for corner in corners)


def _background(flat: Bool, *, is_saturated: bool) -> Background:
    count, labels = cv2.connectedComponents(flat.astype(np.uint8), connectivity=4)
    on_frame = np.zeros(count, np.bool_)
    on_frame[_frame(np.asarray(labels, np.int32))] = True
    on_frame[0] = False  # label 0 is all that is not flat
    outside = np.asarray(on_frame[labels], np.bool_)
    return Background(outside, flat & ~outside, is_saturated)


def _is_lossy(exact: Bool, near: Bool) -> bool:
    """Whether pixels next to flat ones are nearly flat as often as JPEG makes them; of a painted edge few are."""
    beside = (cv2.dilate(exact.view(np.uint8), np.ones((3, 3), np.uint8)) > 0) & ~exact
    return bool(beside.any() and near[beside].mean() > _MIN_LOSSY_FRACTION)


def _ringing(near: Bool, distance: NDArray[np.int16]) -> Bool:
    """Pixels beside the flat ones of `near` whose level JPEG has moved further, as it does beside an edge."""
    beside = cv2.dilate(near.view(np.uint8), np.ones((_RINGING_REACH, _RINGING_REACH), np.uint8))
    return np.asarray((beside > 0) & (distance <= _RINGING), np.bool_)


def _frame(picture: NDArray[Level]) -> NDArray[Level]:
    """The pixels of the outermost two rows and columns."""
    return np.concatenate([picture[:2].ravel(), picture[-2:].ravel(), picture[:, :2].ravel(), picture[:, -2:].ravel()])
