"""Closed curves drawn through edges in a polar map, and the robust fit behind every curve of the segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Boundary, Float, Float32
from irisstn.segmentation.polar import PolarGrid, directions

_TOO_LITTLE = 1e-3  # mean strength of the edges below which they cannot move a curve
_ROUNDS = 3  # of reweighting


@dataclass(frozen=True, slots=True)
class CurvePrior:
    """What a curve is drawn to where its edge is faint: the shape that it had, and a centre (`x`, `y`) in pixels.

    Strengths are shares of all the measurements: 1 weighs as much as they do. `shape` acts on the second harmonic, and
    on the k-th (k / 2)^4 times as much.
    """

    shape: float
    x: float = 0.0
    y: float = 0.0
    centre: float = 0.0


def trace(
    edge: Float32,
    grid: PolarGrid,
    curve: Boundary,
    *,
    steps: Sequence[tuple[int, float]],
    stiffness: CurvePrior,
    weights: Float32 | None = None,
) -> Boundary:
    """The curve through the strongest edges near `curve`, which lies around the centre of `grid`.

    Each of `steps` is a Fourier order and how far from the curve so far an edge is looked for, in pixels. `edge` (R, T)
    is an edge map on `grid`, `weights` (T,) what its columns count. Without edges the curve comes back as it was.
    Raises SegmentationError where no closed curve goes through the edges.
    """
    angle, _, _ = directions(grid.columns)
    radii, series = curve.radius(angle), None
    for order, window in steps:
        measured, strength = _strongest(edge, grid, radii, window)
        if weights is not None:
            strength = strength * weights
        if float(strength.sum()) < _TOO_LITTLE * grid.columns:
            break
        basis = waves(grid.columns, order)
        penalty, target = _drawn(grid, curve, order, stiffness, float(strength.sum()) / 2 + 1e-9)
        series = robust_fit(basis, measured, strength, penalty, target, scale=0.5 * grid.step)
        radii = basis @ series
    if series is None:
        return curve
    return _recentred(closed_curve(grid.x, grid.y, series))


def closed_curve(x: float, y: float, series: Float) -> Boundary:
    """The curve around (`x`, `y`) of a Fourier `series` (2 order + 1,) on `waves`.

    Raises SegmentationError where that is no closed curve: edges on one side alone may run away from the centre.
    """
    if not (np.isfinite(series).all() and series[0] > 0):
        raise SegmentationError("the edges that were found close to no ring")
    return Boundary(x, y, (float(series[0]), *series[1::2].tolist()), (0.0, *series[2::2].tolist()))


def robust_fit(
    basis: Float, values: Float, weights: Float, penalty: Float, target: Float | float = 0.0, *, scale: float
) -> Float:
    """Coefficients (K,) of `basis` (N, K) through `values` (N,), drawn to `target` by `penalty` (K,).

    Iterated least squares with the weights of Geman and McClure (1985); residuals count as outliers from about three
    times their weighted median, and that is `scale` at least.
    """
    trust = weights
    coefficients: Float = np.zeros(basis.shape[1])
    for remaining in reversed(range(_ROUNDS)):
        weighted = basis * trust[:, None]
        normal = basis.T @ weighted
        normal.flat[:: len(normal) + 1] += penalty + 1e-9
        coefficients = np.linalg.solve(normal, weighted.T @ values + penalty * target)
        if remaining:
            residual = np.abs(values - basis @ coefficients)
            spread = 2 * max(scale, 1.5 * _weighted_median(residual, weights))
            trust = weights / (1 + (residual / spread) ** 2) ** 2
    return coefficients


@lru_cache(maxsize=16)
def waves(columns: int, order: int) -> Float:
    """1, cos t, sin t, cos 2t, ... (T, 2 `order` + 1) at the angles t of a polar map's columns."""
    angle = TAU * np.arange(columns) / columns
    rows = [np.ones(columns)]
    for k in range(1, order + 1):
        rows += [np.cos(k * angle), np.sin(k * angle)]
    basis = np.stack(rows, axis=1)
    basis.flags.writeable = False
    return basis


def _strongest(edge: Float32, grid: PolarGrid, radii: Float, window: float) -> tuple[Float, Float]:
    """Radius (T,), to a fraction of a row, and squared strength (T,) of the strongest edges near `radii` (T,)."""
    at = (radii - grid.radii[0]) / grid.step
    reach = max(2, round(window / grid.step))
    offsets = np.arange(-reach, reach + 1)
    columns = np.arange(grid.columns)
    index = np.clip(np.rint(at).astype(int)[None, :] + offsets[:, None], 1, len(grid.radii) - 2)
    taper = (1 - 0.5 * (offsets / (reach + 1)) ** 2).astype(np.float32)
    peak = index[(edge[index, columns] * taper[:, None]).argmax(axis=0), columns]
    before, here, after = (edge[peak + d, columns].astype(float) for d in (-1, 0, 1))
    bend = 2 * here - before - after
    shift = np.where(bend > 1e-6, np.clip(0.5 * (after - before) / np.maximum(bend, 1e-6), -0.5, 0.5), 0)
    return np.asarray(grid.radii[0] + (peak + shift) * grid.step), np.asarray(here**2)


def _drawn(grid: PolarGrid, curve: Boundary, order: int, stiffness: CurvePrior, unit: float) -> tuple[Float, Float]:
    """Penalty and target (2 `order` + 1,) of a curve's coefficients."""
    penalty, target = np.zeros(2 * order + 1), np.zeros(2 * order + 1)
    if order >= 1:
        penalty[1:3] = stiffness.centre * unit
        target[1:3] = stiffness.x - grid.x, stiffness.y - grid.y
    for k in range(2, order + 1):
        penalty[2 * k - 1 : 2 * k + 1] = stiffness.shape * unit * (k / 2) ** 4
        if k < len(curve.cosines):
            target[2 * k - 1 : 2 * k + 1] = curve.cosines[k], curve.sines[k]
    return penalty, target


def _recentred(curve: Boundary) -> Boundary:
    """The same curve around its own centre: the first harmonic moves into the centre, the others are sampled anew."""
    order = len(curve.cosines) - 1
    for _ in range(2):
        if order == 0 or np.hypot(curve.cosines[1], curve.sines[1]) < 0.01:
            break
        x, y = curve.x + curve.cosines[1], curve.y + curve.sines[1]
        curve = Boundary.from_radii(x, y, _radii_around(curve, x, y, 64), order)
    return curve


def _radii_around(curve: Boundary, x: float, y: float, columns: int) -> Float:
    """Distance (T,) of `curve` from (`x`, `y`), a point inside it, at the angles 2 pi t / T."""
    points = curve.points(TAU * np.arange(128) / 128) - (x, y)
    angle = np.arctan2(points[:, 1], points[:, 0]) % TAU
    turn = np.argsort(angle)
    wanted = TAU * np.arange(columns) / columns
    return np.asarray(np.interp(wanted, angle[turn], np.hypot(*points.T)[turn], period=TAU))


def _weighted_median(values: Float, weights: Float) -> float:
    """The one of `values` at which half of the weight is reached."""
    turn = np.argsort(values)
    total = np.cumsum(weights[turn])
    return float(values[turn][np.searchsorted(total, 0.5 * total[-1])])
