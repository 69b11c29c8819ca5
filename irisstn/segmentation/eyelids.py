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
_SPAN = 1.15  # a lid is looked at this far to both sides, in iris radii


def find_lids(
    image: Gray, glints: NDArray[np.bool_], pupil: Boundary, limbus: Boundary
) -> tuple[Eyelid | None, Eyelid | None]:
    """The upper and the lower lid of the eye with `pupil` and `limbus`; None where a lid does not reach the iris."""
    patch, valid = _patch(image, limbus)
    lids = []
    for side in (1, -1):
        rise, seen = _rise(patch[::side], valid[::side], pupil.mean_radius / limbus.mean_radius)
        lids.append(_lid(_search(rise, seen), limbus, side))
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


def _rise(patch: Gray, valid: NDArray[np.bool_], pupil_ratio: float) -> tuple[Float32, NDArray[np.bool_]]:
    """Soft-clipped rise of brightness towards row 0 of `patch`, lashes closed over, and where it can be told."""
    closed = cv2.morphologyEx(np.ascontiguousarray(patch), cv2.MORPH_CLOSE, np.ones((1, 7), np.uint8))
    calm = cv2.blur(closed, (5, 1)).astype(np.float32)
    reach = 2
    padded = np.concatenate([np.zeros((1, calm.shape[1]), np.float32), np.cumsum(calm, axis=0)])
    mean = (padded[reach:] - padded[:-reach]) / reach  # rows i .. i + reach - 1
    rise = np.zeros_like(calm)
    count = len(calm) - 2 * reach
    rise[reach:-reach] = mean[:count] - mean[reach + 1 : reach + 1 + count]
    edge = np.maximum(rise, 0)
    edge /= edge + 10
    seen = valid.copy()
    seen[:reach] = seen[-reach:] = False
    return np.where(seen, edge, 0), seen


@lru_cache(maxsize=1)
def _candidates() -> tuple[Float, NDArray[np.int32], Float]:
    """Parabolas (N, 3) as heights c0, c1, c2 in iris radii, their patch cells (N, U) and the columns' weights (U,)."""
    height = np.arange(-1.2, -0.1, 0.025)
    tilt = np.linspace(-0.4, 0.4, 11)
    sag = np.linspace(-0.03, 0.45, 9)
    c0, c1, c2 = (part.ravel() for part in np.meshgrid(height, tilt, sag, indexing="ij"))
    u = np.arange(-_SPAN, _SPAN + 0.001, 3 / _CELLS)
    v = c0[:, None] + u * (c1[:, None] + u * c2[:, None])
    rows = np.clip(np.rint(v * _CELLS + _HALF_HEIGHT), 0, 2 * _HALF_HEIGHT).astype(np.int32)
    columns = np.rint(u * _CELLS + _HALF_WIDTH).astype(np.int32)
    return np.stack([c0, c1, c2], axis=1), rows * (2 * _HALF_WIDTH + 1) + columns, np.where(np.abs(u) < 0.85, 1.0, 0.6)


def _search(rise: Float32, seen: NDArray[np.bool_]) -> tuple[Float, float]:
    """Coefficients (3,) in iris radii of the best parabola and its score."""
    parabolas, cells, weights = _candidates()
    values = rise.ravel().take(cells) @ weights.astype(np.float32)
    count = seen.ravel().take(cells) @ weights
    score = values / np.maximum(count, 0.5 * weights.sum())
    best = int(np.argmax(score))
    return parabolas[best], float(score[best])


def _lid(found: tuple[Float, float], limbus: Boundary, side: int) -> Eyelid | None:
    (c0, c1, c2), score = found
    if score < 0.2:
        return None
    radius = limbus.mean_radius
    return Eyelid(limbus.x, limbus.y, 0.0, (side * c0 * radius, side * c1, side * c2 / radius))
