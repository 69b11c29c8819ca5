"""The part of a picture around one eye, reduced so that every iris is worked on at about the same size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Eyelid

Gray = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A reduced cut-out `image` (h, w): its pixel (x, y) lies at (`left` + (x + 0.5) `factor` - 0.5, ...) in the picture."""

    image: Gray
    left: int
    top: int
    factor_x: float
    factor_y: float

    @classmethod
    def around(cls, image: Gray, x: float, y: float, reach: float, factor: float) -> View:
        """The cut-out within `reach` pixels of (`x`, `y`), reduced by `factor` >= 1."""
        height, width = image.shape
        left, top = max(0, int(x - reach)), max(0, int(y - reach))
        right, bottom = min(width, int(x + reach) + 1), min(height, int(y + reach) + 1)
        part = image[top:bottom, left:right]
        view = cls.reduced(part, factor)
        return cls(view.image, left, top, view.factor_x, view.factor_y)

    @classmethod
    def reduced(cls, image: Gray, factor: float) -> View:
        """The whole picture, reduced by `factor` >= 1."""
        height, width = image.shape
        if factor <= 1.05:
            return cls(image, 0, 0, 1.0, 1.0)
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cls(np.asarray(small, np.uint8), 0, 0, width / size[0], height / size[1])

    @property
    def factor(self) -> float:
        """How many pixels of the picture one of the view is wide (both ways, within a rounding)."""
        return float(np.sqrt(self.factor_x * self.factor_y))

    def to_view(self, x: float, y: float) -> tuple[float, float]:
        """A point of the picture in the view's pixels."""
        return (x - self.left + 0.5) / self.factor_x - 0.5, (y - self.top + 0.5) / self.factor_y - 0.5

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """A point of the view in the picture's pixels."""
        return self.left + (x + 0.5) * self.factor_x - 0.5, self.top + (y + 0.5) * self.factor_y - 0.5

    def boundary(self, curve: Boundary) -> Boundary:
        """A boundary of the view in the picture's pixels."""
        x, y = self.to_picture(curve.x, curve.y)
        factor = self.factor
        return Boundary(x, y, tuple(c * factor for c in curve.cosines), tuple(s * factor for s in curve.sines))

    def from_picture(self, curve: Boundary) -> Boundary:
        """A boundary of the picture in the view's pixels."""
        x, y = self.to_view(curve.x, curve.y)
        factor = 1 / self.factor
        return Boundary(x, y, tuple(c * factor for c in curve.cosines), tuple(s * factor for s in curve.sines))

    def eyelid(self, lid: Eyelid) -> Eyelid:
        """An eyelid of the view in the picture's pixels."""
        x, y = self.to_picture(lid.x, lid.y)
        c0, c1, c2 = lid.coefficients
        return Eyelid(x, y, lid.angle_rad, (c0 * self.factor, c1, c2 / self.factor))
