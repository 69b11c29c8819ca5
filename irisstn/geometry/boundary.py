"""Closed curves in polar form."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from irisstn.geometry.arrays import TAU, Bool, Float
from irisstn.geometry.ellipse import Ellipse
from irisstn.geometry.fourier import even_basis

Directions = NDArray[np.complexfloating]  # exp(i t) for the angles t
_FIXED_POINT_BITS = 4  # of the corners of a polygon that OpenCV fills


@dataclass(frozen=True, slots=True)
class Boundary:
    """A closed curve in polar form, as a Fourier series of its radius.

    radius(t) = cosines[0] + sum over k >= 1 of cosines[k] cos(k t) + sines[k] sin(k t); `sines[0]` is 0 and unused.

    Attributes
    ----------
    x, y : float
        The centre in pixels, from which radii and angles are counted.
    cosines, sines : tuple of float
        Fourier coefficients in pixels, both of the length order + 1.

    Raises
    ------
    ValueError
        Where the lengths differ, a number is not finite or the mean radius not positive.

    Examples
    --------
    >>> Boundary.circle(160, 120, 40).points(0.0)
    array([200., 120.])
    """

    x: float
    y: float
    cosines: tuple[float, ...]
    sines: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.cosines) != len(self.sines) or not self.cosines:
            raise ValueError("a boundary needs as many cosines as sines, and at least the mean radius")
        if not all(map(math.isfinite, (self.x, self.y, *self.cosines, *self.sines))) or self.cosines[0] <= 0:
            raise ValueError(f"a boundary needs finite numbers and a positive mean radius, got {self}")

    @classmethod
    def circle(cls, x: float, y: float, radius: float) -> Self:
        """A circle.

        Parameters
        ----------
        x, y, radius : float
            Centre and radius in pixels.

        Returns
        -------
        Boundary
            A series of order 0.
        """
        return cls(float(x), float(y), (float(radius),), (0.0,))

    @classmethod
    def from_radii(cls, x: float, y: float, radii: ArrayLike, order: int = 8) -> Self:
        """The least-squares curve through radii at evenly spaced angles.

        Parameters
        ----------
        x, y : float
            The centre in pixels.
        radii : array_like, shape (N,)
            Radii in pixels at the angles 2 pi n / N.
        order : int
            Highest Fourier order, below N / 2.

        Returns
        -------
        Boundary
            The curve of this `order`.

        Raises
        ------
        ValueError
            Where there are not more than 2 `order` radii.
        """
        radii = np.asarray(radii, float)
        if radii.ndim != 1 or len(radii) <= 2 * order:
            raise ValueError(f"order {order} needs more than {2 * order} radii in one dimension, got {radii.shape}")
        means = (radii @ even_basis(len(radii), order) / len(radii)).tolist()
        mean, *series = means
        doubled = [2 * value for value in series]
        return cls(float(x), float(y), (mean, *doubled[:order]), tuple(doubled[order:]))

    @classmethod
    def from_ellipse(cls, ellipse: Ellipse, order: int = 8) -> Self:
        """The curve nearest to an ellipse.

        Parameters
        ----------
        ellipse : Ellipse
            The ellipse.
        order : int
            Highest Fourier order. With 8 the curve is within 0.1 % of the radius, down to an axis ratio of 0.7.

        Returns
        -------
        Boundary
            The curve around the centre of the ellipse.
        """
        angles = TAU * np.arange(64) / 64
        return cls.from_radii(ellipse.x, ellipse.y, ellipse.radius(angles), order)

    @property
    def mean_radius(self) -> float:
        """Mean radius in pixels."""
        return self.cosines[0]

    def radius(self, angle_rad: ArrayLike) -> Float:
        """Radius of the curve.

        Parameters
        ----------
        angle_rad : array_like, shape (...)
            Angles in radians.

        Returns
        -------
        ndarray, shape (...)
            Radii in pixels.
        """
        return self._radius(unit_directions(angle_rad))

    def points(self, angle_rad: ArrayLike) -> Float:
        """Points of the curve.

        Parameters
        ----------
        angle_rad : array_like, shape (...)
            Angles in radians around the curve's own centre.

        Returns
        -------
        ndarray, shape (..., 2)
            The points (x, y) in pixels.
        """
        return np.stack(self.places(unit_directions(angle_rad)), axis=-1)

    def places(self, directions: Directions) -> tuple[Float, Float]:
        """Points of the curve in given directions, with x and y in arrays of their own.

        Parameters
        ----------
        directions : ndarray of complex, shape (...)
            Directions from `unit_directions`, which several curves may share.

        Returns
        -------
        x, y : ndarray, shape (...)
            Coordinates in pixels.
        """
        radius = self._radius(directions)
        return self.x + radius * directions.real, self.y + radius * directions.imag

    def even_radii(self, count: int) -> Float:
        """Radii (`count`,) in pixels at the angles 2 pi n / `count`."""
        return np.asarray(even_basis(count, len(self.cosines) - 1) @ np.array(self.cosines + self.sines))

    def even_points(self, count: int) -> Float:
        """Points (`count`, 2) of the curve at the angles 2 pi n / `count`, in pixels."""
        return self._even_points(self.even_radii(count))

    def _even_points(self, radii: Float) -> Float:
        """Points (N, 2) at the `radii` (N,) in pixels from the centre, at the angles 2 pi n / N."""
        points = radii[:, None] * even_directions(len(radii)).view(float).reshape(-1, 2)
        points += self.x, self.y
        return np.asarray(points, float)

    def _radius(self, directions: Directions) -> Float:
        """Radius (...) in pixels in the `directions` exp(i t) (...)."""
        if len(self.cosines) == 1:
            return self.cosines[0] + np.zeros(directions.shape)
        # Horner's rule on powers of exp(i t): several times faster than a cosine and a sine for each order.
        terms = [complex(cosine, -sine) for cosine, sine in zip(self.cosines[:0:-1], self.sines[:0:-1], strict=True)]
        value = terms[0] * directions
        for term in terms[1:]:
            value += term
            value *= directions
        return np.asarray(self.cosines[0] + value.real)

    def deviation(self, other: Self) -> float:
        """How far another curve is off in place or size.

        Parameters
        ----------
        other : Boundary
            The other curve.

        Returns
        -------
        float
            The larger of the distance of the centres and the difference of the mean radii, in pixels.
        """
        return max(math.hypot(self.x - other.x, self.y - other.y), abs(self.mean_radius - other.mean_radius))

    def scaled(self, factor: float, *, centre: tuple[float, float] | None = None) -> Self:
        """The curve with all radii multiplied.

        Parameters
        ----------
        factor : float
            Factor of the radii, above 0.
        centre : tuple of float, optional
            Its new centre (x, y) in pixels; by default the same one.

        Returns
        -------
        Boundary
            A curve of the same shape.
        """
        x, y = (self.x, self.y) if centre is None else centre
        cosines, sines = (tuple([factor * term for term in series]) for series in (self.cosines, self.sines))
        return type(self)(x, y, cosines, sines)

    def ellipse(self) -> Ellipse:
        """The ellipse fitted to the curve by direct least squares [1]_.

        Returns
        -------
        Ellipse
            With a >= b and an angle between -pi / 2 and pi / 2.

        References
        ----------
        .. [1] Fitzgibbon et al. 1999, "Direct least square fitting of ellipses".
        """
        points = self.even_points(64).astype(np.float32)
        (x, y), (width, height), degrees = cv2.fitEllipseDirect(points)
        angle = np.deg2rad(degrees)
        if height > width:
            width, height, angle = height, width, angle + np.pi / 2
        return Ellipse(float(x), float(y), width / 2, height / 2, float((angle + np.pi / 2) % np.pi - np.pi / 2))

    def mask(self, image_size: tuple[int, int]) -> Bool:
        """Mask of the pixels whose centres lie inside the curve.

        Parameters
        ----------
        image_size : tuple of int
            (H, W) in pixels; the curve may reach beyond.

        Returns
        -------
        ndarray of bool, shape (H, W)
            True inside the curve.
        """
        filled = np.zeros(image_size, np.uint8)
        # OpenCV also fills the pixels that the outline touches, which enlarges the shape by half a pixel: subtract it.
        corners = self._even_points(np.maximum(self.even_radii(256) - 0.5, 0.0))
        corners *= 1 << _FIXED_POINT_BITS
        fixed = np.rint(corners, out=corners).astype(np.int32)
        cv2.fillPoly(filled, [fixed], 1, cv2.LINE_8, _FIXED_POINT_BITS)
        return filled.view(np.bool_)


def unit_directions(angle_rad: ArrayLike) -> Directions:
    """exp(i t) (...) for the angles t (...)."""
    angle = np.asarray(angle_rad, float)
    directions = np.empty(angle.shape, complex)
    directions.real, directions.imag = np.cos(angle), np.sin(angle)
    return directions


@lru_cache(maxsize=16)
def even_directions(count: int) -> Directions:
    """exp(i t) (`count`,) for the angles t = 2 pi n / `count`: a read-only array that is shared by all callers."""
    directions = unit_directions(TAU * np.arange(count) / count)
    directions.flags.writeable = False
    return directions
