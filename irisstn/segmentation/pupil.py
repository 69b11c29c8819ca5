"""The pupil's boundary: a circle by exhaustive search, then a low-order curve by robust refinement."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Float
from irisstn.segmentation.polar import Float32, best_circle, edge_map, refine, unroll

Gray = NDArray[np.uint8]

COLUMNS = 72


def find_pupil(image: Gray, glints: NDArray[np.bool_], x: float, y: float, radius: float) -> Boundary:
    """The pupil's edge near the circle of `radius` around (`x`, `y`); cells under `glints` (H, W) have no say."""
    step = max(0.5, radius / 50)
    radii = np.arange(max(2.0, 0.35 * radius), 1.9 * radius + 6, step)
    edge = _edges(image, glints, x, y, radii, radius)
    reach = 0.3 * radius
    shift = np.linspace(-reach, reach, 7)
    offsets = np.stack(np.meshgrid(shift, shift), axis=-1).reshape(-1, 2)
    sizes = np.linspace(0.72 * radius, 1.35 * radius, 22)
    weights = np.full(COLUMNS, 1.0 / COLUMNS, np.float32)
    dx, dy, size, _ = best_circle(edge, radii, offsets, sizes, weights[None], penalty=0.05 / reach**2)
    x, y = x + dx, y + dy

    radii = np.arange(max(1.5, 0.5 * size), 1.5 * size + 3, step)
    edge = _edges(image, glints, x, y, radii, size)
    curve = Boundary.circle(x, y, size)
    for order, window in ((1, 0.25), (2, 0.15), (4, 0.10), (4, 0.07)):
        curve = refine(edge, radii, (x, y), curve, order=order, window=window * size, ridge=0.05)
    return curve


def _edges(image: Gray, glints: NDArray[np.bool_], x: float, y: float, radii: Float, radius: float) -> Float32:
    """Soft-clipped rise of brightness outward, 0 where a glint reaches into the comparison."""
    polar = unroll(image, x, y, radii, COLUMNS).astype(np.float32)
    bright = unroll(glints.view(np.uint8), x, y, radii, COLUMNS) > 0
    reach = max(2, round(max(1.5, 0.05 * radius) / (radii[1] - radii[0])))
    return edge_map(polar, bright, reach)
