"""The limbus: the iris's outer boundary, found where the lids leave it free."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary
from irisstn.segmentation.polar import best_circle, directions, edge_map, refine, unroll

Gray = NDArray[np.uint8]

COLUMNS = 96


def find_limbus(image: Gray, glints: NDArray[np.bool_], pupil: Boundary, radius: float) -> Boundary:
    """The iris's outer edge around `pupil`, near `radius` pixels: a circle, found mainly at its sides."""
    x, y = pupil.x, pupil.y
    step = radius / 80
    radii = np.arange(1.12 * pupil.mean_radius, 1.5 * radius, step)
    polar = unroll(image, x, y, radii, COLUMNS).astype(np.float32)
    bright = unroll(glints.view(np.uint8), x, y, radii, COLUMNS) > 0
    edge = edge_map(polar, bright, 4)
    reach = 0.14 * radius
    shift = np.linspace(-reach, reach, 7)
    offsets = np.stack(np.meshgrid(shift, shift), axis=-1).reshape(-1, 2)
    sizes = np.linspace(0.78 * radius, 1.28 * radius, 40)
    dx, dy, size, _ = best_circle(edge, radii, offsets, sizes, _side_weights(), penalty=0.03 / reach**2)
    curve = Boundary.circle(x + dx, y + dy, size)
    weights = _side_weights().sum(axis=0)
    for order, window in ((1, 0.10), (1, 0.07), (2, 0.06)):
        curve = refine(edge, radii, (x, y), curve, order=order, window=window * size, ridge=0.5, weights=weights)
    return curve


def _side_weights() -> NDArray[np.float32]:
    """Weights (2, T) of the columns on the right and left side: full within 40 degrees, little above and below."""
    _, cosine, sine = directions(COLUMNS)
    side = np.clip((np.abs(cosine) - 0.55) / 0.25, 0.0, 1.0) + 0.12 * (sine > 0) + 0.05
    pair = np.stack([side * (cosine > 0), side * (cosine <= 0)])
    return np.asarray(pair / pair.sum(axis=1, keepdims=True) / 2, np.float32)
