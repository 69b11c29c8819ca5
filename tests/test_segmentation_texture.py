"""An iris without texture is refused, with or without noise over it; texture is measured in gray levels."""

import cv2
import numpy as np
import pytest
from builders import drawn_eye, rendered_eye

from irisstn.errors import SegmentationError
from irisstn.geometry import Boundary, Gray
from irisstn.images import decode_gray, encode_jpeg
from irisstn.segmentation import SegmentationConfig, segment
from irisstn.segmentation.texture import texture_contrast

SIZE = (240, 320)


def flat_eye(noise: float, jpeg: int = 0, radius: int = 80, pupil: int = 30) -> Gray:
    """A drawn eye of uniform areas, blurred a little, with noise of a standard deviation of `noise` gray levels."""
    drawn = drawn_eye(Boundary.circle(165, 118, pupil), Boundary.circle(165, 118, radius), SIZE, (20, 110, 200))
    levels = cv2.GaussianBlur(drawn.astype(np.float32), (0, 0), 1)
    levels = levels + np.random.default_rng(1).normal(0, noise, SIZE)
    image = np.clip(levels, 0, 255).astype(np.uint8)
    return decode_gray(encode_jpeg(image, quality=jpeg)) if jpeg else image


@pytest.mark.parametrize(("noise", "jpeg", "radius"), [(0, 0, 80), (3, 0, 80), (10, 0, 80), (3, 60, 80), (3, 0, 50)])
def test_an_iris_painted_flat_is_refused(noise: float, jpeg: int, radius: int):
    image = flat_eye(noise, jpeg, radius, 20 if radius < 60 else 30)
    with pytest.raises(SegmentationError, match="no texture"):
        segment(image)
    allowed = segment(image, SegmentationConfig(min_texture=0))
    assert allowed.confidence is not None and allowed.confidence.texture is not None
    assert allowed.confidence.texture < 0.9


@pytest.mark.parametrize(("camera", "identity"), [("ring-320x280", 3), ("small-320x240", 4), ("close-320x240", 5)])
def test_the_texture_of_an_eye_is_measured_without_the_noise(camera: str, identity: int):
    eye = rendered_eye(identity, 2, camera)
    contrast = texture_contrast(eye.image, eye.truth.pupil, eye.truth.limbus, eye.truth.usable)
    assert contrast is not None and contrast > 1.5
    noisy = np.clip(eye.image + np.random.default_rng(0).normal(0, 4, eye.image.shape), 0, 255).astype(np.uint8)
    again = texture_contrast(noisy, eye.truth.pupil, eye.truth.limbus, eye.truth.usable)
    assert again == pytest.approx(contrast, rel=0.15)


def test_nothing_is_measured_where_hardly_anything_is_usable():
    ring = Boundary.circle(100, 100, 10), Boundary.circle(100, 100, 40)
    assert texture_contrast(np.zeros((200, 200), np.uint8), *ring, np.zeros((200, 200), bool)) is None
