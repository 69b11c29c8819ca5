"""Domain randomisation: details of real eyes that rendered ones lack, drawn over a training picture of an eye.

Pictures are (H, W) float32, 0..255. Every function draws its own parameters from `rng`. The ranges are deliberately
wider than in real images, so that these are within the training distribution.

References
----------
Tobin et al. 2017, "Domain randomization for transferring deep neural networks from simulation to the real world".
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Bool, Eyelid, Float, Float32
from irisstn.synthetic.camera import Range
from irisstn.training.segmenter.drawing import FIXED_POINT_BITS, blended, blurred_noise, fixed_point, opacity
from irisstn.training.segmenter.framing import Framing


def eyelid_margin(
    rng: np.random.Generator, picture: Float32, framing: Framing, distance: Float32, widths: Range
) -> tuple[Float32, Float32]:
    """Draw the thick wet margin between the eyelashes' roots and the eyeball.

    The eyelid's true edge moves towards the iris by the margin's width. Without this the network would learn that the
    eyelid ends at the eyelashes' roots.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    picture : Float32, shape (H, W)
        Gray values, 0..255.
    framing : Framing
        Where the scene lies in the picture.
    distance : Float32, shape (H, W)
        Distance from the rendered eyelid's edge, positive on the eyeball, pixels of the scene.
    widths : tuple of float
        Smallest and largest width of the margin, iris radii.

    Returns
    -------
    picture : Float32, shape (H, W)
        The changed picture.
    width : Float32, shape (H, W)
        Width of the margin, pixels of the scene.
    """
    radius = np.float32(framing.radius)
    taper = np.clip(1 - (framing.along_eye / np.float32(rng.uniform(1.6, 3))) ** 2, 0.05, 1)
    width = radius * np.float32(rng.uniform(*widths)) * taper
    iris, skin = _levels(picture, framing, distance, width)
    depth = np.clip(distance / np.maximum(width, np.float32(1e-3)), 0, 1)
    level = np.float32(iris + (skin - iris) * rng.uniform(-0.35, 1.05))
    slopes = (
        np.float32(rng.normal(0, 0.15)) * (depth - np.float32(0.5)) + np.float32(rng.normal(0, 0.1)) * framing.along_eye
    )
    paint = level * (1 + slopes) + blurred_noise(rng, 1, 4) * np.float32(rng.uniform(0, 30))
    cover = framing.coverage(distance) * framing.coverage(width - distance) * np.float32(rng.uniform(0.6, 1))
    picture = picture + (paint - picture) * cover
    from_edge = distance - width
    if rng.random() < 0.5:  # a dark cleft or a tear film where eyelid and eyeball meet
        breadth = rng.uniform(0.01, 0.03) * radius + 0.4 / framing.scale
        line = np.exp(-((from_edge / np.float32(breadth)) ** 2)) * np.float32(rng.uniform(0, 0.6))
        picture = picture + (np.float32(255 if rng.random() < 0.4 else picture.min()) - picture) * line
    if rng.random() < 0.6:  # specular reflections in the tear film
        near = np.argwhere((np.abs(from_edge) < 1 / framing.scale) & (np.abs(framing.along_eye) < 1.2))
        picture = _specular_reflections(rng, picture, near)
    return picture, width


def eyelashes(rng: np.random.Generator, picture: Float32, framing: Framing, eyelid: Eyelid, direction: int) -> Float32:
    """Draw eyelashes from the edge of an eyelid.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    picture : Float32, shape (H, W)
        Gray values, 0..255.
    framing : Framing
        Where the scene lies in the picture.
    eyelid : Eyelid
        The eyelid, in pixels of the scene.
    direction : int
        Where most of them point: 1 down, -1 up in the picture.

    Returns
    -------
    Float32, shape (H, W)
        The changed picture.
    """
    radius = framing.radius
    count = int(rng.integers(8, 70))
    roots = np.sort(rng.uniform(-1.6, 1.6, count))
    lean, droop = rng.normal(0, 0.25), rng.uniform(-1.0, 1.2) * rng.uniform(0.1, 0.5)
    t = np.linspace(0, 1, 6)
    curves = []
    for root, (x, y) in zip(roots, eyelid.points(roots * radius), strict=True):
        length = rng.uniform(0.15, 0.6)
        aside = (0.5 * root + lean + rng.normal(0, 0.15)) * length * t
        across = direction * (droop * (t - t * t * rng.uniform(0.4, 1.4)) - 0.3 * length * t * t)
        curves.append(fixed_point(framing.to_picture(np.stack([x + radius * aside, y + radius * across], axis=1))))
    layer = np.zeros(picture.shape, np.uint8)
    thickness = 1 if rng.random() < 0.8 else 2
    cv2.polylines(layer, curves, False, int(rng.integers(120, 255)), thickness, cv2.LINE_AA, FIXED_POINT_BITS)
    level = float(np.clip(np.quantile(picture, 0.02) * rng.uniform(0.6, 1.3) + rng.uniform(-5, 15), 0, 255))
    return blended(picture, layer, level, rng.uniform(0.4, 0.9), rng.uniform(0.5, 1))


def dark_eyelid_edge(rng: np.random.Generator, picture: Float32, framing: Framing, distance: Float32) -> Float32:
    """Draw a dark band along an eyelid's edge, as of eyeliner or dense eyelashes.

    Parameters are those of `eyelid_margin`. Returns the changed picture.
    """
    width = rng.uniform(0.03, 0.14) * framing.radius
    from_middle = np.abs(distance + np.float32(width * rng.uniform(0.2, 1.0)))
    cover = np.clip(1.5 - from_middle / np.float32(width), 0, 1) * np.float32(rng.uniform(0.3, 0.95))
    return np.asarray(picture + (np.float32(picture.min() * rng.uniform(0.8, 1.2)) - picture) * cover, np.float32)


def corneal_reflection(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """Draw the reflection of a window or screen in the cornea: a bright translucent polygon, sometimes with bars.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    picture : Float32, shape (H, W)
        Gray values, 0..255.
    framing : Framing
        Where the scene lies in the picture.

    Returns
    -------
    Float32, shape (H, W)
        The changed picture.
    """
    radius = framing.radius
    count = int(rng.integers(3, 7))
    angles: Float = np.sort(rng.uniform(0, TAU, count))
    if rng.random() < 0.6:
        angles = np.pi / 4 + np.pi / 2 * np.arange(4) + rng.normal(0, 0.12, 4) + rng.uniform(-0.4, 0.4)
    centre = np.array([framing.scene.limbus.x, framing.scene.limbus.y]) + rng.normal(0, 0.4, 2) * radius
    reach = radius * rng.uniform(0.08, 0.55) * rng.uniform(0.8, 1.2, (len(angles), 1))
    outline = np.stack([np.cos(angles), np.sin(angles) * rng.uniform(0.5, 1.4)], axis=1)
    corners = framing.to_picture(centre + outline * reach)
    layer = np.zeros(picture.shape, np.uint8)
    cv2.fillPoly(layer, [fixed_point(corners)], 255, cv2.LINE_AA, FIXED_POINT_BITS)
    for _ in range(int(rng.integers(0, 3))):
        one = 0.5 * (corners[rng.integers(len(corners))] + corners.mean(axis=0))
        ends = fixed_point(np.stack([one, 2 * corners.mean(axis=0) - one]))
        cv2.polylines(layer, [ends], False, 0, 1, cv2.LINE_AA, FIXED_POINT_BITS)
    bright = rng.uniform(120, 255) if rng.random() < 0.8 else rng.uniform(60, 160)
    cover = opacity(layer, rng.uniform(0.3, 1.2)) * np.float32(rng.uniform(0.2, 1))
    return np.asarray(picture + (np.maximum(np.float32(bright), picture) - picture) * cover, np.float32)


def faint_pupil(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """Darken the iris until the pupil has little contrast, as in dark irises under visible light.

    Parameters and result are those of `corneal_reflection`.
    """
    pupil = framing.pupil > 0.5
    level = np.float32(np.median(picture[pupil]) if pupil.any() else picture.min())
    ring = framing.iris * (1 - framing.pupil) * framing.coverage(np.minimum(framing.below_upper, framing.above_lower))
    return np.asarray(picture + (level - picture) * ring * np.float32(rng.uniform(0.4, 0.92)), np.float32)


def faint_limbus(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """Brighten the iris until the limbus has little contrast.

    Parameters and result are those of `corneal_reflection`.
    """
    open_here = framing.coverage(np.minimum(framing.below_upper, framing.above_lower))
    sclera = (framing.iris < 0.5) & (open_here > 0.5)
    if not sclera.any():
        return picture
    ring = framing.iris * (1 - framing.pupil) * open_here
    level = np.float32(np.median(picture[sclera]))
    return np.asarray(picture + (level - picture) * ring * np.float32(rng.uniform(0.3, 0.7)), np.float32)


def eyelid_shadow(rng: np.random.Generator, picture: Float32, below_upper: Float32, radius: float) -> Float32:
    """Draw the upper eyelid's shadow on the eyeball.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    picture : Float32, shape (H, W)
        Gray values, 0..255.
    below_upper : Float32, shape (H, W)
        Distance from the upper eyelid's true edge, positive on the eyeball, pixels of the scene.
    radius : float
        Iris radius, pixels of the scene.

    Returns
    -------
    Float32, shape (H, W)
        The changed picture.
    """
    depth = np.maximum(below_upper / np.float32(radius), 0)
    fall = np.exp(-depth / np.float32(rng.uniform(0.03, 0.3)))
    return np.asarray(picture * (1 - np.float32(rng.uniform(0, 0.6)) * fall), np.float32)


def closed_eye(rng: np.random.Generator, picture: Float32, framing: Framing) -> Float32:
    """Close the eye: draw skin over the opening, and eyelashes along the lower eyelid.

    Parameters and result are those of `corneal_reflection`.
    """
    open_here = framing.coverage(np.minimum(framing.below_upper, framing.above_lower) + np.float32(2 / framing.scale))
    _, skin = _levels(picture, framing, framing.below_upper, np.zeros_like(picture))
    paint = np.float32(skin) * (1 + np.float32(rng.normal(0, 0.2)) * framing.along_eye) + blurred_noise(rng, 2, 6) * 8
    picture = picture + (paint - picture) * cv2.GaussianBlur(open_here, (0, 0), 1.0)
    picture = dark_eyelid_edge(rng, picture, framing, -framing.above_lower)
    return eyelashes(rng, picture, framing, framing.scene.lower, 1)


def _levels(picture: Float32, framing: Framing, distance: Float32, width: Float32) -> tuple[float, float]:
    """Median gray values of the iris, and of the skin beyond the eyelid."""
    ring: Bool = (framing.iris > 0.5) & (framing.pupil < 0.5) & (distance > width)
    skin: Bool = (distance < -0.15 * framing.radius) & (distance > -0.8 * framing.radius)
    iris = float(np.median(picture[ring] if np.count_nonzero(ring) > 20 else picture))
    return iris, float(np.median(picture[skin])) if np.count_nonzero(skin) > 20 else 1.3 * iris


def _specular_reflections(rng: np.random.Generator, picture: Float32, places: NDArray[np.intp]) -> Float32:
    """Draw up to eleven small bright ellipses at some of `places` (N, 2), rows and columns."""
    if not len(places):
        return picture
    layer = np.zeros(picture.shape, np.uint8)
    for row, column in places[rng.integers(len(places), size=int(rng.integers(1, 12)))].tolist():
        axes = (int(rng.integers(0, 3)), int(rng.integers(0, 2)))
        cv2.ellipse(layer, (column, row), axes, 0, 0, 360, 255, -1, cv2.LINE_AA)
    cover = np.clip(opacity(layer, 0.5) * np.float32(rng.uniform(0.5, 1.5)), 0, 1)
    return np.asarray(picture + (255 - picture) * cover, np.float32)
