"""Segmentation of pictures that mislead: turned, with two eyes, wide pupils, overexposed; and what it says of them."""

from typing import Literal

import numpy as np
import pytest
from builders import rendered_eye

from irisstn.capture_warnings import TURNED, capture_warnings
from irisstn.errors import SegmentationError
from irisstn.geometry import Boundary, Eyelid, Gray
from irisstn.images import to_gray
from irisstn.normalization import normalize
from irisstn.outputs.segmentation_fields import segmentation_fields
from irisstn.results import Segmentation
from irisstn.segmentation import SegmentationConfig, segment
from irisstn.segmentation.limbus import refine_limbus
from irisstn.segmentation.pupil import fit_pupil
from irisstn.segmentation.ring_check import departure_from_circles, measure_ring_edges, require_uneven
from irisstn.segmentation.turned_picture import turn_back

TURNS: tuple[Literal["270"], Literal["90"]] = ("270", "90")


def eye_of(camera: str, number: int, **change: object) -> tuple[Gray, Segmentation]:
    eye = rendered_eye(700 + number, [41, number], camera, **change)
    return to_gray(eye.image), eye.truth


def error(found: Segmentation, true: Segmentation) -> float:
    """The largest error of a centre or radius, in iris radii."""
    pairs = ((found.pupil, true.pupil), (found.limbus, true.limbus))
    return max(one.deviation(other) for one, other in pairs) / true.limbus.mean_radius


@pytest.fixture(scope="module")
def upright() -> tuple[Gray, Segmentation]:
    image, _ = eye_of("vga-640x480", 1)
    return image, segment(image)


def test_rings_do_not_depend_on_the_last_bit_of_a_rough_curve():
    image, truth = eye_of("ring-320x280", 3)
    reflections = np.zeros(image.shape, bool)
    moved = []
    for step in range(40):
        rough = truth.pupil.scaled(1 + 0.002 * step), truth.limbus.scaled(1 + 0.0005 * step)
        found = []
        for scale in (1 - 2e-15, 1 + 2e-15):
            inner, outer = (curve.scaled(scale) for curve in rough)
            pupil, _ = fit_pupil(image, reflections, inner, (None, None))
            found.append((pupil, refine_limbus(image, reflections, pupil, outer, eyelids=(None, None))))
        moved += [one.deviation(other) for one, other in zip(*found, strict=True)]
    assert len(moved) == 80
    assert max(moved) < 1e-9


@pytest.mark.parametrize("quarters", [1, 3])
def test_a_sideways_picture_gives_the_strip_of_an_upright_one(upright: tuple[Gray, Segmentation], quarters: int):
    image, expected = upright
    sideways = np.ascontiguousarray(np.rot90(image, -quarters))
    found = segment(sideways)
    fields = segmentation_fields(found)
    assert fields["camera_turned_deg"] == 90 * quarters
    assert np.array_equal(np.rot90(found.usable, quarters), expected.usable)
    strips = normalize(sideways, found), normalize(image, expected)
    assert np.abs(strips[0].image.astype(int) - strips[1].image).mean() < 1.0


def test_a_sideways_picture_is_recognised_where_the_eyelids_hardly_tell():
    quarters = []
    for number in range(3):
        image, truth = eye_of("ring-320x280", 20 + number)
        as_it_is = segment(image)
        assert as_it_is.turned_rad == 0 and as_it_is.confidence is not None and not as_it_is.confidence.turn_guessed
        sideways = np.ascontiguousarray(np.rot90(image, 1 + 2 * (number % 2)))
        found = segment(sideways)
        assert found.confidence is not None and found.confidence.turn_guessed
        assert TURNED in capture_warnings(found, 0.0)
        assert error(segment(sideways, SegmentationConfig(turned=TURNS[number % 2])), as_turned(truth, number)) < 0.05
        quarters.append(round(found.turned_rad / (np.pi / 2)))
    assert set(quarters) <= {1, 3}


def as_turned(truth: Segmentation, number: int) -> Segmentation:
    """`truth` in a picture that was turned by one or three quarters against the clock."""
    return turn_back(truth, 3 if number % 2 == 0 else 1)


def test_how_far_a_picture_is_turned_may_be_given(upright: tuple[Gray, Segmentation]):
    image, expected = upright
    turned = np.ascontiguousarray(np.rot90(image, 2))
    found = segment(turned, SegmentationConfig(turned="180"))
    assert segmentation_fields(found)["camera_turned_deg"] == 180
    assert np.array_equal(np.rot90(found.iris_mask, 2), expected.iris_mask)
    assert np.abs(normalize(turned, found).image.astype(int) - normalize(image, expected).image).mean() < 1.0


def test_of_two_eyes_one_is_taken_and_both_are_counted():
    (left, left_true), (right, right_true) = eye_of("small-320x240", 4), eye_of("small-320x240", 6)
    both = np.hstack([left, right])
    for side, true, shift in (("left", left_true, 0), ("right", right_true, left.shape[1])):
        found = segment(both, SegmentationConfig(eye=side))
        assert found.confidence is not None
        assert found.confidence.eyes_seen == 2
        assert abs(found.limbus.x - true.limbus.x - shift) < 0.1 * true.limbus.mean_radius
    alone = segment(left).confidence
    assert alone is not None
    assert alone.eyes_seen == 1


@pytest.mark.parametrize("camera", ["small-320x240", "vga-640x480", "close-320x240"])
def test_wide_pupils_are_found_or_refused(camera: str):
    found = []
    for number in range(4):
        image, true = eye_of(camera, number, pupil_ratio=0.77)
        try:
            found.append(error(segment(image), true))
        except SegmentationError:
            continue
    assert len(found) >= 3
    assert np.median(found) < 0.04
    assert max(found) < 0.15


def test_overexposed_pictures_are_found_or_refused():
    for number in range(6):
        image, true = eye_of("vga-640x480", number)
        burnt = np.clip(image * 3.5, 0, 255).astype(np.uint8)
        try:
            found = segment(burnt)
        except SegmentationError:
            continue
        assert error(found, true) < 0.12


def test_a_wrong_pupil_stands_out_among_the_edges():
    image, true = eye_of("vga-640x480", 0)
    nothing = np.zeros(image.shape, np.bool_)
    right = measure_ring_edges(image, nothing, true.pupil, true.limbus)
    small = Boundary.circle(true.pupil.x, true.pupil.y, 0.5 * true.pupil.mean_radius)
    wrong = measure_ring_edges(image, nothing, small, true.limbus)
    assert right.other < right.pupil
    assert right.darker > 20
    assert wrong.other > 3 * wrong.pupil
    assert wrong.other_radius == pytest.approx(true.pupil.mean_radius, abs=0.06 * true.limbus.mean_radius)


def test_the_confidence_grows_with_the_size_of_the_picture_in_pixels():
    image, _ = eye_of("hd-1024x768", 3)
    small = np.ascontiguousarray(image[::2, ::2])
    large_fields, small_fields = (segmentation_fields(segment(one)) for one in (image, small))
    assert 0.8 < large_fields["trust"] <= 1
    for part in ("pupil", "iris"):
        assert 0 < small_fields[part]["sd_px"] < large_fields[part]["sd_px"]


def test_what_is_left_of_an_overexposed_eye_never_ends_in_an_error_of_opencv():
    """A pupil was traced that is wider than the iris around it, and the limbus then sought in no pixels."""
    eye = rendered_eye(9092, [77, 92], "far-640x480")
    found = segment(np.clip(to_gray(eye.image) * np.float32(2.5), 0, 255).astype(np.uint8))
    assert error(found, eye.truth) < 0.12


def test_flat_circles_around_one_point_are_no_iris():
    pupil, limbus = Boundary.circle(160, 120, 40), Boundary(160.2, 120, (100, 0, 0.1), (0, 0, 0.1))
    far, near = (Eyelid(160, 120, 0.0, (height, 0.0, 0.001)) for height in (-105, -80))
    assert 0.002 < departure_from_circles(pupil, limbus) < 0.005
    for eyelids in ((far, None), (None, None)):
        with pytest.raises(SegmentationError, match="flat circles around one point"):
            require_uneven(pupil, limbus, eyelids, 1.5, 0.0085)
    uneven = Boundary(161, 120, (40, 0, 0.4), (0, 0, 0))
    assert departure_from_circles(uneven, limbus) > 0.0085
    require_uneven(uneven, limbus, (far, None), 1.5, 0.0085)
    require_uneven(pupil, limbus, (near, None), 1.5, 0.0085)  # an eyelid covers a part of it
    require_uneven(pupil, limbus, (far, None), 6.0, 0.0085)  # it has the texture of an iris


def test_off_axis_the_limbus_is_flattened_with_the_pupil():
    found_parts = []
    for number in range(3):
        image, truth = eye_of("vga-640x480", 40 + number, gaze_x_rad=0.7, gaze_y_rad=0.0)
        found, true = segment(image).limbus.ellipse(), truth.limbus.ellipse()
        assert true.b / true.a < 0.8
        found_parts.append(np.log(found.b / found.a) / np.log(true.b / true.a))
    assert np.mean(found_parts) > 0.6 and max(found_parts) < 1.2
