"""The pupil's boundary: a circle by exhaustive search, then a low-order curve by robust refinement."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Float
from irisstn.segmentation.polar import Float32, best_circle, directions, edge_map, refine, square_offsets, unroll

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


def pupil_evidence(image: Gray, glints: NDArray[np.bool_], pupil: Boundary) -> tuple[float, float, float]:
    """What speaks for a fitted `pupil`: the contrast, sharpness and agreement of its edge.

    Contrast: the rise of brightness from the fifth of a radius within to the fifth beyond, in gray levels, median over
    the angles. Sharpness: the share of that rise that happens within a tenth of a radius (1 in focus, 0.25 where the
    picture is as blurred as the pupil is large). Agreement: the share of angles at which it is more than a third of its
    median. Cells under `glints` (H, W) have no say.
    """
    radius = pupil.mean_radius
    angle, cosine, sine = directions(COLUMNS)
    rays = (pupil.radius(angle) / radius).astype(np.float32)
    shares = np.array([0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2], np.float32)[:, None] * radius * rays
    x, y = shares * cosine + np.float32(pupil.x), shares * sine + np.float32(pupil.y)
    levels = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    hidden = cv2.remap(glints.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    height, width = image.shape
    known = ((hidden == 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)).all(axis=0)
    if np.count_nonzero(known) < COLUMNS // 4:
        return 0.0, 0.0, 0.0
    levels = levels[:, known]
    wide = levels[4:].mean(axis=0) - levels[:4].mean(axis=0)
    contrast = float(np.median(wide))
    if contrast <= 0:
        return contrast, 0.0, 0.0
    narrow = float(np.median(levels[4] - levels[3]))
    return contrast, narrow / contrast, float((wide > contrast / 3).mean())
