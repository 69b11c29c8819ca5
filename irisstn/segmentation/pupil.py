"""The boundary of the pupil, a curve of low order fitted to its edge."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Eyelids, Float, Float32, Gray, median, recentred
from irisstn.segmentation.contour_tracing import CurvePrior, closed_curve, polar_basis, robust_fit, trace_curve
from irisstn.segmentation.polar import PolarGrid, directions, edge_map

_COLUMNS = 72
_REACH = 3  # rows on either side of an edge whose means are compared
_SHAPE_WEIGHT = 0.05  # in `CurvePrior`
# The radius in pixels of a pupil on whose centre the network's map is as good as the traced edge, and the weight of its
# shape there: of smaller ones the edge has few pixels, and reflections hide much of it.
_SMALL_RADIUS, _SMALL_SHAPE_WEIGHT = 9.0, 0.1
# An irregular pupil: the order of its curve, the weight of a circle, and how many times as strong the edge on it must
# be as on the curve of low order.
_ORDER, _CIRCLE_WEIGHT, _STRONGER = 8, 0.001, 1.1
# It is looked for where the edge on the curve of low order is weaker than this, in pupils of at least so many pixels
# that are so many gray levels darker than the iris: in visible light the texture of dark irises has stronger edges.
_CLEAR_EDGE, _LEAST_RADIUS, _LEAST_CONTRAST = 0.8, 10.0, 30.0
_BEHIND_EYELID = 0.1  # pupil radii from an eyelid's edge within which it may cover the pupil
_NEAR_EYELID = 2.0  # the same, of the pupil's centre, from which on no point of its edge is behind the eyelid
# Distances from the edge at which its clarity is measured, in radii of the pupil, and the least such radius in pixels:
# of a smaller pupil the nearest ones would lie less than a pixel apart, and no picture could be sharp.
_BESIDE_EDGE = np.array([-0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2], np.float32)[:, None]
_LEAST_UNIT = 10.0


def fit_pupil(image: Gray, reflections: Bool, rough: Boundary, eyelids: Eyelids) -> tuple[Boundary, float]:
    """Fit a curve to the edge of the pupil: of order 4, or of order 8 where the pupil is irregular.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture, or a crop of one.
    reflections : ndarray of bool, shape (H, W)
        Specular reflections, which are ignored.
    rough : Boundary
        The rough pupil.
    eyelids : Eyelids
        Upper and lower eyelid.

    Returns
    -------
    pupil : Boundary
        The pupil in pixels of `image`.
    strength : float
        Mean strength of the edge on a curve of order 4, where nothing hides it, 0..1 as in
        `irisstn.segmentation.polar.edge_map`: near 1 where it stands out from texture and noise.

    Raises
    ------
    SegmentationError
        Where no closed curve fits the edges.
    """
    radius = rough.mean_radius
    radii = np.arange(max(1.5, 0.6 * radius), 1.4 * radius + 3, max(0.5, radius / 50))
    grid = PolarGrid(rough.x, rough.y, radii, _COLUMNS)
    polar, hidden = grid.unroll_with(image, reflections)
    edge = edge_map(polar, hidden, _REACH)
    steps = [(order, fraction * radius) for order, fraction in ((1, 0.18), (2, 0.12), (4, 0.08))]
    small = (_SMALL_RADIUS / radius) ** 4
    prior = CurvePrior(_SHAPE_WEIGHT + _SMALL_SHAPE_WEIGHT * small, rough.x, rough.y, small)
    pupil = trace_curve(edge, grid, rough, steps=steps, prior=prior)
    strength = _strength_on(edge, hidden, grid, pupil)
    if strength > _CLEAR_EDGE or pupil.mean_radius < _LEAST_RADIUS:
        return pupil, strength
    return _irregular_pupil(image, reflections, pupil, eyelids) or pupil, strength


def is_irregular(pupil: Boundary) -> bool:
    """Whether `fit_pupil` took a curve of order 8."""
    return len(pupil.cosines) > _ORDER


def part_behind_eyelids(pupil: Boundary, eyelids: Eyelids) -> float:
    """The part of a pupil's edge that lies behind an eyelid's edge or just in front of it, 0..1."""
    inside = _from_eyelids(pupil, eyelids)
    return 0.0 if inside is None else float((inside < _BEHIND_EYELID).mean())


def _from_eyelids(pupil: Boundary, eyelids: Eyelids) -> Float | None:
    """How far (T,) the points of a pupil's edge lie from the nearer eyelid, in pupil radii; None where none is near."""
    radius = pupil.mean_radius
    centre = np.array([[pupil.x], [pupil.y]])
    near = [
        (eyelid, side)
        for eyelid, side in zip(eyelids, (1, -1), strict=True)
        if eyelid is not None and float(side * eyelid.below(*centre)[0]) < _NEAR_EYELID * radius
    ]
    if not near:
        return None
    x, y = pupil.even_points(_COLUMNS).T
    distances = [side * eyelid.below(x, y) / radius for eyelid, side in near]
    nearer = np.minimum.reduce(distances)
    return nearer if nearer.min() < 2 * _BEHIND_EYELID else None


def _irregular_pupil(image: Gray, reflections: Bool, pupil: Boundary, eyelids: Eyelids) -> Boundary | None:
    """The curve on which the picture first becomes brighter than half way between pupil and iris, along each ray.

    None where the edge on it is not much stronger than on `pupil`.
    """
    radius = pupil.mean_radius
    grid = PolarGrid(pupil.x, pupil.y, np.arange(max(1.5, 0.2 * radius), 2.2 * radius, max(0.5, radius / 50)), _COLUMNS)
    polar, hidden = grid.unroll_with(image, reflections)
    x, y = grid.points()
    for eyelid, side in zip(eyelids, (1, -1), strict=True):
        if eyelid is not None:
            hidden |= side * eyelid.below(x, y) < _BEHIND_EYELID * radius
    edge = edge_map(polar, hidden, _REACH)
    relative = grid.radii[:, None] / pupil.even_radii(_COLUMNS)
    inside, outside = ~hidden & (relative < 0.8), ~hidden & (relative > 1.15)
    beside, beyond = outside & (relative < 1.5), outside & (relative >= 1.5)
    if not (inside.any() and beside.any() and beyond.any()):
        return None
    dark, bright, further = (median(polar[part]) for part in (inside, beside, beyond))
    brighter = (cv2.blur(polar, (1, 3)) > (dark + bright) / 2) & ~hidden
    first = brighter.argmax(axis=0)
    # What is hidden just before may hide an earlier edge.
    near_hidden = cv2.dilate(hidden.view(np.uint8), np.ones((2 * _REACH + 1, 1), np.uint8)) > 0
    known = brighter.any(axis=0) & ~near_hidden[first, np.arange(_COLUMNS)]
    # Within a ring of reflections it is as dark as beyond them.
    if min(bright, further) - dark < _LEAST_CONTRAST or np.count_nonzero(known) < _COLUMNS // 2:
        return None
    basis = polar_basis(_COLUMNS, _ORDER)
    order = np.repeat(np.arange(1.0, _ORDER + 1), 2)
    penalty = np.concatenate([[0.0], np.where(order > 1, _CIRCLE_WEIGHT * order**2, 0.0)]) * np.count_nonzero(known)
    series = robust_fit(basis, grid.radii[first], known + 1e-6, np.asarray(penalty, np.float64), scale=1.5 * grid.step)
    if (basis @ series).min() <= 0:
        return None
    curve = closed_curve(pupil.x, pupil.y, series)
    if _strength_on(edge, hidden, grid, curve) < _STRONGER * _strength_on(edge, hidden, grid, pupil):
        return None
    return recentred(curve)


def _strength_on(edge: Float32, hidden: Bool, grid: PolarGrid, curve: Boundary) -> float:
    """Mean strength of the edge (R, T) within a row of a curve, where nothing hides it."""
    dx, dy = (curve.even_points(grid.columns) - (grid.x, grid.y)).T
    columns = np.rint(np.arctan2(dy, dx) * (grid.columns / TAU)).astype(int) % grid.columns
    rows = np.rint((np.hypot(dx, dy) - grid.radii[0]) / grid.step).astype(int)
    rows = np.minimum(np.maximum(rows, 0), len(grid.radii) - 1)
    seen = ~hidden[rows, columns]
    near = cv2.dilate(edge, np.ones((3, 1), np.uint8))
    return float(near[rows, columns][seen].mean()) if seen.any() else 0.0


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
    edge = pupil.even_radii(_COLUMNS).astype(np.float32)
    radii = np.maximum(edge + _BESIDE_EDGE * np.maximum(edge, np.float32(_LEAST_UNIT)), 0)
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
