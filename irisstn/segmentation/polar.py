"""Polar views of a picture: what the searches for the pupil and the limbus share.

A polar map has the shape (R, T): row i at the i-th radius in pixels, column t at the angle 2 pi t / T around a centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Bool, Float

Float32 = NDArray[np.float32]
Gray = NDArray[np.uint8]


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

    def unroll(self, image: Gray) -> Float32:
        """The polar map (R, T) of `image`; outside the picture its edge goes on."""
        levels = cv2.remap(image, *self.points(), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(levels, np.float32)

    def unroll_mask(self, mask: Bool) -> Bool:
        """The polar map (R, T) of `mask`: True where it has any share in a cell."""
        return np.asarray(self.unroll(mask.view(np.uint8) * np.uint8(255)) > 0)

    def inside(self, image_size: tuple[int, ...]) -> Bool:
        """Cells (R, T) that lie well inside a picture (H, W)."""
        height, width = image_size
        x, y = self.points()
        return np.asarray((x > 1) & (x < width - 2) & (y > 1) & (y < height - 2))


@lru_cache(maxsize=16)
def directions(columns: int) -> tuple[Float32, Float32, Float32]:
    """Angle, cosine and sine (T,) of the columns of a polar map."""
    angle = TAU * np.arange(columns) / columns
    parts = angle.astype(np.float32), np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    for part in parts:
        part.flags.writeable = False
    return parts


def edge_map(polar: Float32, hidden: Bool, reach: int, *, sign: int = 1, blank: float = 0.0) -> Float32:
    """How much brighter (R, T) the next `reach` rows are than the last ones, soft-clipped to 0..1.

    With the `sign` -1: how much darker. Near `hidden` cells it is `blank`.
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
        edge[near > 0] = blank
    return edge


@dataclass(frozen=True, slots=True, eq=False)
class Circles:
    """Circles to try: centres at `offsets` (O, 2) in units of their radius, `radii` (N,) in pixels, and what speaks
    `against` each of them (O, N) before looking.
    """

    offsets: Float
    radii: Float
    against: Float


def square_offsets(reach: float, count: int) -> Float:
    """A square grid (count^2, 2) of offsets from -reach to reach."""
    shift = np.linspace(-reach, reach, count)
    return np.stack(np.meshgrid(shift, shift), axis=-1).reshape(-1, 2)


def best_circle(
    edge: Float32, grid: PolarGrid, circles: Circles, weights: Float32
) -> tuple[float, float, float, float]:
    """The circle along which the map `edge` (R, T) is strongest: x, y, radius in pixels and its score.

    `weights` (S, T) are those of S sectors; the sectors' scores are added, the worst of several counting twice.
    """
    rays = _circle_rays(circles.offsets, grid.columns) / np.float32(grid.step)
    rows = rays[:, None, :] * np.asarray(circles.radii, np.float32)[None, :, None]
    rows += np.float32(0.5 - grid.radii[0] / grid.step)
    np.clip(rows, 0, len(edge) - 1, out=rows)
    index = rows.astype(np.int32)
    index *= grid.columns
    index += np.arange(grid.columns, dtype=np.int32)
    sectors = edge.ravel().take(index) @ weights.T
    score = sectors.sum(axis=2) + (sectors.min(axis=2) if len(weights) > 1 else 0) - circles.against
    o, n = divmod(int(np.argmax(score)), len(circles.radii))
    radius = float(circles.radii[n])
    dx, dy = circles.offsets[o] * radius
    return grid.x + float(dx), grid.y + float(dy), radius, float(score[o, n])


def _circle_rays(offsets: Float, columns: int) -> Float32:
    """Where circles of radius 1 around `offsets` (O, 2) cross the rays (O, T) from the origin, which they must hold."""
    _, cosine, sine = directions(columns)
    dx, dy = (np.asarray(offsets, np.float32)[:, i, None] for i in (0, 1))
    along, across = dx * cosine + dy * sine, dx * sine - dy * cosine
    return np.asarray(along + np.sqrt(np.maximum(1 - across**2, 0)), np.float32)
