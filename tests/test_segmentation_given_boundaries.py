# mypy: disable-error-code="arg-type"
"""Boundaries and masks that somebody else has found are rectified like this project's own."""

import numpy as np
import pytest
from builders import rendered_eye

from irisstn import (
    Boundary,
    Ellipse,
    Rectifier,
    Segmentation,
    SegmentationError,
    Strip,
    normalize,
    segment,
    segmentation_from_circles,
    segmentation_from_masks,
)
from irisstn.recognition import distance, encode
from irisstn.synthetic import RenderedEye


@pytest.fixture(scope="module")
def eye() -> RenderedEye:
    return rendered_eye(3)


@pytest.fixture(scope="module")
def truth(eye: RenderedEye) -> Strip:
    return normalize(eye.image, eye.truth)


def circle(curve: Boundary, shift: float = 0.0, growth: float = 1.0) -> tuple[float, float, float]:
    return curve.x + shift, curve.y + shift, growth * curve.mean_radius


def test_crude_circles_are_mended_by_the_rectifier(eye: RenderedEye, truth: Strip) -> None:
    radius = eye.truth.limbus.mean_radius
    moved = segmentation_from_circles(
        eye.image, circle(eye.truth.pupil, 0.02 * radius, 0.95), circle(eye.truth.limbus, -0.03 * radius, 1.03)
    )
    exact = segmentation_from_circles(eye.image, circle(eye.truth.pupil), circle(eye.truth.limbus))
    rectifier, code = Rectifier.load().with_roll("none"), encode(truth)
    undone = distance(encode(normalize(eye.image, exact)), code)
    before = distance(encode(normalize(eye.image, moved)), code)
    after = distance(encode(rectifier.rectify_eye(eye.image, moved).strip), code)
    assert undone < 0.1 < before
    assert after < 0.6 * before


def test_eyelids_and_occlusions_are_found_where_nobody_gave_them(eye: RenderedEye) -> None:
    found = segmentation_from_circles(eye.image, circle(eye.truth.pupil), circle(eye.truth.limbus))
    own = segment(eye.image)
    assert own.upper_lid is not None and found.upper_lid is not None
    x = np.array([eye.truth.limbus.x])
    apart = abs(float(found.upper_lid.below(x, x)[0] - own.upper_lid.below(x, x)[0]))
    assert apart < 0.1 * own.limbus.mean_radius
    both = found.usable & own.usable
    assert both.sum() > 0.9 * own.usable.sum()
    assert not found.usable[~found.iris_mask].any()
    rolled = Rectifier.load().rectify_eye(eye.image, found).parameters
    assert rolled["roll_sd_rad"] > 0


def test_what_is_given_is_kept(eye: RenderedEye) -> None:
    ellipse = eye.truth.limbus.ellipse()
    usable = eye.truth.usable
    found = segmentation_from_circles(
        eye.image, eye.truth.pupil, ellipse, usable=usable, eyelids=(None, eye.truth.lower_lid)
    )
    assert found.pupil == eye.truth.pupil and found.limbus == Boundary.from_ellipse(ellipse)
    assert (found.upper_lid, found.lower_lid) == (None, eye.truth.lower_lid)
    assert 0 < (found.usable & usable).sum() == found.usable.sum()


@pytest.mark.parametrize("with_pupil", [False, True])
def test_boundaries_are_fitted_to_masks(eye: RenderedEye, with_pupil: bool) -> None:
    pupil = eye.truth.pupil.mask(eye.image.shape)
    mask = eye.truth.iris_mask | pupil if with_pupil else eye.truth.iris_mask
    found = segmentation_from_masks(eye.image, mask, pupil if with_pupil else None, usable=eye.truth.usable)
    angles = np.linspace(0, 6, 30)
    for one, other in ((found.pupil, eye.truth.pupil), (found.limbus, eye.truth.limbus)):
        apart = np.hypot(*(one.points(angles) - other.points(angles)).T)
        assert apart.max() < 0.04 * eye.truth.limbus.mean_radius
    assert found.usable.sum() > 0.95 * eye.truth.usable.sum()
    assert not (found.iris_mask & pupil).sum() > 0.02 * pupil.sum()
    strip, true = normalize(eye.image, found), normalize(eye.image, eye.truth)
    assert distance(encode(strip), encode(true)) < 0.15
    assert isinstance(found, Segmentation)


def test_no_eye_there_gives_no_eyelids(eye: RenderedEye) -> None:
    wall = np.full(eye.image.shape, 120, np.uint8)
    found = segmentation_from_circles(wall, (160, 120, 30), (160, 120, 80))
    assert (found.upper_lid, found.lower_lid) == (None, None)


def test_what_is_no_ring_is_refused(eye: RenderedEye) -> None:
    image, full = eye.image, np.ones(eye.image.shape, np.bool_)
    with pytest.raises(SegmentationError, match=r"around \(100, 100\) .* is not inside the iris around \(200, 100\)"):
        segmentation_from_circles(image, (100, 100, 30), (200, 100, 80))
    with pytest.raises(SegmentationError, match="no part of the iris"):
        segmentation_from_circles(image, (-900, 100, 30), (-900, 100, 80), eyelids=(None, None))
    with pytest.raises(SegmentationError, match="give the pupil's mask"):
        segmentation_from_masks(image, eye.truth.limbus.mask(image.shape))
    with pytest.raises(SegmentationError, match="no pupil and iris fit"):
        segmentation_from_masks(image, ~full, full)
    with pytest.raises(ValueError, match="positive"):
        segmentation_from_circles(image, (100, 100, 0), (100, 100, 80))
    with pytest.raises(ValueError, match="finite"):
        segmentation_from_circles(image, Ellipse(100, 100, 30, 30), (float("nan"), 100, 80))
    with pytest.raises(ValueError, match="a mask must be bool"):
        segmentation_from_masks(image, full[1:])
    with pytest.raises(ValueError, match="uint8"):
        segmentation_from_circles(image / 255, (100, 100, 30), (100, 100, 80))
