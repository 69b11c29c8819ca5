"""Glasses and contact lenses."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import TAU, Float
from irisstn.synthetic.capture import Capture


def draw_contact_lens(rng: np.random.Generator, sclera: Float, capture: Capture) -> None:
    """Draw the rim of a soft contact lens, a faint circle on the sclera around the limbus.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    sclera : ndarray of float32, shape (H, W)
        Brightness of the sclera; modified in place.
    capture : Capture
        The parameters of the picture.
    """
    layer = np.zeros(sclera.shape, np.uint8)
    size = capture.iris_radius_px
    centre = np.array([capture.x, capture.y]) + rng.normal(0, 0.04, 2) * size
    radius = rng.uniform(1.12, 1.25) * size
    cv2.circle(
        layer,
        np.rint(centre * 16).astype(int).tolist(),
        int(radius * 16),
        255,
        max(1, int(0.02 * size)),
        cv2.LINE_AA,
        4,
    )
    sclera += layer * np.float32(rng.choice([-0.1, 0.08]) / 255)


def draw_glasses(rng: np.random.Generator, cover: Float, glints: NDArray[np.uint8], capture: Capture) -> None:
    """Draw a dark frame around the eye that does not cover the iris, and in half of the cases a reflection in the lens.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.
    cover : ndarray of float32, shape (H, W)
        Coverage by hair and frame, 0..1; modified in place.
    glints : ndarray of uint8, shape (H, W)
        Coverage by specular reflections, 0..255; modified in place.
    capture : Capture
        The parameters of the picture.
    """
    layer = np.zeros(cover.shape, np.uint8)
    size = capture.iris_radius_px
    half = np.array([rng.uniform(2.6, 3.6), rng.uniform(1.6, 2.4)]) * size
    centre = np.array([capture.x, capture.y]) + rng.uniform(-0.25, 0.25, 2) * size
    angle = np.linspace(0, TAU, 80, endpoint=False)
    outline = np.stack([np.cos(angle), np.sin(angle)], -1)
    outline = np.sign(outline) * np.abs(outline) ** 0.6 * half
    cosine, sine = np.cos(capture.roll_rad), np.sin(capture.roll_rad)
    outline = outline @ np.array([[cosine, sine], [-sine, cosine]]) + centre
    cv2.polylines(
        layer,
        [np.rint(outline * 16).astype(np.int32)],
        True,
        255,
        max(2, int(rng.uniform(0.08, 0.25) * size)),
        cv2.LINE_AA,
        4,
    )
    np.maximum(cover, layer * np.float32(1 / 255), out=cover)
    if rng.random() < 0.5:
        at = centre + rng.uniform(-0.6, 0.6, 2) * half
        axes = (max(2, int(rng.uniform(0.06, 0.2) * size)), max(2, int(rng.uniform(0.04, 0.12) * size)))
        cv2.ellipse(glints, np.rint(at).astype(int).tolist(), axes, rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA)
