# mypy: disable-error-code="arg-type"
"""Segmentation of rendered eyes of every camera, and of pictures without an eye."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from builders import rendered_eye
from numpy.typing import NDArray

from irisstn.errors import SegmentationError
from irisstn.geometry import TAU, Bool, Boundary, Eyelid, Gray
from irisstn.images import read_gray, to_gray
from irisstn.results import Segmentation
from irisstn.segmentation import SegmentationConfig, segment
from irisstn.segmentation.contour_tracing import CurvePrior, trace_curve
from irisstn.segmentation.map_fitting import find_disc, fit_eyelids
from irisstn.segmentation.polar import PolarGrid
from irisstn.synthetic import CAMERAS, RenderedEye

CAPTURES = 8


def eye_of(camera: str, i: int, **changes: object) -> tuple[Gray, RenderedEye]:
    """The `i`-th picture of `camera`, with some fields of its capture changed."""
    eye = rendered_eye(500 + i, [31, i], camera, **changes)
    return to_gray(eye.image), eye


def f1(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def apart(one: Boundary, other: Boundary) -> float:
    """Distance of the centres of two boundaries, as a fraction of the second one's radius."""
    return float(np.hypot(one.x - other.x, one.y - other.y) / other.mean_radius)


def try_segment(image: Gray) -> Segmentation | None:
    try:
        return segment(image)
    except SegmentationError:
        return None


@pytest.fixture(scope="module")
def steady() -> tuple[Gray, Segmentation]:
    """A picture with eyelids, eyelashes and reflections, and its segmentation."""
    image, eye = eye_of("vga-640x480", 3)
    found = segment(image)
    assert f1(found.iris_mask, eye.truth.iris_mask) > 0.93
    return image, found


@pytest.mark.parametrize("camera", sorted(CAMERAS))
def test_finds_the_ring_of_every_camera(camera: str) -> None:
    scores, pupils, limbi = [], [], []
    for i in range(CAPTURES):
        image, eye = eye_of(camera, i)
        found = try_segment(image)
        if found:
            scores.append(f1(found.iris_mask, eye.truth.iris_mask))
            pupils.append(apart(found.pupil, eye.truth.pupil))
            limbi.append(apart(found.limbus, eye.truth.limbus))
    refused = 1 if CAMERAS[camera].colour else 0  # at most: a dark iris may be refused, but not be found wrongly
    assert len(pupils) == len(limbi) >= CAPTURES - refused
    assert np.median(scores) > 0.965
    assert min(scores) > 0.9
    assert np.median(pupils) < (
        0.02 if CAMERAS[camera].colour else 0.005
    )  # the pupil of a dark iris has little contrast
    assert np.median(limbi) < 0.03


@pytest.mark.parametrize("pattern", ["one", "edge", "two", "four", "ring"])
def test_reflections_in_the_pupil_and_on_its_edge_do_not_distort_it(pattern: str) -> None:
    errors = []
    for i in range(4):
        image, eye = eye_of("close-320x240", i, glints=pattern)
        found = segment(image)
        angles = TAU * np.arange(64) / 64
        errors.append(
            np.abs(found.pupil.radius(angles) - eye.truth.pupil.radius(angles)).max() / found.pupil.mean_radius
        )
    assert len(errors) == 4
    assert np.median(errors) < 0.04
    assert max(errors) < 0.12


def test_head_roll_of_thirty_degrees() -> None:
    scores = []
    for sign in (-1, 1):
        for i in range(3):
            image, eye = eye_of("vga-640x480", i, roll_rad=sign * np.deg2rad(30))
            scores.append(f1(segment(image).iris_mask, eye.truth.iris_mask))
    assert len(scores) == 6
    assert np.median(scores) > 0.92


def test_an_iris_covered_by_eyelids_to_a_large_part() -> None:
    image, eye = eye_of("close-320x240", 1, upper_lid=0.35, lower_lid=0.8)
    found = segment(image)
    assert found.upper_lid is not None
    assert f1(found.iris_mask, eye.truth.iris_mask) > 0.9
    assert not found.iris_mask[found.upper_lid.above(image.shape)].any()


def test_eyelids_that_do_not_reach_the_iris_occlude_nothing() -> None:
    image, _ = eye_of("close-320x240", 2, upper_lid=1.45, lower_lid=1.35)
    found = segment(image)
    assert found.upper_lid is None or found.upper_lid.above(image.shape)[found.limbus.mask(image.shape)].mean() < 0.02
    ring = found.limbus.mask(image.shape) & ~found.pupil.mask(image.shape)
    assert found.iris_mask.sum() > 0.93 * ring.sum()


def test_reflections_are_not_usable() -> None:
    image, _ = eye_of("vga-640x480", 4)
    found = segment(image)
    x, y = (round(v) for v in found.limbus.points(np.array(0.2)) * 0.5 + found.pupil.points(np.array(0.2)) * 0.5)
    assert found.usable[y, x]
    spotted = image.copy()
    cv2.circle(spotted, (x, y), max(3, round(0.06 * found.limbus.mean_radius)), 255, -1)
    again = segment(spotted)
    assert again.iris_mask[y, x]
    assert not again.usable[y, x]


def test_usable_is_a_part_of_the_iris_without_eyelashes() -> None:
    fractions, left_out = [], []
    for i in range(CAPTURES):
        image, eye = eye_of("close-320x240", i)
        found = segment(image)
        assert not (found.usable & ~found.iris_mask).any()
        hidden = eye.truth.iris_mask & ~eye.truth.usable & found.iris_mask
        fractions.append(found.usable.sum() / found.iris_mask.sum())
        if hidden.sum() > 50:
            left_out.append((hidden & ~found.usable).sum() / hidden.sum())
    assert np.median(fractions) > 0.8
    assert len(fractions) == CAPTURES
    assert len(left_out) >= CAPTURES // 2
    assert np.median(left_out) > 0.4


def test_shadows_are_not_usable_beside_an_eyelid_and_dark_spots_of_the_iris_are() -> None:
    image, _ = eye_of("ring-320x280", 0)
    plain = segment(image)
    assert plain.upper_lid is not None
    rows, columns = np.nonzero(plain.usable)
    level = float(np.median(image[plain.usable]))

    def darkened(x: float, y: float, radius: float) -> tuple[Segmentation, Bool]:
        spot = np.zeros(image.shape, np.uint8)
        cv2.circle(spot, (round(x), round(y)), round(radius), 1, -1)
        inside = spot.astype(bool) & plain.iris_mask
        return segment(np.where(inside, np.uint8(0.3 * level), image)), inside

    radius = plain.limbus.mean_radius
    side = plain.limbus.x + 0.6 * radius
    top = rows[np.abs(columns - side) < 1].min()
    beside, shadow = darkened(side, top, 0.12 * radius)
    assert shadow.sum() > 100
    assert (beside.usable & shadow).sum() < 0.2 * shadow.sum()
    amid, spot = darkened(side, plain.limbus.y, 0.06 * radius)
    assert spot.sum() > 50
    assert (amid.usable & spot).sum() > 0.8 * spot.sum()


def _text() -> Gray:
    page = np.full((280, 320), 255, np.uint8)
    for line in range(12):
        cv2.putText(page, "the quick brown fox jumps", (5, 22 * line + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.7, 0, 2)
    return page


def _skin() -> Gray:
    """The eyebrow and the eyelid of a rendered eye without the eye, as in a picture of a closed eye."""
    image, eye = eye_of("hd-1024x768", 0)
    top = int(eye.truth.limbus.y - 1.6 * eye.truth.limbus.mean_radius)
    return cv2.resize(image[: max(top, 60)], (320, 240)).astype(np.uint8)


NO_EYE: dict[str, Callable[[], Gray]] = {
    "black": lambda: np.zeros((280, 320), np.uint8),
    "white": lambda: np.full((280, 320), 255, np.uint8),
    "noise": lambda: np.random.default_rng(0).integers(0, 256, (280, 320), np.uint8),
    "cloud": lambda: cv2.normalize(
        cv2.GaussianBlur(np.random.default_rng(1).integers(0, 256, (280, 320), np.uint8), (0, 0), 9),
        np.empty((280, 320), np.uint8),
        0,
        255,
        cv2.NORM_MINMAX,
    ).astype(np.uint8),
    "gradient": lambda: np.tile(np.linspace(0, 255, 320).astype(np.uint8), (280, 1)),
    "text": _text,
    "skin": _skin,
    "brick": lambda: np.asarray(skimage.data.brick(), np.uint8),
    "coins": lambda: np.asarray(skimage.data.coins(), np.uint8),
    "moon": lambda: np.asarray(skimage.data.moon(), np.uint8),
}


@pytest.mark.parametrize("name", sorted(NO_EYE))
def test_no_eye_is_an_error_with_a_reason(name: str) -> None:
    with pytest.raises(SegmentationError) as caught:
        segment(NO_EYE[name]())
    assert caught.value.stage == "segment"
    assert len(caught.value.reason) > 10


def test_a_closed_eye_is_an_error() -> None:
    image, eye = eye_of("vga-640x480", 0)
    iris = eye.truth.limbus
    eyelids = iris.mask(image.shape) | eye.truth.iris_mask
    skin = cv2.inpaint(image, cv2.dilate(eyelids.astype(np.uint8), np.ones((25, 25), np.uint8)), 5, cv2.INPAINT_TELEA)
    assert segment(image).usable.any()
    with pytest.raises(SegmentationError):
        segment(np.asarray(skin, np.uint8))


def test_hopeless_blur_is_an_error() -> None:
    image, eye = eye_of("close-320x240", 0)
    assert segment(image).usable.any()
    with pytest.raises(SegmentationError):
        segment(cv2.GaussianBlur(image, (0, 0), 0.16 * eye.truth.limbus.mean_radius).astype(np.uint8))


def test_too_small_a_picture_is_an_error() -> None:
    with pytest.raises(SegmentationError, match="too small"):
        segment(np.zeros((20, 30), np.uint8))


@pytest.mark.parametrize("bad", [np.zeros((280, 320, 3), np.uint8), np.zeros((280, 320), np.float32)])
def test_other_arrays_than_gray_pictures_are_refused(bad: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        segment(bad)


def test_the_settings_are_limits_of_what_is_accepted(steady: tuple[Gray, Segmentation]) -> None:
    image, _ = steady
    with pytest.raises(SegmentationError, match="trust"):
        segment(image, SegmentationConfig(min_trust=1.0))
    with pytest.raises(SegmentationError, match="nearly closed"):
        segment(image, SegmentationConfig(min_usable=1.0))


def test_the_same_picture_gives_the_same_result_and_is_not_modified(steady: tuple[Gray, Segmentation]) -> None:
    image, found = steady
    before = image.copy()
    image.flags.writeable = False
    again = segment(image)
    assert np.array_equal(image, before)
    assert again.pupil == found.pupil
    assert again.limbus == found.limbus
    assert np.array_equal(again.usable, found.usable)


def test_a_mirrored_picture_gives_mirrored_boundaries(steady: tuple[Gray, Segmentation]) -> None:
    image, found = steady
    other = segment(np.ascontiguousarray(image[:, ::-1]))
    width = image.shape[1]
    for one, two in ((found.pupil, other.pupil), (found.limbus, other.limbus)):
        assert abs(width - 1 - two.x - one.x) < 0.02 * found.limbus.mean_radius
        assert abs(two.y - one.y) < 0.02 * found.limbus.mean_radius
        assert abs(two.mean_radius / one.mean_radius - 1) < 0.02
    assert f1(found.iris_mask, other.iris_mask[:, ::-1]) > 0.97


def test_an_enlarged_picture_gives_scaled_boundaries(steady: tuple[Gray, Segmentation]) -> None:
    image, found = steady
    large = segment(cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC).astype(np.uint8))
    for one, two in ((found.pupil, large.pupil), (found.limbus, large.limbus)):
        assert abs((two.x - 0.5) / 2 - one.x) < 0.02 * found.limbus.mean_radius
        assert abs((two.y - 0.5) / 2 - one.y) < 0.02 * found.limbus.mean_radius
        assert abs(two.mean_radius / 2 / one.mean_radius - 1) < 0.02
    assert f1(found.iris_mask, large.iris_mask[::2, ::2]) > 0.96


def test_a_moved_picture_gives_moved_boundaries(steady: tuple[Gray, Segmentation]) -> None:
    image, found = steady
    moved = segment(np.ascontiguousarray(image[10:, 14:]))
    assert abs(moved.limbus.x + 14 - found.limbus.x) < 0.02 * found.limbus.mean_radius
    assert abs(moved.limbus.y + 10 - found.limbus.y) < 0.02 * found.limbus.mean_radius


def test_an_iris_cut_by_the_border() -> None:
    image, eye = eye_of("vga-640x480", 6)
    cut = round(eye.truth.limbus.x - 0.6 * eye.truth.limbus.mean_radius)
    found = segment(np.ascontiguousarray(image[:, cut:]))
    assert f1(found.iris_mask, eye.truth.iris_mask[:, cut:]) > 0.85


def test_eyelids_are_parabolas_above_and_below(steady: tuple[Gray, Segmentation]) -> None:
    _, found = steady
    assert isinstance(found.upper_lid, Eyelid) and isinstance(found.lower_lid, Eyelid)
    assert found.upper_lid.points(np.array(0.0))[1] < found.limbus.y
    assert found.lower_lid.points(np.array(0.0))[1] > found.limbus.y


def test_edges_on_one_side_of_the_centre_give_no_boundary() -> None:
    grid = PolarGrid(0.0, 0.0, np.linspace(1, 60, 60), 64)
    edge = np.zeros((60, 64), np.float32)
    for column in range(17):  # a quarter of a turn, from radius 5 to 50 and back
        edge[50 - round(45 * abs(column / 8 - 1)), column] = 10
    start, free = Boundary.circle(0, 0, 30), CurvePrior(0.0)
    with pytest.raises(SegmentationError, match="close to no ring"):
        trace_curve(edge, grid, start, steps=[(1, 30.0)], prior=free)
    assert trace_curve(np.zeros_like(edge), grid, start, steps=[(1, 30.0)], prior=free) == start


def test_an_eyelid_next_to_the_iris_shows_the_roll_of_the_head() -> None:
    """A rectifier estimates the roll from the eyelids, also from those that occlude nothing."""
    tilts = []
    for roll in (-0.15, 0.15):
        image, _ = eye_of("close-320x240", 2, upper_lid=1.15, lower_lid=1.1, roll_rad=roll)
        found = segment(image)
        assert found.upper_lid is not None and found.lower_lid is not None
        assert found.upper_lid.above(image.shape)[found.limbus.mask(image.shape)].mean() < 0.02
        tilts.append(found.upper_lid.coefficients[1])
    assert len(tilts) == 2
    assert 0.1 < tilts[1] - tilts[0] < 0.3  # the slope of a rotated parabola is smaller than the rotation


@pytest.mark.parametrize("width", [1, 2, 3])
def test_the_centroid_of_a_narrow_patch(width: int) -> None:
    likely = np.zeros((96, 128), np.float32)
    likely[40:60, 50 : 50 + width] = 0.9
    disc = find_disc(likely)
    assert disc is not None
    assert (disc.x, disc.y) == pytest.approx((50 + (width - 1) / 2, 49.5))
    assert disc.radius == pytest.approx(np.sqrt(0.9 * 20 * width / np.pi))


@pytest.mark.parametrize("radius", [25.0, 36.0])
def test_an_opening_without_an_edge_has_no_eyelids(radius: float) -> None:
    limbus = Boundary.circle(55.5, 47.5, radius)
    assert fit_eyelids(np.ones((96, 112), np.float32), limbus) == (None, None)
    between = np.zeros((96, 112), np.float32)
    between[30:66] = 1
    upper, lower = fit_eyelids(between, limbus)
    assert upper is not None and abs(upper.points(0)[1] - 29.5) < 1.5
    assert lower is not None and abs(lower.points(0)[1] - 65.5) < 1.5


def test_without_settings_the_defaults_hold_and_others_than_settings_are_refused() -> None:
    image = read_gray(Path(__file__).parents[1] / "data" / "sample" / "001/L/001L01.png")
    none: Any = None
    found = segment(image, none)
    assert found.pupil == segment(image).pupil and found.usable.any()
    wrong: Any = {"min_usable": 0.1}
    with pytest.raises(ValueError, match="SegmentationConfig, got dict"):
        segment(image, wrong)
