"""Degraded pictures of rendered eyes: smaller, blurred, of low contrast, noisy and compressed, with their truth."""

from __future__ import annotations

import cv2
import numpy as np
from pydantic import Field, model_validator

from irisstn.config import Strict
from irisstn.geometry import Gray
from irisstn.results import Segmentation
from irisstn.training.data.eye_crops import scaled_eye


class DegradationConfig(Strict):
    """How much pictures are degraded. Values are drawn uniformly between each (low, high).

    Attributes
    ----------
    radius_px : tuple of float
        Iris radius to which pictures with a larger iris are reduced.
    blur_px : tuple of float
        Standard deviation of the blur in pixels of the reduced picture.
    contrast : tuple of float
        Factor of the difference from the picture's mean.
    noise : tuple of float
        Standard deviation of the noise in gray levels of 255.
    jpeg_quality : tuple of int
        Quality of JPEG compression.
    jpeg : float
        Fraction of the degraded pictures that is compressed as JPEG, 0..1.
    """

    radius_px: tuple[float, float] = (38.0, 75.0)
    blur_px: tuple[float, float] = (0.0, 1.3)
    contrast: tuple[float, float] = (0.4, 1.0)
    noise: tuple[float, float] = (0.0, 6.0)
    jpeg_quality: tuple[int, int] = (55, 95)
    jpeg: float = Field(0.7, ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> DegradationConfig:
        pairs = (self.radius_px, self.blur_px, self.contrast, self.noise, self.jpeg_quality)
        if any(not 0 <= low <= high for low, high in pairs) or self.radius_px[0] < 8:
            raise ValueError("each pair needs 0 <= low <= high, and an iris radius of at least 8 pixels")
        return self


def degrade(
    image: Gray, truth: Segmentation, rng: np.random.Generator, config: DegradationConfig = DegradationConfig()
) -> tuple[Gray, Segmentation]:
    """Degrade a picture: size, blur, contrast, noise and JPEG, in the order of a camera's optics, sensor and file.

    Parameters
    ----------
    image : Gray, shape (H, W)
        The picture.
    truth : Segmentation
        Its true segmentation.
    rng : numpy.random.Generator
        Source of randomness.
    config : DegradationConfig
        How much it is degraded.

    Returns
    -------
    image : Gray, shape (H', W')
        The degraded picture, at most as large.
    truth : Segmentation
        The segmentation in its pixels.
    """
    radius = rng.uniform(*config.radius_px)
    image, truth = scaled_eye(image, truth, min(1.0, radius / truth.limbus.mean_radius))
    picture = image.astype(np.float32)
    blur = rng.uniform(*config.blur_px)
    if blur > 0.1:  # less has no effect
        picture = cv2.GaussianBlur(picture, (0, 0), blur).astype(np.float32)
    mean = float(picture.mean())
    picture = mean + np.float32(rng.uniform(*config.contrast)) * (picture - mean)
    picture += rng.normal(0, rng.uniform(*config.noise), picture.shape).astype(np.float32)
    degraded = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    if rng.random() < config.jpeg:
        quality = int(rng.integers(config.jpeg_quality[0], config.jpeg_quality[1] + 1))
        packed = cv2.imencode(".jpg", degraded, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        degraded = np.asarray(cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE), np.uint8)
    return degraded, truth
