"""Polar views of a picture and closed curves fitted in them: what the pupil's and the limbus's search share.

A polar map has the shape (R, T): row i at the i-th radius in pixels, column t at the angle 2 pi t / T around its centre.
"""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Boundary, Float

Float32 = NDArray[np.float32]
_TOO_LITTLE = 1e-3  # mean strength of the edges below which they cannot move a curve


@lru_cache(maxsize=16)
def directions(columns: int) -> tuple[Float32, Float32, Float32]:
    """Angle, cosine and sine (T,) of the columns of a polar map."""
    angle = TAU * np.arange(columns) / columns
    parts = angle.astype(np.float32), np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
    for part in parts:
        part.flags.writeable = False
    return parts


def unroll(image: NDArray[np.generic], x: float, y: float, radii: Float, columns: int) -> NDArray[np.generic]:
    """The polar map (R, T) of `image` around (`x`, `y`) at `radii` (R,); outside the picture its edge goes on."""
    _, cosine, sine = directions(columns)
    radius = np.asarray(radii, np.float32)[:, None]
    across, down = radius * cosine + np.float32(x), radius * sine + np.float32(y)
    return cv2.remap(image, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def inside(x: float, y: float, radii: Float, columns: int, image_size: tuple[int, int]) -> NDArray[np.bool_]:
    """Cells (R, T) of a polar map that lie inside a picture (H, W)."""
    height, width = image_size
    _, cosine, sine = directions(columns)
    radius = np.asarray(radii, np.float32)[:, None]
    px, py = radius * cosine + np.float32(x), radius * sine + np.float32(y)
    return (px > 1) & (px < width - 2) & (py > 1) & (py < height - 2)


def circle_rays(offsets: Float, columns: int) -> Float32:
    """Where circles of radius 1 around `offsets` (O, 2) cross the rays (O, T) from the origin, which they must hold."""
    _, cosine, sine = directions(columns)
    dx, dy = (np.asarray(offsets, np.float32)[:, i, None] for i in (0, 1))
    along, across = dx * cosine + dy * sine, dx * sine - dy * cosine
    return np.asarray(along + np.sqrt(np.maximum(1 - across**2, 0)), np.float32)


def fit_radii(
    radii: Float, weights: Float, *, order: int, ridge: float, first: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> tuple[Float, Float]:
    """Weighted least-squares Fourier series through `radii` (T,) with `weights` (T,): cosines and sines (order + 1,).

    Orders 2 and up are drawn to 0 by `ridge`, growing with the order's fourth power, so that a gap in the data stays
    round. `first` holds what the first harmonic is drawn to (cosine, sine) and how strongly. Strengths are in units of
    as many measurements of the mean weight as there are columns.
    """
    basis = _basis(len(radii), order)
    unit = float(weights.sum()) / 2 + 1e-9
    penalty, target = np.zeros(2 * order + 1), np.zeros(2 * order + 1)
    if order >= 1:
        penalty[1:3] = first[2] * unit
        target[1:3] = first[:2]
    for k in range(2, order + 1):
        penalty[[2 * k - 1, 2 * k]] = ridge * unit * (k / 2) ** 4
    weighted = basis * weights[:, None]
    solution = np.linalg.solve(basis.T @ weighted + np.diag(penalty + 1e-9), weighted.T @ radii + penalty * target)
    cosines, sines = np.zeros(order + 1), np.zeros(order + 1)
    cosines[0] = solution[0]
    cosines[1:], sines[1:] = solution[1::2], solution[2::2]
    return cosines, sines


@lru_cache(maxsize=16)
def _basis(columns: int, order: int) -> Float:
    angle = TAU * np.arange(columns) / columns
    rows = [np.ones(columns)]
    for k in range(1, order + 1):
        rows += [np.cos(k * angle), np.sin(k * angle)]
    basis = np.stack(rows, axis=1)
    basis.flags.writeable = False
    return basis


def recentred(x: float, y: float, cosines: Float, sines: Float) -> Boundary:
    """The same curve around its own centre: the first harmonic moves into the centre, the others are sampled anew."""
    curve = Boundary(x, y, tuple(cosines.tolist()), tuple(sines.tolist()))
    order = len(cosines) - 1
    for _ in range(3):
        if order == 0 or np.hypot(curve.cosines[1], curve.sines[1]) < 0.01:
            break
        x, y = curve.x + curve.cosines[1], curve.y + curve.sines[1]
        curve = Boundary.from_radii(x, y, radii_around(curve, x, y, 64), order)
    return curve


def radii_around(curve: Boundary, x: float, y: float, columns: int) -> Float:
    """Distance (T,) of `curve` from (`x`, `y`), a point inside it, at the angles 2 pi t / T."""
    points = curve.points(TAU * np.arange(256) / 256) - (x, y)
    angle = np.arctan2(points[:, 1], points[:, 0]) % TAU
    turn = np.argsort(angle)
    wanted = TAU * np.arange(columns) / columns
    return np.asarray(np.interp(wanted, angle[turn], np.hypot(*points.T)[turn], period=TAU))


def edge_map(polar: Float32, hidden: NDArray[np.bool_], reach: int, sign: int = 1) -> Float32:
    """How much brighter (R, T) the next `reach` rows are than the last ones, soft-clipped to 0..1; 0 near `hidden`.

    With the `sign` -1: how much darker.
    """
    padded = np.concatenate([np.zeros((1, polar.shape[1]), np.float32), np.cumsum(polar, axis=0)])
    rise = np.zeros_like(polar)
    # Between the rows i - 1 and i lies the place i - 0.5; both sides are averaged so that row i is its own middle.
    inner = padded[reach:-reach] - padded[: -2 * reach]
    outer = padded[2 * reach :] - padded[reach:-reach]
    between = (outer - inner) / reach  # at the places reach - 0.5, reach + 0.5, ...
    rise[reach:-reach] = 0.5 * (between[:-1] + between[1:])
    noise = max(1.5, 2.0 * float(np.median(np.abs(rise))))
    edge = np.maximum(sign * rise, 0)
    edge /= edge + noise
    if hidden.any():
        near = cv2.dilate(hidden.view(np.uint8), np.ones((2 * reach + 1, 1), np.uint8))
        edge[near > 0] = 0
    return edge


def best_circle(
    edge: Float32, radii: Float, offsets: Float, sizes: Float, weights: Float32, *, against: Float
) -> tuple[float, float, float, float]:
    """The circle along which `edge` (R, T) is strongest: dx, dy, radius in pixels and its score.

    The circles have the radii `sizes` (N,) in pixels and lie at `offsets` (O, 2) in units of their radius. `weights`
    (S, T) are those of S sectors; the sectors' scores are added, the worst one counting twice. `against` (O, N) is
    taken off.
    """
    columns = edge.shape[1]
    rows = circle_rays(offsets, columns)[:, None, :] * np.asarray(sizes, np.float32)[None, :, None]
    index = np.rint((rows - np.float32(radii[0])) / np.float32(radii[1] - radii[0])).astype(np.int32)
    np.clip(index, 0, edge.shape[0] - 1, out=index)
    index *= columns
    index += np.arange(columns, dtype=np.int32)
    sectors = edge.ravel().take(index) @ weights.T
    score = sectors.sum(axis=2) + (sectors.min(axis=2) if len(weights) > 1 else 0) - against
    o, n = divmod(int(np.argmax(score)), len(sizes))
    size = float(sizes[n])
    return float(offsets[o, 0]) * size, float(offsets[o, 1]) * size, size, float(score[o, n])


def square_offsets(reach: float, count: int) -> Float:
    """A square grid (count^2, 2) of offsets from -reach to reach."""
    shift = np.linspace(-reach, reach, count)
    return np.stack(np.meshgrid(shift, shift), axis=-1).reshape(-1, 2)


def refine(
    edge: Float32,
    radii: Float,
    centre: tuple[float, float],
    curve: Boundary,
    *,
    order: int,
    window: float,
    ridge: float,
    weights: Float32 | None = None,
    first: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Boundary:
    """One step of robust refinement: the strongest edges within `window` pixels of `curve`, and the curve through them.

    `edge` (R, T) is the edge map around `centre` at `radii`. Without edges the curve comes back as it was.
    """
    x, y = centre
    columns = edge.shape[1]
    step = float(radii[1] - radii[0])
    angle, _, _ = directions(columns)
    expected = radii_around(curve, x, y, columns)
    at = (expected - radii[0]) / step
    reach = max(2, round(window / step))
    offsets = np.arange(-reach, reach + 1)
    index = np.clip(np.rint(at).astype(int)[None, :] + offsets[:, None], 1, len(radii) - 2)
    taper = 1 - 0.5 * (offsets / (reach + 1)) ** 2
    local = np.take_along_axis(edge, index, axis=0) * taper[:, None]
    peak = np.take_along_axis(index, local.argmax(axis=0)[None, :], axis=0)[0]
    columns_at = np.arange(columns)
    before, here, after = (edge[peak + d, columns_at] for d in (-1, 0, 1))
    bend = 2 * here - before - after
    shift = np.where(bend > 1e-6, np.clip(0.5 * (after - before) / np.maximum(bend, 1e-6), -0.5, 0.5), 0)
    measured = radii[0] + (peak + shift) * step
    strength = here.astype(float) ** 2
    if weights is not None:
        strength = strength * weights
    if float(strength.sum()) < _TOO_LITTLE * columns:
        return curve
    cosines, sines = np.zeros(order + 1), np.zeros(order + 1)
    trust = strength
    for _ in range(3):
        cosines, sines = fit_radii(measured, trust, order=order, ridge=ridge, first=first)
        residual = measured - Boundary(x, y, tuple(cosines.tolist()), tuple(sines.tolist())).radius(angle)
        spread = max(0.5 * step, 1.5 * weighted_median(np.abs(residual), strength))
        trust = strength / (1 + (residual / (2 * spread)) ** 2) ** 2
    return recentred(x, y, cosines, sines)


def weighted_median(values: Float, weights: Float) -> float:
    """The value (of any number) at which half of the weight is reached."""
    turn = np.argsort(values)
    total = np.cumsum(weights[turn])
    return float(values[turn][np.searchsorted(total, 0.5 * total[-1])])
