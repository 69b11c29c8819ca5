"""The limbus, the outer boundary of the iris, fitted where the eyelids do not cover it."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from irisstn.geometry import Bool, Boundary, Eyelids, Float32, Gray
from irisstn.segmentation.contour_tracing import CurvePrior, trace_curve
from irisstn.segmentation.polar import PolarGrid, edge_map

_COLUMNS = 96
# Weights in `CurvePrior`: of the expected centre, and of the shape that the network's map has.
_CENTRE_WEIGHT, _SHAPE_WEIGHT = 0.1, 0.3
# The centre is expected at that of the pupil, which hardly differs from one capture of an eye to the next, or at that
# of the network's limbus where the two are further apart than this in iris radii: then the pupil is off centre.
_OFF_CENTRE = 0.12
# A gaze past the camera flattens pupil and limbus alike, while the network keeps the limbus rounder. Second harmonics
# of the radius over its mean: a pupil counts as flattened from `_FLAT[0]` on, and fully from `_FLAT[1]`, where the
# network's limbus is flattened along with it by the parts `_AGREEING` of that; the limbus then is by `_SHARED`.
# Pupils that reflections deform have limbi that do not agree: less than 0.22 in nine of ten pictures of UBIRIS.
_FLAT, _AGREEING, _SHARED = (0.04, 0.07), (0.2, 0.4), 0.95


def refine_limbus(image: Gray, reflections: Bool, pupil: Boundary, limbus: Boundary, *, eyelids: Eyelids) -> Boundary:
    """Fit a curve of order 2, nearly an ellipse, to the edge of the iris between the eyelids.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    reflections : ndarray of bool, shape (H, W)
        Specular reflections, which are ignored.
    pupil : Boundary
        The pupil, near whose centre that of the limbus is expected unless the network puts it far away.
    limbus : Boundary
        The rough limbus.
    eyelids : Eyelids
        Upper and lower eyelid.

    Returns
    -------
    Boundary
        The limbus in pixels of `image`.

    Raises
    ------
    SegmentationError
        Where no closed curve fits the edges.
    """
    limbus = _flattened_alike(limbus, pupil)
    radius = limbus.mean_radius
    # A whole number of steps below the outer radius, so that rounding errors do not decide on the number of rows.
    first = max(1.08 * pupil.mean_radius / radius, 0.75)
    radii = radius * np.arange(first, 1.25 - 1e-6, 0.01)
    grid = PolarGrid(limbus.x, limbus.y, radii, _COLUMNS)
    polar, hidden = grid.unroll_with(image, reflections)
    weights = _between_eyelids(eyelids, limbus)
    edge = edge_map(polar, hidden, 5, sign=_sign(polar, grid, limbus, weights))
    part = 1 / (1 + (math.dist((pupil.x, pupil.y), (limbus.x, limbus.y)) / (_OFF_CENTRE * radius)) ** 4)
    x, y = limbus.x + part * (pupil.x - limbus.x), limbus.y + part * (pupil.y - limbus.y)
    prior = CurvePrior(_SHAPE_WEIGHT, x, y, _CENTRE_WEIGHT)
    steps = [(order, fraction * radius) for order, fraction in ((1, 0.08), (2, 0.05))]
    return trace_curve(edge, grid, limbus, steps=steps, prior=prior, weights=weights)


def flatness(curve: Boundary) -> float:
    """The second harmonic of a curve's radius over its mean: 0 of a circle, 0.12 of a pupil seen from 40 degrees."""
    if len(curve.cosines) < 3:
        return 0.0
    return math.hypot(curve.cosines[2], curve.sines[2]) / curve.mean_radius


def _flattened_alike(limbus: Boundary, pupil: Boundary) -> Boundary:
    """`limbus`, flattened like a pupil that shows a gaze past the camera."""
    if min(len(pupil.cosines), len(limbus.cosines)) < 3:  # circles
        return limbus
    inner, outer = (complex(one.cosines[2], one.sines[2]) / one.mean_radius for one in (pupil, limbus))
    along = (outer * inner.conjugate()).real / max(abs(inner) ** 2, 1e-12)  # of the limbus, in those of the pupil
    weight = float(np.interp(abs(inner), _FLAT, (0, 1)) * np.interp(along, _AGREEING, (0, 1)))
    if weight == 0 or along >= _SHARED:
        return limbus
    second = limbus.mean_radius * (outer + weight * (_SHARED - along) * inner)
    cosines, sines = list(limbus.cosines), list(limbus.sines)
    cosines[2], sines[2] = second.real, second.imag
    return replace(limbus, cosines=tuple(cosines), sines=tuple(sines))


def _sign(polar: Float32, grid: PolarGrid, limbus: Boundary, weights: Float32) -> int:
    """1 where the sclera is brighter than the iris, as nearly always, else -1."""
    relative = grid.radii / limbus.mean_radius
    inner, outer = (polar[(low < relative) & (relative < high)] for low, high in ((0.82, 0.95), (1.05, 1.18)))
    if not len(inner) or not len(outer):  # the pupil leaves no room
        return 1
    return 1 if float((outer.mean(axis=0) - inner.mean(axis=0)) @ weights) >= 0 else -1


def _between_eyelids(eyelids: Eyelids, limbus: Boundary) -> Float32:
    """Weights (T,) of the limbus's points: 1 between the eyelids, 0 behind them, rising over 6 % of the radius."""
    x, y = limbus.even_points(_COLUMNS).T
    weights = np.full(_COLUMNS, 1.0)
    for eyelid, side in zip(eyelids, (1, -1), strict=True):
        if eyelid is None:
            continue
        inside = side * eyelid.below(x, y) / limbus.mean_radius
        weights *= np.minimum(np.maximum((inside - 0.03) / 0.06, 0.0), 1.0)
    return np.asarray(weights + 1e-3, np.float32)
