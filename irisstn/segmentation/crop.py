"""The part of a picture around one eye, reduced so that every iris is processed at about the same size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np

from irisstn.geometry import Boundary, CropTransform, Gray

_HALVED = 4.0  # pixels of a picture to one of the crop, from which on it is reduced by half first


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A part of a picture, reduced or enlarged.

    Attributes
    ----------
    image : ndarray of uint8, shape (h, w)
        The pixels of the crop.
    transform : CropTransform
        The map between the pixels of the crop and those of the picture.
    """

    image: Gray
    transform: CropTransform

    @classmethod
    def around(cls, image: Gray, curve: Boundary, reach: float, radius: float) -> Self:
        """The surroundings of a curve.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W)
            The picture.
        curve : Boundary
            A curve in pixels of the picture.
        reach : float
            How far the crop extends from the centre, in mean radii of the curve.
        radius : float
            Mean radius in pixels to which a larger curve is reduced.

        Returns
        -------
        Crop
            Cut at the sides of the picture.
        """
        height, width = image.shape
        size = reach * curve.mean_radius + 8
        left, top = (int(min(max(c - size, 0), n - 1)) for c, n in ((curve.x, width), (curve.y, height)))
        right, bottom = (int(min(max(c + size + 1, 1), n)) for c, n in ((curve.x, width), (curve.y, height)))
        crop = cls.reduced(
            image[top : max(bottom, top + 1), left : max(right, left + 1)], max(1.0, curve.mean_radius / radius)
        )
        return cls(crop.image, CropTransform(left, top, crop.transform.factor_x, crop.transform.factor_y))

    @classmethod
    def reduced(cls, image: Gray, factor: float) -> Self:
        """The whole picture, reduced.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W)
            The picture.
        factor : float
            Pixels of the picture to one of the crop, at least 1; up to 1.05 the picture stays as it is.

        Returns
        -------
        Crop
            About (H / factor, W / factor).
        """
        height, width = image.shape
        if factor <= 1.05:
            return cls(image, CropTransform())
        if factor >= _HALVED and min(height, width) >= 2:
            # Means of 2 x 2 whole pixels take a tenth of the time of means over parts of pixels.
            halves = (width // 2, height // 2)
            half = cv2.resize(image[: 2 * halves[1], : 2 * halves[0]], halves, interpolation=cv2.INTER_AREA)
            rest = cls.reduced(np.asarray(half, np.uint8), factor / 2)
            given = rest.transform
            return cls(rest.image, CropTransform(0, 0, 2 * given.factor_x, 2 * given.factor_y))
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return cls(np.asarray(small, np.uint8), CropTransform(0, 0, width / size[0], height / size[1]))

    @classmethod
    def framed(cls, image: Gray, x: float, y: float, factor: float, size: tuple[int, int]) -> Self:
        """A crop of a given size around a point.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W)
            The picture.
        x, y : float
            Centre of the crop in pixels of the picture.
        factor : float
            Pixels of the picture to one of the crop; below 1 the crop is enlarged.
        size : tuple of int
            (h, w) of the crop.

        Returns
        -------
        Crop
            Beyond the picture its border is repeated.
        """
        height, width = size
        left, top = x + 0.5 - 0.5 * width * factor, y + 0.5 - 0.5 * height * factor
        source = cls(image, CropTransform())
        if factor > 1.4:  # average the pixels that become one before the shift by a fraction of a pixel
            from_x, from_y = (max(0, int(start - 2 * factor)) for start in (left, top))
            to_x, to_y = int(left + (width + 2) * factor) + 1, int(top + (height + 2) * factor) + 1
            part = cls.reduced(image[from_y : max(to_y, from_y + 1), from_x : max(to_x, from_x + 1)], factor)
            source = cls(part.image, CropTransform(from_x, from_y, part.transform.factor_x, part.transform.factor_y))
        given = source.transform
        scale_x, scale_y = factor / given.factor_x, factor / given.factor_y
        shift_x = (left - given.left) / given.factor_x + 0.5 * scale_x - 0.5
        shift_y = (top - given.top) / given.factor_y + 0.5 * scale_y - 0.5
        matrix = np.array([[scale_x, 0, shift_x], [0, scale_y, shift_y]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        cut = cv2.warpAffine(source.image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return cls(np.asarray(cut, np.uint8), CropTransform(left, top, factor, factor))
