"""The surroundings of the iris, as relative brightness (H, W): eyelids with their folds, sclera, illumination."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Eyelid, Float
from irisstn.synthetic.capture import Capture
from irisstn.synthetic.identity import Identity
from irisstn.synthetic.noise import smooth_noise

_PER_RADIUS = 64  # steps of a brightness table per iris radius
_REACH = 4.0  # extent of the tables in iris radii


def shade_skin(
    rng: np.random.Generator,
    identity: Identity,
    capture: Capture,
    *,
    above: Float,
    below: Float,
    along: Float,
    corners: tuple[float, float],
) -> Float:
    """Relative brightness of the skin.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of what differs between pictures.
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.
    above, below : ndarray of float32, shape (H, W)
        Distance of each pixel above the upper and below the lower eyelid, in pixels.
    along : ndarray of float32, broadcast to (H, W)
        Position of each pixel along the eye, in pixels.
    corners : tuple of float
        Positions along the eye where the eyelids meet.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Brightness, about 1.
    """
    anatomy = identity.anatomy
    size = above.shape[0], above.shape[1]
    radius = capture.iris_radius_px
    own = np.random.default_rng([identity.seed, 4])
    folds = smooth_noise(own, size, 0.45 * radius, 2.0)
    fine = smooth_noise(rng, size, max(0.055 * radius, 2.0), 1.8)
    h = np.arange(int(_REACH * _PER_RADIUS), dtype=np.float32) / _PER_RADIUS
    crease = anatomy.crease
    upper = (
        1.0
        - 0.28 * np.exp(-h / 0.05)
        - 0.16 * anatomy.crease_depth * np.exp(-(((h - crease) / 0.04) ** 2))
        - 0.1 * anatomy.crease_depth * np.exp(-(((h - crease - 0.12) / 0.14) ** 2))
        + 0.06 * np.exp(-(((h - 0.5 * crease) / (0.3 * crease)) ** 2))
        - 0.1 * np.clip(h - 1.2, 0, 1.5)
    )
    lower = (
        1.0
        + 0.1 * np.exp(-(((h - 0.045) / 0.03) ** 2))
        - 0.1 * np.exp(-(((h - 0.11) / 0.03) ** 2))
        - 0.1 * np.exp(-(((h - 0.55) / 0.1) ** 2))
        + 0.04 * np.exp(-(((h - 0.85) / 0.2) ** 2))
    )
    outside = np.maximum(above, below)
    step = (outside + folds * np.float32(0.03 * radius)) * np.float32(_PER_RADIUS / radius)
    step = np.clip(step, 0, len(upper) - 1).astype(np.int32) + len(upper) * (below >= above)
    rough = np.float32(anatomy.skin_roughness)
    skin = (np.concatenate([upper, lower]) - 1).astype(np.float32)[step]
    # The folds end beyond the corners of the eye, where the two parabolas would continue.
    middle, half = 0.5 * (corners[0] + corners[1]), 0.5 * (corners[1] - corners[0])
    skin *= np.clip(2.2 - np.abs(along - np.float32(middle)) * np.float32(1.5 / half), 0, 1)
    skin += 1 + 0.022 * folds + 0.022 * rough * fine
    pores = smooth_noise(rng, size, max(0.025 * radius, 1.2), 1.3)
    skin += 0.018 * rough * pores
    # Moist skin has small bright streaks where its grain is highest.
    skin += np.clip(fine + 0.7 * pores - 2.3 + 0.4 * rough - outside * np.float32(1 / radius), 0, 1) * np.float32(0.3)
    return np.asarray(skin, np.float32)


def shade_eyeball(
    rng: np.random.Generator,
    capture: Capture,
    *,
    upper: Float,
    lower: Float,
    along: Float,
    nasal_corner: float,
) -> tuple[Float, Float]:
    """Relative brightness of the sclera, and the shadow of the eyelids.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    capture : Capture
        The parameters of the picture.
    upper, lower : ndarray of float32, shape (H, W)
        Distance of each pixel below the upper and above the lower eyelid, in pixels.
    along : ndarray of float32, broadcast to (H, W)
        Position of each pixel along the eye, in pixels.
    nasal_corner : float
        Position along the eye of the corner at the nose.

    Returns
    -------
    sclera : ndarray of float32, shape (H, W)
        Brightness, about 1.
    shade : ndarray of float32, shape (H, W)
        Factor of the brightness of sclera and iris.
    """
    size = upper.shape[0], upper.shape[1]
    radius = capture.iris_radius_px
    depth = np.arange(int(_REACH * _PER_RADIUS), dtype=np.float32) / _PER_RADIUS
    under_upper = 1 - capture.lid_shadow * (0.7 * np.exp(-depth / 0.1) + 0.5 * np.exp(-depth / 0.35))
    under_lower = 1 - 0.5 * capture.lid_shadow * np.exp(-depth / 0.05)
    shade = _look_up(under_upper, upper, radius) * _look_up(under_lower, lower, radius)
    aside = along * np.float32(1 / (2.4 * radius))
    sclera = 1.0 - 0.16 * aside * aside + 0.03 * smooth_noise(rng, size, 0.3 * radius)
    # The caruncle, the darker tissue in the corner at the nose.
    side = np.float32(np.sign(nasal_corner))
    corner = np.clip(1 - (np.float32(abs(nasal_corner)) - along * side) * np.float32(1 / (0.55 * radius)), 0, 1)
    sclera -= 0.22 * corner * corner * (3 - 2 * corner)
    return np.asarray(sclera, np.float32), shade


def light_field(capture: Capture, image_size: tuple[int, int]) -> Float:
    """Illumination: a linear gradient and a decrease towards the sides of the picture.

    Parameters
    ----------
    capture : Capture
        The parameters of the picture.
    image_size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Factor of the brightness, about 1.
    """
    height, width = image_size
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    fall = np.float32(0.5 * capture.vignette)
    row = 1 + np.float32(capture.light_x) * x - fall * x * x
    return np.asarray(row + (np.float32(capture.light_y) * y - fall * y * y))


def vessels(identity: Identity, capture: Capture, image_size: tuple[int, int]) -> Float:
    """Blood vessels of the sclera: irregular lines from the corners of the eye towards the iris.

    Parameters
    ----------
    identity : Identity
        The eye.
    capture : Capture
        The parameters of the picture.
    image_size : tuple of int
        (H, W) of the picture.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Coverage, 0..1.
    """
    own = np.random.default_rng([identity.seed, 5])
    layer = np.zeros(image_size, np.uint8)
    radius = capture.iris_radius_px
    count = int(own.integers(4, 12))
    frame = Eyelid(capture.x, capture.y, capture.roll_rad, (0.0, 0.0, 0.0))
    lines = []
    for _ in range(count):
        side = own.choice([-1.0, 1.0])
        along = side * np.linspace(2.4, own.uniform(1.05, 1.6), 14) * radius
        across = (own.uniform(-0.6, 0.6) + np.cumsum(own.normal(0, 0.035, 14))) * radius
        points = frame.points(along) + across[:, None] * np.array([-np.sin(capture.roll_rad), np.cos(capture.roll_rad)])
        lines.append(np.rint(points * 16).astype(np.int32))
    thickness = max(1, round(0.012 * radius))
    cv2.polylines(layer, lines, False, 160, thickness, cv2.LINE_AA, 4)
    return np.asarray(layer * np.float32(1 / 255))


def _look_up(table: Float, distance_px: Float, radius: float) -> Float:
    """Values of `table`, which has `_PER_RADIUS` steps per iris radius, at the distances `distance_px` (H, W)."""
    step = (distance_px * np.float32(_PER_RADIUS / radius)).astype(np.int32)
    return np.asarray(table.astype(np.float32).take(step, mode="clip"))
