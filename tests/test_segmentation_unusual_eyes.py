"""Eyes that are rare in the segmenter's training: widely dilated or irregular pupils, and tilted heads."""

import cv2
import numpy as np
import pytest
from builders import rendered_eye
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import Bool, Gray
from irisstn.images import to_gray
from irisstn.segmentation import segment
from irisstn.segmentation.config import SegmentationConfig


def agreement(found: Bool, true: Bool) -> float:
    """F1 of two masks."""
    return float(2 * np.count_nonzero(found & true) / (np.count_nonzero(found) + np.count_nonzero(true)))


@pytest.mark.parametrize("camera", ["ring-320x280", "vga-640x480"])
def test_widely_dilated_pupils_are_found(camera: str):
    errors = []
    for number in range(8):
        eye = rendered_eye(300 + number, [5, number], camera, pupil_ratio=0.78)
        try:
            found = segment(to_gray(eye.image))
        except SegmentationError:
            continue
        errors.append(found.pupil.deviation(eye.truth.pupil) / eye.truth.limbus.mean_radius)
    assert len(errors) >= 6
    assert max(errors) < 0.06
    assert np.median(errors) < 0.01


def irregular(image: Gray, x: float, y: float, radius: float, outer: float, seed: int) -> tuple[Gray, Bool]:
    """`image` whose pupil got an irregular edge, and the new pupil."""
    waves = 0.09 * np.random.default_rng(seed).standard_normal((2, 4))
    dy, dx = (axis - centre for axis, centre in zip(np.indices(image.shape), (y, x), strict=True))
    distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
    turns = np.arange(2, 6)[:, None, None] * angle
    edge = radius * (1 + np.tensordot(waves[0], np.cos(turns), 1) + np.tensordot(waves[1], np.sin(turns), 1))
    beyond = radius + (distance - edge) * (outer - radius) / (outer - edge)
    source = np.where(distance < edge, distance * radius / edge, np.where(distance < outer, beyond, distance))
    at: list[NDArray[np.float32]] = [
        np.asarray(centre + source * direction, np.float32)
        for centre, direction in ((x, np.cos(angle)), (y, np.sin(angle)))
    ]
    return np.asarray(cv2.remap(image, at[0], at[1], cv2.INTER_LINEAR), np.uint8), distance < edge


def test_the_curve_of_a_pupil_follows_an_irregular_edge():
    scores = []
    for number in range(8):
        eye = rendered_eye(330 + number, [6, number], "vga-640x480")
        truth = eye.truth
        image, pupil = irregular(
            to_gray(eye.image),
            truth.pupil.x,
            truth.pupil.y,
            truth.pupil.mean_radius,
            0.85 * truth.limbus.mean_radius,
            number,
        )
        found = segment(image)
        scores.append(agreement(found.pupil.mask((image.shape[0], image.shape[1])), pupil))
    assert len(scores) == 8
    assert np.mean(scores) > 0.95


def test_eyelids_of_a_tilted_head_are_fitted_along_their_axis():
    scores = []
    for number in range(6):
        eye = rendered_eye(360 + number, [7, number], "vga-640x480")
        truth = eye.truth
        size = (eye.image.shape[1], eye.image.shape[0])
        turn = cv2.getRotationMatrix2D((truth.limbus.x, truth.limbus.y), 35, 1)
        image = cv2.warpAffine(to_gray(eye.image), turn, size, borderMode=cv2.BORDER_REPLICATE)
        iris = cv2.warpAffine(truth.iris_mask.view(np.uint8), turn, size) > 0
        try:
            scores.append(agreement(segment(np.asarray(image, np.uint8)).iris_mask, iris))
        except SegmentationError:
            scores.append(0.0)
    assert len(scores) == 6
    assert np.mean(scores) > 0.957


def test_a_steep_tilt_is_not_taken_for_a_turned_camera_where_its_turn_is_given():
    steepest = 0.0
    for number in range(4):
        eye = rendered_eye(360 + number, [7, number], "vga-640x480")
        size = (eye.image.shape[1], eye.image.shape[0])
        turn = cv2.getRotationMatrix2D((eye.truth.limbus.x, eye.truth.limbus.y), 52, 1)
        image = cv2.warpAffine(to_gray(eye.image), turn, size, borderMode=cv2.BORDER_REPLICATE)
        try:
            found = segment(np.asarray(image, np.uint8), SegmentationConfig(turned="0"))
        except SegmentationError:
            continue
        assert found.turned_rad == 0
        steepest = max(steepest, *(abs(eyelid.angle_rad) for eyelid in (found.upper_lid, found.lower_lid) if eyelid))
    assert steepest > 0.7


def test_a_pupil_far_off_centre_does_not_pull_the_limbus_along():
    errors = []
    for number in range(4):
        truth, image = (eye := rendered_eye(390 + number, [8, number], "vga-640x480")).truth, to_gray(eye.image)
        pupil, limbus = truth.pupil, truth.limbus
        move = 0.15 * limbus.mean_radius
        y, x = np.indices(image.shape)
        dx, dy = x - pupil.x - move, y - pupil.y
        distance, angle = np.hypot(dx, dy), np.arctan2(dy, dx)
        outer = limbus.mean_radius - move * np.cos(angle)  # nearly the distance of the limbus
        part = np.clip((outer - distance) / (outer - pupil.mean_radius), 0, 1)
        at = np.asarray(x - part * move, np.float32), np.asarray(y, np.float32)
        moved = cv2.remap(image, *at, cv2.INTER_LINEAR)
        found = segment(np.asarray(moved, np.uint8))
        assert abs(found.pupil.x - pupil.x - move) < 0.03 * limbus.mean_radius
        errors.append((found.limbus.x - limbus.x) / limbus.mean_radius)
    assert len(errors) == 4
    assert np.abs(errors).max() < 0.03


def test_tiny_pupils_are_sharp_enough():
    errors = []
    for number in range(6):
        eye = rendered_eye(400 + number, [9, number], "vga-640x480", pupil_ratio=0.3)
        scale = 17 / eye.truth.limbus.mean_radius
        image = cv2.resize(to_gray(eye.image), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        try:
            found = segment(np.asarray(image, np.uint8))
        except SegmentationError as error:
            assert "texture" in error.reason
            continue
        place = np.array([found.pupil.x, found.pupil.y]) - scale * (np.array([eye.truth.pupil.x, eye.truth.pupil.y]))
        errors.append(float(np.abs(place - (0.5 * scale - 0.5)).max()))
    assert len(errors) >= 5
    assert max(errors) < 0.5


@pytest.mark.parametrize("level", [150, 255])
def test_a_window_on_the_edge_of_the_pupil_hardly_deforms_it(level: int):
    errors = []
    for number in range(5):
        eye = rendered_eye(420 + number, [10, number], "vga-640x480", pupil_ratio=0.35)
        pupil, image = eye.truth.pupil, np.asarray(to_gray(eye.image) * 0.6, np.uint8)
        half = 0.45 * pupil.mean_radius
        left, top = int(pupil.x + pupil.mean_radius - half), int(pupil.y - half)
        image[top : top + int(2 * half), left : left + int(2 * half)] = level
        errors.append(segment(image).pupil.deviation(pupil) / eye.truth.limbus.mean_radius)
    assert len(errors) == 5
    assert max(errors) < 0.03


def test_the_pupil_is_less_sure_where_its_edge_is_faint():
    eye = rendered_eye(430, [11, 0], "vga-640x480")
    image, pupil = to_gray(eye.image), eye.truth.pupil.mask((eye.image.shape[0], eye.image.shape[1]))
    soft = 0.6 * cv2.GaussianBlur(pupil.astype(np.float32), (0, 0), 1)
    faint = np.clip(image * (1 - soft) + np.median(image[eye.truth.iris_mask]) * soft, 0, 255).astype(np.uint8)
    clear, clouded = segment(image).confidence, segment(faint).confidence
    assert clear is not None and clouded is not None
    assert clear.pupil_sd_px < clouded.pupil_sd_px
