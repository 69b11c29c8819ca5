"""The limbus: the iris's outer boundary, found where the lids leave it free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Eyelid, Float
from irisstn.segmentation.polar import Float32, best_circle, directions, edge_map, inside, refine, square_offsets, unroll

Gray = NDArray[np.uint8]

COLUMNS = 96
SEARCH_COLUMNS = 48
_DARK_SCLERA = 0.55  # a sclera darker than the iris is the less likely reading
_OFF_CENTRE = 2.0  # score that a circle loses per squared offset from the pupil, in radii
_CONCENTRIC = 0.1  # how strongly the limbus is drawn to the pupil's centre, as a share of the measurements
_ROUND = 0.3  # how strongly it is drawn to a circle
_RATIO_WEIGHT = 0.3
_USUAL_RATIO = 2.5  # iris by pupil radius


@dataclass(frozen=True, slots=True)
class LimbusCircle:
    """A rough limbus: its `circle`, the `sign` of the step across it (-1: the sclera is darker), a `score` of 0..1.5."""

    circle: Boundary
    sign: int
    score: float


def find_limbus(image: Gray, glints: NDArray[np.bool_], pupil: Boundary) -> LimbusCircle:
    """The iris's outer circle around the circle `pupil` in the reduced `image`.

    Scored at its sides, where lids seldom reach, by the step at the circle itself and by how much brighter the fifth of
    a radius beyond it is than the fifth before.
    """
    x, y, inner = pupil.x, pupil.y, pupil.mean_radius
    largest = max(min(6.5 * inner, 0.75 * max(image.shape)), 1.6 * inner + 3)
    radii = np.arange(max(2.0, 0.8 * inner), 1.25 * largest, max(0.5, inner / 20))
    polar = unroll(image, x, y, radii, SEARCH_COLUMNS).astype(np.float32)
    seen = inside(x, y, radii, SEARCH_COLUMNS, (image.shape[0], image.shape[1]))
    hidden = unroll(glints.view(np.uint8), x, y, radii, SEARCH_COLUMNS) > 0
    offsets = square_offsets(0.1, 5)
    sizes = np.geomspace(1.3 * inner + 2, largest, 60)
    against = 3.0 * (offsets**2).sum(axis=1)[:, None] + _RATIO_WEIGHT * np.log(sizes / inner / _USUAL_RATIO)[None, :] ** 2
    wide = _wide_rise(polar, radii)
    found = []
    for sign in (1, -1):
        step = np.maximum(sign * wide, 0)
        edge = edge_map(polar, hidden, 3, sign) * (0.4 + 0.6 * step / (step + 10))
        edge[~seen] = 0
        dx, dy, size, score = best_circle(edge, radii, offsets, sizes, _side_weights(SEARCH_COLUMNS), against=against)
        found.append(LimbusCircle(Boundary.circle(x + dx, y + dy, size), sign, score * (1.0 if sign > 0 else _DARK_SCLERA)))
    return max(found, key=lambda limbus: limbus.score)


def _wide_rise(polar: Float32, radii: Float) -> Float32:
    """Rise (R, T) of brightness from the fifth of a radius within each place to the fifth beyond it."""
    step = float(radii[1] - radii[0])
    count = np.arange(len(radii))
    reach = np.maximum(2, np.rint(0.2 * radii / step).astype(int))
    summed = np.concatenate([np.zeros((1, polar.shape[1]), np.float32), np.cumsum(polar, axis=0)])
    low, high = np.maximum(count - reach, 0), np.minimum(count + 1 + reach, len(radii))
    inner = (summed[count] - summed[low]) / np.maximum(count - low, 1)[:, None]
    outer = (summed[high] - summed[np.minimum(count + 1, high - 1)]) / np.maximum(high - count - 1, 1)[:, None]
    return np.asarray(outer - inner, np.float32)


def fit_limbus(
    image: Gray, glints: NDArray[np.bool_], pupil: Boundary, circle: Boundary, sign: int
) -> Boundary:
    """The limbus as a circle near `circle`, from its sides mainly: the lids are not known yet."""
    radius = circle.mean_radius
    step = radius / 80
    radii = np.arange(max(1.08 * pupil.mean_radius, 0.7 * radius), 1.3 * radius, step)
    polar = unroll(image, circle.x, circle.y, radii, COLUMNS).astype(np.float32)
    bright = unroll(glints.view(np.uint8), circle.x, circle.y, radii, COLUMNS) > 0
    edge = edge_map(polar, bright, 4, sign)
    offsets = square_offsets(0.06, 7)
    sizes = np.linspace(0.92 * radius, 1.08 * radius, 17)
    drift = offsets + np.array([circle.x - pupil.x, circle.y - pupil.y]) / radius
    against = np.broadcast_to(_OFF_CENTRE * (drift**2).sum(axis=1)[:, None], (len(offsets), 1))
    dx, dy, size, _ = best_circle(edge, radii, offsets, sizes, _side_weights(COLUMNS), against=against)
    curve = Boundary.circle(circle.x + dx, circle.y + dy, size)
    weights = _side_weights(COLUMNS).sum(axis=0)
    first = (pupil.x - circle.x, pupil.y - circle.y, _CONCENTRIC)
    for window in (0.10, 0.07):
        curve = refine(
            edge, radii, (circle.x, circle.y), curve, order=1, window=window * size, ridge=0.5, weights=weights, first=first
        )
    return curve


def refine_limbus(
    image: Gray,
    glints: NDArray[np.bool_],
    pupil: Boundary,
    limbus: Boundary,
    lids: tuple[Eyelid | None, Eyelid | None],
    sign: int,
) -> Boundary:
    """The limbus once more, from all of its edge that lies clear of the lids: nearly an ellipse."""
    radius = limbus.mean_radius
    step = radius / 100
    radii = np.arange(max(1.08 * pupil.mean_radius, 0.75 * radius), 1.25 * radius, step)
    polar = unroll(image, limbus.x, limbus.y, radii, COLUMNS).astype(np.float32)
    bright = unroll(glints.view(np.uint8), limbus.x, limbus.y, radii, COLUMNS) > 0
    edge = edge_map(polar, bright, 5, sign)
    curve = limbus
    for order, window in ((1, 0.08), (2, 0.06), (2, 0.05)):
        weights = _clear_of(lids, curve)
        curve = refine(edge, radii, (limbus.x, limbus.y), curve, order=order, window=window * radius, ridge=_ROUND, weights=weights, first=(pupil.x-limbus.x, pupil.y-limbus.y, _CONCENTRIC))
    return curve


def _clear_of(lids: tuple[Eyelid | None, Eyelid | None], limbus: Boundary) -> NDArray[np.float32]:
    """Weights (T,) of the limbus's points: 1 between the lids, 0 behind them, falling within a tenth of the radius."""
    angle, _, _ = directions(COLUMNS)
    points = limbus.points(angle)
    weights = np.ones(COLUMNS, np.float32)
    for lid, side in zip(lids, (1, -1), strict=True):
        if lid is not None:
            clear = side * beyond(lid, points) / limbus.mean_radius
            weights *= np.clip((clear - 0.03) / 0.1, 0.0, 1.0).astype(np.float32)
    return weights + 1e-3


def beyond(lid: Eyelid, points: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far (N,) in pixels `points` (N, 2) lie below the lid's edge, across the eye."""
    dx, dy = points[:, 0] - lid.x, points[:, 1] - lid.y
    cosine, sine = np.cos(lid.angle_rad), np.sin(lid.angle_rad)
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    c0, c1, c2 = lid.coefficients
    return np.asarray(across - (c0 + along * (c1 + along * c2)))


@lru_cache(maxsize=4)
def _side_weights(columns: int) -> NDArray[np.float32]:
    """Weights (2, T) of the columns on the right and left side: full within 40 degrees, little above and below."""
    _, cosine, sine = directions(columns)
    side = np.clip((np.abs(cosine) - 0.55) / 0.25, 0.0, 1.0) + 0.12 * (sine > 0) + 0.05
    pair = np.stack([side * (cosine > 0), side * (cosine <= 0)])
    return np.asarray(pair / pair.sum(axis=1, keepdims=True) / 2, np.float32)
