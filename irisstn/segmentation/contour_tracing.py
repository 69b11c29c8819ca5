"""Closed curves fitted to the edges of a polar map, and the robust fit behind every curve of the segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Boundary, Float, Float32, fourier_basis, recentred
from irisstn.segmentation.polar import PolarGrid

_MIN_EDGE_STRENGTH = 1e-3  # mean over the columns, below which a curve is left as it is
_ROUNDS = 3  # of reweighting
_AROUND = np.array([[-1], [0], [1]])  # a row and its neighbours


@dataclass(frozen=True, slots=True)
class CurvePrior:
    """The shape and the centre towards which a fit is regularised, so that it keeps them where the edge is faint.

    Weights are relative to those of all measurements together: 1 counts as much as they do.

    Attributes
    ----------
    shape : float
        Weight of the curve's earlier second harmonic; that of the k-th is (k / 2)^4 times as much.
    x, y : float
        The expected centre in pixels.
    centre : float
        Weight of the expected centre.
    """

    shape: float
    x: float = 0.0
    y: float = 0.0
    centre: float = 0.0


def trace_curve(
    edge: Float32,
    grid: PolarGrid,
    curve: Boundary,
    *,
    steps: Sequence[tuple[int, float]],
    prior: CurvePrior,
    weights: Float32 | None = None,
) -> Boundary:
    """Fit a curve to the strongest edges near a rough one.

    Parameters
    ----------
    edge : ndarray of float32, shape (R, T)
        An edge map on `grid`, 0..1.
    grid : PolarGrid
        The polar grid around the centre of `curve`.
    curve : Boundary
        The rough curve.
    steps : sequence of (int, float)
        For each fit its Fourier order, and how far from the curve so far an edge may lie, in pixels.
    prior : CurvePrior
        The expected shape and centre.
    weights : ndarray of float32, shape (T,), optional
        Weights of the columns.

    Returns
    -------
    Boundary
        The fitted curve around its own centre; `curve` itself where there are no edges.

    Raises
    ------
    SegmentationError
        Where no closed curve fits the edges.
    """
    radii, series = curve.even_radii(grid.columns), None
    for order, window in steps:
        measured, strength = _strongest(edge, grid, radii, window)
        if weights is not None:
            strength = strength * weights
        if float(strength.sum()) < _MIN_EDGE_STRENGTH * grid.columns:
            break
        basis = polar_basis(grid.columns, order)
        penalty, target = _regularisation(grid, curve, order, prior, float(strength.sum()) / 2 + 1e-9)
        series = robust_fit(basis, measured, strength, penalty, target, scale=0.5 * grid.step)
        radii = basis @ series
    if series is None:
        return curve
    return recentred(closed_curve(grid.x, grid.y, series))


def closed_curve(x: float, y: float, series: Float) -> Boundary:
    """The curve of a Fourier series.

    Parameters
    ----------
    x, y : float
        The centre in pixels.
    series : ndarray, shape (2 order + 1,)
        Coefficients of `irisstn.geometry.fourier_basis`, in pixels.

    Returns
    -------
    Boundary
        The curve.

    Raises
    ------
    SegmentationError
        Where the mean radius is not positive, as a fit to edges on one side of the centre may give.
    """
    if not (np.isfinite(series).all() and series[0] > 0):
        raise SegmentationError("the edges that were found close to no ring")
    return Boundary(x, y, (float(series[0]), *series[1::2].tolist()), (0.0, *series[2::2].tolist()))


def robust_fit(
    basis: Float, values: Float, weights: Float, penalty: Float, target: Float | float = 0.0, *, scale: float
) -> Float:
    """Robust regularised regression, by iterated least squares with the weights of Geman and McClure [1]_.

    Parameters
    ----------
    basis : ndarray, shape (N, K)
        The basis functions at N places.
    values : ndarray, shape (N,)
        The measurements.
    weights : ndarray, shape (N,)
        Weights of the measurements.
    penalty : ndarray, shape (K,)
        Weight of each coefficient's distance from `target`.
    target : ndarray, shape (K,), or float
        Expected coefficients.
    scale : float
        Least spread of the residuals; those beyond about three times their weighted median count as outliers.

    Returns
    -------
    ndarray, shape (K,)
        The coefficients.

    References
    ----------
    .. [1] Geman and McClure 1985, "Bayesian image analysis: an application to single photon emission tomography".
    """
    transposed, right = basis.T, penalty * target
    penalty = penalty + 1e-9
    reweighted = weights
    coefficients: Float = np.zeros(basis.shape[1])
    for remaining in reversed(range(_ROUNDS)):
        weighted = transposed * reweighted
        normal = weighted @ basis
        normal.flat[:: len(normal) + 1] += penalty
        # `numpy.linalg.solve` takes three times as long for so few coefficients.
        _, solution = cv2.solve(normal, (weighted @ values + right)[:, None], flags=cv2.DECOMP_CHOLESKY)
        coefficients = np.asarray(solution, np.float64).ravel()
        if remaining:
            residual = np.abs(values - basis @ coefficients)
            residual /= 2 * max(scale, 1.5 * _weighted_median(residual, weights))
            residual *= residual
            residual += 1
            residual *= residual
            reweighted = weights / residual
    return coefficients


@lru_cache(maxsize=16)
def polar_basis(columns: int, order: int) -> Float:
    """The Fourier basis at the columns of a polar map, computed once: see `irisstn.geometry.fourier_basis`.

    Parameters
    ----------
    columns : int
        T, the number of columns.
    order : int
        Highest Fourier order.

    Returns
    -------
    ndarray, shape (T, 2 order + 1)
        A read-only array that is shared by all callers.
    """
    basis = fourier_basis(TAU * np.arange(columns) / columns, order)
    basis.flags.writeable = False
    return basis


def _strongest(edge: Float32, grid: PolarGrid, radii: Float, window: float) -> tuple[Float, Float]:
    """Radius (T,), to a fraction of a row, and squared strength (T,) of the strongest edges near `radii` (T,)."""
    first, step, width = grid.radii[0], grid.step, grid.columns
    offsets, taper = _window(max(2, round(window / step)))
    columns = np.arange(width)
    cells = np.rint((radii - first) / step).astype(int) + offsets
    np.maximum(cells, 1, out=cells)
    np.minimum(cells, len(grid.radii) - 2, out=cells)
    cells *= width
    cells += columns
    levels = edge.ravel()
    found = levels.take(cells)
    found *= taper
    at = cells[found.argmax(axis=0), columns]
    before, here, after = levels.take(at + width * _AROUND).astype(float)
    curvature = 2 * here - before - after
    shift = 0.5 * (after - before) / np.maximum(curvature, 1e-6)
    shift = np.where(curvature > 1e-6, np.minimum(np.maximum(shift, -0.5), 0.5), 0)
    return np.asarray(first + (at // width + shift) * step), here * here


@lru_cache(maxsize=64)
def _window(reach: int) -> tuple[NDArray[np.int_], Float32]:
    """Offsets (2 `reach` + 1, 1) of the rows around a curve, and the weights that prefer those near it."""
    offsets = np.arange(-reach, reach + 1)[:, None]
    taper = (1 - 0.5 * (offsets / (reach + 1)) ** 2).astype(np.float32)
    for part in (offsets, taper):
        part.flags.writeable = False
    return offsets, taper


def _regularisation(
    grid: PolarGrid, curve: Boundary, order: int, prior: CurvePrior, unit: float
) -> tuple[Float, Float]:
    """Penalty and target (2 `order` + 1,) of a curve's coefficients; `unit` is the weight of all measurements."""
    penalty, target = np.zeros(2 * order + 1), np.zeros(2 * order + 1)
    if order >= 1:
        penalty[1:3] = prior.centre * unit
        target[1:3] = prior.x - grid.x, prior.y - grid.y
    for k in range(2, order + 1):
        penalty[2 * k - 1 : 2 * k + 1] = prior.shape * unit * (k / 2) ** 4
        if k < len(curve.cosines):
            target[2 * k - 1 : 2 * k + 1] = curve.cosines[k], curve.sines[k]
    return penalty, target


def _weighted_median(values: Float, weights: Float) -> float:
    """The value below which half of the total weight lies."""
    by_value = values.argsort()
    total = weights[by_value].cumsum()
    return float(values[by_value[total.searchsorted(0.5 * total[-1])]])
