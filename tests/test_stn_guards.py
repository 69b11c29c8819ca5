# mypy: disable-error-code="operator, union-attr"
"""Checks for silent failures of spatial transformers."""

import pytest
import torch
from torch import Tensor, nn

from irisstn.stn import Affine, SpatialTransformer, Translation, TutorialLocalization, require_finite, require_gradient


def fresh() -> SpatialTransformer:
    affine = Affine()
    return SpatialTransformer(TutorialLocalization(affine), affine)


def test_a_loss_that_does_not_depend_on_the_transform_is_detected():
    made, images, classifier = fresh(), torch.rand(2, 1, 28, 28), nn.Linear(784, 2)
    made(images)
    classifier(images.flatten(1)).square().sum().backward()
    with pytest.raises(ValueError, match="no gradient reached TutorialLocalization"):
        require_gradient(made.localization)
    classifier(made(images).image.flatten(1)).square().sum().backward()
    assert require_gradient(made.localization) > 0


def test_a_blank_output_is_detected():
    """Where all samples lie outside, the output is 0 and so is its gradient."""
    made = fresh()
    with torch.no_grad():
        made.localization.last.bias.copy_(torch.tensor([1.0, 0, 9, 0, 1, 9]))
    made.transform = Affine(bound=None)
    warped = made(torch.rand(2, 1, 28, 28))
    assert warped.image.abs().max() == 0
    warped.image.square().sum().backward()
    with pytest.raises(ValueError, match="is zero"):
        require_gradient(made.localization)


def test_frozen_and_empty_modules_are_named():
    made = fresh()
    made.localization.requires_grad_(False)
    with pytest.raises(ValueError, match="no gradient reached"):
        require_gradient(made.localization)
    with pytest.raises(ValueError, match="no parameters"):
        require_gradient(nn.ReLU())


class Broken(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, image: Tensor) -> Tensor:
        return torch.full((len(image), 2), self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_theta_that_is_not_finite_is_refused(value):
    made = SpatialTransformer(Broken(value), Translation())
    with pytest.raises(ValueError, match="NaN or infinity"):
        made(torch.rand(1, 1, 4, 4))
    with pytest.raises(ValueError, match="NaN or infinity"):
        require_finite(torch.tensor([[0.0, value]]))
    require_finite(torch.zeros(2, 3))


def test_an_image_with_nan_is_refused():
    images = torch.rand(1, 1, 28, 28)
    images[0, 0, 3, 3] = float("nan")
    made = fresh()
    with torch.no_grad():
        made.localization.last.weight.fill_(0.1)
    with pytest.raises(ValueError, match="NaN or infinity"):
        made(images)
