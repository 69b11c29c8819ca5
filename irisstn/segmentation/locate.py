"""The coarse search: where in the picture an eye is, and roughly how large its pupil and iris are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from irisstn.geometry import Bool, Float
from irisstn.segmentation.polar import Float32, Gray, PolarGrid

_COLUMNS = 48
_REACH = 3  # pixels that are compared on each side of an edge
_RADII = ((0.05, 0.11), (0.11, 0.22), (0.22, 0.42))  # of dark round things, as shares of the picture's short side


@dataclass(frozen=True, slots=True)
class CoarseEye:
    """A rough eye in the reduced picture's pixels: centre, pupil and iris radius, and the search's score (0..1)."""

    x: float
    y: float
    pupil_radius: float
    iris_radius: float
    score: float


def locate_eye(small: Gray, lamps: Bool, *, candidates: int = 6) -> list[CoarseEye]:
    """Rough eyes in the reduced picture `small` (H, W), the likeliest first; `lamps` (H, W) are painted over.

    Dark round things are voted for along the gradient (fast radial symmetry, Loy & Zelinsky 2003), and at each of the
    best `candidates` the pairs of rings whose inward sides are darker are scored by the soft-clipped
    integro-differential operator (Daugman 1993).
    """
    short = min(small.shape)
    opened = cv2.morphologyEx(small, cv2.MORPH_OPEN, _square(0.06 * short))
    if lamps.any():
        opened[lamps] = cv2.erode(opened, _square(0.2 * short))[lamps]
    calm = np.asarray(cv2.GaussianBlur(opened, (0, 0), 1.2), np.uint8)
    radii = np.arange(1.0, max(24.0, round(0.62 * short)))
    grids = [PolarGrid(x, y, radii, _COLUMNS) for x, y in _symmetry_peaks(calm, candidates)]
    if not grids:
        return []
    maps = [grid.unroll(calm) for grid in grids]
    noise = max(2.0, 3.0 * float(np.median([np.abs(np.diff(polar[::3], axis=0)) for polar in maps])))
    found = []
    for grid, polar in zip(grids, maps, strict=True):
        pairs = _best_pairs(polar, grid.inside(calm.shape), radii, noise, short=short)
        found += [CoarseEye(grid.x, grid.y, *pair) for pair in pairs]
    return sorted(found, key=lambda eye: -eye.score)


def _square(size: float) -> Gray:
    return np.ones((max(3, round(size) | 1),) * 2, np.uint8)


def _symmetry_peaks(calm: Gray, count: int) -> list[tuple[float, float]]:
    """The `count` best places (x, y) to be the centre of something dark and round."""
    height, width = calm.shape
    short = min(calm.shape)
    gx = cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8)
    gy = cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8)
    strength = cv2.magnitude(gx, gy)
    y, x = np.nonzero(strength > max(1.0, 1.2 * float(strength.mean())))
    size = strength[y, x]
    nx, ny = gx[y, x] / size, gy[y, x] / size
    weight = size / (size + 6.0)
    total = np.zeros((height, width), np.float32)
    for low, high in _RADII:
        radii = np.linspace(low * short, high * short, 5, dtype=np.float32)[:, None]
        px, py = np.rint(x - radii * nx).astype(np.int32), np.rint(y - radii * ny).astype(np.int32)
        good = (px >= 0) & (px < width) & (py >= 0) & (py < height)
        share = np.broadcast_to(weight / radii, px.shape)
        votes = np.bincount((py * width + px)[good], share[good], height * width).reshape(height, width)
        middle = float(radii.mean())
        total += cv2.GaussianBlur(votes.astype(np.float32), (0, 0), 1.0 + 0.12 * middle) * np.float32(middle)
    total *= 1.2 - calm / 255.0  # of two equal peaks the darker one
    peak = total >= cv2.dilate(total, _square(0.07 * short))
    y, x = np.nonzero(peak & (total > 0.25 * float(total.max())))
    best = np.argsort(-total[y, x])[:count]
    return [(float(x[i]), float(y[i])) for i in best]


def _best_pairs(
    polar: Float32, seen: Bool, radii: Float, noise: float, *, short: int
) -> list[tuple[float, float, float]]:
    """Pupil radius, iris radius and score of the likeliest pair of rings in a polar map, and of two that share one."""
    edge = _edges(polar, seen, noise)
    octants = np.sort(edge.reshape(len(edge), 8, -1).mean(axis=2), axis=1)
    ring = 0.5 * octants.mean(axis=1) + 0.5 * octants[:, 1:4].mean(
        axis=1
    )  # lashes and brows are edges on one side only
    left, right = (_side(edge, turn).mean(axis=1) for turn in (0, _COLUMNS // 2))
    lateral = 0.35 * (left + right) + 0.3 * np.minimum(left, right)
    brighter = np.minimum(*(_wide_step(_side(polar, turn).mean(axis=1), noise) for turn in (0, _COLUMNS // 2)))

    count = np.arange(1, len(radii) + 1)
    level = np.cumsum(polar.mean(axis=1))
    within = level / count  # mean along the rays up to each radius
    between = (level[None, :] - level[:, None]) / np.maximum(count[None, :] - count[:, None], 1)
    step = np.maximum(between - within[:, None], 0)
    contrast = step / (step + 2 * noise)
    # The limbus must stand out from a dip between it and the pupil, or it is the pupil's own edge once more.
    after = np.where(count[None, :] > count[:, None], lateral[None, :], np.inf)
    rise_again = lateral[None, :] - np.minimum(np.minimum.accumulate(after, axis=1), lateral[None, :])
    outer = (0.3 * lateral[None, :] + 0.7 * rise_again) * (0.4 + 0.6 * brighter)

    ratio = radii[:, None] / radii[None, :]  # pupil by iris
    allowed = (ratio > 0.13) & (ratio < 0.72) & (radii[:, None] > 0.025 * short) & (radii[None, :] > 0.09 * short)
    score = np.where(allowed, np.sqrt(ring[:, None] * outer) * (0.4 + 0.6 * contrast), -1)
    pairs = [_best(score, radii)]
    if pairs[0][2] <= 0:
        return []
    # What was taken for the iris may be the pupil, and the other way round.
    inner, outermost, _ = pairs[0]
    pairs.append(_best(np.where(_near(radii, outermost)[:, None], score, -1), radii))
    pairs.append(_best(np.where(_near(radii, inner)[None, :], score, -1), radii))
    return [pair for pair in pairs if pair[2] > 0]


def _best(score: Float, radii: Float) -> tuple[float, float, float]:
    i, j = divmod(int(np.argmax(score)), len(radii))
    return float(radii[i]), float(radii[j]), float(score[i, j])


def _near(radii: Float, radius: float) -> Bool:
    return np.asarray((radii > 0.75 * radius) & (radii < 1.3 * radius))


def _side(polar: Float32, turn: int) -> Float32:
    """The quarter of the columns within 45 degrees of the right (`turn` 0) or of the left (half a turn)."""
    return np.roll(polar, _COLUMNS // 8 + turn, axis=1)[:, : _COLUMNS // 4]


def _edges(polar: Float32, seen: Bool, noise: float) -> Float32:
    """Soft-clipped rise of brightness outward (R, T), the strongest within a reach that grows with the radius.

    So a ring need not be centred quite.
    """
    summed = np.cumsum(polar, axis=0)
    edge = np.zeros_like(polar)
    rise = summed[2 * _REACH :] - 2 * summed[_REACH:-_REACH] + summed[: -2 * _REACH]
    edge[_REACH:-_REACH] = np.maximum(rise, 0) / _REACH
    edge[~seen] = 0
    edge /= edge + noise
    split = 24
    tight = cv2.dilate(edge, np.ones((5, 1), np.uint8))[:split]
    loose = cv2.dilate(edge, np.ones((11, 1), np.uint8))[split:]
    return np.concatenate([tight, loose])


def _wide_step(profile: Float32, noise: float) -> Float:
    """Soft-clipped rise (R,) from the inner fifth of each radius to the outer one: the iris to the sclera."""
    count = np.arange(len(profile))
    reach = np.maximum(3, count // 5)
    summed = np.concatenate([[0.0], np.cumsum(profile)])
    low, high = np.maximum(count - reach, 0), np.minimum(count + reach, len(profile) - 1)
    inner = (summed[count] - summed[low]) / np.maximum(count - low, 1)
    outer = (summed[high + 1] - summed[count + 1]) / np.maximum(high - count, 1)
    step = np.maximum(outer - inner, 0)
    return np.asarray(step / (step + noise))
