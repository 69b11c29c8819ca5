"""Curves through the network's maps: the discs of pupil and iris, and the edges of the lids.

Everything here is in the pixels of the maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.geometry import Boundary, Eyelid, Float, Float32, Lids
from irisstn.segmentation.contour_tracing import closed_curve, robust_fit, waves
from irisstn.segmentation.network import IRIS_RADIUS
from irisstn.segmentation.polar import PolarGrid, directions

_COLUMNS = 64
_STEP = 0.5  # pixels between the places along a ray
_ORDER = 2  # of the discs' Fourier series
_ROUND = 0.1  # how strongly a disc's curve is drawn to a circle, as a share of the measurements
_BOW = 0.19  # the usual bow of a lid: how much it rises in one iris radius, in iris radii
_USUAL = 0.02  # how strongly a lid is drawn to that bow, and to no tilt, as a share of the measurements
_SCALE = 0.3  # pixels off a curve that are no outlier
# A film of tears lies along a lid's margin, in iris radii: the two people who marked eyes by hand left it out.
_FILM_ABOVE, _FILM_BELOW = 0.012, 0.014
_SPAN, _REACH = 1.2, 1.5  # a lid is looked at this far to both sides, and so far up and down, in iris radii
_LEAST_COLUMNS = 3.0  # of the map, in which a lid must be seen


@dataclass(frozen=True, slots=True)
class Disc:
    """A round patch of a map: its centre (`x`, `y`) and the `radius` of a disc of its area."""

    x: float
    y: float
    radius: float


def find_disc(likely: Float32) -> Disc | None:
    """The patch of `likely` (H, W) that has most of it; None where it is nowhere more likely than not."""
    inside = (likely > 0.5).view(np.uint8)
    left, top, width, height = cv2.boundingRect(inside)
    if width == 0:
        return None
    box = slice(top, top + height), slice(left, left + width)
    likely = likely[box]
    count, labels = cv2.connectedComponents(inside[box], connectivity=4)
    best = 1
    if count > 2:
        best += int(np.argmax(np.bincount(labels.ravel(), likely.ravel())[1:]))
    # In float64: OpenCV takes float32 of two columns for a contour's points.
    sums = cv2.moments(np.where(labels == best, likely, np.float64(0)))
    amount = sums["m00"]
    return Disc(left + sums["m10"] / amount, top + sums["m01"] / amount, float(np.sqrt(amount / np.pi)))


def fit_disc(likely: Float32, disc: Disc, seen: Float32 | None = None) -> Boundary:
    """The nearly elliptic curve around the patch `disc` of `likely` (H, W).

    Along each ray the map's sum is the edge's distance, to a fraction of a pixel. Where `seen` (H, W) is 0 on the edge,
    the ray counts little. Rays that leave the map before their edge do not count.
    """
    grid = PolarGrid(disc.x, disc.y, np.arange(0.5 * _STEP, 1.7 * disc.radius + 3, _STEP), _COLUMNS)
    radius = _STEP * grid.unroll(likely).sum(axis=0, dtype=np.float64)
    _, cosine, sine = directions(_COLUMNS)
    x, y = disc.x + radius * cosine, disc.y + radius * sine
    height, width = likely.shape
    weights = ((x > 1) & (x < width - 2) & (y > 1) & (y < height - 2)).astype(np.float64)
    if seen is not None:
        weights *= 0.05 + _read(seen, x, y)
    penalty = np.zeros(2 * _ORDER + 1)
    penalty[3:] = _ROUND * _COLUMNS / 2
    series = robust_fit(waves(_COLUMNS, _ORDER), radius, weights + 1e-3, penalty, scale=_SCALE)
    curve = closed_curve(disc.x, disc.y, series)
    centre = disc.x + curve.cosines[1], disc.y + curve.sines[1]  # the first harmonic moves the centre
    return Boundary(*centre, (curve.cosines[0], 0.0, *curve.cosines[2:]), (0.0, 0.0, *curve.sines[2:]))


def fit_opening(opening: Float32, limbus: Boundary) -> Lids:
    """The upper and the lower lid around `opening` (H, W), as parabolas about the centre of `limbus`.

    None where a lid is not seen. In each column the map's sum above and below its middle is the lids' distance from
    there.
    """
    radius = limbus.mean_radius
    u, v = np.arange(-_SPAN * radius, _SPAN * radius), np.arange(-_REACH * radius, _REACH * radius)
    x, y = limbus.x + u, limbus.y + v
    height, width = opening.shape
    columns = _read(opening, *np.meshgrid(x, y))
    total = columns.sum(axis=0)
    row = np.clip(np.rint((v @ columns) / np.maximum(total, 1e-6) - v[0]).astype(int), 0, len(v) - 1)
    above = (columns * (np.arange(len(v))[:, None] <= row)).sum(axis=0)
    split = v[row] + 0.5  # where the row that was counted last ends
    open_here = np.clip(2 * columns[row, np.arange(len(u))] - 1, 0, 1)
    open_here *= np.clip(total / (0.2 * radius), 0, 1) * np.where(np.abs(u) < 0.9 * radius, 1.0, 0.5)
    open_here *= (x >= 0) & (x <= width - 1)
    lids: list[Eyelid | None] = []
    for side, edge, film in ((1, split - above, _FILM_ABOVE), (-1, split + total - above, _FILM_BELOW)):
        # An opening that goes on to the end of what is looked at, or of the map, ends at no lid.
        inside = (limbus.y + edge > 1) & (limbus.y + edge < height - 2) & (np.abs(edge) < _REACH * radius - 1)
        weights = open_here * inside
        if float(weights.sum()) < _LEAST_COLUMNS:
            lids.append(None)
            continue
        c0, c1, c2 = _fit_parabola(u / radius, edge / radius, weights, side * _BOW)
        c0 += side * film
        lids.append(Eyelid(limbus.x, limbus.y, 0.0, (c0 * radius, c1, c2 / radius)))
    return lids[0], lids[1]


def agreement(likely: Float32, curve: Boundary) -> float:
    """How well `likely` (H, W) is the inside of `curve`: shared over joint area, 0..1, within the map."""
    inside = curve.mask((likely.shape[0], likely.shape[1]))
    shared = float(likely.ravel() @ inside.ravel())
    return shared / (np.count_nonzero(inside) + float(likely.sum()) - shared + 1e-6)


def _fit_parabola(u: Float, v: Float, weights: Float, bow: float) -> tuple[float, float, float]:
    """Coefficients of the robust parabola through (`u`, `v`) (N,) in iris radii."""
    basis = np.stack([np.ones_like(u), u, u * u], axis=1)
    penalty = np.array([1e-6, 0.3 * _USUAL, _USUAL]) * len(u)
    c0, c1, c2 = robust_fit(
        basis, v, weights + 1e-6, penalty, np.array([0.0, 0.0, bow]), scale=_SCALE / IRIS_RADIUS
    ).tolist()
    return c0, c1, c2


def _read(values: Float32, x: Float, y: Float) -> Float:
    """`values` (H, W) at the places `x`, `y` (N,) or (M, N); beyond the map its border goes on."""
    at = [np.atleast_2d(np.asarray(place, np.float32)) for place in (x, y)]
    found = cv2.remap(values, at[0], at[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found.reshape(np.shape(x)), np.float64)
