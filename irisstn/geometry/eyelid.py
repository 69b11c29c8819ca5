"""The edge of an eyelid as a parabola, and the distance of points to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from irisstn.geometry.arrays import Bool, Float, Float32


@dataclass(frozen=True, slots=True)
class Eyelid:
    """The edge of an eyelid: a parabola v = c0 + c1 u + c2 u^2 in a frame of its own.

    The frame has its origin at (`x`, `y`) and is turned by `angle_rad`: u runs along the eye, v across it (a quarter
    turn further, so downward in an upright eye). The upper eyelid covers v < parabola, the lower one v > parabola.

    Attributes
    ----------
    x, y : float
        Origin of the frame in pixels.
    angle_rad : float
        Direction of u in the picture, in radians.
    coefficients : tuple of float
        (c0, c1, c2), in pixels, without a unit, and in 1 / pixels.
    """

    x: float
    y: float
    angle_rad: float
    coefficients: tuple[float, float, float]

    def points(self, u: ArrayLike) -> Float:
        """Points of the edge.

        Parameters
        ----------
        u : array_like, shape (...)
            Positions along the eye in pixels from the frame's origin.

        Returns
        -------
        ndarray, shape (..., 2)
            The points (x, y) in pixels.
        """
        along = np.asarray(u, float)
        c0, c1, c2 = self.coefficients
        across = c0 + along * (c1 + c2 * along)
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return np.stack([self.x + along * cosine - across * sine, self.y + along * sine + across * cosine], axis=-1)

    def frame_coordinates(self, x: Float, y: Float) -> tuple[Float, Float]:
        """Coordinates (u, v) of points in the frame of the eyelid.

        Parameters
        ----------
        x, y : ndarray
            Points in pixels, of shapes that broadcast together.

        Returns
        -------
        u, v : ndarray
            Along and across the eye in pixels, in the dtype of `x` and `y`. In an upright frame u has the shape of
            `x` and v that of `y`.
        """
        along, across = x - float(self.x), y - float(self.y)
        if self.angle_rad == 0:  # a row and a column are not broadcast to an image: several times faster
            return along, across
        cosine, sine = math.cos(self.angle_rad), math.sin(self.angle_rad)
        return along * cosine + across * sine, across * cosine - along * sine

    def below(self, x: Float, y: Float) -> Float:
        """Distance of points below the edge, measured along v.

        Parameters
        ----------
        x, y : ndarray
            Points in pixels, of shapes that broadcast together.

        Returns
        -------
        ndarray
            Distance in pixels, negative above the edge, in the dtype of `x` and `y`.

        Examples
        --------
        >>> Eyelid(0.0, 0.0, 0.0, (10.0, 0.0, 0.5)).below(np.array([0.0, 2.0]), np.array([13.0, 13.0]))
        array([3., 1.])
        """
        along, across = self.frame_coordinates(x, y)
        return np.asarray(across - self._edge(along))

    def is_above(self, x: Float, y: Float) -> Bool:
        """Whether points lie above the edge, at v < parabola.

        Parameters
        ----------
        x, y : ndarray
            Points in pixels, of shapes that broadcast together.

        Returns
        -------
        ndarray of bool
            True on the side of the eyebrow.
        """
        along, across = self.frame_coordinates(x, y)
        return np.asarray(across < self._edge(along))  # without the difference, which has the size of a picture

    def above(self, image_size: tuple[int, int]) -> Bool:
        """Mask of the pixels above the edge, at v < parabola.

        Parameters
        ----------
        image_size : tuple of int
            (H, W) in pixels.

        Returns
        -------
        ndarray of bool, shape (H, W)
            True on the side of the eyebrow.
        """
        return self.is_above(*pixel_axes(image_size))

    def _edge(self, along: Float) -> Float:
        """The parabola's v (...) at u = `along` (...), in pixels."""
        c0, c1, c2 = (float(c) for c in self.coefficients)
        return c0 + along * (c1 + c2 * along)


Eyelids = tuple[Eyelid | None, Eyelid | None]  # upper and lower; None where one is not visible


def pixel_axes(image_size: tuple[int, int]) -> tuple[Float32, Float32]:
    """Coordinates of the pixels of an image, as a row and a column that broadcast together.

    Parameters
    ----------
    image_size : tuple of int
        (H, W) in pixels.

    Returns
    -------
    x : ndarray of float32, shape (1, W)
        The x of each column.
    y : ndarray of float32, shape (H, 1)
        The y of each row.
    """
    height, width = image_size
    return np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
