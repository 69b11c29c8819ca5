"""Closed curves seen from another centre."""

from __future__ import annotations

import math

import numpy as np

from irisstn.geometry.arrays import TAU, Float
from irisstn.geometry.boundary import Boundary

_POINTS = 128  # of the curve, between which its distance is interpolated


def radii_around(curve: Boundary, x: float, y: float, count: int) -> Float:
    """Distances of a curve from a point inside it.

    Parameters
    ----------
    curve : Boundary
        The curve.
    x, y : float
        The point in pixels.
    count : int
        Number of directions.

    Returns
    -------
    ndarray, shape (`count`,)
        Distances in pixels at the angles 2 pi n / `count` around the point.
    """
    along, across = curve.even_points(_POINTS).T - [[x], [y]]
    # What `numpy.interp` does with a period, in half of its time.
    angle = np.arctan2(across, along) % TAU
    order = angle.argsort(kind="stable")
    angle, radius = angle[order], np.hypot(along, across)[order]
    around = np.concatenate([angle[-1:] - TAU, angle, angle[:1] + TAU])
    even = TAU * np.arange(count) / count
    return np.asarray(np.interp(even, around, np.concatenate([radius[-1:], radius, radius[:1]])))


def recentred(curve: Boundary) -> Boundary:
    """The same curve around its own centre: the first harmonic is added to the centre, the others are recomputed."""
    order = len(curve.cosines) - 1
    for _ in range(2):
        if order == 0 or math.hypot(curve.cosines[1], curve.sines[1]) < 0.01:
            break
        x, y = curve.x + curve.cosines[1], curve.y + curve.sines[1]
        curve = Boundary.from_radii(x, y, radii_around(curve, x, y, 64), order)
    return curve
