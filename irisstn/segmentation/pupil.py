"""The boundary of the pupil, a curve of low order fitted to its edge."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Bool, Boundary, Gray, median
from irisstn.segmentation.contour_tracing import CurvePrior, trace_curve
from irisstn.segmentation.polar import PolarGrid, directions, edge_map

_COLUMNS = 72
_REACH = 3  # rows on either side of an edge whose means are compared
_PRIOR = CurvePrior(shape=0.05)
# Radii inside and outside the edge, relative to its own.
_BESIDE_EDGE = np.array([0.8, 0.85, 0.9, 0.95, 1.05, 1.1, 1.15, 1.2], np.float32)[:, None]


def fit_pupil(image: Gray, reflections: Bool, rough: Boundary) -> Boundary:
    """Fit a curve of order 4 to the edge of the pupil.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    reflections : ndarray of bool, shape (H, W)
        Specular reflections, which are ignored.
    rough : Boundary
        The rough pupil.

    Returns
    -------
    Boundary
        The pupil in pixels of `image`.

    Raises
    ------
    SegmentationError
        Where no closed curve fits the edges.
    """
    radius = rough.mean_radius
    radii = np.arange(max(1.5, 0.6 * radius), 1.4 * radius + 3, max(0.5, radius / 50))
    grid = PolarGrid(rough.x, rough.y, radii, _COLUMNS)
    edge = edge_map(*grid.unroll_with(image, reflections), _REACH)
    steps = [(order, fraction * radius) for order, fraction in ((1, 0.18), (2, 0.12), (4, 0.08))]
    return trace_curve(edge, grid, rough, steps=steps, prior=_PRIOR)


def edge_clarity(image: Gray, reflections: Bool, pupil: Boundary) -> tuple[float, float]:
    """Contrast and sharpness of the edge of a fitted pupil.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    reflections : ndarray of bool, shape (H, W)
        Specular reflections; an angle at which one lies on the edge is ignored.
    pupil : Boundary
        The fitted pupil.

    Returns
    -------
    contrast : float
        Rise of brightness across the edge in gray levels: mean from 1.05 to 1.2 radii minus mean from 0.8 to 0.95
        radii, median over the angles. 0 where fewer than a quarter of the angles are visible.
    sharpness : float
        Fraction of the contrast within a tenth of a radius: 1 in focus, 0.25 where the picture is as blurred as the
        pupil is large.
    """
    _, cosine, sine = directions(_COLUMNS)
    radii = _BESIDE_EDGE * pupil.even_radii(_COLUMNS).astype(np.float32)
    x, y = radii * cosine + np.float32(pupil.x), radii * sine + np.float32(pupil.y)
    levels = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    hidden = cv2.remap(
        reflections.view(np.uint8), x, y, cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=0
    )
    height, width = image.shape
    known = ((hidden == 0) & (x >= 0) & (x < width) & (y >= 0) & (y < height)).all(axis=0)
    if np.count_nonzero(known) < _COLUMNS // 4:
        return 0.0, 0.0
    levels = levels[:, known]
    wide = levels[4:].mean(axis=0) - levels[:4].mean(axis=0)
    contrast = median(wide)
    if contrast <= 0:
        return contrast, 0.0
    narrow = median(levels[4] - levels[3])
    return contrast, narrow / contrast
