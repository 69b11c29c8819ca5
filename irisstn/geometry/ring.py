"""Ring coordinates (radius, angle), and their conversion to pixels and to the units of sampling grids."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from irisstn.geometry.arrays import TAU, Bool, Float
from irisstn.geometry.boundary import Boundary, unit_directions
from irisstn.geometry.eyelid import Eyelids

Array = TypeVar("Array")  # an ndarray or a torch tensor; torch itself is not imported here


def ring_mask(pupil: Boundary, limbus: Boundary, eyelids: Eyelids, size: tuple[int, ...]) -> Bool:
    """The iris between the eyelids.

    Parameters
    ----------
    pupil, limbus : Boundary
        The boundaries of the iris.
    eyelids : tuple of Eyelid or None
        The upper and the lower eyelid; None where nothing is covered.
    size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    ndarray of bool, shape (H, W)
        True outside the pupil, inside the limbus and between the eyelids.
    """
    height, width = size
    upper, lower = eyelids
    ring = limbus.mask((height, width)) & ~pupil.mask((height, width))
    if upper is not None:
        ring &= ~upper.above((height, width))
    if lower is not None:
        ring &= lower.above((height, width))
    return ring


def strip_angles(columns: int) -> Float:
    """Angle of each column of a strip.

    Parameters
    ----------
    columns : int
        T, the number of columns.

    Returns
    -------
    ndarray, shape (T,)
        Angles in radians, between 0 and 2 pi.
    """
    return TAU * (np.arange(columns) + 0.5) / columns


def strip_radii(rows: int) -> Float:
    """Ring radius of each row of a strip.

    Parameters
    ----------
    rows : int
        R, the number of rows.

    Returns
    -------
    ndarray, shape (R,)
        Radii, 0 = pupil, 1 = limbus.

    Examples
    --------
    >>> strip_radii(2)
    array([0.25, 0.75])
    """
    return np.asarray((np.arange(rows) + 0.5) / rows)


def ring_points(pupil: Boundary, limbus: Boundary, radius: ArrayLike, angle_rad: ArrayLike) -> Float:
    """The rubber sheet: points of the picture at ring coordinates.

    A radius below 0 or above 1 continues the straight line beyond the boundary.

    Parameters
    ----------
    pupil, limbus : Boundary
        Inner and outer boundary of the iris.
    radius, angle_rad : array_like
        Ring coordinates, of shapes that broadcast together.

    Returns
    -------
    ndarray, shape (..., 2)
        The points (x, y) in pixels.

    References
    ----------
    .. [1] Daugman 2004, "How iris recognition works", eq. 8-10.

    Examples
    --------
    >>> ring_points(Boundary.circle(50, 50, 10), Boundary.circle(50, 50, 30), 0.5, 0.0)
    array([70., 50.])
    """
    return np.stack(ring_places(pupil, limbus, radius, angle_rad), axis=-1)


def ring_places(pupil: Boundary, limbus: Boundary, radius: ArrayLike, angle_rad: ArrayLike) -> tuple[Float, Float]:
    """The same as `ring_points`, with x and y in arrays of their own, as `cv2.remap` takes them.

    Parameters
    ----------
    pupil, limbus : Boundary
        Inner and outer boundary of the iris.
    radius, angle_rad : array_like
        Ring coordinates, of shapes that broadcast together.

    Returns
    -------
    x, y : ndarray, shape (...)
        Coordinates in pixels.
    """
    fraction = np.asarray(radius, float)
    directions = unit_directions(angle_rad)
    x, y = (
        _between(inner, outer, fraction)
        for inner, outer in zip(pupil.places(directions), limbus.places(directions), strict=True)
    )
    return x, y


def _between(inner: Float, outer: Float, fraction: Float) -> Float:
    """`inner` + `fraction` (`outer` - `inner`), of shapes that broadcast together, with one array of their size."""
    place = np.asarray(fraction * (outer - inner))
    place += inner
    return place


def ring_to_grid(radius: Array, angle_rad: Array) -> tuple[Array, Array]:
    """Ring coordinates as the units of a sampling grid on a strip, for arrays and tensors alike.

    Parameters
    ----------
    radius, angle_rad : ndarray or Tensor
        Ring coordinates: 0 = pupil, 1 = limbus; radians.

    Returns
    -------
    x_unit, y_unit : ndarray or Tensor
        x_unit = angle_rad / pi - 1 and y_unit = 2 radius - 1, for a strip of any size.

    Examples
    --------
    >>> ring_to_grid(0.5, math.pi)
    (0.0, 0.0)
    """
    ring_radius: Any = radius
    angle: Any = angle_rad
    return angle / math.pi - 1, 2 * ring_radius - 1


def grid_to_ring(x_unit: Array, y_unit: Array) -> tuple[Array, Array]:
    """The inverse of `ring_to_grid`: ring coordinates of a sampling grid's units on a strip.

    Parameters
    ----------
    x_unit, y_unit : ndarray or Tensor
        Units of a sampling grid, -1..1 within the strip.

    Returns
    -------
    radius, angle_rad : ndarray or Tensor
        radius = (y_unit + 1) / 2 and angle_rad = pi (x_unit + 1).
    """
    x: Any = x_unit
    y: Any = y_unit
    return (y + 1) / 2, math.pi * (x + 1)


def pixels_to_grid(points: ArrayLike, image_size: tuple[int, int]) -> Float:
    """Points of an image as the units of a sampling grid (`align_corners=False`).

    Parameters
    ----------
    points : array_like, shape (..., 2)
        Points (x, y) in pixels.
    image_size : tuple of int
        (H, W) of the image.

    Returns
    -------
    ndarray, shape (..., 2)
        (x_unit, y_unit), -1..1 between the outer edges of the image.

    Examples
    --------
    >>> pixels_to_grid([-0.5, 47.5], (48, 64))
    array([-1.,  1.])
    """
    height, width = image_size
    return np.asarray((2.0 * np.asarray(points, float) + 1.0) / np.array([width, height]) - 1.0)


def grid_to_pixels(grid: ArrayLike, image_size: tuple[int, int]) -> Float:
    """The inverse of `pixels_to_grid`: points of an image at a sampling grid's units.

    Parameters
    ----------
    grid : array_like, shape (..., 2)
        (x_unit, y_unit), -1..1 between the outer edges of the image.
    image_size : tuple of int
        (H, W) of the image.

    Returns
    -------
    ndarray, shape (..., 2)
        Points (x, y) in pixels.
    """
    height, width = image_size
    return np.asarray(((np.asarray(grid, float) + 1.0) * np.array([width, height]) - 1.0) / 2.0)
