"""Ellipses, with which records describe boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from irisstn.geometry.arrays import Float


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse.

    Attributes
    ----------
    x, y : float
        Centre in pixels.
    a, b : float
        Semi-axes in pixels, above 0.
    angle_rad : float
        Angle in radians from +x to the `a` axis.

    Raises
    ------
    ValueError
        Where a number is not finite or an axis not positive.
    """

    x: float
    y: float
    a: float
    b: float
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        if not (self.a > 0 and self.b > 0 and np.isfinite([self.x, self.y, self.a, self.b, self.angle_rad]).all()):
            raise ValueError(f"an ellipse needs finite numbers and positive axes, got {self}")

    def radius(self, angle_rad: ArrayLike) -> Float:
        """Distance from the centre to the boundary.

        Parameters
        ----------
        angle_rad : array_like, shape (...)
            Directions in radians.

        Returns
        -------
        ndarray, shape (...)
            Distances in pixels.
        """
        turned = np.asarray(angle_rad, float) - self.angle_rad
        return np.asarray(self.a * self.b / np.hypot(self.b * np.cos(turned), self.a * np.sin(turned)))
