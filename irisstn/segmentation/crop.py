"""The part of a picture around one eye, reduced so that every iris is worked on at about the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from irisstn.geometry import Boundary, Eyelid, Gray


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A reduced cut-out `image` (h, w) of a picture.

    Its pixel (x, y) lies at `left` + (x + 0.5) `factor_x` - 0.5, `top` + (y + 0.5) `factor_y` - 0.5 in the picture.
    """

    image: Gray
    left: float
    top: float
    factor_x: float
    factor_y: float

    @classmethod
    def around(cls, image: Gray, curve: Boundary, reach: float, radius: float) -> Self:
        """The cut-out to `reach` radii of `curve` around it, reduced where its radius is more than `radius` pixels."""
        height, width = image.shape
        size = reach * curve.mean_radius + 8
        left, top = (int(np.clip(c - size, 0, n - 1)) for c, n in ((curve.x, width), (curve.y, height)))
        right, bottom = (int(np.clip(c + size + 1, 1, n)) for c, n in ((curve.x, width), (curve.y, height)))
        crop = cls.reduced(
            image[top : max(bottom, top + 1), left : max(right, left + 1)], max(1.0, curve.mean_radius / radius)
        )
        return cls(crop.image, left, top, crop.factor_x, crop.factor_y)

    @classmethod
    def reduced(cls, image: Gray, factor: float) -> Self:
        """The whole picture, reduced by `factor` >= 1."""
        height, width = image.shape
        if factor <= 1.05:
            return cls(image, 0, 0, 1.0, 1.0)
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cls(np.asarray(small, np.uint8), 0, 0, width / size[0], height / size[1])

    @classmethod
    def framed(cls, image: Gray, x: float, y: float, factor: float, size: tuple[int, int]) -> Self:
        """The cut-out of `size` (h, w) around (`x`, `y`), reduced by `factor`, or enlarged where that is below 1.

        Beyond the picture its border goes on.
        """
        height, width = size
        left, top = x + 0.5 - 0.5 * width * factor, y + 0.5 - 0.5 * height * factor
        near = cls(image, 0, 0, 1.0, 1.0)
        if factor > 1.4:  # average over what becomes one pixel, before the last shift by a fraction
            from_x, from_y = (max(0, int(place - 2 * factor)) for place in (left, top))
            to_x, to_y = int(left + (width + 2) * factor) + 1, int(top + (height + 2) * factor) + 1
            part = cls.reduced(image[from_y : max(to_y, from_y + 1), from_x : max(to_x, from_x + 1)], factor)
            near = cls(part.image, from_x, from_y, part.factor_x, part.factor_y)
        scale_x, scale_y = factor / near.factor_x, factor / near.factor_y
        shift_x = (left - near.left) / near.factor_x + 0.5 * scale_x - 0.5
        shift_y = (top - near.top) / near.factor_y + 0.5 * scale_y - 0.5
        matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cut = cv2.warpAffine(near.image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return cls(np.asarray(cut, np.uint8), left, top, factor, factor)

    @property
    def factor(self) -> float:
        """How many pixels of the picture one of the crop is wide (both ways, within a rounding)."""
        return float(np.sqrt(self.factor_x * self.factor_y))

    def boundary(self, curve: Boundary) -> Boundary:
        """A boundary of the crop in the picture's pixels."""
        x, y = self.to_picture(curve.x, curve.y)
        return _scaled(curve, x, y, self.factor)

    def from_picture(self, curve: Boundary) -> Boundary:
        """A boundary of the picture in the crop's pixels."""
        x = (curve.x - self.left + 0.5) / self.factor_x - 0.5
        y = (curve.y - self.top + 0.5) / self.factor_y - 0.5
        return _scaled(curve, x, y, 1 / self.factor)

    def eyelid(self, lid: Eyelid) -> Eyelid:
        """An eyelid of the crop in the picture's pixels."""
        x, y = self.to_picture(lid.x, lid.y)
        c0, c1, c2 = lid.coefficients
        return Eyelid(x, y, lid.angle_rad, (c0 * self.factor, c1, c2 / self.factor))

    def eyelid_from_picture(self, lid: Eyelid) -> Eyelid:
        """An eyelid of the picture in the crop's pixels."""
        x, y = (lid.x - self.left + 0.5) / self.factor_x - 0.5, (lid.y - self.top + 0.5) / self.factor_y - 0.5
        c0, c1, c2 = lid.coefficients
        return Eyelid(x, y, lid.angle_rad, (c0 / self.factor, c1, c2 * self.factor))

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """A place of the crop in the picture's pixels."""
        return self.left + (x + 0.5) * self.factor_x - 0.5, self.top + (y + 0.5) * self.factor_y - 0.5


def _scaled(curve: Boundary, x: float, y: float, factor: float) -> Boundary:
    return Boundary(x, y, tuple(c * factor for c in curve.cosines), tuple(s * factor for s in curve.sines))
