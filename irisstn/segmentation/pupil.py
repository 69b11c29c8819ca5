"""The pupil's boundary: a circle by exhaustive search, then a low-order curve by robust refinement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Float
from irisstn.segmentation.polar import Float32, best_circle, edge_map, refine, square_offsets, unroll

Gray = NDArray[np.uint8]

COLUMNS = 72
SEARCH_COLUMNS = 48


def find_pupil(
    image: Gray, glints: NDArray[np.bool_], x: float, y: float, radius: float
) -> tuple[Boundary, float]:
    """The pupil's circle near that of `radius` around (`x`, `y`) in the reduced `image`, and its score (0..1)."""
    radii = np.arange(1.0, 2.0 * radius + 6, max(0.4, radius / 30))
    edge = _edges(image, glints, x, y, radii, radius, SEARCH_COLUMNS)
    offsets = square_offsets(0.3, 7)
    sizes = np.linspace(0.65 * radius, 1.4 * radius, 24)
    return _circle(edge, radii, x, y, offsets, sizes)


def fit_pupil(image: Gray, glints: NDArray[np.bool_], circle: Boundary) -> Boundary:
    """The pupil's edge near `circle`; cells under `glints` (H, W) have no say."""
    x, y, radius = circle.x, circle.y, circle.mean_radius
    step = max(0.5, radius / 50)
    radii = np.arange(max(1.5, 0.5 * radius), 1.5 * radius + 3, step)
    edge = _edges(image, glints, x, y, radii, radius, COLUMNS)
    offsets = square_offsets(0.12, 7)
    sizes = np.linspace(0.85 * radius, 1.15 * radius, 16)
    curve, _ = _circle(edge, radii, x, y, offsets, sizes)
    for order, window in ((1, 0.15), (2, 0.12), (4, 0.10), (4, 0.07)):
        curve = refine(edge, radii, (circle.x, circle.y), curve, order=order, window=window * radius, ridge=0.05)
    return curve


def _circle(
    edge: Float32, radii: Float, x: float, y: float, offsets: Float, sizes: Float
) -> tuple[Boundary, float]:
    weights = np.full((1, edge.shape[1]), 1.0 / edge.shape[1], np.float32)
    against = 0.5 * (offsets**2).sum(axis=1)[:, None]
    dx, dy, size, score = best_circle(edge, radii, offsets, sizes, weights, against=against)
    return Boundary.circle(x + dx, y + dy, size), score


def _edges(
    image: Gray, glints: NDArray[np.bool_], x: float, y: float, radii: Float, radius: float, columns: int
) -> Float32:
    """Soft-clipped rise of brightness outward, 0 where a glint reaches into the comparison."""
    polar = unroll(image, x, y, radii, columns).astype(np.float32)
    bright = unroll(glints.view(np.uint8), x, y, radii, columns) > 0
    reach = max(2, round(max(1.5, 0.05 * radius) / (radii[1] - radii[0])))
    return edge_map(polar, bright, reach)
