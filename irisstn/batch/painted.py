"""A ring that somebody else has segmented: a picture in which all but the iris is painted over with one flat gray."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, Ellipse, Float
from irisstn.normalization import Gray
from irisstn.segmentation import Segmentation

_NEAR = 6  # gray levels that a painted flat may stray under JPEG
_FRAME_SHARE, _PICTURE_SHARE = 0.7, 0.2
_TRIES = 400
_SPECK = 12  # pixels; an iris may hold the flat's own gray by chance


def is_painted(image: Gray) -> bool:
    """Whether `image` (H, W) looks painted over: one gray fills most of its frame and a good part of the picture."""
    level = _flat_level(image)
    flat = np.abs(image.astype(np.int16) - level) <= _NEAR
    frame = np.concatenate([flat[:2].ravel(), flat[-2:].ravel(), flat[:, :2].ravel(), flat[:, -2:].ravel()])
    # A photograph's dark corner is never one gray to the level; paint is.
    exact = (np.abs(image.astype(np.int16) - level) <= 1).mean()
    return bool(frame.mean() >= _FRAME_SHARE and flat.mean() >= _PICTURE_SHARE and exact >= 0.8 * flat.mean())


def segment_painted(image: Gray) -> Segmentation:
    """The ring of `image` (H, W) uint8, in which all but the iris is painted over, lids and noise, too, if need be.

    The limbus is the circle through the outer edge that holds the whole iris, the pupil the circle through the hole's
    edge; both become ellipses where their edges go all around. Raises SegmentationError where there is no such ring.
    """
    flat = np.abs(image.astype(np.int16) - _flat_level(image)) <= _NEAR
    iris = _largest(~flat)
    if iris is None or iris.sum() < 200:
        raise SegmentationError("no ring: nothing in the picture stands out from the flat gray around it")
    limbus = _circle_through(_outer_edge(iris), inside=_points(iris))
    if limbus is None:
        raise SegmentationError("no ring: the outer edge of the painted picture is no circle")
    hole = _hole(iris, limbus)
    pupil = _circle_through(_outer_edge(hole), inside=None) if hole is not None else None
    if pupil is None or not 0.1 < pupil.mean_radius / limbus.mean_radius < 0.9:
        raise SegmentationError("no ring: the pupil is not painted over")
    size = (image.shape[0], image.shape[1])
    mask = _without_specks(iris) & limbus.mask(size) & ~pupil.mask(size)
    return Segmentation(pupil, limbus, None, None, mask, mask)


def _flat_level(image: Gray) -> int:
    frame = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    return int(np.bincount(frame, minlength=256).argmax())


def _largest(mask: Bool) -> Bool | None:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _without_specks(iris: Bool) -> Bool:
    """`iris` with holes of a few pixels filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~iris).astype(np.uint8))
    small = np.zeros(count, bool)
    small[1:] = stats[1:, cv2.CC_STAT_AREA] <= _SPECK
    return np.asarray(iris | small[labels])


def _outer_edge(mask: Bool) -> Float:
    """Points (N, 2) of the outer contour, moved outward by the half pixel to the edge itself."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    contour = max(contours, key=len)[:, 0].astype(float)
    away = contour - contour.mean(axis=0)
    return np.asarray(contour + 0.5 * away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9))


def _points(mask: Bool) -> Float:
    rows, columns = np.nonzero(mask)
    return np.stack([columns, rows], axis=1).astype(float)[:: max(1, len(rows) // 2000)]


def _hole(iris: Bool, limbus: Boundary) -> Bool | None:
    """The flat part around the limbus's centre, filled; None where the centre is iris or the part is open outward."""
    size = (iris.shape[0], iris.shape[1])
    inner = Boundary.circle(limbus.x, limbus.y, 0.25 * limbus.mean_radius).mask(size)
    count, labels = cv2.connectedComponents((~iris & limbus.mask(size)).astype(np.uint8))
    votes = np.bincount(labels[inner], minlength=count)
    if count < 2 or votes[1:].max() < 0.3 * inner.sum():
        return None
    return np.asarray(labels == 1 + int(np.argmax(votes[1:])))


def _circle_through(edge: Float, inside: Float | None) -> Boundary | None:
    """The circle with most of `edge` (N, 2) on it and nearly all of `inside` within it.

    RANSAC (Fischler & Bolles 1981): lids cut an iris along chords, so a fit to the whole edge would be too small.
    """
    random = np.random.default_rng(0)
    tolerance = 1.5
    best, most = None, 0
    for _ in range(_TRIES):
        circle = _circle_of(edge[random.choice(len(edge), 3, replace=False)])
        if circle is None or circle[2] > 2 * np.ptp(edge, axis=0).max():
            continue
        x, y, radius = circle
        if inside is not None and (np.hypot(inside[:, 0] - x, inside[:, 1] - y) > radius + tolerance).mean() > 0.01:
            continue
        on = np.abs(np.hypot(edge[:, 0] - x, edge[:, 1] - y) - radius) < tolerance
        if on.sum() > most:
            best, most = (x, y, on), int(on.sum())
    if best is None or most < max(12, 0.15 * len(edge)):
        return None
    x, y, on = best
    return _fitted(edge[on], x, y)


def _circle_of(points: Float) -> tuple[float, float, float] | None:
    (x1, y1), (x2, y2), (x3, y3) = points
    matrix = np.array([[x2 - x1, y2 - y1], [x3 - x1, y3 - y1]])
    if abs(np.linalg.det(matrix)) < 1e-3:
        return None
    right = 0.5 * np.array([x2**2 - x1**2 + y2**2 - y1**2, x3**2 - x1**2 + y3**2 - y1**2])
    x, y = np.linalg.solve(matrix, right)
    return float(x), float(y), float(np.hypot(x1 - x, y1 - y))


def _fitted(points: Float, x: float, y: float) -> Boundary:
    """The circle, or the ellipse where the points go nearly all around, of least squares through `points` (N, 2)."""
    angle = np.arctan2(points[:, 1] - y, points[:, 0] - x)
    sectors = np.unique((angle % TAU / TAU * 24).astype(int))
    if len(sectors) >= 20:
        (cx, cy), (width, height), degrees = cv2.fitEllipseDirect(points.astype(np.float32))
        if 0.8 < width / height < 1.25:
            return Boundary.from_ellipse(Ellipse(cx, cy, width / 2, height / 2, np.deg2rad(degrees)))
    # x^2 + y^2 = 2 a x + 2 b y + c (Kasa 1976)
    system = np.column_stack([2 * points, np.ones(len(points))])
    a, b, c = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return Boundary.circle(a, b, float(np.sqrt(c + a * a + b * b)))
