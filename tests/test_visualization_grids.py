# mypy: disable-error-code="arg-type, no-any-return"
"""Pictures of input beside output."""

import numpy as np
import pytest
import torch

from irisstn.stn import Attention, Ring, SpatialTransformer, Translation, Warped
from irisstn.stn.localization import TutorialLocalization
from irisstn.visualization.grids import draw_inputs_and_outputs, draw_outline


def warped_by(images: torch.Tensor, transform: torch.nn.Module, *theta: float, wrap: bool = False) -> Warped:
    made = SpatialTransformer(TutorialLocalization(Translation()), transform, wrap=wrap)
    return made.warp(images, torch.tensor([theta]).expand(len(images), -1))


def is_yellow(picture: np.ndarray) -> np.ndarray:
    blue, green, red = np.moveaxis(picture.astype(int), -1, 0)
    return (np.minimum(green, red) - blue > 60) & (np.abs(green - red) < 20)


def test_input_and_output_stand_side_by_side():
    images = torch.zeros(3, 1, 40, 40)
    images[:, :, 10:30, 10:30] = 1
    picture = draw_inputs_and_outputs(images, warped_by(images, Attention(bound=None), 0.5, 0.0, 0.0), count=2)
    assert picture.dtype == np.uint8 and picture.shape == (2 * 40 + 4, 2 * 40 + 4, 3)
    assert picture[5:35, 46:80].min() > 250, "the output shows the square, enlarged"
    outline = is_yellow(picture[:40, :40])
    rows, columns = np.nonzero(outline)
    assert outline.sum() > 60 and rows.min() in (9, 10) and columns.max() in (29, 30)
    assert not is_yellow(picture[:, 44:]).any()


def test_colours_are_in_opencvs_order():
    images = torch.zeros(1, 3, 8, 8)
    images[:, 0] = 1
    picture = draw_inputs_and_outputs(images, warped_by(images, Translation(), 0.0, 0.0), zoom=2)
    assert picture.shape == (16, 36, 3)
    assert picture[8, 24:].tolist() == [[0, 0, 255]] * 12
    many = torch.rand(1, 5, 8, 8)
    assert draw_inputs_and_outputs(many, warped_by(many, Translation(), 0.0, 0.0)).shape == (8, 20, 3)


def test_a_strip_has_its_output_below_and_an_outline_around_the_circle():
    ring = Ring()
    theta = ring.identity()
    theta[0], theta[ring.names.index("limbus_0")] = 0.5, -0.15
    strips = torch.zeros(1, 1, 32, 128)
    made = SpatialTransformer(TutorialLocalization(ring), ring, wrap=True)
    picture = draw_inputs_and_outputs(strips, made.warp(strips, theta[None]), wrap=True)
    assert picture.shape == (2 * 32 + 4, 128, 3)
    yellow = is_yellow(picture[:32])
    assert yellow[:3].any(axis=0).mean() > 0.95, "the pupil's side runs all the way round"
    limbus = np.nonzero(yellow)[0][np.nonzero(yellow)[0] > 5]
    assert limbus.min() >= 25 and limbus.max() <= 29, "the limbus's side lies inside"
    assert not yellow[8:22].any(), "no line crosses the strip at the seam"


def test_a_lost_grid_is_drawn_without_failing():
    black = np.zeros((10, 12, 3), np.uint8)
    for value in (np.nan, np.inf, 1e30):
        assert draw_outline(black, np.full((3, 3, 2), value)).shape == (10, 12, 3)
        assert draw_outline(black, np.full((3, 3, 2), value), wrap=True).shape == (10, 12, 3)
    assert not black.any(), "the picture given stays as it is"


def test_misuse_is_refused():
    images = torch.rand(2, 1, 8, 8)
    warped = warped_by(images, Translation(), 0.0, 0.0)
    with pytest.raises(ValueError, match="images"):
        draw_inputs_and_outputs(images[:1], warped)
    with pytest.raises(ValueError, match="count"):
        draw_inputs_and_outputs(images, warped, count=0)
