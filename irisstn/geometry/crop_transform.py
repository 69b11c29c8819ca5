"""The map between the pixels of a crop and those of the picture that it was cut from."""

from __future__ import annotations

import math
from dataclasses import dataclass

from irisstn.geometry.boundary import Boundary
from irisstn.geometry.eyelid import Eyelid


@dataclass(frozen=True, slots=True)
class CropTransform:
    """Where a crop lies in its picture, and by how much it is reduced.

    The pixel (x, y) of the crop lies at (`left` + (x + 0.5) `factor_x` - 0.5, `top` + (y + 0.5) `factor_y` - 0.5) in
    the picture: the outer edges of the pixels are scaled, not their centres.

    Attributes
    ----------
    left, top : float
        Corner of the crop in pixels of the picture.
    factor_x, factor_y : float
        Pixels of the picture to one pixel of the crop. The two differ only because the crop's size is a whole number
        of pixels, so lengths are scaled by `factor`, one number for both directions.

    Examples
    --------
    >>> half = CropTransform(left=100, top=40, factor_x=2.0, factor_y=2.0)
    >>> half.point_to_picture(0.0, 0.0)
    (100.5, 40.5)
    >>> half.point_to_crop(100.5, 40.5)
    (0.0, 0.0)
    """

    left: float = 0
    top: float = 0
    factor_x: float = 1.0
    factor_y: float = 1.0

    @property
    def factor(self) -> float:
        """Pixels of the picture to one pixel of the crop: the geometric mean of both directions."""
        return math.sqrt(self.factor_x * self.factor_y)

    def point_to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the crop to the picture.

        Parameters
        ----------
        x, y : float
            A point in pixels of the crop.

        Returns
        -------
        x, y : float
            The same point in pixels of the picture.
        """
        return self.left + (x + 0.5) * self.factor_x - 0.5, self.top + (y + 0.5) * self.factor_y - 0.5

    def point_to_crop(self, x: float, y: float) -> tuple[float, float]:
        """Map a point of the picture to the crop: the inverse of `point_to_picture`.

        Parameters
        ----------
        x, y : float
            A point in pixels of the picture.

        Returns
        -------
        x, y : float
            The same point in pixels of the crop.
        """
        return (x - self.left + 0.5) / self.factor_x - 0.5, (y - self.top + 0.5) / self.factor_y - 0.5

    def boundary_to_picture(self, boundary: Boundary) -> Boundary:
        """Map a boundary of the crop to the picture.

        Parameters
        ----------
        boundary : Boundary
            A curve in pixels of the crop.

        Returns
        -------
        Boundary
            The same curve in pixels of the picture.
        """
        return boundary.scaled(self.factor, centre=self.point_to_picture(boundary.x, boundary.y))

    def boundary_to_crop(self, boundary: Boundary) -> Boundary:
        """Map a boundary of the picture to the crop: the inverse of `boundary_to_picture`.

        Parameters
        ----------
        boundary : Boundary
            A curve in pixels of the picture.

        Returns
        -------
        Boundary
            The same curve in pixels of the crop.
        """
        return boundary.scaled(1 / self.factor, centre=self.point_to_crop(boundary.x, boundary.y))

    def eyelid_to_picture(self, eyelid: Eyelid) -> Eyelid:
        """Map an eyelid of the crop to the picture.

        Parameters
        ----------
        eyelid : Eyelid
            An eyelid in pixels of the crop.

        Returns
        -------
        Eyelid
            The same eyelid in pixels of the picture.
        """
        c0, c1, c2 = eyelid.coefficients
        x, y = self.point_to_picture(eyelid.x, eyelid.y)
        return Eyelid(x, y, eyelid.angle_rad, (c0 * self.factor, c1, c2 / self.factor))

    def eyelid_to_crop(self, eyelid: Eyelid) -> Eyelid:
        """Map an eyelid of the picture to the crop: the inverse of `eyelid_to_picture`.

        Parameters
        ----------
        eyelid : Eyelid
            An eyelid in pixels of the picture.

        Returns
        -------
        Eyelid
            The same eyelid in pixels of the crop.
        """
        c0, c1, c2 = eyelid.coefficients
        x, y = self.point_to_crop(eyelid.x, eyelid.y)
        return Eyelid(x, y, eyelid.angle_rad, (c0 / self.factor, c1, c2 * self.factor))
