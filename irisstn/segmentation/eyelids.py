"""The upper and lower lid: parabolas across the eye, found on a small upright patch in units of the iris's radius.

The patch has the limbus's centre in its middle. Each lid is searched with its own side turned up (row 0), so that one
search serves both.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Bool, Boundary, Eyelid, Float
from irisstn.segmentation.polar import Float32, Gray

_CELLS = 48  # of the patch per iris radius
_HALF_WIDTH, _HALF_HEIGHT = 60, 64  # of the patch in cells
_WIDTH = 2 * _HALF_WIDTH + 1
_SPAN = 1.15  # a lid is looked at this far to both sides, in iris radii
_CLOSE = np.array([0.06, 0.17, 0.13])  # how far from the innermost good parabola the best one may lie
_BOW = 0.19  # the usual bow of a lid: how much it rises in one iris radius, in iris radii
_SHAPE = 0.03  # how much an unusual bow or tilt counts against a lid
_LASH = 7  # cells: dark things narrower than this are lashes
_OUTSIDE = 0.015  # weight of the cells beyond a lid that are unlike iris
_BINS = 32  # of distance from the patch's middle, 24 to an iris radius

_V, _U = np.mgrid[-_HALF_HEIGHT : _HALF_HEIGHT + 1, -_HALF_WIDTH : _HALF_WIDTH + 1] / _CELLS
_DISTANCE = np.hypot(_U, _V)
_BIN = np.minimum(_DISTANCE * 24, _BINS - 1).astype(np.int32)


@dataclass(frozen=True, slots=True)
class _Side:
    """What differs between the lids. `nearly`: the share of the best score at which a lid further in is preferred, for
    lashes make strong edges beyond the upper lid. `foot`: how far within its steepest place the lid's edge begins.
    """

    sign: int
    nearly: float
    foot: float


_UPPER, _LOWER = _Side(1, 0.74, 0.02), _Side(-1, 0.85, 0.01)


def find_lids(image: Gray, glints: Bool, pupil: Boundary, limbus: Boundary) -> tuple[Eyelid, Eyelid]:
    """The upper and the lower lid of the eye with `pupil` and `limbus`, in pixels of `image` (H, W)."""
    calm = cv2.GaussianBlur(image, (0, 0), max(0.5, 0.45 * limbus.mean_radius / _CELLS))
    patch = _patch(np.asarray(calm, np.uint8), limbus)
    bright = _patch(glints.view(np.uint8) * np.uint8(255), limbus) > 0
    known = _known(image, limbus)
    ratio = pupil.mean_radius / limbus.mean_radius
    radius = limbus.mean_radius
    lids = []
    for side in (_UPPER, _LOWER):
        c0, c1, c2 = _find_lid(patch[:: side.sign], known[:: side.sign], bright[:: side.sign], ratio, side)
        lids.append(Eyelid(limbus.x, limbus.y, 0.0, (side.sign * c0 * radius, side.sign * c1, side.sign * c2 / radius)))
    return lids[0], lids[1]


def _find_lid(patch: Gray, known: Bool, bright: Bool, pupil_ratio: float, side: _Side) -> tuple[float, float, float]:
    """The parabola of the lid towards row 0 of `patch`, as coefficients in iris radii."""
    closed = cv2.morphologyEx(np.ascontiguousarray(patch), cv2.MORPH_CLOSE, np.ones((1, _LASH), np.uint8))
    calm = cv2.blur(closed, (5, 1)).astype(np.float32)
    edge = np.maximum(_rise(calm, 2), 0)
    edge /= edge + 10
    seen = known.copy()
    seen[:2] = seen[-2:] = False
    edge[(pupil_ratio * 1.15 > _DISTANCE) | ~seen] = 0
    evidence = edge + _OUTSIDE * _outside(calm, known & ~bright, pupil_ratio)
    parabola = _search(evidence.astype(np.float32), seen, side.nearly)
    parabola[0] += side.foot
    sample = (1.15 * pupil_ratio < _DISTANCE) & (_DISTANCE < 0.93) & (np.abs(_V) < 0.4) & known & ~bright
    level = float(np.median(closed[sample if sample.any() else known]))
    c0, c1, c2 = parabola.tolist()
    return c0 + _margin(np.asarray(closed, np.uint8), level, parabola, pupil_ratio), c1, c2


def _patch(image: Gray, limbus: Boundary) -> Gray:
    """The eye in `image`, resampled to the patch (2 _HALF_HEIGHT + 1, 2 _HALF_WIDTH + 1)."""
    scale = limbus.mean_radius / _CELLS
    matrix = np.array([[scale, 0, limbus.x - scale * _HALF_WIDTH], [0, scale, limbus.y - scale * _HALF_HEIGHT]])
    size = (_WIDTH, 2 * _HALF_HEIGHT + 1)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _known(image: Gray, limbus: Boundary) -> Bool:
    """Cells of the patch that lie inside the picture."""
    height, width = image.shape
    x, y = limbus.x + _U[0] * limbus.mean_radius, limbus.y + _V[:, 0] * limbus.mean_radius
    return np.asarray(((y > 1) & (y < height - 2))[:, None] & ((x > 1) & (x < width - 2))[None, :])


def _rise(values: Float32, reach: int) -> Float32:
    """Mean of the `reach` rows before each row less that of the `reach` rows after it; 0 where they do not exist."""
    padded = np.concatenate([np.zeros((1, values.shape[1]), np.float32), np.cumsum(values, axis=0)])
    mean = (padded[reach:] - padded[:-reach]) / reach  # of the rows i .. i + reach - 1
    rise = np.zeros_like(values)
    count = len(values) - 2 * reach
    rise[reach:-reach] = mean[:count] - mean[reach + 1 : reach + 1 + count]
    return rise


def _outside(calm: Float32, known: Bool, pupil_ratio: float) -> Float32:
    """How much unlike iris the cells of the disc from row 0 to each cell are, in sum: positive where a lid lies there.

    A cell is compared with the iris at the same radius at the sides, where lids seldom reach.
    """
    ring = (1.12 * pupil_ratio < _DISTANCE) & (_DISTANCE < 0.97)
    side = ring & (np.abs(_V) < 0.5) & (np.abs(_V) < np.abs(_U)) & known
    if np.count_nonzero(side) < 50:
        return np.zeros_like(calm)
    count = np.bincount(_BIN[side], minlength=_BINS)
    total = np.bincount(_BIN[side], calm[side], minlength=_BINS)
    level = np.interp(np.arange(_BINS), np.flatnonzero(count), total[count > 0] / count[count > 0]).astype(np.float32)
    differs = np.abs(calm - level[_BIN])
    spread = max(4.0, 1.5 * float(np.median(differs[side])))
    unlike = np.clip(differs / spread - 1, 0, 2) / 2
    return np.cumsum(np.where(ring, unlike - 0.35, 0), axis=0, dtype=np.float32)


@lru_cache(maxsize=1)
def _candidates() -> tuple[Float, NDArray[np.int32], Float32, Float]:
    """Parabolas (N, 3) as c0, c1, c2 in iris radii, their cells (N, U), the columns' weights (U,), prior (N,)."""
    height = np.arange(-1.2, -0.1, 0.025)
    tilt = np.linspace(-0.4, 0.4, 11)
    bow = np.linspace(-0.03, 0.45, 9)
    parabolas = np.stack(np.meshgrid(height, tilt, bow, indexing="ij"), axis=-1).reshape(-1, 3)
    u = np.arange(-_SPAN, _SPAN + 0.001, 4 / _CELLS)
    rows = np.clip(np.rint(_heights(parabolas, u) * _CELLS + _HALF_HEIGHT), 0, 2 * _HALF_HEIGHT).astype(np.int32)
    columns = np.rint(u * _CELLS + _HALF_WIDTH).astype(np.int32)
    weights = np.where(np.abs(u) < 0.85, 1.0, 0.6).astype(np.float32)
    return parabolas, rows * _WIDTH + columns, weights, _unlikely(parabolas)


def _heights(parabolas: Float, u: Float) -> Float:
    """Heights (N, U) of `parabolas` (N, 3) at the places `u` (U,)."""
    return np.asarray(parabolas[:, :1] + u * (parabolas[:, 1:2] + u * parabolas[:, 2:]))


def _unlikely(parabolas: Float) -> Float:
    """What speaks against the shape of each of `parabolas` (N, 3): lids are evenly bowed and hardly tilted."""
    return np.asarray(_SHAPE * (((parabolas[:, 2] - _BOW) / 0.1) ** 2 + (parabolas[:, 1] / 0.3) ** 2))


def _search(evidence: Float32, seen: Bool, nearly: float) -> Float:
    """Coefficients (3,) in iris radii of the best parabola."""
    parabolas, cells, weights, unlikely = _candidates()
    values = evidence.ravel().take(cells) @ weights
    count = seen.ravel().take(cells) @ weights
    score = values / np.maximum(count, 0.5 * weights.sum()) - unlikely
    # Lashes, brows and folds make edges further out that may be stronger: of the nearly best, take the innermost.
    inner = parabolas[np.argmax(np.where(score >= nearly * score.max(), parabolas[:, 0], -np.inf))]
    close = (np.abs(parabolas - inner) < _CLOSE).all(axis=1)
    best = parabolas[np.argmax(np.where(close, score, -np.inf))]
    fine = best + _fine_steps()
    u = np.arange(-_SPAN, _SPAN + 0.001, 2 / _CELLS)
    return np.array(fine[np.argmax(_sampled(evidence, fine, u).mean(axis=1) - _unlikely(fine))])


@lru_cache(maxsize=1)
def _fine_steps() -> Float:
    steps = (np.arange(-4, 5) * 0.008, np.arange(-3, 4) * 0.02, np.arange(-3, 4) * 0.015)
    return np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 3)


def _sampled(values: Float32 | Gray, parabolas: Float, u: Float) -> Float32:
    """`values` of the patch along `parabolas` (N, 3) at the places `u` (U,): (N, U)."""
    y = (_heights(parabolas, u) * _CELLS + _HALF_HEIGHT).astype(np.float32)
    x = np.broadcast_to((u * _CELLS + _HALF_WIDTH).astype(np.float32), y.shape)
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _margin(closed: Gray, level: float, parabola: Float, pupil_ratio: float) -> float:
    """How far inward, in iris radii, a dark margin goes on from `parabola`: the lid's shadow and the roots of lashes.

    Dark is less than three quarters of the iris's `level`, at its darkest less than three fifths.
    """
    depth = np.arange(-0.02, 0.16, 0.01)
    u = np.arange(-0.7, 0.701, 2 / _CELLS)
    shifted = parabola + depth[:, None] * np.array([1.0, 0.0, 0.0])
    values = _sampled(closed, shifted, u)
    distance = np.hypot(u, _heights(shifted, u))
    iris = ((distance < 0.97) & (distance > 1.1 * pupil_ratio)).all(axis=0)
    if np.count_nonzero(iris) < 8:
        return 0.0
    profile = np.median(values[:, iris], axis=1)
    deepest = int(np.argmin(profile[:9]))
    if profile[deepest] > 0.6 * level:
        return 0.0
    end = deepest + int(np.argmax(np.append(profile[deepest:] > 0.75 * level, True)))
    return float(np.clip(depth[min(end, len(depth) - 1)] - 0.005, 0.0, 0.1))
