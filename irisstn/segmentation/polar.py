"""Polar maps of a picture, in which the edges of the pupil and the limbus are searched.

A polar map has the shape (R, T): row i at the i-th radius in pixels, column t at the angle 2 pi t / T around a centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Float, Float32, Gray, median

_ONE = np.ones(1, np.float32)  # a filter that changes nothing


@dataclass(frozen=True, slots=True, eq=False)
class PolarGrid:
    """The sampling positions of a polar map.

    Attributes
    ----------
    x, y : float
        Centre in pixels.
    radii : ndarray, shape (R,)
        Evenly spaced radii in pixels.
    columns : int
        T, the number of angles 2 pi t / T.
    """

    x: float
    y: float
    radii: Float
    columns: int

    @property
    def step(self) -> float:
        """Distance in pixels between two rows."""
        return float(self.radii[1] - self.radii[0])

    def points(self) -> tuple[Float32, Float32]:
        """Positions of the cells in the picture.

        Returns
        -------
        x, y : ndarray of float32, shape (R, T)
            Coordinates in pixels.
        """
        _, cosine, sine = directions(self.columns)
        radius = np.asarray(self.radii, np.float32)[:, None]
        return radius * cosine + np.float32(self.x), radius * sine + np.float32(self.y)

    def unroll(self, image: Gray | Float32) -> Float32:
        """The polar map of an image.

        Parameters
        ----------
        image : ndarray of uint8 or float32, shape (H, W)
            The image; its border is repeated beyond it.

        Returns
        -------
        ndarray of float32, shape (R, T)
            Bilinear samples.
        """
        return _sampled(image, self.points())

    def unroll_with(self, image: Gray | Float32, mask: Bool) -> tuple[Float32, Bool]:
        """The polar maps of an image and of a mask.

        Parameters
        ----------
        image : ndarray of uint8 or float32, shape (H, W)
            The image; its border is repeated beyond it.
        mask : ndarray of bool, shape (H, W)
            The mask; its border is repeated beyond it.

        Returns
        -------
        levels : ndarray of float32, shape (R, T)
            Bilinear samples.
        touched : ndarray of bool, shape (R, T)
            True where any pixel of `mask` that contributes to a cell is True.
        """
        points = self.points()
        if not mask.any():
            return _sampled(image, points), np.zeros(points[0].shape, np.bool_)
        return _sampled(image, points), _sampled(mask.view(np.uint8) * np.uint8(255), points) > 0


def _sampled(image: Gray | Float32, points: tuple[Float32, Float32]) -> Float32:
    levels = cv2.remap(image, *points, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(levels, np.float32)


@lru_cache(maxsize=16)
def directions(columns: int) -> tuple[Float32, Float32, Float32]:
    """Angle, cosine and sine of the columns of a polar map.

    Parameters
    ----------
    columns : int
        T, the number of columns.

    Returns
    -------
    angle_rad, cosine, sine : ndarray of float32, shape (T,)
        Read-only arrays that are shared by all callers.
    """
    angle = TAU * np.arange(columns) / columns
    parts = angle.astype(np.float32), np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    for part in parts:
        part.flags.writeable = False
    return parts


def edge_map(polar: Float32, hidden: Bool, reach: int, *, sign: int = 1) -> Float32:
    """Strength of the radial edges of a polar map.

    Parameters
    ----------
    polar : ndarray of float32, shape (R, T)
        A polar map.
    hidden : ndarray of bool, shape (R, T)
        Cells to ignore; near them the strength is 0.
    reach : int
        Rows whose mean is compared on either side of an edge.
    sign : int
        1 for edges that are brighter outside, -1 for those that are darker.

    Returns
    -------
    ndarray of float32, shape (R, T)
        The rise of brightness, soft-clipped to 0..1 by the noise of the map.
    """
    rise = np.asarray(cv2.sepFilter2D(polar, -1, _ONE, _rise_filter(reach)), np.float32)
    rise[:reach] = rise[-reach:] = 0
    noise = max(1.5, 2.0 * median(np.abs(rise)))
    edge = np.maximum(sign * rise, 0)
    edge /= edge + noise
    if hidden.any():
        near = cv2.dilate(hidden.view(np.uint8), np.ones((2 * reach + 1, 1), np.uint8))
        edge[near > 0] = 0
    return edge


@lru_cache(maxsize=4)
def _rise_filter(reach: int) -> Float32:
    """Weights (2 `reach` + 1,) of the rows around one: the means of `reach` rows on both sides of a border subtracted.

    A row has two borders, whose differences are averaged.
    """
    outer = np.ones(reach)
    outer[-1] = 0.5
    weights = np.concatenate([-outer[::-1], [0.0], outer]) / reach
    return weights.astype(np.float32)
