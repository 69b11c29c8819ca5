"""Circles and ellipses through the edge of a region, of which eyelids may have cut off parts."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import TAU, Bool, Boundary, Ellipse, Float

_TRIES = 3000


def region_edge(mask: Bool) -> Float:
    """The edge of a region.

    Parameters
    ----------
    mask : ndarray of bool, shape (H, W)
        The region.

    Returns
    -------
    ndarray, shape (N, 2)
        Points (x, y) half way between neighbouring pixels of which one is in the region and the other is not.
    """
    padded = np.pad(mask, 1)
    rows, columns = np.nonzero(padded[:, 1:] != padded[:, :-1])
    down, across = np.nonzero(padded[1:] != padded[:-1])
    sideways = np.column_stack([columns - 0.5, rows - 1.0])
    return np.concatenate([sideways, np.column_stack([across - 1.0, down - 0.5])])


def fit_circle(
    edge: Float,
    middle: Float,
    reach: float,
    radii: tuple[float, float],
    *,
    inside: Float | None = None,
    outside: Float | None = None,
) -> Boundary | None:
    """The circle on which most of an edge lies, by RANSAC [1]_.

    Eyelids cut an iris along chords, so a fit to the whole edge would be too small. `skimage.measure.ransac` gives the
    same circles within a tenth of a pixel and takes four times as long or more, since it tries one circle at a time.

    Parameters
    ----------
    edge : ndarray, shape (N, 2)
        Points of the edge in pixels.
    middle : ndarray, shape (2,)
        Where the circle's centre is expected.
    reach : float
        How far from there the centre may lie, in pixels.
    radii : tuple of float
        Lower and upper limit of the radius, in pixels.
    inside, outside : ndarray, shape (M, 2), optional
        Points of which all but 1.5 % must lie inside the circle, or beyond it.

    Returns
    -------
    Boundary or None
        The circle of least squares through the points on it, or the ellipse where they lie in two thirds of the
        directions; None where less than a fifth of a circle is on the edge.

    References
    ----------
    .. [1] Fischler and Bolles 1981, "Random sample consensus".
    """
    if len(edge) < 12:
        return None
    random = np.random.default_rng(0)
    circles = _circles(edge[random.integers(len(edge), size=(_TRIES, 3))])
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
    return np.asarray(np.maximum(1.5, 0.02 * radius))  # an iris is no perfect circle


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
    """The circle of least squares through `points` (N, 2); the ellipse where they go most of the way around."""
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
