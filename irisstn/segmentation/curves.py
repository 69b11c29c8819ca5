"""Closed curves drawn through edges in a polar map, robustly."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Boundary, Float
from irisstn.segmentation.polar import Float32, PolarGrid, directions

_TOO_LITTLE = 1e-3  # mean strength of the edges below which they cannot move a curve


@dataclass(frozen=True, slots=True)
class Stiffness:
    """What a curve is drawn to where its edge is faint: roundness, and a centre (`x`, `y`) in pixels.

    Strengths are shares of all the measurements: 1 weighs as much as they do. `round` acts on the second harmonic, and
    on the k-th (k / 2)^4 times as much.
    """

    round: float
    x: float = 0.0
    y: float = 0.0
    centre: float = 0.0


def refine(
    edge: Float32,
    grid: PolarGrid,
    curve: Boundary,
    *,
    order: int,
    window: float,
    stiffness: Stiffness,
    weights: Float32 | None = None,
) -> Boundary:
    """One step of robust refinement: the strongest edges within `window` pixels of `curve`, and the curve through them.

    `edge` (R, T) is an edge map on `grid`, `weights` (T,) what its columns count. Without edges the curve comes back
    as it was. Raises SegmentationError where no closed curve goes through the edges.
    """
    angle, _, _ = directions(grid.columns)
    measured, strength = _strongest(edge, grid, curve, window)
    if weights is not None:
        strength = strength * weights
    if float(strength.sum()) < _TOO_LITTLE * grid.columns:
        return curve
    trust = strength
    fitted = curve
    for _ in range(3):
        fitted = _fit(measured, trust, grid, order, stiffness)
        residual = measured - fitted.radius(angle)
        spread = max(0.5 * grid.step, 1.5 * _weighted_median(np.abs(residual), strength))
        trust = strength / (1 + (residual / (2 * spread)) ** 2) ** 2
    return _recentred(fitted)


def _strongest(edge: Float32, grid: PolarGrid, curve: Boundary, window: float) -> tuple[Float, Float]:
    """Radius (T,), to a fraction of a row, and squared strength (T,) of the strongest edges near `curve`."""
    at = (_radii_around(curve, grid.x, grid.y, grid.columns) - grid.radii[0]) / grid.step
    reach = max(2, round(window / grid.step))
    offsets = np.arange(-reach, reach + 1)
    index = np.clip(np.rint(at).astype(int)[None, :] + offsets[:, None], 1, len(grid.radii) - 2)
    taper = 1 - 0.5 * (offsets / (reach + 1)) ** 2
    local = np.take_along_axis(edge, index, axis=0) * taper[:, None]
    peak = np.take_along_axis(index, local.argmax(axis=0)[None, :], axis=0)[0]
    columns = np.arange(grid.columns)
    before, here, after = (edge[peak + d, columns].astype(float) for d in (-1, 0, 1))
    bend = 2 * here - before - after
    shift = np.where(bend > 1e-6, np.clip(0.5 * (after - before) / np.maximum(bend, 1e-6), -0.5, 0.5), 0)
    return np.asarray(grid.radii[0] + (peak + shift) * grid.step), np.asarray(here**2)


def _fit(radii: Float, weights: Float, grid: PolarGrid, order: int, stiffness: Stiffness) -> Boundary:
    """The weighted least-squares Fourier series of `order` through `radii` (T,) around the grid's centre."""
    basis = _basis(len(radii), order)
    unit = float(weights.sum()) / 2 + 1e-9
    penalty, target = np.zeros(2 * order + 1), np.zeros(2 * order + 1)
    if order >= 1:
        penalty[1:3] = stiffness.centre * unit
        target[1:3] = stiffness.x - grid.x, stiffness.y - grid.y
    for k in range(2, order + 1):
        penalty[[2 * k - 1, 2 * k]] = stiffness.round * unit * (k / 2) ** 4
    weighted = basis * weights[:, None]
    series = np.linalg.solve(basis.T @ weighted + np.diag(penalty + 1e-9), weighted.T @ radii + penalty * target)
    if not series[0] > 0:  # edges on one side alone, which run away from the centre
        raise SegmentationError("the edges that were found close to no ring")
    return Boundary(grid.x, grid.y, (float(series[0]), *series[1::2].tolist()), (0.0, *series[2::2].tolist()))


@lru_cache(maxsize=16)
def _basis(columns: int, order: int) -> Float:
    angle = TAU * np.arange(columns) / columns
    rows = [np.ones(columns)]
    for k in range(1, order + 1):
        rows += [np.cos(k * angle), np.sin(k * angle)]
    basis = np.stack(rows, axis=1)
    basis.flags.writeable = False
    return basis


def _recentred(curve: Boundary) -> Boundary:
    """The same curve around its own centre: the first harmonic moves into the centre, the others are sampled anew."""
    order = len(curve.cosines) - 1
    for _ in range(3):
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
