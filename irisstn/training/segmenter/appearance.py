"""What real eyes have and rendered ones lack, painted over a training picture: lid margins, lashes, reflections.

Pictures are (H, W) float32, 0..255. Every function draws its own strengths from `rng`; the ranges are wide on purpose,
for a network that has seen more than there is takes the real thing for one more variation (Tobin et al. 2017, "Domain
randomization"). The one that changes where a lid is says by how much.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Bool, Eyelid, Float, Float32
from irisstn.segmentation.network import SIZE
from irisstn.synthetic.camera import Range
from irisstn.training.segmenter.framing import Framing

_BITS = 4  # of a pixel's fraction in OpenCV's drawing
Layer = NDArray[np.uint8]


def lid_margin(
    rng: np.random.Generator, picture: Float32, framing: Framing, distance: Float32, widths: Range
) -> tuple[Float32, Float32]:
    """The thick wet margin between the lashes' roots and the eyeball, of one of `widths` in iris radii; and its width
    (H, W).

    `distance` (H, W) is that from the rendered lid's edge, positive on the eyeball; the true edge moves there by the
    width, in pixels of the scene. Without it the network takes the lashes' roots for the lid's edge.
    """
    radius = np.float32(framing.radius)
    taper = np.clip(1 - (framing.along / np.float32(rng.uniform(1.6, 3))) ** 2, 0.05, 1)
    width = radius * np.float32(rng.uniform(*widths)) * taper
    iris, skin = _levels(picture, framing, distance, width)
    depth = np.clip(distance / np.maximum(width, np.float32(1e-3)), 0, 1)
    level = np.float32(iris + (skin - iris) * rng.uniform(-0.35, 1.05))
    slopes = (
        np.float32(rng.normal(0, 0.15)) * (depth - np.float32(0.5)) + np.float32(rng.normal(0, 0.1)) * framing.along
    )
    paint = level * (1 + slopes) + _grain(rng, 1, 4) * np.float32(rng.uniform(0, 30))
    cover = framing.soft(distance) * framing.soft(width - distance) * np.float32(rng.uniform(0.6, 1))
    picture = picture + (paint - picture) * cover
    from_edge = distance - width
    if rng.random() < 0.5:  # where lid and eyeball meet: a dark cleft or a film of tears
        breadth = rng.uniform(0.01, 0.03) * radius + 0.4 / framing.scale
        line = np.exp(-((from_edge / np.float32(breadth)) ** 2)) * np.float32(rng.uniform(0, 0.6))
        picture = picture + (np.float32(255 if rng.random() < 0.4 else picture.min()) - picture) * line
    if rng.random() < 0.6:  # which glitters
        near = np.argwhere((np.abs(from_edge) < 1 / framing.scale) & (np.abs(framing.along) < 1.2))
        picture = _glitter(rng, picture, near)
    return picture, width


def lashes(rng: np.random.Generator, picture: Float32, framing: Framing, lid: Eyelid, away: int) -> Float32:
    """Dark hairs from the edge of `lid`, in the direction `away` (1: down in the picture) as a rule."""
    radius = framing.radius
    count = int(rng.integers(8, 70))
    roots = np.sort(rng.uniform(-1.6, 1.6, count))
    lean, droop = rng.normal(0, 0.25), rng.uniform(-1.0, 1.2) * rng.uniform(0.1, 0.5)
    t = np.linspace(0, 1, 6)
    curves = []
    for root, (x, y) in zip(roots, lid.points(roots * radius), strict=True):
        length = rng.uniform(0.15, 0.6)
        aside = (0.5 * root + lean + rng.normal(0, 0.15)) * length * t
        across = away * (droop * (t - t * t * rng.uniform(0.4, 1.4)) - 0.3 * length * t * t)
        curves.append(_fixed(framing.moved(np.stack([x + radius * aside, y + radius * across], axis=1))))
    layer = np.zeros(picture.shape, np.uint8)
    thickness = 1 if rng.random() < 0.8 else 2
    cv2.polylines(layer, curves, False, int(rng.integers(120, 255)), thickness, cv2.LINE_AA, _BITS)
    level = float(np.clip(np.quantile(picture, 0.02) * rng.uniform(0.6, 1.3) + rng.uniform(-5, 15), 0, 255))
    return _painted(picture, layer, level, rng.uniform(0.4, 0.9), rng.uniform(0.5, 1))


def liner(rng: np.random.Generator, picture: Float32, framing: Framing, distance: Float32) -> Float32:
    """A dark band along a lid's edge, as paint or close lashes make; `distance` as in `lid_margin`."""
    width = rng.uniform(0.03, 0.14) * framing.radius
    from_middle = np.abs(distance + np.float32(width * rng.uniform(0.2, 1.0)))
    cover = np.clip(1.5 - from_middle / np.float32(width), 0, 1) * np.float32(rng.uniform(0.3, 0.95))
    return np.asarray(picture + (np.float32(picture.min() * rng.uniform(0.8, 1.2)) - picture) * cover, np.float32)


def mirrored(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """A window or a screen mirrored in the cornea: a bright see-through polygon, at times with bars."""
    radius = framing.radius
    count = int(rng.integers(3, 7))
    angles: Float = np.sort(rng.uniform(0, TAU, count))
    if rng.random() < 0.6:
        angles = np.pi / 4 + np.pi / 2 * np.arange(4) + rng.normal(0, 0.12, 4) + rng.uniform(-0.4, 0.4)
    centre = np.array([framing.scene.limbus.x, framing.scene.limbus.y]) + rng.normal(0, 0.4, 2) * radius
    reach = radius * rng.uniform(0.08, 0.55) * rng.uniform(0.8, 1.2, (len(angles), 1))
    outline = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.5, 1.4)], axis=1)
    corners = framing.moved(centre + outline * reach)
    layer = np.zeros(picture.shape, np.uint8)
    cv2.fillPoly(layer, [_fixed(corners)], 255, cv2.LINE_AA, _BITS)
    for _ in range(int(rng.integers(0, 3))):
        one = 0.5 * (corners[rng.integers(len(corners))] + corners.mean(axis=0))
        ends = _fixed(np.stack([one, 2 * corners.mean(axis=0) - one]))
        cv2.polylines(layer, [ends], False, 0, 1, cv2.LINE_AA, _BITS)
    bright = rng.uniform(120, 255) if rng.random() < 0.8 else rng.uniform(60, 160)
    cover = _soft(layer, rng.uniform(0.3, 1.2)) * np.float32(rng.uniform(0.2, 1))
    return np.asarray(picture + (np.maximum(np.float32(bright), picture) - picture) * cover, np.float32)


def faint_pupil(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """A dark iris in visible light, in which the pupil hardly shows."""
    pupil = framing.pupil > 0.5
    level = np.float32(np.median(picture[pupil]) if pupil.any() else picture.min())
    ring = framing.iris * (1 - framing.pupil) * framing.soft(np.minimum(framing.below_upper, framing.above_lower))
    return np.asarray(picture + (level - picture) * ring * np.float32(rng.uniform(0.4, 0.92)), np.float32)


def faint_limbus(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """An iris nearly as bright as the sclera."""
    open_here = framing.soft(np.minimum(framing.below_upper, framing.above_lower))
    sclera = (framing.iris < 0.5) & (open_here > 0.5)
    if not sclera.any():
        return picture
    ring = framing.iris * (1 - framing.pupil) * open_here
    level = np.float32(np.median(picture[sclera]))
    return np.asarray(picture + (level - picture) * ring * np.float32(rng.uniform(0.3, 0.7)), np.float32)


def hairs(rng: np.random.Generator, picture: Float32) -> Float32:
    """A few long hairs anywhere."""
    layer = np.zeros(picture.shape, np.uint8)
    t = np.linspace(0, 1, 16)[:, None]
    for _ in range(int(rng.integers(1, 7))):
        a, b, c = rng.uniform(-20, 140, (3, 2))
        bow = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c
        cv2.polylines(layer, [_fixed(bow)], False, int(rng.integers(100, 255)), 1, cv2.LINE_AA, _BITS)
    return _painted(picture, layer, rng.uniform(0, 120), rng.uniform(0.3, 0.8), 1.0)


def lamps(rng: np.random.Generator, picture: Float32) -> Float32:
    """A few round lights anywhere."""
    height, width = picture.shape
    picture = picture.copy()
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, width)), int(rng.integers(0, height))
        cv2.circle(picture, at, int(rng.integers(1, 6)), float(rng.uniform(180, 255)), -1, cv2.LINE_AA)
    return picture


def shade(rng: np.random.Generator, picture: Float32, below_upper: Float32, radius: float) -> Float32:
    """The upper lid's shadow on the eyeball; `below_upper` (H, W) is the distance from its true edge."""
    depth = np.maximum(below_upper / np.float32(radius), 0)
    fall = np.exp(-depth / np.float32(rng.uniform(0.03, 0.3)))
    return np.asarray(picture * (1 - np.float32(rng.uniform(0, 0.6)) * fall), np.float32)


def closed(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """The eye shut: skin over all that lay between the lids, and lashes along the lower one."""
    open_here = framing.soft(np.minimum(framing.below_upper, framing.above_lower) + np.float32(2 / framing.scale))
    _, skin = _levels(picture, framing, framing.below_upper, np.zeros_like(picture))
    paint = np.float32(skin) * (1 + np.float32(rng.normal(0, 0.2)) * framing.along) + _grain(rng, 2, 6) * 8
    picture = picture + (paint - picture) * cv2.GaussianBlur(open_here, (0, 0), 1.0)
    picture = liner(rng, picture, framing, -framing.above_lower)
    return lashes(rng, picture, framing, framing.scene.lower, 1)


def clouds(rng: np.random.Generator) -> Float32:
    """No picture at all but smooth noise, at times with a dark round thing in it that is no eye."""
    grain = _grain(rng, 2, 20)
    noise = (grain - grain.min()) * np.float32(255 / max(float(np.ptp(grain)), 1e-6))
    if rng.random() < 0.5:
        at = (int(rng.integers(20, 108)), int(rng.integers(15, 81)))
        axes = (int(rng.integers(4, 40)), int(rng.integers(4, 40)))
        level = float(rng.uniform(0, 255))
        cv2.ellipse(noise, at, axes, float(rng.uniform(0, 180)), 0, 360, level, -1, cv2.LINE_AA)
    return np.asarray(noise, np.float32)


def _levels(picture: Float32, framing: Framing, distance: Float32, width: Float32) -> tuple[float, float]:
    """Median gray of the iris, and of the skin beyond the lid."""
    ring: Bool = (framing.iris > 0.5) & (framing.pupil < 0.5) & (distance > width)
    skin: Bool = (distance < -0.15 * framing.radius) & (distance > -0.8 * framing.radius)
    iris = float(np.median(picture[ring] if np.count_nonzero(ring) > 20 else picture))
    return iris, float(np.median(picture[skin])) if np.count_nonzero(skin) > 20 else 1.3 * iris


def _glitter(rng: np.random.Generator, picture: Float32, places: NDArray[np.intp]) -> Float32:
    if not len(places):
        return picture
    layer = np.zeros(picture.shape, np.uint8)
    for row, column in places[rng.integers(len(places), size=int(rng.integers(1, 12)))].tolist():
        axes = (int(rng.integers(0, 3)), int(rng.integers(0, 2)))
        cv2.ellipse(layer, (column, row), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    cover = np.clip(_soft(layer, 0.5) * np.float32(rng.uniform(0.5, 1.5)), 0, 1)
    return np.asarray(picture + (255 - picture) * cover, np.float32)


def _grain(rng: np.random.Generator, finest: float, coarsest: float) -> Float32:
    noise = rng.standard_normal(SIZE, np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(finest, coarsest)), np.float32)


def _painted(picture: Float32, layer: Layer, level: float, blur: float, strength: float) -> Float32:
    return np.asarray(picture + (np.float32(level) - picture) * _soft(layer, blur) * np.float32(strength), np.float32)


def _soft(layer: Layer, blur: float) -> Float32:
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), blur).astype(np.float32) / 255, np.float32)


def _fixed(points: Float) -> NDArray[np.int32]:
    return np.rint(points * (1 << _BITS)).astype(np.int32)
