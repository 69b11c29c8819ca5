"""Domain randomisation: things anywhere in a training picture that are no part of the eye."""

from __future__ import annotations

import cv2
import numpy as np

from irisstn.geometry import Float32
from irisstn.training.segmenter.drawing import FIXED_POINT_BITS, blended, blurred_noise, fixed_point


def stray_hairs(rng: np.random.Generator, picture: Float32) -> Float32:
    """Draw one to six long hairs anywhere.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    picture : Float32, shape (H, W)
        Gray values, 0..255.

    Returns
    -------
    Float32, shape (H, W)
        The changed picture.
    """
    layer = np.zeros(picture.shape, np.uint8)
    t = np.linspace(0, 1, 16)[:, None]
    for _ in range(int(rng.integers(1, 7))):
        a, b, c = rng.uniform(-20, 140, (3, 2))
        bow = (1 - t) ** 2 * a + 2 * t * (1 - t) * b + t * t * c
        cv2.polylines(layer, [fixed_point(bow)], False, int(rng.integers(100, 255)), 1, cv2.LINE_AA, FIXED_POINT_BITS)
    return blended(picture, layer, rng.uniform(0, 120), rng.uniform(0.3, 0.8), 1.0)


def bright_spots(rng: np.random.Generator, picture: Float32) -> Float32:
    """Draw one to three bright discs anywhere.

    Parameters and result are those of `stray_hairs`.
    """
    height, width = picture.shape
    picture = picture.copy()
    for _ in range(int(rng.integers(1, 4))):
        at = int(rng.integers(0, width)), int(rng.integers(0, height))
        cv2.circle(picture, at, int(rng.integers(1, 6)), float(rng.uniform(180, 255)), -1, cv2.LINE_AA)
    return picture


def noise_picture(rng: np.random.Generator) -> Float32:
    """Make a picture of smooth noise, with a dark ellipse in half of the cases.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    Float32, shape (H, W)
        A picture without an eye.
    """
    texture = blurred_noise(rng, 2, 20)
    noise = (texture - texture.min()) * np.float32(255 / max(float(np.ptp(texture)), 1e-6))
    if rng.random() < 0.5:
        at = (int(rng.integers(20, 108)), int(rng.integers(15, 81)))
        axes = (int(rng.integers(4, 40)), int(rng.integers(4, 40)))
        level = float(rng.uniform(0, 255))
        cv2.ellipse(noise, at, axes, float(rng.uniform(0, 180)), 0, 360, level, -1, cv2.LINE_AA)
    return np.asarray(noise, np.float32)
