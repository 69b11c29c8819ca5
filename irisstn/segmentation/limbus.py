"""The limbus: the iris's outer boundary, found where the lids leave it free."""

from __future__ import annotations

import numpy as np

from irisstn.geometry import Bool, Boundary, Float32, Gray, Lids
from irisstn.segmentation.contour_tracing import CurvePrior, trace
from irisstn.segmentation.polar import PolarGrid, directions, edge_map

_COLUMNS = 96
_CONCENTRIC = 0.1  # how strongly the limbus is drawn to the pupil's centre, as a share of the measurements
_SHAPE = 0.3  # how strongly it is drawn to the shape that the network saw, likewise


def refine_limbus(image: Gray, glints: Bool, pupil: Boundary, limbus: Boundary, *, lids: Lids) -> Boundary:
    """The iris's outer boundary near the rough `limbus`, from all of its edge clear of the lids: nearly an ellipse."""
    radius = limbus.mean_radius
    radii = np.arange(max(1.08 * pupil.mean_radius, 0.75 * radius), 1.25 * radius, radius / 100)
    grid = PolarGrid(limbus.x, limbus.y, radii, _COLUMNS)
    polar = grid.unroll(image)
    weights = _clear_of(lids, limbus)
    edge = edge_map(polar, grid.unroll_mask(glints), 5, sign=_sign(polar, grid, limbus, weights))
    stiffness = CurvePrior(_SHAPE, pupil.x, pupil.y, _CONCENTRIC)
    steps = [(order, share * radius) for order, share in ((1, 0.08), (2, 0.05))]
    return trace(edge, grid, limbus, steps=steps, stiffness=stiffness, weights=weights)


def _sign(polar: Float32, grid: PolarGrid, limbus: Boundary, weights: Float32) -> int:
    """1 where the sclera is brighter than the iris, as nearly always, else -1."""
    share = grid.radii / limbus.mean_radius
    inner, outer = (polar[(low < share) & (share < high)] for low, high in ((0.82, 0.95), (1.05, 1.18)))
    return 1 if float((outer.mean(axis=0) - inner.mean(axis=0)) @ weights) >= 0 else -1


def _clear_of(lids: Lids, limbus: Boundary) -> Float32:
    """Weights (T,) of the limbus's points: 1 between the lids, 0 behind them, rising over a sixteenth of a radius."""
    angle, _, _ = directions(_COLUMNS)
    points = limbus.points(angle)
    weights = np.full(_COLUMNS, 1.0)
    for lid, side in zip(lids, (1, -1), strict=True):
        if lid is None:
            continue
        weights *= np.clip((side * lid.below(points[:, 0], points[:, 1]) / limbus.mean_radius - 0.03) / 0.06, 0.0, 1.0)
    return np.asarray(weights + 1e-3, np.float32)
