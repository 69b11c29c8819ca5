# mypy: disable-error-code="arg-type, no-any-return"
"""The rubber sheet, on pictures whose strip is known."""

from typing import Any

import numpy as np
import pytest
from builders import make_segmentation

from irisstn.geometry import Boundary, strip_angles, strip_radii
from irisstn.geometry.ring_transform import NAMES, move_in_ring, ring_identity
from irisstn.images import to_gray
from irisstn.normalization import normalize, ring_grid, sample_moved_ring, sample_ring
from irisstn.pipeline import Pipeline
from irisstn.results import Segmentation, Strip
from irisstn.segmentation import segment

SHAPE = (240, 320)
PUPIL, LIMBUS = Boundary.circle(150, 118, 30), Boundary.circle(154, 116, 90)


def segmentation(usable: np.ndarray | None = None) -> Segmentation:
    return make_segmentation(PUPIL, LIMBUS, SHAPE, usable=usable)


def picture_of(value: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(value, 0, 255)).astype(np.uint8)


@pytest.mark.parametrize("size", [(64, 512), (32, 256), (17, 101)])
def test_a_concentric_pattern_becomes_rows_and_columns(size: tuple[int, int]) -> None:
    centred = make_segmentation(Boundary.circle(160, 120, 20), Boundary.circle(160, 120, 100), SHAPE)
    y, x = np.mgrid[:240, :320] - np.array([120, 160])[:, None, None]
    by_radius = normalize(picture_of(2 * np.hypot(x, y)), centred, size)
    assert by_radius.size == size
    expected = 2 * (20 + 80 * strip_radii(size[0]))
    assert np.abs(by_radius.image - expected[:, None]).max() <= 1.5
    by_angle = normalize(picture_of(127 + 100 * np.cos(np.arctan2(y, x))), centred, size)
    assert np.abs(by_angle.image - (127 + 100 * np.cos(strip_angles(size[1])))).max() <= 4


def test_the_first_column_is_at_the_right_and_columns_run_clockwise() -> None:
    y, x = np.mgrid[:240, :320]
    strip = normalize(picture_of(np.where(x > 200, 200, np.where(y > 170, 100, 0))), segmentation())
    assert strip.image[-1, [0, 511]].tolist() == [200, 200]
    assert strip.image[-1, 128] == 100
    assert strip.image[-1, 256] == 0


def test_the_mask_is_sampled_like_the_picture() -> None:
    usable = np.ones(SHAPE, bool)
    usable[:80] = False
    strip = normalize(np.full(SHAPE, 90, np.uint8), segmentation(usable))
    assert not strip.usable[32, 384]  # straight up
    assert strip.usable[32, 128]
    assert 0.05 < 1 - strip.usable.mean() < 0.5


def test_cells_outside_the_picture_are_not_usable() -> None:
    cut = make_segmentation(Boundary.circle(150, 202, 30), Boundary.circle(154, 200, 90), SHAPE)
    strip = normalize(np.full(SHAPE, 90, np.uint8), cut)
    assert not strip.usable[32, 128]
    assert strip.usable[32, 384]
    assert (strip.image == 90).all()


def test_rotated_coordinates_roll_the_strip() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, SHAPE, np.uint8)
    radius, angle = ring_grid((32, 256))
    plain, turned = (
        sample_ring(image, segmentation(), (radius, angle)),
        sample_ring(image, segmentation(), (radius, angle + np.pi / 2)),
    )
    difference = np.roll(plain.image, -64, axis=1).astype(int) - turned.image
    assert np.abs(difference).max() <= 1


def test_a_strip_keeps_its_own_read_only_copy() -> None:
    image, usable = np.zeros((4, 8), np.uint8), np.ones((4, 8), bool)
    strip = Strip(image, usable)
    image[:] = 9
    assert (strip.image == 0).all()
    with pytest.raises(ValueError, match="read-only"):
        strip.image[0, 0] = 1


def test_misuse_is_refused() -> None:
    image = np.zeros(SHAPE, np.uint8)
    with pytest.raises(ValueError, match="segmentation"):
        normalize(image[:-1], segmentation())
    with pytest.raises(ValueError, match="uint8"):
        normalize(image.astype(np.float32), segmentation())
    with pytest.raises(ValueError, match="at least one row"):
        normalize(image, segmentation(), (0, 512))
    with pytest.raises(ValueError, match="mask must be bool"):
        Strip(image, image)
    with pytest.raises(ValueError, match="one picture"):
        Segmentation(PUPIL, LIMBUS, None, None, np.ones(SHAPE, bool), np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="of bool"):
        Segmentation(PUPIL, LIMBUS, None, None, image, np.ones(SHAPE, bool))


def ring_parameters(**given: float) -> np.ndarray:
    return np.array([given.get(name, value) for name, value in zip(NAMES, ring_identity(), strict=True)])


@pytest.mark.parametrize("size", [(64, 512), (32, 256), (12, 100), (150, 64)])
@pytest.mark.parametrize(
    "moves",
    [
        {"roll_rad": 0.3, "pupil_cos1": 0.08, "limbus_sin1": -0.06, "limbus_0": 0.05, "pupil_sin2": 0.02},
        {"pupil_0": -0.1, "pupil_cos1": 0.1, "limbus_cos2": 0.04, "pupil_share": 0.3},
        {"pupil_0": -0.2, "pupil_cos1": 0.19, "limbus_sin1": 0.19, "pupil_share": 0.2},  # extreme
        {"roll_rad": -0.2},
    ],
)
def test_a_moved_ring_is_sampled_where_the_transform_says(size: tuple[int, int], moves: dict[str, float]) -> None:
    rng = np.random.default_rng(1)
    image = np.kron(rng.integers(0, 255, (60, 80)), np.ones((4, 4))).astype(np.uint8)
    parameters = ring_parameters(**moves)
    strip, outside = sample_moved_ring(image, segmentation(), parameters, size)
    radius, angle = ring_grid(size)
    moved, at = move_in_ring(np, parameters[None], radius[None], angle[None])
    expected = sample_ring(image, segmentation(), (moved[0], at[0]))
    apart = np.abs(strip.image.astype(int) - expected.image)
    assert (apart > 1).mean() < 2e-3
    assert apart.max() <= 8  # a position of 1/32 px, in which OpenCV interpolates, at an edge of 255 gray levels
    assert (strip.usable != expected.usable).mean() < 1e-3
    assert outside == pytest.approx(float(((moved < 0) | (moved > 1)).mean()), abs=1e-3)


def test_a_ring_that_is_not_moved_is_the_rubber_sheet_to_the_byte() -> None:
    image = np.random.default_rng(0).integers(0, 255, SHAPE, np.uint8)
    strip, outside = sample_moved_ring(image, segmentation(), ring_parameters(pupil_share=0.3), (64, 512))
    plain = normalize(image, segmentation())
    assert np.array_equal(strip.image, plain.image)
    assert np.array_equal(strip.usable, plain.usable)
    assert outside == 0


@pytest.mark.parametrize("size", [(4097, 8), (8, 40000), (64.0, 512.0), "64x512", (64,), (True, 512), None])
def test_a_size_that_no_strip_has_is_refused(size: Any) -> None:
    image = np.zeros(SHAPE, np.uint8)
    with pytest.raises(ValueError, match="a strip"):
        normalize(image, segmentation(), size)
    with pytest.raises(ValueError, match="a strip"):
        Pipeline(size=size)
    assert normalize(image, segmentation(), (np.int64(16), np.int64(32))).image.shape == (16, 32)


def test_a_masked_array_whose_mask_would_be_lost_is_refused() -> None:
    image = np.zeros(SHAPE, np.uint8)
    hidden = np.ma.masked_array(image, np.eye(*SHAPE, dtype=bool))
    for function in (to_gray, segment, lambda picture: normalize(picture, segmentation())):
        with pytest.raises(ValueError, match=r"masked array.*filled"):
            function(hidden)
    assert type(to_gray(np.ma.masked_array(image))) is np.ndarray
