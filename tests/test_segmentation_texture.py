"""What lacks the texture of an iris is refused: painted flat, rings, spokes, flat between sharp edges."""

import cv2
import numpy as np
import pytest
from builders import drawn_eye, rendered_eye
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import Boundary, Gray
from irisstn.images import decode_gray, encode_jpeg
from irisstn.segmentation import SegmentationConfig, segment, segment_as
from irisstn.segmentation.texture import measure_texture

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
    allowed = segment(image, SegmentationConfig(min_texture=0, min_departure=0))
    assert allowed.confidence is not None and allowed.confidence.texture is not None
    assert allowed.confidence.texture < 0.9


@pytest.mark.parametrize(("camera", "identity"), [("ring-320x280", 3), ("small-320x240", 4), ("close-320x240", 5)])
def test_the_texture_of_an_eye_is_measured_without_the_noise(camera: str, identity: int):
    eye = rendered_eye(identity, 2, camera)
    texture = measure_texture(eye.image, eye.truth.pupil, eye.truth.limbus, eye.truth.usable)
    assert texture is not None and texture.contrast > 1.5
    assert texture.regularity < 0.5 and texture.evenness > 0.25
    noisy = np.clip(eye.image + np.random.default_rng(0).normal(0, 4, eye.image.shape), 0, 255).astype(np.uint8)
    again = measure_texture(noisy, eye.truth.pupil, eye.truth.limbus, eye.truth.usable)
    assert again is not None and again.contrast == pytest.approx(texture.contrast, rel=0.15)


@pytest.mark.parametrize("identity", range(3, 9))
def test_a_small_iris_has_texture_and_a_small_painted_one_none(identity: int):
    eye = rendered_eye(identity, 2, "ring-320x280")
    side = 28 / eye.truth.limbus.mean_radius
    small = cv2.resize(eye.image, None, fx=side, fy=side, interpolation=cv2.INTER_AREA)
    noisy = np.clip(small + np.random.default_rng(identity).normal(0, 1, small.shape), 0, 255).astype(np.uint8)
    assert segment(noisy).limbus.mean_radius == pytest.approx(28, rel=0.06)
    ring = Boundary.circle(40, 40, 8), Boundary.circle(40, 40, 22)
    drawn = drawn_eye(*ring, (80, 80), (20, 110, 200)) + np.random.default_rng(identity).normal(0, 3, (80, 80))
    painted = measure_texture(np.clip(drawn, 0, 255).astype(np.uint8), *ring, ring[1].mask((80, 80)))
    assert painted is not None and painted.contrast < 0.9


def test_nothing_is_measured_where_hardly_anything_is_usable():
    ring = Boundary.circle(100, 100, 10), Boundary.circle(100, 100, 40)
    assert measure_texture(np.zeros((200, 200), np.uint8), *ring, np.zeros((200, 200), bool)) is None


def ring_of(levels: NDArray[np.float64]) -> Gray:
    """A drawn eye whose iris has `levels` of angle and radius, with a little blur and noise."""
    drawn = drawn_eye(PUPIL, LIMBUS, SIZE, (20, 110, 200)).astype(np.float32)
    iris = LIMBUS.mask(SIZE) & ~PUPIL.mask(SIZE)
    drawn[iris] = levels[iris]
    blurred = cv2.GaussianBlur(drawn, (0, 0), 1.2) + np.random.default_rng(2).normal(0, 1, SIZE)
    return np.clip(blurred, 0, 255).astype(np.uint8)


PUPIL, LIMBUS = Boundary.circle(165, 118, 30), Boundary.circle(165, 118, 80)
Y, X = np.mgrid[: SIZE[0], : SIZE[1]]
RADIUS, ANGLE = np.hypot(X - 165, Y - 118), np.arctan2(Y - 118, X - 165)
RINGS, SPOKES = 110 + 30 * np.sign(np.sin(RADIUS / 2)), 110 + 30 * np.sign(np.sin(20 * ANGLE))
CHECKERED = 110 + 30 * np.sign(np.sin(RADIUS / 3)) * np.sign(np.sin(12 * ANGLE))
PLACES = np.array([-2.9, -2.2, -1.9, -1.1, 0.1, 0.3, 0.9, 1.7, 2.5])
LETTERS = np.where((np.abs(RADIUS - 57) < 5) & (np.abs(ANGLE[..., None] - PLACES).min(axis=-1) < 0.06), 60, 120)


@pytest.mark.parametrize(
    ("levels", "reason"),
    [(RINGS, "rings or spokes"), (SPOKES, "rings or spokes"), (CHECKERED, "rings or spokes"), (LETTERS, "sharp edges")],
    ids=["rings", "spokes", "checkered", "letters"],
)
def test_a_figure_that_is_no_iris_is_refused(levels: NDArray[np.float64], reason: str):
    image = ring_of(levels)
    with pytest.raises(SegmentationError, match=reason):
        segment(image)
    allowed = segment(image, SegmentationConfig(max_regularity=1, min_evenness=0))
    assert allowed.pupil.deviation(PUPIL) < 3


def test_a_cut_out_figure_is_refused_as_well():
    """On a black background the boundaries are those of the flat regions, and the network is not asked."""
    outside = ~LIMBUS.mask(SIZE) | PUPIL.mask(SIZE)
    for image, reason in ((ring_of(RINGS), "rings or spokes"), (flat_eye(2), "no texture")):
        image[outside] = 0
        with pytest.raises(SegmentationError, match=reason):
            segment_as("ring", image)


@pytest.mark.parametrize("quality", [15, 40])
def test_an_iris_that_was_compressed_or_blurred_is_no_figure(quality: int):
    eye = rendered_eye(3, 2, "ring-320x280")
    true = eye.truth
    for image in (decode_gray(encode_jpeg(eye.image, quality=quality)), cv2.GaussianBlur(eye.image, (0, 0), 2)):
        texture = measure_texture(np.asarray(image, np.uint8), true.pupil, true.limbus, true.usable)
        assert texture is not None and texture.regularity < 0.6 and texture.evenness > 0.2
