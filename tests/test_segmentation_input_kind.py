"""Whole eyes, cut-out irises and strips are distinguished by evidence, and read in the same way by every function."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from builders import rendered_eye

from irisstn import Segmentation, SegmentationError, normalize, read_gray
from irisstn.datasets import find_images
from irisstn.geometry import Gray
from irisstn.images import to_gray
from irisstn.segmentation import is_strip, segment, segment_as

Sample = tuple[Gray, Segmentation]


@pytest.fixture(scope="module")
def samples(eyes: Path) -> list[Sample]:
    images = [read_gray(sample.path) for sample in find_images([eyes])[::2]]
    assert len(images) == 6
    return [(image, segment(image)) for image in images]


def assert_same_ring(got: Segmentation, true: Segmentation, *, tolerance: float) -> None:
    limit = tolerance * true.limbus.mean_radius
    for one, other in ((got.limbus, true.limbus), (got.pupil, true.pupil)):
        assert np.hypot(one.x - other.x, one.y - other.y) < limit
        assert abs(one.mean_radius - other.mean_radius) < limit


@pytest.mark.parametrize("level", [0, 128, 255])
@pytest.mark.parametrize("kept", ["iris", "disc"])
def test_a_cut_out_iris_is_read_on_any_gray_level_with_its_pupil_left_in_or_not(
    samples: list[Sample], kept: str, level: int
):
    for image, true in samples:
        keep = true.iris_mask if kept == "iris" else true.limbus.mask(image.shape)
        cut_out = np.where(keep, image, np.uint8(level))
        got, kind = segment_as("auto", cut_out)
        assert kind == "ring"
        assert_same_ring(got, true, tolerance=0.05)
        assert not got.usable[~keep].any()
        assert got.upper_lid is None
        assert got.lower_lid is None


def test_a_cut_out_iris_survives_jpeg(samples: list[Sample]):
    for image, true in samples:
        cut_out = np.where(true.limbus.mask(image.shape), image, np.uint8(0))
        packed = cv2.imdecode(cv2.imencode(".jpg", cut_out, (cv2.IMWRITE_JPEG_QUALITY, 80))[1], cv2.IMREAD_GRAYSCALE)
        got, kind = segment_as("auto", np.asarray(packed, np.uint8))
        assert kind == "ring"
        assert_same_ring(got, true, tolerance=0.08)  # its ringing reaches 8 pixels beyond the edge


@pytest.mark.parametrize("level", [0, 114, 255])
def test_flat_bars_around_a_photograph_change_nothing(samples: list[Sample], level: int):
    for image, true in samples:
        height, width = image.shape
        top, left = height // 3, width // 3
        framed = cv2.copyMakeBorder(image, top, top, left, left, cv2.BORDER_CONSTANT, value=level)
        got, kind = segment_as("auto", np.asarray(framed, np.uint8))
        assert kind == "eye"
        np.testing.assert_array_equal(got.usable[top : top + height, left : left + width], true.usable)
        assert got.limbus.x == pytest.approx(true.limbus.x + left)


def test_a_round_field_of_view_and_burnt_out_skin_are_photographs(samples: list[Sample]):
    for image, true in samples:
        height, width = image.shape
        y, x = np.mgrid[:height, :width]
        round_view = np.where(np.hypot(x - width / 2, y - height / 2) > min(height, width) / 2, 0, image)
        inside = true.limbus.mask(image.shape)
        burnt = np.where(inside, image, np.clip((image - np.median(image[~inside])) * 1.5 + 262, 0, 255))
        for picture in (round_view, burnt):
            try:
                got, kind = segment_as("auto", picture.astype(np.uint8))
            except SegmentationError:  # the eye may lie at the edge of the round view
                continue
            assert kind == "eye"
            assert_same_ring(got, true, tolerance=0.12)


def test_burnt_out_skin_close_to_the_iris_above_and_below_is_no_cut_out(samples: list[Sample]):
    for image, true in samples:
        y, x = np.mgrid[: image.shape[0], : image.shape[1]]
        right, down = np.abs(x - true.limbus.x), np.abs(y - true.limbus.y)
        skin = ~true.limbus.scaled(1.14).mask(image.shape) & (
            (down > 0.6 * right) | (right > 1.5 * true.limbus.mean_radius)
        )
        got, kind = segment_as("auto", np.where(skin, np.uint8(255), image))
        assert kind == "eye"
        assert_same_ring(got, true, tolerance=0.12)


@pytest.mark.parametrize("case", ["uniform", "noise disc", "square"])
def test_flat_pictures_without_an_iris_are_refused(case: str):
    picture = np.zeros((200, 200), np.uint8)
    noise = np.random.default_rng(0).integers(80, 200, (200, 200)).astype(np.uint8)
    if case == "noise disc":
        cv2.circle(mask := np.zeros_like(picture), (100, 100), 80, 255, -1)
        picture = np.where(mask > 0, noise, picture)
    if case == "square":
        picture[60:140, 60:140] = noise[60:140, 60:140]
    for kind in ("auto", "ring"):
        with pytest.raises(SegmentationError):
            segment_as(kind, picture)


def test_strips_and_wide_photographs(samples: list[Sample]):
    for image, true in samples:
        strip = normalize(image, true)
        assert is_strip(strip.image)
        assert not is_strip(image)
        middle = round(true.limbus.y)
        band = image[max(0, middle - image.shape[1] // 10) : middle + image.shape[1] // 10]
        assert band.shape[1] >= 4 * band.shape[0]
        assert not is_strip(np.ascontiguousarray(band))


def test_arrays_that_are_no_picture_are_refused_with_the_remedy():
    no_pictures: tuple[Any, Any] = (None, "eye.png")
    nothing, path = no_pictures
    with pytest.raises(ValueError, match=r"cv2\.imread.*read_gray"):
        segment(nothing)
    with pytest.raises(ValueError, match="read_gray"):
        segment(path)
    with pytest.raises(ValueError, match="to_gray"):
        segment(np.zeros((100, 100, 3), np.uint8))


def overexposed(image: Gray, gain: float) -> Gray:
    return np.asarray(np.clip(image * np.float32(gain), 0, 255), np.uint8)


def test_an_overexposed_photograph_with_texture_left_in_its_iris_is_an_eye(samples: list[Sample]):
    for image, true in samples:
        level = float(np.percentile(image[true.iris_mask], 90))
        got, kind = segment_as("auto", overexposed(image, 245 / level))
        assert kind == "eye"
        assert_same_ring(got, true, tolerance=0.1)


def test_a_burnt_out_iris_is_refused_and_its_pupil_is_not_taken_for_a_cut_out_iris(samples: list[Sample]):
    for image, true in samples:
        level = float(np.percentile(image[true.iris_mask], 5))
        with pytest.raises(SegmentationError):
            segment(overexposed(image, 300 / level))


def test_a_reflection_on_a_pupil_that_was_left_in_is_no_painted_pupil(samples: list[Sample]):
    for image, true in samples:
        bright = image.copy()
        x, y, radius = true.pupil.x, true.pupil.y, true.pupil.mean_radius
        cv2.circle(bright, (round(x), round(y)), max(2, round(0.3 * radius)), 255, -1)
        cut_out = np.where(true.limbus.mask(image.shape), bright, 255).astype(np.uint8)
        got, kind = segment_as("auto", cut_out)
        assert kind == "ring"
        assert_same_ring(got, true, tolerance=0.12)


def test_the_frame_around_a_photograph_is_no_limbus():
    """The edges of the frame were traced as one, since nothing but the frame lies beyond them."""
    for number, camera in ((62, "mobile-visible-640x480"), (61, "ring-320x280")):
        eye = rendered_eye(9000 + number, [77, number], camera)
        image = to_gray(eye.image)
        rows, columns = (side // 2 for side in image.shape)
        framed = cv2.copyMakeBorder(image, rows, rows, columns, columns, cv2.BORDER_CONSTANT, value=0)
        found, kind = segment_as("auto", np.asarray(framed, np.uint8))
        assert kind == "eye"
        assert found.limbus.mean_radius == pytest.approx(eye.truth.limbus.mean_radius, rel=0.05)
        assert abs(found.limbus.x - columns - eye.truth.limbus.x) < 0.05 * eye.truth.limbus.mean_radius
