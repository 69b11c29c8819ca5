"""The coarse search: where in the picture an eye is, and roughly how large its pupil and iris are."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Float
from irisstn.segmentation.polar import Float32, directions, inside

Gray = NDArray[np.uint8]

_COLUMNS = 48


@dataclass(frozen=True, slots=True)
class CoarseEye:
    """A rough eye in pixels of the picture: centre, pupil and iris radius, and the search's score (0..1)."""

    x: float
    y: float
    pupil_radius: float
    iris_radius: float
    score: float


def locate_eye(small: Gray, glints: NDArray[np.bool_], *, candidates: int = 6) -> list[CoarseEye]:
    """Rough eyes in the reduced picture `small` (H, W), the likeliest first; `glints` (H, W) are painted over.

    Dark round things are voted for along the gradient (fast radial symmetry, Loy & Zelinsky 2003), and at each peak the
    pairs of rings whose inward sides are darker are scored by the soft-clipped integro-differential operator (Daugman
    1993).
    """
    short = min(small.shape)
    kernel = np.ones((max(3, round(0.06 * short) | 1),) * 2, np.uint8)
    opened = cv2.morphologyEx(small, cv2.MORPH_OPEN, kernel)
    if glints.any():
        wide = np.ones((max(3, round(0.2 * short) | 1),) * 2, np.uint8)
        opened[glints] = cv2.erode(opened, wide)[glints]
    calm = cv2.GaussianBlur(opened, (0, 0), 1.2)
    found = _score_rings(calm, _symmetry_peaks(calm, candidates))
    return sorted(found, key=lambda eye: -eye.score)


def _symmetry_peaks(calm: Gray, count: int) -> list[tuple[int, int]]:
    """The `count` best places (x, y) to be the centre of something dark and round."""
    height, width = calm.shape
    short = min(calm.shape)
    gx = cv2.Sobel(calm, cv2.CV_32F, 1, 0, scale=1 / 8)
    gy = cv2.Sobel(calm, cv2.CV_32F, 0, 1, scale=1 / 8)
    strength = cv2.magnitude(gx, gy)
    floor = max(1.0, float(np.quantile(strength[::2, ::2], 0.6)))
    y, x = np.nonzero(strength > floor)
    size = strength[y, x]
    nx, ny = gx[y, x] / size, gy[y, x] / size
    weight = size / (size + 6.0)
    total = np.zeros((height, width), np.float32)
    for low, high in ((0.05, 0.11), (0.11, 0.22), (0.22, 0.42)):
        radii = np.linspace(low * short, high * short, 6, dtype=np.float32)[:, None]
        px = np.rint(x - radii * nx).astype(np.int32)
        py = np.rint(y - radii * ny).astype(np.int32)
        good = (px >= 0) & (px < width) & (py >= 0) & (py < height)
        share = np.broadcast_to(weight / radii, px.shape)
        votes = np.bincount((py * width + px)[good], share[good], height * width).reshape(height, width)
        total += cv2.GaussianBlur(votes.astype(np.float32), (0, 0), 1.0 + 0.12 * float(radii.mean())) * float(
            radii.mean()
        )
    total *= 1.2 - calm / 255.0  # of two equal peaks the darker one
    reach = max(3, round(0.07 * short) | 1)
    peak = total >= cv2.dilate(total, np.ones((reach, reach), np.uint8))
    y, x = np.nonzero(peak & (total > 0.25 * float(total.max())))
    best = np.argsort(-total[y, x])[:count]
    return [(int(x[i]), int(y[i])) for i in best]


def _score_rings(calm: Gray, peaks: list[tuple[int, int]]) -> list[CoarseEye]:
    """The best pair of rings around each of `peaks`."""
    if not peaks:
        return []
    short = min(calm.shape)
    radii = np.arange(1, round(0.62 * short), dtype=np.float32)
    _, cosine, sine = directions(_COLUMNS)
    centres = np.array(peaks, np.float32)[:, :, None, None]
    x_map = (centres[:, 0] + radii[:, None] * cosine).reshape(-1, _COLUMNS)
    y_map = (centres[:, 1] + radii[:, None] * sine).reshape(-1, _COLUMNS)
    maps = cv2.remap(calm, x_map, y_map, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    maps = maps.reshape(len(peaks), len(radii), _COLUMNS)
    noise = max(2.0, float(np.median(np.abs(np.diff(maps[:, ::3], axis=1)))) * 3)
    eyes = []
    for (x, y), polar in zip(peaks, maps, strict=True):
        valid = inside(x, y, radii, _COLUMNS, (calm.shape[0], calm.shape[1]))
        eyes += [CoarseEye(float(x), float(y), *pair) for pair in _best_pairs(polar, radii, noise, valid, short)]
    return eyes


def _best_pairs(
    polar: Float32, radii: Float32, noise: float, valid: NDArray[np.bool_], short: int
) -> list[tuple[float, float, float]]:
    """Pupil radius, iris radius and score of the likeliest pair of rings in one polar map, and of those that share one."""
    summed = np.cumsum(polar, axis=0)
    reach = 3  # how many pixels on each side of an edge are compared
    rise = np.zeros_like(polar)
    outer = summed[2 * reach :] - summed[reach:-reach]
    inner = summed[reach:-reach] - summed[: -2 * reach]
    rise[reach : reach + outer.shape[0]] = (outer - inner) / reach
    edge = np.where(valid, np.maximum(rise, 0), 0)
    edge /= edge + noise
    edge = _loosened(edge)
    octants = np.sort(edge.reshape(len(edge), 8, -1).mean(axis=2), axis=1)
    ring = 0.5 * octants.mean(axis=1) + 0.5 * octants[:, 1:4].mean(axis=1)  # lashes and brows are edges on one side only
    sides = [np.roll(part, _COLUMNS // 8, axis=1)[:, : _COLUMNS // 4] for part in (edge, np.roll(edge, _COLUMNS // 2, 1))]
    levels = [np.roll(part, _COLUMNS // 8, axis=1)[:, : _COLUMNS // 4] for part in (polar, np.roll(polar, _COLUMNS // 2, 1))]
    right, left = (side.mean(axis=1) for side in sides)
    lateral = 0.35 * (left + right) + 0.3 * np.minimum(left, right)
    brighter = np.minimum(*(_wide_step(level.mean(axis=1), noise) for level in levels))
    ratio = radii[:, None] / radii[None, :]  # pupil by iris
    allowed = (ratio > 0.13) & (ratio < 0.72) & (radii[:, None] > 0.025 * short) & (radii[None, :] > 0.09 * short)
    level = np.cumsum(polar.mean(axis=1))
    count = np.arange(1, len(radii) + 1)
    within = level / count  # mean along the rays up to each radius
    between = (level[None, :] - level[:, None]) / np.maximum(count[None, :] - count[:, None], 1)
    step = np.maximum(between - within[:, None], 0)
    contrast = step / (step + 2 * noise)
    # The limbus must stand out from a dip between it and the pupil, or it is the pupil's own edge once more.
    beyond = np.where(count[None, :] > count[:, None], lateral[None, :], np.inf)
    rise_again = lateral[None, :] - np.minimum(np.minimum.accumulate(beyond, axis=1), lateral[None, :])
    outer_ring = (0.3 * lateral[None, :] + 0.7 * rise_again) * (0.4 + 0.6 * brighter)
    score = np.where(allowed, np.sqrt(ring[:, None] * outer_ring) * (0.4 + 0.6 * contrast), -1)
    pairs = []
    first = divmod(int(np.argmax(score)), len(radii))
    if score[first] > 0:
        pairs.append((float(radii[first[0]]), float(radii[first[1]]), float(score[first])))
        # What was taken for the iris may be the pupil, and the other way round.
        for as_pupil, as_iris in ((pairs[0][1], None), (None, pairs[0][0])):
            other = np.where(_near(radii, as_pupil)[:, None] & _near(radii, as_iris)[None, :], score, -1)
            i, j = divmod(int(np.argmax(other)), len(radii))
            if other[i, j] > 0:
                pairs.append((float(radii[i]), float(radii[j]), float(score[i, j])))
    return pairs


def _near(radii: Float32, radius: float | None) -> NDArray[np.bool_]:
    if radius is None:
        return np.ones(len(radii), np.bool_)
    return np.asarray((radii > 0.75 * radius) & (radii < 1.3 * radius))


def _wide_step(profile: Float32, noise: float) -> Float32:
    """Soft-clipped rise (R,) from the inner fifth of each radius to the outer one: the iris to the sclera."""
    count = np.arange(len(profile))
    reach = np.maximum(3, count // 5)
    summed = np.concatenate([[0.0], np.cumsum(profile)])
    low, high = np.maximum(count - reach, 0), np.minimum(count + reach, len(profile) - 1)
    inner = (summed[count] - summed[low]) / np.maximum(count - low, 1)
    outer = (summed[high + 1] - summed[count + 1]) / np.maximum(high - count, 1)
    step = np.maximum(outer - inner, 0)
    return np.asarray(step / (step + noise), np.float32)


def _loosened(edge: Float32) -> Float32:
    """The strongest edge within a reach that grows with the radius: a ring need not be centred quite."""
    tight = cv2.dilate(edge, np.ones((5, 1), np.uint8))
    loose = cv2.dilate(edge, np.ones((11, 1), np.uint8))
    split = min(24, len(edge))
    return np.concatenate([tight[:split], loose[split:]])
