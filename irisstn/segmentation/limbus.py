"""The limbus: the iris's outer boundary, found where the lids leave it free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from irisstn.geometry import Bool, Boundary, Eyelid, Float
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

_COLUMNS = 96
_SEARCH_COLUMNS = 48
_DARK_SCLERA = 0.55  # what a limbus counts whose sclera is darker than the iris: the less likely reading
_OFF_CENTRE = 2.0  # score that a circle loses per squared offset from the pupil, in radii
_USUAL_RATIO = 2.5  # iris by pupil radius
_RATIO_WEIGHT = 0.3  # score that a circle loses per squared logarithm off the usual ratio
_CONCENTRIC = 0.1  # how strongly the limbus is drawn to the pupil's centre, as a share of the measurements
_ROUND = 0.3  # how strongly it is drawn to a circle, likewise


@dataclass(frozen=True, slots=True)
class LimbusCircle:
    """A rough limbus: its `circle`, the `sign` of the step across it (-1: a darker sclera), a `score` of 0..1.5."""

    circle: Boundary
    sign: int
    score: float


def find_limbus(image: Gray, glints: Bool, pupil: Boundary) -> LimbusCircle:
    """The iris's outer circle around the circle `pupil` in the reduced `image`.

    Scored at its sides, where lids seldom reach, by the step at the circle itself and by how much brighter the fifth of
    a radius beyond it is than the fifth before.
    """
    inner = pupil.mean_radius
    largest = max(min(6.5 * inner, 0.75 * max(image.shape)), 1.6 * inner + 3)
    radii = np.arange(max(2.0, 0.8 * inner), 1.25 * largest, max(0.5, inner / 20))
    grid = PolarGrid(pupil.x, pupil.y, radii, _SEARCH_COLUMNS)
    polar = grid.unroll(image)
    seen = grid.inside(image.shape)
    hidden = grid.unroll_mask(glints)
    offsets = square_offsets(0.1, 5)
    sizes = np.geomspace(1.3 * inner + 2, largest, 60)
    unusual = _RATIO_WEIGHT * np.log(sizes / inner / _USUAL_RATIO) ** 2
    circles = Circles(offsets, sizes, 3.0 * (offsets**2).sum(axis=1)[:, None] + unusual)
    wide = _wide_rise(polar, grid)
    found = []
    for sign, share in ((1, 1.0), (-1, _DARK_SCLERA)):
        step = np.maximum(sign * wide, 0)
        edge = edge_map(polar, hidden, 3, sign=sign) * (0.4 + 0.6 * step / (step + 10))
        edge[~seen] = 0
        x, y, size, score = best_circle(edge, grid, circles, _side_weights(_SEARCH_COLUMNS))
        found.append(LimbusCircle(Boundary.circle(x, y, size), sign, score * share))
    return max(found, key=lambda limbus: limbus.score)


def _wide_rise(polar: Float32, grid: PolarGrid) -> Float32:
    """Rise (R, T) of brightness from the fifth of a radius within each place to the fifth beyond it."""
    rows = len(grid.radii)
    count = np.arange(rows)
    reach = np.maximum(2, np.rint(0.2 * grid.radii / grid.step).astype(int))
    summed = np.concatenate([np.zeros((1, polar.shape[1]), np.float32), np.cumsum(polar, axis=0)])
    low, high = np.maximum(count - reach, 0), np.minimum(count + 1 + reach, rows)
    inner = (summed[count] - summed[low]) / np.maximum(count - low, 1)[:, None]
    outer = (summed[high] - summed[np.minimum(count + 1, high - 1)]) / np.maximum(high - count - 1, 1)[:, None]
    return np.asarray(outer - inner, np.float32)


def fit_limbus(image: Gray, glints: Bool, pupil: Boundary, limbus: LimbusCircle) -> Boundary:
    """The limbus as a circle near the rough `limbus`, from its sides mainly: the lids are not known yet."""
    circle = limbus.circle
    radius = circle.mean_radius
    radii = np.arange(max(1.08 * pupil.mean_radius, 0.7 * radius), 1.3 * radius, radius / 80)
    grid = PolarGrid(circle.x, circle.y, radii, _COLUMNS)
    edge = edge_map(grid.unroll(image), grid.unroll_mask(glints), 4, sign=limbus.sign)
    offsets = square_offsets(0.06, 7)
    drift = offsets + np.array([circle.x - pupil.x, circle.y - pupil.y]) / radius
    against = _OFF_CENTRE * (drift**2).sum(axis=1)[:, None]
    circles = Circles(offsets, np.linspace(0.92, 1.08, 17) * radius, against)
    x, y, radius, _ = best_circle(edge, grid, circles, _side_weights(_COLUMNS))
    curve = Boundary.circle(x, y, radius)
    weights = _side_weights(_COLUMNS).sum(axis=0)
    stiffness = Stiffness(_ROUND, pupil.x, pupil.y, _CONCENTRIC)
    for window in (0.10, 0.07):
        curve = refine(edge, grid, curve, order=1, window=window * radius, stiffness=stiffness, weights=weights)
    return curve


def refine_limbus(
    image: Gray, glints: Bool, pupil: Boundary, limbus: LimbusCircle, *, lids: tuple[Eyelid, Eyelid]
) -> Boundary:
    """The limbus once more, from all of its edge that lies clear of the lids: nearly an ellipse.

    `limbus` holds the curve found so far as its `circle`.
    """
    curve = limbus.circle
    radius = curve.mean_radius
    radii = np.arange(max(1.08 * pupil.mean_radius, 0.75 * radius), 1.25 * radius, radius / 100)
    grid = PolarGrid(curve.x, curve.y, radii, _COLUMNS)
    edge = edge_map(grid.unroll(image), grid.unroll_mask(glints), 5, sign=limbus.sign)
    stiffness = Stiffness(_ROUND, pupil.x, pupil.y, _CONCENTRIC)
    for order, share in ((1, 0.08), (2, 0.06), (2, 0.05)):
        weights = _clear_of(lids, curve)
        window = share * radius
        curve = refine(edge, grid, curve, order=order, window=window, stiffness=stiffness, weights=weights)
    return curve


def _clear_of(lids: tuple[Eyelid, Eyelid], limbus: Boundary) -> Float32:
    """Weights (T,) of the limbus's points: 1 between the lids, 0 behind them, rising over a sixteenth of a radius."""
    angle, _, _ = directions(_COLUMNS)
    points = limbus.points(angle)
    weights = np.full(_COLUMNS, 1.0)
    for lid, side in zip(lids, (1, -1), strict=True):
        weights *= np.clip((side * below(lid, points) / limbus.mean_radius - 0.03) / 0.06, 0.0, 1.0)
    return np.asarray(weights + 1e-3, np.float32)


def below(lid: Eyelid, points: Float) -> Float:
    """How far (N,) in pixels `points` (N, 2) lie below the lid's edge, across the eye."""
    dx, dy = points[:, 0] - lid.x, points[:, 1] - lid.y
    cosine, sine = np.cos(lid.angle_rad), np.sin(lid.angle_rad)
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    c0, c1, c2 = lid.coefficients
    return np.asarray(across - (c0 + along * (c1 + along * c2)))


@lru_cache(maxsize=4)
def _side_weights(columns: int) -> Float32:
    """Weights (2, T) of the columns on the right and left side: full within 40 degrees, little above and below."""
    _, cosine, sine = directions(columns)
    side = np.clip((np.abs(cosine) - 0.55) / 0.25, 0.0, 1.0) + 0.12 * (sine > 0) + 0.05
    pair = np.stack([side * (cosine > 0), side * (cosine <= 0)])
    return np.asarray(pair / pair.sum(axis=1, keepdims=True) / 2, np.float32)
