# mypy: disable-error-code="attr-defined, operator, union-attr"
"""Sampling: the convention, the seam of a circle, reduction, gradients, and the area outside."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from irisstn.stn import Affine, Ring, Translation, area_outside, outside_penalty, sample, unit_points, wrap_columns


def grid_of(size: tuple[int, int], batch: int = 1, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return unit_points(size, torch.zeros(1, dtype=dtype))[None].expand(batch, -1, -1, -1)


def test_grid_and_sampler_share_one_convention():
    """`align_corners=False` in both: with one of them True, images drift by up to half a pixel."""
    image = torch.rand(2, 3, 6, 10, dtype=torch.float64)
    torch.testing.assert_close(sample(image, grid_of((6, 10), 2)), image)
    larger = sample(image, grid_of((12, 30), 2), padding="border")
    expected = F.interpolate(image, (12, 30), mode="bilinear", align_corners=False)
    torch.testing.assert_close(larger, expected)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(-200, 200))
def test_a_roll_by_whole_columns_is_a_roll(columns, by):
    image = torch.rand(1, 1, 3, columns, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    grid = grid_of((3, columns)).clone()
    grid[..., 0] += 2 * by / columns
    turned = sample(image, grid, wrap=True, padding="border")
    torch.testing.assert_close(turned, torch.roll(image, -by, dims=-1), atol=1e-9, rtol=0)


@pytest.mark.parametrize("mode", ["bilinear", "bicubic", "nearest"])
@pytest.mark.parametrize("roll", [0.001, 0.7, math.pi, -3.3, 20.0])
def test_no_seam_shows_at_any_roll(mode, roll):
    columns = 256
    angle = math.pi * (grid_of((4, columns))[..., 0] + 1) + 1  # no extremum at the seam, which would hide it
    image = torch.cos(angle)[:, None]
    grid = grid_of((4, columns)).clone()
    grid[..., 0] += roll / math.pi
    error = (sample(image, grid, wrap=True, mode=mode, padding="border") - torch.cos(angle + roll)[:, None]).abs()
    assert error.max() < {"bilinear": 2e-4, "bicubic": 2e-3, "nearest": 0.02}[mode]
    # A border instead of a circle is wrong by the picture's own contrast.
    border = sample(image, grid, mode=mode, padding="border")
    assert (border - torch.cos(angle + roll)[:, None]).abs().max() > 0.2 or abs(roll) < 0.01


def test_gradients_cross_the_seam():
    image = torch.rand(1, 1, 2, 6, dtype=torch.float64, requires_grad=True)
    grid = (0.9 * grid_of((2, 5)) + torch.tensor([0.93, 0.04], dtype=torch.float64)).detach().requires_grad_()
    assert grid.max() > 1
    assert torch.autograd.gradcheck(lambda i, g: sample(i, g, wrap=True, padding="border"), (image, grid), atol=1e-6)
    assert torch.autograd.gradcheck(lambda i, g: sample(i, g, samples=3), (image, grid), atol=1e-6)


def test_more_samples_per_cell_are_an_area_average():
    image = torch.rand(1, 2, 32, 48, dtype=torch.float64)
    found = sample(image, grid_of((8, 12)), samples=4)
    torch.testing.assert_close(found, F.avg_pool2d(image, 4), atol=1e-9, rtol=0)


def test_minifying_without_antialiasing_aliases():
    rows, columns = torch.meshgrid(torch.arange(63), torch.arange(63), indexing="ij")
    board = ((rows + columns) % 2).double()[None, None]
    grid = Affine(bound=None)(torch.tensor([[0.9, 0.05, 0.0, -0.03, 0.92, 0.01]], dtype=torch.float64), (9, 9))
    plain, smooth = sample(board, grid), sample(board, grid, samples=7)
    assert (plain - 0.5).abs().max() > 0.3
    assert (smooth - 0.5).abs().max() < 0.06


def test_minifying_without_antialiasing_hides_the_gradient():
    image = torch.rand(1, 1, 64, 64, requires_grad=True)
    seen = []
    for samples in (1, 8):
        image.grad = None
        sample(image, grid_of((8, 8), dtype=torch.float32), samples=samples).sum().backward()
        seen.append(float((image.grad != 0).float().mean()))
    assert seen[0] < 0.1 and seen[1] == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_images_are_sampled_in_float32(dtype):
    """In half precision a position near 500 columns has steps of a quarter pixel and more."""
    image = torch.rand(1, 1, 4, 512).to(dtype)
    grid = grid_of((4, 512), dtype=torch.float32).clone()
    grid[..., 0] += 0.3 / 512
    found = sample(image, grid, wrap=True)
    assert found.dtype == dtype
    expected = sample(image.float(), grid, wrap=True)
    torch.testing.assert_close(found, expected.to(dtype), atol=0, rtol=0)


def test_integer_translations_shift_pixels():
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    grid = Translation(bound=None)(torch.tensor([[2 / 4, 0.0]]), (3, 4))
    expected = torch.tensor([[1.0, 2, 3, 0], [5, 6, 7, 0], [9, 10, 11, 0]])
    torch.testing.assert_close(sample(image, grid)[0, 0], expected)
    torch.testing.assert_close(sample(image, grid, padding="border")[0, 0, :, 3], torch.tensor([3.0, 7, 11]))
    torch.testing.assert_close(sample(image, grid, wrap=True)[0, 0, :, 3], torch.tensor([0.0, 4, 8]))


def test_the_area_outside_is_measured():
    half = Translation(bound=None)(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.5]]), (8, 8))
    assert area_outside(half).tolist() == [0.5, 0.0, 0.25]
    assert area_outside(half, wrap=True).tolist() == [0.0, 0.0, 0.25]
    ring = Ring()
    theta = ring.identity()[None].clone()
    theta[0, ring.names.index("limbus_0")] = 0.15
    assert area_outside(ring(theta, (32, 64)), wrap=True) > 0.05
    with pytest.raises(ValueError, match="grid"):
        area_outside(torch.zeros(1, 3, 3, 3))


def test_the_penalty_moves_a_grid_back_into_the_image():
    """Outside the image the samples have no gradient; the gradient of the penalty leads back."""
    translation = Translation(bound=None)
    theta = torch.tensor([[2.5, 0.0]], requires_grad=True)
    image = torch.rand(1, 1, 8, 8)
    sample(image, translation(theta, (8, 8))).square().sum().backward()
    assert theta.grad.abs().sum() == 0
    for _ in range(200):
        theta.grad = None
        penalty = outside_penalty(translation(theta, (8, 8))).sum()
        penalty.backward()
        with torch.no_grad():
            theta -= 0.1 * theta.grad
    assert area_outside(translation(theta, (8, 8))) < 0.2
    inside = 0.5 * grid_of((8, 8))
    assert outside_penalty(inside).sum() == 0


def test_columns_wrap():
    image = torch.arange(6.0).reshape(1, 1, 1, 6)
    assert wrap_columns(image, 2).flatten().tolist() == [4, 5, 0, 1, 2, 3, 4, 5, 0, 1]
    assert torch.equal(wrap_columns(image, 0), image)
    for margin in (-1, 7):
        with pytest.raises(ValueError, match="margin"):
            wrap_columns(image, margin)


def test_misuse_is_refused():
    image = torch.rand(2, 1, 4, 4)
    for grid in (grid_of((4, 4), 3), grid_of((4, 4), 2)[..., :1], torch.zeros(2, 4, 2)):
        with pytest.raises(ValueError, match="are needed"):
            sample(image, grid)
    with pytest.raises(ValueError, match="at least one sample"):
        sample(image, grid_of((4, 4), 2), samples=0)
    with pytest.raises(ValueError, match="at least 2x2"):
        sample(image, grid_of((1, 4), 2), samples=2)
