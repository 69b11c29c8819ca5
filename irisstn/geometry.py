"""Circles, ellipses, closed boundary curves, eyelids - and every coordinate convention of the project.

Convention
----------
- A point is (x, y) in pixels; x grows to the right, y grows downward; the centre of the first pixel is (0, 0).
  An image has the shape (H, W), a batch of tensors (B, C, H, W).
- An angle is in radians, 0 at +x (the right of the picture), growing towards +y: clockwise as seen.
- A strip has the shape (R, T). Row i is sampled at the radius (i + 0.5) / R between the pupil (0) and the limbus (1);
  column t at the angle 2 pi (t + 0.5) / T. So row 0 lies at the pupil, the last row at the limbus, column 0 at +x,
  and strips of two sizes show the same ring cell for cell.
- A sampling grid is in units of its image, `align_corners=False` as in torch: x_unit = (2 x + 1) / W - 1, so that -1
  and 1 are the outer edges of the first and last pixel. On a strip that makes angle = pi (x_unit + 1) and
  radius = (y_unit + 1) / 2: the same numbers for every size.
- A mask is True (255 on disk) where a pixel is usable.

The rubber sheet (Daugman 2004, "How iris recognition works", eq. 8-10) maps (radius r, angle t) to the point
(1 - r) pupil(t) + r limbus(t), where each boundary is looked up at the angle t around its own centre.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

Float = NDArray[np.floating]
Gray = NDArray[np.uint8]
Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

TAU = 2.0 * np.pi
_MASK_SHIFT = 4  # fixed-point bits of a polygon's corners for OpenCV


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse: centre (`x`, `y`), semi-axes `a` and `b` in pixels, `angle_rad` from +x to the `a` axis."""

    x: float
    y: float
    a: float
    b: float
    angle_rad: float = 0.0

    def __post_init__(self) -> None:
        if not (self.a > 0 and self.b > 0 and np.isfinite([self.x, self.y, self.a, self.b, self.angle_rad]).all()):
            raise ValueError(f"an ellipse needs finite numbers and positive axes, got {self}")

    def radius(self, angle_rad: ArrayLike) -> Float:
        """Distance in pixels from the centre to the boundary in the direction `angle_rad` (any shape)."""
        turned = np.asarray(angle_rad, float) - self.angle_rad
        return np.asarray(self.a * self.b / np.hypot(self.b * np.cos(turned), self.a * np.sin(turned)))


@dataclass(frozen=True, slots=True)
class Boundary:
    """A closed curve in polar form around (`x`, `y`), as a Fourier series of its radius in pixels.

    radius(t) = cosines[0] + sum over k >= 1 of cosines[k] cos(k t) + sines[k] sin(k t); `sines[0]` is 0 and unused.
    """

    x: float
    y: float
    cosines: tuple[float, ...]
    sines: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.cosines) != len(self.sines) or not self.cosines:
            raise ValueError("a boundary needs as many cosines as sines, and at least the mean radius")
        if not np.isfinite([self.x, self.y, *self.cosines, *self.sines]).all() or self.cosines[0] <= 0:
            raise ValueError(f"a boundary needs finite numbers and a positive mean radius, got {self}")

    @classmethod
    def circle(cls, x: float, y: float, radius: float) -> Self:
        """The circle of `radius` pixels around (`x`, `y`)."""
        return cls(float(x), float(y), (float(radius),), (0.0,))

    @classmethod
    def from_radii(cls, x: float, y: float, radii: ArrayLike, order: int = 8) -> Self:
        """The least-squares curve of Fourier `order` through `radii` (N,) in pixels, at the angles 2 pi n / N."""
        radii = np.asarray(radii, float)
        if radii.ndim != 1 or len(radii) <= 2 * order:
            raise ValueError(f"order {order} needs more than {2 * order} radii in one dimension, got {radii.shape}")
        series = np.fft.rfft(radii)[: order + 1] / len(radii)
        series[1:] *= 2
        return cls(float(x), float(y), tuple(series.real.tolist()), tuple((-series.imag).tolist()))

    @classmethod
    def from_ellipse(cls, ellipse: Ellipse, order: int = 8) -> Self:
        """The curve nearest to `ellipse`: with order 8 within 0.1 % of the radius, down to an axis ratio of 0.7."""
        angles = TAU * np.arange(64) / 64
        return cls.from_radii(ellipse.x, ellipse.y, ellipse.radius(angles), order)

    @property
    def mean_radius(self) -> float:
        """Mean radius in pixels."""
        return self.cosines[0]

    def radius(self, angle_rad: ArrayLike) -> Float:
        """Radius in pixels at `angle_rad` (any shape)."""
        return self._radius(_directions(angle_rad))

    def points(self, angle_rad: ArrayLike) -> Float:
        """Points (..., 2) of the curve at `angle_rad` (...)."""
        directions = _directions(angle_rad)
        radius = self._radius(directions)
        return np.stack([self.x + radius * directions.real, self.y + radius * directions.imag], axis=-1)

    def _radius(self, directions: NDArray[np.complexfloating]) -> Float:
        # Horner's rule on powers of exp(i t): several times faster than a cosine and a sine for each order.
        value = np.zeros(directions.shape, complex)
        for cosine, sine in zip(self.cosines[:0:-1], self.sines[:0:-1], strict=True):
            value = (value + complex(cosine, -sine)) * directions
        return self.cosines[0] + value.real

    def ellipse(self) -> Ellipse:
        """The ellipse fitted to the curve (direct least squares, Fitzgibbon et al. 1999), with a >= b."""
        points = self.points(TAU * np.arange(64) / 64).astype(np.float32)
        (x, y), (width, height), degrees = cv2.fitEllipseDirect(points)
        angle = np.deg2rad(degrees)
        if height > width:
            width, height, angle = height, width, angle + np.pi / 2
        return Ellipse(float(x), float(y), width / 2, height / 2, float((angle + np.pi / 2) % np.pi - np.pi / 2))

    def mask(self, image_size: tuple[int, int]) -> Bool:
        """Pixels (H, W) whose centres lie inside the curve."""
        filled = np.zeros(image_size, np.uint8)
        directions = _directions(TAU * np.arange(256) / 256)
        # OpenCV also fills the pixels that the outline touches, which grows the shape by half a pixel: take that off.
        radius = np.maximum(self._radius(directions) - 0.5, 0.0)
        corners = np.stack([self.x + radius * directions.real, self.y + radius * directions.imag], axis=-1)
        fixed = np.rint(corners * (1 << _MASK_SHIFT)).astype(np.int32)
        cv2.fillPoly(filled, [fixed], 1, cv2.LINE_8, _MASK_SHIFT)
        return filled.view(np.bool_)


@dataclass(frozen=True, slots=True)
class Eyelid:
    """An eyelid's edge: a parabola v = c0 + c1 u + c2 u^2 in pixels, in a frame at (`x`, `y`) turned by `angle_rad`.

    u runs along the eye (the direction `angle_rad`), v across it (a quarter turn further: downward in an upright eye).
    The upper lid covers v < parabola, the lower one v > parabola.
    """

    x: float
    y: float
    angle_rad: float
    coefficients: tuple[float, float, float]

    def points(self, u: ArrayLike) -> Float:
        """Points (..., 2) of the edge at the places `u` (...) along the eye, in pixels."""
        along = np.asarray(u, float)
        c0, c1, c2 = self.coefficients
        across = c0 + along * (c1 + c2 * along)
        cosine, sine = np.cos(self.angle_rad), np.sin(self.angle_rad)
        return np.stack([self.x + along * cosine - across * sine, self.y + along * sine + across * cosine], axis=-1)

    def above(self, image_size: tuple[int, int]) -> Bool:
        """Pixels (H, W) at v < parabola: the side of the brow."""
        height, width = image_size
        x, y = np.arange(width, dtype=np.float32)[None, :], np.arange(height, dtype=np.float32)[:, None]
        return self.is_above(x, y)

    def is_above(self, x: Float, y: Float) -> Bool:
        """Whether the points (`x`, `y`) in pixels, broadcast together, lie at v < parabola."""
        return np.asarray(self.below(x, y) < 0)

    def below(self, x: Float, y: Float) -> Float:
        """How far below the edge, along v, the points (`x`, `y`) in pixels, broadcast together, lie; in their dtype."""
        along, across = x - float(self.x), y - float(self.y)
        if self.angle_rad != 0:  # else a row and a column stay what they are, which is several times faster
            cosine, sine = math.cos(self.angle_rad), math.sin(self.angle_rad)
            along, across = along * cosine + across * sine, across * cosine - along * sine
        c0, c1, c2 = (float(c) for c in self.coefficients)
        return np.asarray(across - (c0 + along * (c1 + c2 * along)))


Lids = tuple[Eyelid | None, Eyelid | None]  # upper and lower; None where one is not known


def _directions(angle_rad: ArrayLike) -> NDArray[np.complexfloating]:
    """exp(i t) (...) for the angles t (...)."""
    angle = np.asarray(angle_rad, float)
    directions = np.empty(angle.shape, complex)
    directions.real, directions.imag = np.cos(angle), np.sin(angle)
    return directions


def strip_angles(columns: int) -> Float:
    """Angle (T,) in radians of each column of a strip."""
    return TAU * (np.arange(columns) + 0.5) / columns


def strip_radii(rows: int) -> Float:
    """Radius (R,) of each row of a strip: 0 = pupil, 1 = limbus."""
    return np.asarray((np.arange(rows) + 0.5) / rows)


def ring_points(pupil: Boundary, limbus: Boundary, radius: ArrayLike, angle_rad: ArrayLike) -> Float:
    """The rubber sheet: pixels (..., 2) of the ring coordinates `radius` and `angle_rad`, broadcast together.

    A radius below 0 or above 1 goes on beyond the boundary in a straight line. Source: Daugman 2004, eq. 8-10.
    """
    return np.stack(ring_places(pupil, limbus, radius, angle_rad), axis=-1)


def ring_places(pupil: Boundary, limbus: Boundary, radius: ArrayLike, angle_rad: ArrayLike) -> tuple[Float, Float]:
    """x and y (...) of `ring_points`, each for itself: what OpenCV takes, and faster."""
    share = np.asarray(radius, float)
    inner, outer = pupil.points(angle_rad), limbus.points(angle_rad)
    x, y = (inner[..., i] + share * (outer[..., i] - inner[..., i]) for i in (0, 1))
    return x, y


def to_unit(points: ArrayLike, image_size: tuple[int, int]) -> Float:
    """Pixels (..., 2) of an image (H, W) as a sampling grid's units, -1..1 (`align_corners=False`)."""
    height, width = image_size
    return np.asarray((2.0 * np.asarray(points, float) + 1.0) / np.array([width, height]) - 1.0)


def from_unit(grid: ArrayLike, image_size: tuple[int, int]) -> Float:
    """The inverse of `to_unit`: a sampling grid's units (..., 2) as pixels of an image (H, W)."""
    height, width = image_size
    return np.asarray(((np.asarray(grid, float) + 1.0) * np.array([width, height]) - 1.0) / 2.0)
