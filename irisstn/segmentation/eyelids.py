"""The upper and lower lid: parabolas across the eye, found on a small upright patch in units of the iris's radius."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Boundary, Eyelid, Float
from irisstn.segmentation.polar import Float32

Gray = NDArray[np.uint8]

_CELLS = 48  # of the patch per iris radius
_HALF_WIDTH, _HALF_HEIGHT = 60, 64  # of the patch in cells
_V, _U = np.mgrid[-_HALF_HEIGHT : _HALF_HEIGHT + 1, -_HALF_WIDTH : _HALF_WIDTH + 1] / _CELLS
_DISTANCE = np.hypot(_U, _V)
_BINS=32
_BIN=np.minimum(_DISTANCE*24,_BINS-1).astype(np.int32)
LAM=.015;DK=1.0;UT=.35
_NEARLYL = 0.85
_CL=7
_NEARLY = 0.74  # share of the best score at which a lid further in is preferred
_CLOSE = np.array([0.06, 0.17, 0.13])  # how far from it, in iris radii, the better parabola may lie
_FOOTL = 0.01
_LIMB=0.05;_LIMBF=1.0;_DARK=0.75;_DARKEST=.6;_MAXM=0.1
_FOOT = 0.02  # the rise towards the lid begins this far, in iris radii, within its steepest place
_SHAPE = 0.03  # how much an unlikely bow or tilt counts against a lid
_SPAN = 1.15  # a lid is looked at this far to both sides, in iris radii


def find_lids(
    image: Gray, glints: NDArray[np.bool_], pupil: Boundary, limbus: Boundary
) -> tuple[Eyelid | None, Eyelid | None]:
    """The upper and the lower lid of the eye with `pupil` and `limbus`; None where a lid does not reach the iris."""
    patch, valid = _patch(image, limbus)
    hidden, _ = _patch(glints.view(np.uint8) * np.uint8(255), limbus)
    lids = []
    for side in (1, -1):
        ratio = pupil.mean_radius / limbus.mean_radius
        rise, seen, closed, level = _evidence(patch[::side], valid[::side], hidden[::side] > 0, ratio)
        (c0, c1, c2), _ = _search(rise, seen, _NEARLY if side > 0 else _NEARLYL)
        c0 += _FOOT if side > 0 else _FOOTL
        c0 += _margin(closed, level, np.array([c0, c1, c2]), ratio)
        radius = limbus.mean_radius
        lids.append(Eyelid(limbus.x, limbus.y, 0.0, (side * c0 * radius, side * c1, side * c2 / radius)))
    return lids[0], lids[1]


def _patch(image: Gray, limbus: Boundary) -> tuple[Float32, NDArray[np.bool_]]:
    """The eye (2 _HALF_HEIGHT + 1, 2 _HALF_WIDTH + 1) with the limbus's centre in the middle, and which cells exist."""
    scale = limbus.mean_radius / _CELLS
    matrix = np.array(
        [[scale, 0, limbus.x - scale * _HALF_WIDTH], [0, scale, limbus.y - scale * _HALF_HEIGHT]], np.float32
    )
    size = (2 * _HALF_WIDTH + 1, 2 * _HALF_HEIGHT + 1)
    calm = cv2.GaussianBlur(image, (0, 0), max(0.5, 0.45 * scale))
    patch = cv2.warpAffine(
        calm, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    height, width = image.shape
    x = matrix[0, 2] + scale * np.arange(size[0])
    y = matrix[1, 2] + scale * np.arange(size[1])
    valid = ((y > 1) & (y < height - 2))[:, None] & ((x > 1) & (x < width - 2))[None, :]
    return patch, valid


def _evidence(
    patch: Gray, valid: NDArray[np.bool_], hidden: NDArray[np.bool_], pupil_ratio: float
) -> tuple[Float32, NDArray[np.bool_], Gray, float]:
    """What speaks for a lid's edge in each cell, the lid lying towards row 0.

    The soft-clipped rise of brightness towards row 0, lashes closed over; how much more the cells beyond look unlike
    iris than those before; and where this can be told.
    """
    closed = cv2.morphologyEx(np.ascontiguousarray(patch), cv2.MORPH_CLOSE, np.ones((1, _CL), np.uint8))
    calm = cv2.blur(closed, (5, 1)).astype(np.float32)
    rise = _step(calm, 2)
    edge = np.maximum(rise, 0)
    edge /= edge + 10
    edge[_DISTANCE < 1.15 * pupil_ratio] = 0
    seen = valid.copy()
    seen[:2] = seen[-2:] = False

    sample = (_DISTANCE > 1.15 * pupil_ratio) & (_DISTANCE < 0.93) & (np.abs(_V) < 0.4) & valid & ~hidden
    level = float(np.median(closed[sample])) if sample.any() else float(np.median(closed))
    edge *= np.where((np.abs(_DISTANCE - 1) < _LIMB) & (np.abs(_V) > 0.6), _LIMBF, 1)
    total = np.where(seen, edge, 0) + LAM * _outside(calm, valid & ~hidden, pupil_ratio)
    return total.astype(np.float32), seen, closed, level


def _outside(calm: Float32, known: NDArray[np.bool_], pupil_ratio: float) -> Float32:
    """How much unlike iris the cells of the disc from row 0 to each cell are, in sum: positive where a lid lies there.

    A cell is compared with the iris at the same radius at the sides, where lids seldom reach.
    """
    ring = (_DISTANCE > 1.12 * pupil_ratio) & (_DISTANCE < 0.97)
    side = ring & (np.abs(_V) < 0.5) & (np.abs(_V) < np.abs(_U)) & known
    if np.count_nonzero(side) < 50:
        return np.zeros_like(calm)
    count = np.bincount(_BIN[side], minlength=_BINS)
    total = np.bincount(_BIN[side], calm[side], minlength=_BINS)
    level = np.interp(np.arange(_BINS), np.flatnonzero(count), total[count > 0] / count[count > 0]).astype(np.float32)
    differs = calm - level[_BIN]
    spread = max(4.0, 1.5 * float(np.median(np.abs(differs[side]))))
    unlike = np.clip(np.maximum(differs, -DK * differs) / spread - 1, 0, 2) / 2
    return np.cumsum(np.where(ring, unlike - UT, 0), axis=0, dtype=np.float32)




def _margin(closed: Gray, level: float, parabola: Float, pupil_ratio: float) -> float:
    """How far inward, in iris radii, the dark margin of a lid goes on from `parabola`: shadow and roots of lashes."""
    depth = np.arange(-0.02, 0.16, 0.01)
    u = np.arange(-0.7, 0.701, 2 / _CELLS)
    v = parabola[0] + u * (parabola[1] + u * parabola[2]) + depth[:, None]
    x = np.broadcast_to((u * _CELLS + _HALF_WIDTH).astype(np.float32), v.shape)
    y = (v * _CELLS + _HALF_HEIGHT).astype(np.float32)
    values = cv2.remap(closed, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    distance = np.hypot(u, v)
    iris = ((distance < 0.97) & (distance > 1.1 * pupil_ratio)).all(axis=0)
    if np.count_nonzero(iris) < 8:
        return 0.0
    profile = np.median(values[:, iris], axis=1)
    deepest = int(np.argmin(profile[:9]))
    if profile[deepest] > _DARKEST * level:
        return 0.0
    end = deepest + int(np.argmax(np.append(profile[deepest:] > _DARK * level, True)))
    return float(np.clip(depth[min(end, len(depth) - 1)] - 0.005, 0.0, _MAXM))


def _step(values: Float32, reach: int) -> Float32:
    """Mean of the `reach` rows before each row less that of the `reach` rows after it; 0 where they do not exist."""
    padded = np.concatenate([np.zeros((1, values.shape[1]), np.float32), np.cumsum(values, axis=0)])
    mean = (padded[reach:] - padded[:-reach]) / reach  # of the rows i .. i + reach - 1
    step = np.zeros_like(values)
    count = len(values) - 2 * reach
    step[reach:-reach] = mean[:count] - mean[reach + 1 : reach + 1 + count]
    return step


@lru_cache(maxsize=1)
def _candidates() -> tuple[Float, NDArray[np.int32], Float, Float]:
    """Parabolas (N, 3) as heights c0, c1, c2 in iris radii, their patch cells (N, U) and the columns' weights (U,)."""
    height = np.arange(-1.2, -0.1, 0.025)
    tilt = np.linspace(-0.4, 0.4, 11)
    sag = np.linspace(-0.03, 0.45, 9)
    c0, c1, c2 = (part.ravel() for part in np.meshgrid(height, tilt, sag, indexing="ij"))
    u = np.arange(-_SPAN, _SPAN + 0.001, 3 / _CELLS)
    v = c0[:, None] + u * (c1[:, None] + u * c2[:, None])
    rows = np.clip(np.rint(v * _CELLS + _HALF_HEIGHT), 0, 2 * _HALF_HEIGHT).astype(np.int32)
    columns = np.rint(u * _CELLS + _HALF_WIDTH).astype(np.int32)
    parabolas=np.stack([c0, c1, c2], axis=1)
    return parabolas, rows * (2 * _HALF_WIDTH + 1) + columns, np.where(np.abs(u) < 0.85, 1.0, 0.6), _prior(parabolas)


def _search(rise: Float32, seen: NDArray[np.bool_], nearly: float) -> tuple[Float, float]:
    """Coefficients (3,) in iris radii of the best parabola and its score."""
    parabolas, cells, weights, prior = _candidates()
    values = rise.ravel().take(cells) @ weights.astype(np.float32)
    count = seen.ravel().take(cells) @ weights
    score = values / np.maximum(count, 0.5 * weights.sum()) - prior
    # Lashes, brows and folds make edges further out that may be stronger: of the nearly best, take the innermost.
    inner = parabolas[np.argmax(np.where(score >= nearly * score.max(), parabolas[:, 0], -np.inf))]
    close = (np.abs(parabolas - inner) < _CLOSE).all(axis=1)
    best = int(np.argmax(np.where(close, score, -np.inf)))
    return _polish(rise, seen, parabolas[best]), float(score[best])


def _polish(rise: Float32, seen: NDArray[np.bool_], parabola: Float) -> Float:
    """The best parabola on a finer grid around `parabola`."""
    u = np.arange(-_SPAN, _SPAN + 0.001, 2 / _CELLS)
    fine = parabola + np.stack(
        np.meshgrid(np.arange(-4, 5) * 0.008, np.arange(-3, 4) * 0.02, np.arange(-3, 4) * 0.015, indexing="ij"), axis=-1
    ).reshape(-1, 3)
    v = fine[:, :1] + u * (fine[:, 1:2] + u * fine[:, 2:])
    x = np.broadcast_to((u * _CELLS + _HALF_WIDTH).astype(np.float32), v.shape)
    y = (v * _CELLS + _HALF_HEIGHT).astype(np.float32)
    values = cv2.remap(rise, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    score = values.mean(axis=1) - _prior(fine)
    best: Float = fine[int(np.argmax(score))]
    return best


def _prior(parabolas: Float) -> Float:
    """What speaks against the shape of each of `parabolas` (N, 3): lids are evenly bowed and hardly tilted."""
    return _SHAPE * (((parabolas[:, 2] - 0.19) / 0.1) ** 2 + (parabolas[:, 1] / 0.3) ** 2)


