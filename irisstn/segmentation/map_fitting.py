"""Curves fitted to the network's maps: the discs of pupil and iris, and the edges of the eyelids.

All lengths are in pixels of the maps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.geometry import Boundary, Eyelid, Eyelids, Float, Float32
from irisstn.segmentation.contour_tracing import closed_curve, polar_basis, robust_fit
from irisstn.segmentation.network import IRIS_RADIUS
from irisstn.segmentation.polar import PolarGrid, directions

_COLUMNS = 64
_STEP = 0.5  # pixels between the samples along a ray
_ORDER = 2  # of the discs' Fourier series
_CIRCLE_WEIGHT = 0.1  # regularisation of a disc's curve towards a circle, relative to the measurements
_EYELID_CURVATURE = 0.19  # typical coefficient c2 of an eyelid, with lengths in iris radii
_EYELID_WEIGHT = 0.02  # regularisation towards that curvature and no tilt, relative to the measurements
_SCALE = 0.3  # residual in pixels that is no outlier
# Height of the tear film along an eyelid's margin, in iris radii: hand-marked eyelids do not include it.
_FILM_ABOVE, _FILM_BELOW = 0.012, 0.014
# How far from the limbus's centre an eyelid is searched: to both sides, and up and down, in iris radii.
_SPAN, _REACH = 1.2, 1.5
# The tilt of the eyelids from which on a head is tilted, as in one of 300 pictures of upright ones: the parabolas are
# fitted again over their own axis.
TILTED_RAD, _MAX_TURNS = 0.21, 2
_STEEPEST_RAD = 0.78  # of that axis, below an eighth turn: `Segmentation.turned_rad` rounds it to a quarter turn
_MIN_COLUMNS = 3.0  # of the map, in which an eyelid must be visible


@dataclass(frozen=True, slots=True)
class Disc:
    """A round patch of a map.

    Attributes
    ----------
    x, y : float
        Its centroid in pixels.
    radius : float
        Radius in pixels of a disc of the same area.
    """

    x: float
    y: float
    radius: float


def find_discs(likely: Float32, least: float = 0.5) -> list[Disc]:
    """The connected patches of a map, the one with the largest sum of probabilities first.

    Parameters
    ----------
    likely : ndarray of float32, shape (H, W)
        Probability that a pixel belongs to the part, 0..1.
    least : float
        Smallest radius of a patch, relative to that of the largest, 0..1.

    Returns
    -------
    list of Disc
        Empty where no pixel is above 0.5.
    """
    inside = (likely > 0.5).view(np.uint8)
    left, top, width, height = cv2.boundingRect(inside)
    if width == 0:
        return []
    box = slice(top, top + height), slice(left, left + width)
    likely = likely[box]
    count, labels = cv2.connectedComponents(inside[box], connectivity=4)
    order = [0]
    if count > 2:
        amounts = np.bincount(labels.ravel(), likely.ravel(), count)[1:]
        order = [number for number in np.argsort(-amounts).tolist() if amounts[number] >= least * least * amounts.max()]
    discs = []
    for number in order:
        # In float64: OpenCV takes float32 of two columns for a contour's points.
        sums = cv2.moments(np.where(labels == number + 1, likely, np.float64(0)))
        amount = sums["m00"]
        x, y = left + sums["m10"] / amount, top + sums["m01"] / amount
        discs.append(Disc(x, y, math.sqrt(amount / math.pi)))
    return discs


def find_disc(likely: Float32) -> Disc | None:
    """The connected patch with the largest sum of probabilities; None where no pixel is above 0.5."""
    return next(iter(find_discs(likely, least=1.0)), None)


def fit_disc(likely: Float32, disc: Disc, visible: Float32 | None = None) -> Boundary:
    """Fit a curve of order 2, nearly an ellipse, around a patch.

    The sum of the map along a ray is the distance of the edge, to a fraction of a pixel. Rays that leave the map
    before their edge do not count.

    Parameters
    ----------
    likely : ndarray of float32, shape (H, W)
        Probability that a pixel belongs to the part, 0..1.
    disc : Disc
        The patch.
    visible : ndarray of float32, shape (H, W), optional
        Probability that a pixel is not covered, 0..1; a ray whose edge is covered has little weight.

    Returns
    -------
    Boundary
        The curve.

    Raises
    ------
    SegmentationError
        Where the fit is no closed curve.
    """
    grid = PolarGrid(disc.x, disc.y, np.arange(0.5 * _STEP, 1.7 * disc.radius + 3, _STEP), _COLUMNS)
    radius = _STEP * grid.unroll(likely).sum(axis=0, dtype=np.float64)
    _, cosine, sine = directions(_COLUMNS)
    x, y = disc.x + radius * cosine, disc.y + radius * sine
    height, width = likely.shape
    weights = ((x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)).astype(np.float64)
    if visible is not None:
        weights *= 0.05 + _interpolate(visible, x, y)
    penalty = np.zeros(2 * _ORDER + 1)
    penalty[3:] = _CIRCLE_WEIGHT * _COLUMNS / 2
    series = robust_fit(polar_basis(_COLUMNS, _ORDER), radius, weights + 1e-3, penalty, scale=_SCALE)
    curve = closed_curve(disc.x, disc.y, series)
    centre = disc.x + curve.cosines[1], disc.y + curve.sines[1]  # the first harmonic moves the centre
    return Boundary(*centre, (curve.cosines[0], 0.0, *curve.cosines[2:]), (0.0, 0.0, *curve.sines[2:]))


def fit_eyelids(opening: Float32, limbus: Boundary) -> Eyelids:
    """Fit parabolas to the upper and the lower edge of the opening between the eyelids.

    In each column the sums of the map above and below its middle are the distances of the eyelids from there.

    Parameters
    ----------
    opening : ndarray of float32, shape (H, W)
        Probability that a pixel lies between the eyelids, 0..1.
    limbus : Boundary
        The limbus, around whose centre the parabolas are described.

    Returns
    -------
    Eyelids
        Upper and lower eyelid; None where one is not visible.
    """
    eyelids, along = _fit_along(opening, limbus, 0.0), 0.0
    for _ in range(_MAX_TURNS):
        if abs(tilt := axis_tilt(eyelids) - along) < TILTED_RAD:
            break
        along = min(max(along + tilt, -_STEEPEST_RAD), _STEEPEST_RAD)
        eyelids = _fit_along(opening, limbus, along)
    return eyelids


def axis_tilt(eyelids: Eyelids) -> float:
    """The direction of the axis of an eye: the mean of those of its eyelids above and below the limbus's centre.

    Parameters
    ----------
    eyelids : Eyelids
        Upper and lower eyelid.

    Returns
    -------
    float
        In radians, clockwise as y points down; 0 without eyelids.
    """
    tilts = [eyelid.angle_rad + math.atan(eyelid.coefficients[1]) for eyelid in eyelids if eyelid]
    return sum(tilts) / max(len(tilts), 1)


def _fit_along(opening: Float32, limbus: Boundary, angle_rad: float) -> Eyelids:
    """The eyelids as parabolas over an axis through the limbus's centre in the direction `angle_rad`."""
    radius = limbus.mean_radius
    u, v = np.arange(-_SPAN * radius, _SPAN * radius), np.arange(-_REACH * radius, _REACH * radius)
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)

    def in_map(along: Float, across: Float) -> tuple[Float, Float]:
        return limbus.x + along * cosine - across * sine, limbus.y + along * sine + across * cosine

    height, width = opening.shape
    columns = _interpolate(opening, *in_map(u[None, :], v[:, None]))
    sums = columns.cumsum(axis=0)
    total = sums[-1]
    middle = np.rint((v @ columns) / np.maximum(total, 1e-6) - v[0]).astype(int)
    middle = np.minimum(np.maximum(middle, 0), len(v) - 1), np.arange(len(u))
    above = sums[middle]
    split = v[middle[0]] + 0.5  # the lower edge of the row that was summed last
    open_here = _fraction(2 * columns[middle] - 1)
    open_here *= _fraction(total / (0.2 * radius)) * np.where(np.abs(u) < 0.9 * radius, 1.0, 0.5)
    eyelids: list[Eyelid | None] = []
    for side, edge, film in ((1, split - above, _FILM_ABOVE), (-1, split + total - above, _FILM_BELOW)):
        x, y = in_map(u, edge)
        # An opening that reaches the end of the searched range, or of the map, does not end at an eyelid.
        inside = (y > 1) & (y < height - 2) & (np.abs(edge) < _REACH * radius - 1) & (x >= 0) & (x <= width - 1)
        weights = open_here * inside
        if float(weights.sum()) < _MIN_COLUMNS:
            eyelids.append(None)
            continue
        c0, c1, c2 = _fit_parabola(u / radius, edge / radius, weights, side * _EYELID_CURVATURE)
        c0 += side * film
        eyelids.append(Eyelid(limbus.x, limbus.y, angle_rad, (c0 * radius, c1, c2 / radius)))
    return eyelids[0], eyelids[1]


def soft_iou(likely: Float32, curve: Boundary) -> float:
    """Intersection over union of a map of probabilities and the inside of a curve.

    Parameters
    ----------
    likely : ndarray of float32, shape (H, W)
        Probability that a pixel belongs to the part, 0..1.
    curve : Boundary
        The boundary of the part.

    Returns
    -------
    float
        0..1.
    """
    inside = curve.mask((likely.shape[0], likely.shape[1]))
    common = float(likely.ravel() @ inside.ravel())
    return common / (np.count_nonzero(inside) + float(likely.sum()) - common + 1e-6)


def _fit_parabola(u: Float, v: Float, weights: Float, curvature: float) -> tuple[float, float, float]:
    """Coefficients of the robust parabola through (`u`, `v`) (N,) in iris radii."""
    basis = np.stack([np.ones_like(u), u, u * u], axis=1)
    penalty = np.array([1e-6, 0.3 * _EYELID_WEIGHT, _EYELID_WEIGHT]) * len(u)
    c0, c1, c2 = robust_fit(
        basis, v, weights + 1e-6, penalty, np.array([0.0, 0.0, curvature]), scale=_SCALE / IRIS_RADIUS
    ).tolist()
    return c0, c1, c2


def _fraction(values: Float) -> Float:
    """`values` limited to 0..1; `numpy.clip` takes several times as long for so few."""
    return np.asarray(np.minimum(np.maximum(values, 0), 1))


def _interpolate(values: Float32, x: Float, y: Float) -> Float:
    """`values` (H, W) at the points `x`, `y` (N,) or (M, N); beyond the map its border is repeated."""
    at = [np.atleast_2d(np.asarray(coordinate, np.float32)) for coordinate in (x, y)]
    found = cv2.remap(values, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(np.shape(x)), np.float64)
