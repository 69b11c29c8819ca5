"""The pupil's boundary: a circle by exhaustive search, then a low-order curve by robust refinement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Float
from irisstn.segmentation.polar import Float32, best_circle, edge_map, refine, square_offsets, unroll

Gray = NDArray[np.uint8]

COLUMNS = 72


def find_pupil(image: Gray, x: float, y: float, radius: float) -> tuple[float, float, float, float]:
    """The pupil's circle near that of `radius` around (`x`, `y`) in the reduced `image`: x, y, radius and score."""
    radii = np.arange(1.0, 2.0 * radius + 6, max(0.4, radius / 30))
    edge = _edges(image, None, x, y, radii, radius)
    offsets = square_offsets(0.3, 7)
    sizes = np.linspace(0.65 * radius, 1.4 * radius, 24)
    return _circle(edge, radii, x, y, offsets, sizes)


def fit_pupil(image: Gray, glints: NDArray[np.bool_], circle: Boundary) -> Boundary:
    """The pupil's edge near `circle`; cells under `glints` (H, W) have no say."""
    x, y, radius = circle.x, circle.y, circle.mean_radius
    step = max(0.5, radius / 50)
    radii = np.arange(max(1.5, 0.5 * radius), 1.5 * radius + 3, step)
    edge = _edges(image, glints, x, y, radii, radius)
    offsets = square_offsets(0.12, 7)
    sizes = np.linspace(0.85 * radius, 1.15 * radius, 16)
    x, y, radius, _ = _circle(edge, radii, x, y, offsets, sizes)
    curve = Boundary.circle(x, y, radius)
    for order, window in ((1, 0.15), (2, 0.12), (4, 0.10), (4, 0.07)):
        curve = refine(edge, radii, (circle.x, circle.y), curve, order=order, window=window * radius, ridge=0.05)
    return curve


def _circle(edge, radii, x, y, offsets, sizes):
    weights = np.full((1, COLUMNS), 1.0 / COLUMNS, np.float32)
    against = 0.5 * (offsets**2).sum(axis=1)[:, None]
    dx, dy, size, score = best_circle(edge, radii, offsets, sizes, weights, against=against)
    return x + dx, y + dy, size, score


def _edges(image: Gray, glints: NDArray[np.bool_], x: float, y: float, radii: Float, radius: float) -> Float32:
    """Soft-clipped rise of brightness outward, 0 where a glint reaches into the comparison."""
    polar = unroll(image, x, y, radii, COLUMNS).astype(np.float32)
    bright = np.zeros(polar.shape, np.bool_) if glints is None else unroll(glints.view(np.uint8), x, y, radii, COLUMNS) > 0
    reach = max(2, round(max(1.5, 0.05 * radius) / (radii[1] - radii[0])))
    return edge_map(polar, bright, reach)
