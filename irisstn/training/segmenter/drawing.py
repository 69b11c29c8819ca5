"""Drawing with OpenCV's anti-aliased primitives on a layer, which is then blended into a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from irisstn.geometry import Float, Float32
from irisstn.segmentation.network import SIZE

FIXED_POINT_BITS = 4  # fractional bits of the coordinates that OpenCV draws at
Layer = NDArray[np.uint8]


def blurred_noise(rng: np.random.Generator, smallest: float, largest: float) -> Float32:
    """Make Gaussian noise of the size of the network's picture, blurred.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of randomness.
    smallest, largest : float
        Range of the blur's standard deviation, pixels.

    Returns
    -------
    Float32, shape (H, W)
        The noise, of mean about 0.
    """
    noise = rng.standard_normal(SIZE, np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), rng.uniform(smallest, largest)), np.float32)


def blended(picture: Float32, layer: Layer, level: float, blur: float, strength: float) -> Float32:
    """Blend a gray value into a picture where a layer is opaque.

    Parameters
    ----------
    picture : Float32, shape (H, W)
        Gray values, 0..255.
    layer : NDArray[numpy.uint8], shape (H, W)
        Opacity, 255 = opaque.
    level : float
        The gray value.
    blur : float
        Standard deviation, pixels, of the blur that the layer gets.
    strength : float
        Factor of the opacity, 0..1.

    Returns
    -------
    Float32, shape (H, W)
        The changed picture.
    """
    return np.asarray(picture + (np.float32(level) - picture) * opacity(layer, blur) * np.float32(strength), np.float32)


def opacity(layer: Layer, blur: float) -> Float32:
    """Convert a layer (H, W) of 0..255 to opacities 0..1, blurred with a standard deviation of `blur` pixels."""
    return np.asarray(cv2.GaussianBlur(layer, (0, 0), blur).astype(np.float32) / 255, np.float32)


def fixed_point(points: Float) -> NDArray[np.int32]:
    """Convert points (N, 2), pixels, to the fixed-point integers that OpenCV's drawing functions take."""
    return np.rint(points * (1 << FIXED_POINT_BITS)).astype(np.int32)
