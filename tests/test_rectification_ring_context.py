"""The input of the localization network: the ring and its margin."""

import numpy as np
import pytest
from builders import make_segmentation

from irisstn.geometry import Boundary, Eyelid
from irisstn.normalization import normalize
from irisstn.rectification.ring_context import (
    LID_REACH,
    NO_EYELIDS,
    PLANES,
    Context,
    context_of_eye,
    context_of_strip,
    context_radii,
    ring_rows,
    without_margin,
)
from irisstn.results import Segmentation, Strip

SHAPE = (240, 320)
PUPIL, LIMBUS = Boundary.circle(160, 120, 30), Boundary.circle(160, 120, 90)


def picture() -> np.ndarray:
    y, x = np.mgrid[:240, :320]
    radius, angle = np.hypot(x - 160, y - 120), np.arctan2(y - 120, x - 160)
    iris = 120 + 40 * np.sin(6 * angle) * np.cos(radius / 9)
    return np.where(radius < 30, 20, np.where(radius < 90, iris, 220)).astype(np.uint8)


def eye(upper: Eyelid | None = None, lower: Eyelid | None = None) -> Segmentation:
    return make_segmentation(PUPIL, LIMBUS, SHAPE, eyelids=(upper, lower))


def opening(context: Context) -> np.ndarray:
    """Where the eye is open: between the edges of both eyelids."""
    return (context.below >= 0) & (context.above >= 0)


def test_the_ring_rows_are_the_strip() -> None:
    context = context_of_eye(picture(), eye())
    strip = normalize(picture(), eye(), (32, 256))
    inside = context.image[ring_rows(64)].astype(float)[1:-1]
    assert np.abs(inside - strip.image[1:-1]).mean() < 6  # the context is smoothed to its own scale
    assert context.usable[ring_rows(64)].mean() > 0.95


def test_the_margin_shows_pupil_and_sclera() -> None:
    context = context_of_eye(picture(), eye())
    radii = context_radii(64)
    assert radii[0] == pytest.approx(-0.25 + 1 / 64)
    assert radii[-1] == pytest.approx(1.75 - 1 / 64)
    assert (context.image[radii < -0.1] < 40).all()
    assert (context.image[radii > 1.1][:, 0] > 200).all()  # to the right the picture goes on
    assert not context.usable[radii > 1].any()
    assert not context.usable[radii < 0].any()
    assert context.present[:, 0].all()
    assert not context.present[-1, 64]  # straight down the picture ends


def test_eyelids_open_and_turn_with_the_eye() -> None:
    upper, lower = Eyelid(160, 120, 0.0, (-60.0, 0.0, 0.004)), Eyelid(160, 120, 0.0, (70.0, 0.0, -0.003))
    context = context_of_eye(picture(), eye(upper, lower))
    assert opening(context)[ring_rows(64), 0].all()
    assert not opening(context)[-1, 0]  # beyond the corner of the eye the eyelids meet
    assert not opening(context)[-1, [64, 192]].any()
    assert opening(context)[ring_rows(64)].mean() > 0.7
    turned = context_of_eye(picture(), eye(upper, lower), roll_rad=np.pi / 2)
    np.testing.assert_array_equal(opening(turned), np.roll(opening(context), -64, axis=1))
    np.testing.assert_allclose(turned.below, np.roll(context.below, -64, axis=1), atol=1e-3)
    edge = upper.points(np.linspace(-50, 50, 9))
    assert np.abs(upper.below(edge[:, 0], edge[:, 1])).max() < 1e-9
    assert context.below[ring_rows(64)].max() > 0.5 and context.above.min() >= -LID_REACH
    assert np.abs(turned.image.astype(int) - np.roll(context.image, -64, axis=1)).max() <= 2


def test_a_strip_has_no_margin() -> None:
    strip = Strip(np.full((64, 512), 90, np.uint8), np.ones((64, 512), bool))
    context = context_of_strip(strip)
    ring = ring_rows(64)
    assert (context.image[ring] == 90).all()
    assert context.present[ring].all()
    assert context.present.sum() == 32 * 256
    assert (context.below == LID_REACH).all() and (context.above == LID_REACH).all()
    dropped = without_margin(context_of_eye(picture(), eye()))
    assert dropped.present.sum() == 32 * 256
    assert dropped.image[ring].any()
    assert not dropped.image[ring.stop :].any()


def test_planes_are_standardised_over_the_usable_cells() -> None:
    context = context_of_eye(picture(), eye())
    planes = context.planes()
    assert planes.shape == (len(PLANES), 64, 256)
    assert planes.dtype == np.float32
    seen = planes[0][context.usable]
    assert abs(float(seen.mean())) < 1e-3
    assert 0.9 < float(seen.std()) <= 1
    assert (planes[0][~context.present] == 0).all()
    assert set(np.unique(planes[[1, 4]])) == {0.0, 1.0}
    assert (planes[[2, 3]] == LID_REACH).all(), "no eyelid is known here"


def test_an_empty_mask_still_gives_finite_planes() -> None:
    nothing = np.zeros(SHAPE, bool)
    context = context_of_eye(picture(), Segmentation(PUPIL, LIMBUS, None, None, nothing, nothing))
    assert np.isfinite(context.planes()).all()


def test_misuse_is_refused() -> None:
    with pytest.raises(ValueError, match="the picture is"):
        context_of_eye(picture()[1:], eye())
    with pytest.raises(ValueError, match="multiple of 8"):
        ring_rows(30)
    mask, far = np.ones((8, 8), bool), np.ones((8, 8), np.float32)
    with pytest.raises(ValueError, match="context's above"):
        Context(np.zeros((8, 8), np.uint8), mask, far, far[:, :7], mask, NO_EYELIDS)
    with pytest.raises(ValueError, match="context's eyelids"):
        Context(np.zeros((8, 8), np.uint8), mask, far, far, mask, NO_EYELIDS[:1])
