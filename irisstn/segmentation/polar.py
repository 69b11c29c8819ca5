"""Polar views of a picture: what the searches for the pupil and the limbus share.

A polar map has the shape (R, T): row i at the i-th radius in pixels, column t at the angle 2 pi t / T around a centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Float, Float32, Gray


@dataclass(frozen=True, slots=True, eq=False)
class PolarGrid:
    """Where a polar map is read: evenly spaced `radii` (R,) in pixels around (`x`, `y`), at `columns` angles."""

    x: float
    y: float
    radii: Float
    columns: int

    @property
    def step(self) -> float:
        """Distance in pixels between two rows."""
        return float(self.radii[1] - self.radii[0])

    def points(self) -> tuple[Float32, Float32]:
        """x and y, each (R, T), of the cells."""
        _, cosine, sine = directions(self.columns)
        radius = np.asarray(self.radii, np.float32)[:, None]
        return radius * cosine + np.float32(self.x), radius * sine + np.float32(self.y)

    def unroll(self, image: Gray | Float32) -> Float32:
        """The polar map (R, T) of `image`; outside the picture its edge goes on."""
        levels = cv2.remap(image, *self.points(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(levels, np.float32)

    def unroll_mask(self, mask: Bool) -> Bool:
        """The polar map (R, T) of `mask`: True where it has any share in a cell."""
        return np.asarray(self.unroll(mask.view(np.uint8) * np.uint8(255)) > 0)


@lru_cache(maxsize=16)
def directions(columns: int) -> tuple[Float32, Float32, Float32]:
    """Angle, cosine and sine (T,) of the columns of a polar map."""
    angle = TAU * np.arange(columns) / columns
    parts = angle.astype(np.float32), np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    for part in parts:
        part.flags.writeable = False
    return parts


def edge_map(polar: Float32, hidden: Bool, reach: int, *, sign: int = 1) -> Float32:
    """How much brighter (R, T) the next `reach` rows are than the last ones, soft-clipped to 0..1.

    With the `sign` -1: how much darker. Near `hidden` cells it is 0.
    """
    padded = np.concatenate([np.zeros((1, polar.shape[1]), np.float32), np.cumsum(polar, axis=0)])
    rise = np.zeros_like(polar)
    inner = padded[reach:-reach] - padded[: -2 * reach]
    outer = padded[2 * reach :] - padded[reach:-reach]
    between = (outer - inner) / reach  # half a row off: at the borders between the rows, which are averaged
    rise[reach:-reach] = 0.5 * (between[:-1] + between[1:])
    noise = max(1.5, 2.0 * float(np.median(np.abs(rise))))
    edge = np.maximum(sign * rise, 0)
    edge /= edge + noise
    if hidden.any():
        near = cv2.dilate(hidden.view(np.uint8), np.ones((2 * reach + 1, 1), np.uint8))
        edge[near > 0] = 0
    return edge
