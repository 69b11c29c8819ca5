"""Pictures that are already segmented: all but the iris is painted over with one gray level."""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, Ellipse, Float, Gray
from irisstn.results import Segmentation

Kind = TypeVar("Kind", bound=np.generic)

_JPEG_ERROR = 6  # gray levels by which JPEG may change the paint
_MIN_FRAME_FRACTION, _MIN_PICTURE_FRACTION = 0.7, 0.2  # painted, of the frame and of the whole picture
_TRIALS = 3000  # of RANSAC
_MAX_HOLE = 12  # pixels; single pixels of an iris may have the gray level of the paint by chance


def is_masked_image(image: Gray) -> bool:
    """Whether a picture is painted over: one gray level fills most of its frame and at least a fifth of the picture.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        A picture.

    Returns
    -------
    bool
        True for a picture that `segment_masked_image` should read.
    """
    paint, exact = _paint(image)
    frame = _frame(paint)
    # The dark corner of a photograph has more than one gray level; paint has one.
    return bool(
        frame.mean() >= _MIN_FRAME_FRACTION
        and paint.mean() >= _MIN_PICTURE_FRACTION
        and exact.mean() >= 0.8 * paint.mean()
    )


def segment_masked_image(image: Gray) -> Segmentation:
    """Find the boundaries of an iris around which all is painted over; eyelids and other occlusions may be, too.

    The limbus is the circle through the outer edge that contains the whole iris, the pupil the circle through the edge
    of the hole. Either becomes an ellipse where two thirds of the directions show its edge.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W)
        The painted picture.

    Returns
    -------
    Segmentation
        Without eyelids; both masks are the iris that is not painted over.

    Raises
    ------
    SegmentationError
        Where there is no such ring.
    """
    iris = _largest(~_paint(image)[0])
    if iris is None or iris.sum() < 200:
        raise SegmentationError("no ring: nothing in the picture stands out from the flat gray around it")
    iris = _without_holes(iris)
    edge = _edge(iris)
    rows, columns = np.nonzero(iris)
    middle = np.array([columns.min() + columns.max(), rows.min() + rows.max()]) / 2
    extent = max(np.ptp(columns), np.ptp(rows)) + 1.0
    pixels = np.column_stack([columns, rows]).astype(float)[:: max(1, len(rows) // 400)]
    limbus = _circle_through(edge, middle, 0.3 * extent, (0.45 * extent, 0.7 * extent), inside=pixels)
    if limbus is None:
        raise SegmentationError("no ring: the outer edge of the painted picture is no circle")
    centre, radius = np.array([limbus.x, limbus.y]), limbus.mean_radius
    inner = edge[np.hypot(*(edge - centre).T) < 0.9 * radius]
    pupil = _circle_through(inner, centre, 0.3 * radius, (0.1 * radius, 0.85 * radius), outside=pixels)
    if pupil is None:
        raise SegmentationError("no ring: the pupil is not painted over")
    size = (image.shape[0], image.shape[1])
    mask = iris & limbus.mask(size) & ~pupil.mask(size)
    return Segmentation(pupil, limbus, None, None, mask, mask)


def _paint(image: Gray) -> tuple[Bool, Bool]:
    """Where `image` has the most frequent gray level of its frame: within the error of JPEG, and within one level."""
    level = int(np.bincount(_frame(image), minlength=256).argmax())
    away = np.abs(image.astype(np.int16) - level)
    exact = away <= 1
    near = away <= _JPEG_ERROR
    lossless = _frame(exact).mean() > 0.99 * _frame(near).mean()
    return (exact if lossless else near), exact


def _frame(picture: NDArray[Kind]) -> NDArray[Kind]:
    """The pixels of the two outermost rows and columns on each side."""
    return np.concatenate([picture[:2].ravel(), picture[-2:].ravel(), picture[:, :2].ravel(), picture[:, -2:].ravel()])


def _largest(mask: Bool) -> Bool | None:
    """The largest connected component of `mask`; None where it is empty."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    if count < 2:
        return None
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])))


def _without_holes(iris: Bool) -> Bool:
    """`iris` with holes of at most `_MAX_HOLE` pixels filled."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~iris).astype(np.uint8))
    small = np.zeros(count, bool)
    small[1:] = stats[1:, cv2.CC_STAT_AREA] <= _MAX_HOLE
    return np.asarray(iris | small[labels])


def _edge(mask: Bool) -> Float:
    """Points (N, 2) half way between neighbours of which one is in `mask` and the other is not."""
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    down, across = np.nonzero(padded[1:] != padded[:-1])
    sideways = np.column_stack([columns - 0.5, rows - 1.0])
    return np.concatenate([sideways, np.column_stack([across - 1.0, down - 0.5])])


def _circle_through(
    edge: Float,
    middle: Float,
    reach: float,
    radii: tuple[float, float],
    *,
    inside: Float | None = None,
    outside: Float | None = None,
) -> Boundary | None:
    """The circle with most of `edge` (N, 2) on it, its centre within `reach` of `middle`, its radius within `radii`.

    Nearly all of `inside` (M, 2) must lie within it, or of `outside` beyond it. None where too few points lie on any
    circle. RANSAC (Fischler & Bolles 1981), because eyelids cut an iris along chords, so that a fit to the whole edge
    would be too small. All trials are computed at once: `skimage.measure.ransac`, which computes them one by one, takes
    4 to 15 times as long, and with its fixed tolerance moves the boundaries by up to 0.1 pixels.
    """
    if len(edge) < 12:
        return None
    random = np.random.default_rng(0)
    circles = _circles(edge[random.integers(len(edge), size=(_TRIALS, 3))])
    x, y, radius = circles.T
    plausible = (np.hypot(x - middle[0], y - middle[1]) < reach) & (radius > radii[0]) & (radius < radii[1])
    for points, sign in ((inside, 1.0), (outside, -1.0)):
        if points is not None and plausible.any():
            beyond = sign * _distances(points, circles[plausible]) > _tolerance(radius[plausible])[:, None]
            plausible[plausible] = beyond.mean(axis=1) < 0.015
    if not plausible.any():
        return None
    circles = circles[plausible]
    on = np.abs(_distances(edge, circles)) < _tolerance(circles[:, 2])[:, None]
    best = int(on.sum(axis=1).argmax())
    # A circle of radius r has about 8 r such points.
    if on[best].sum() < 0.2 * 8 * circles[best, 2]:
        return None
    return _fitted(edge[on[best]], circles[best, 0], circles[best, 1])


def _tolerance(radius: Float) -> Float:
    """Distance in pixels of a point that still lies on a circle of `radius`: an iris is not exactly circular."""
    return np.asarray(np.maximum(1.5, 0.02 * radius))


def _distances(points: Float, circles: Float) -> Float:
    """How far (C, N) `points` (N, 2) lie beyond `circles` (C, 3)."""
    x, y, radius = circles.T[:, :, None]
    return np.asarray(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius)


def _circles(triples: Float) -> Float:
    """Centre and radius (C, 3) of the circles through `triples` (C, 3, 2) of points; inf where there is none."""
    (x1, y1), (x2, y2), (x3, y3) = triples.transpose(1, 2, 0)
    twice = 2 * ((x2 - x1) * (y3 - y1) - (x3 - x1) * (y2 - y1))
    with np.errstate(divide="ignore", invalid="ignore"):
        second, third = (x2 - x1) ** 2 + (y2 - y1) ** 2, (x3 - x1) ** 2 + (y3 - y1) ** 2
        x = ((y3 - y1) * second - (y2 - y1) * third) / twice
        y = ((x2 - x1) * third - (x3 - x1) * second) / twice
        circles = np.column_stack([x1 + x, y1 + y, np.hypot(x, y)])
    return np.where(np.isfinite(circles), circles, np.inf)


def _fitted(points: Float, x: float, y: float) -> Boundary:
    """The least-squares circle through `points` (N, 2); an ellipse where they cover two thirds of the directions."""
    angle = np.arctan2(points[:, 1] - y, points[:, 0] - x)
    sectors = np.unique((angle % TAU / TAU * 24).astype(int))
    if len(sectors) >= 16:
        (cx, cy), (width, height), degrees = cv2.fitEllipseDirect(points.astype(np.float32))
        if 0.8 < width / height < 1.25:
            return Boundary.from_ellipse(Ellipse(cx, cy, width / 2, height / 2, np.deg2rad(degrees)))
    # x^2 + y^2 = 2 a x + 2 b y + c (Kasa 1976)
    system = np.column_stack([2 * points, np.ones(len(points))])
    a, b, c = np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0]
    return Boundary.circle(a, b, float(np.sqrt(c + a * a + b * b)))
