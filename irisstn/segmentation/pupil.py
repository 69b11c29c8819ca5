"""The pupil's boundary: a circle by exhaustive search, then a low-order curve by robust refinement."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Bool, Boundary, Float
from irisstn.segmentation.curves import Stiffness, refine
from irisstn.segmentation.polar import (
    Circles,
    Float32,
    Gray,
    PolarGrid,
    best_circle,
    directions,
    edge_map,
    square_offsets,
)

_COLUMNS = 72
_SEARCH_COLUMNS = 48
_BLANK = 0.3  # what a place under a glint counts in the search: little, for it may hide an edge
_STIFFNESS = Stiffness(round=0.05)


def find_pupil(image: Gray, glints: Bool, start: Boundary) -> tuple[Boundary, float]:
    """The pupil's circle near `start`, a rough one, and its score (0..1). Cells under `glints` (H, W) have no say."""
    radius = start.mean_radius
    radii = np.arange(1.0, 2.0 * radius + 6, max(0.4, radius / 30))
    grid = PolarGrid(start.x, start.y, radii, _SEARCH_COLUMNS)
    return _circle(_edges(image, glints, grid, radius, _BLANK), grid, 0.3, np.linspace(0.65, 1.4, 24) * radius)


def fit_pupil(image: Gray, glints: Bool, circle: Boundary) -> Boundary:
    """The pupil's edge near `circle`; cells under `glints` (H, W) have no say."""
    radius = circle.mean_radius
    radii = np.arange(max(1.5, 0.5 * radius), 1.5 * radius + 3, max(0.5, radius / 50))
    grid = PolarGrid(circle.x, circle.y, radii, _COLUMNS)
    edge = _edges(image, glints, grid, radius)
    curve, _ = _circle(edge, grid, 0.12, np.linspace(0.85, 1.15, 16) * radius)
    radius = curve.mean_radius
    for order, window in ((1, 0.15), (2, 0.12), (4, 0.10), (4, 0.07)):
        curve = refine(edge, grid, curve, order=order, window=window * radius, stiffness=_STIFFNESS)
    return curve


def _circle(edge: Float32, grid: PolarGrid, reach: float, radii: Float) -> tuple[Boundary, float]:
    """The best circle of one of `radii`, its centre within `reach` of its radius of the grid's, and its score."""
    weights = np.full((1, grid.columns), 1.0 / grid.columns, np.float32)
    offsets = square_offsets(reach, 7)
    against = 0.5 * (offsets**2).sum(axis=1)[:, None]
    x, y, radius, score = best_circle(edge, grid, Circles(offsets, radii, against), weights)
    return Boundary.circle(x, y, radius), score


def _edges(image: Gray, glints: Bool, grid: PolarGrid, radius: float, blank: float = 0.0) -> Float32:
    reach = max(2, round(max(1.5, 0.05 * radius) / grid.step))
    return edge_map(grid.unroll(image), grid.unroll_mask(glints), reach, blank=blank)


def pupil_evidence(image: Gray, glints: Bool, pupil: Boundary) -> tuple[float, float, float]:
    """What speaks for a fitted `pupil`: the contrast, sharpness and agreement of its edge.

    Contrast: the rise of brightness from the fifth of a radius within to the fifth beyond, in gray levels, median over
    the angles. Sharpness: the share of that rise that happens within a tenth of a radius (1 in focus, 0.25 where the
    picture is as blurred as the pupil is large). Agreement: the share of angles at which it is more than a third of its
    median. Cells under `glints` (H, W) have no say.
    """
    angle, cosine, sine = directions(_COLUMNS)
    shares = np.array([0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2], np.float32)[:, None]
    radii = shares * pupil.radius(angle).astype(np.float32)
    x, y = radii * cosine + np.float32(pupil.x), radii * sine + np.float32(pupil.y)
    levels = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    hidden = cv2.remap(glints.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    height, width = image.shape
    known = ((hidden == 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)).all(axis=0)
    if np.count_nonzero(known) < _COLUMNS // 4:
        return 0.0, 0.0, 0.0
    levels = levels[:, known]
    wide = levels[4:].mean(axis=0) - levels[:4].mean(axis=0)
    contrast = float(np.median(wide))
    if contrast <= 0:
        return contrast, 0.0, 0.0
    narrow = float(np.median(levels[4] - levels[3]))
    return contrast, narrow / contrast, float((wide > contrast / 3).mean())
